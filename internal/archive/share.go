package archive

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Share bounds what one of a kind may have of the archive, such as one domain or one storm: no more
// than a part of what is still free. So one that takes much leaves room, and who has little can
// always have more.
type Share struct {
	Name string
	Part float64                // of the bytes that are free
	Of   func(c *Copy) []string // who are charged with a copy, in equal parts; nobody: nil
}

// sums are bytes by who is charged with them.
type sums struct {
	domains map[string]int64
	held    map[string]int64 // by the name of a share and who has it
}

func newSums() sums { return sums{map[string]int64{}, map[string]int64{}} }

// add charges a record of a copy.
func (s sums) add(shares []Share, c *Copy, bytes int64) {
	each(c.Domains(), bytes, func(domain string, n int64) { s.domains[domain] += n })
	for _, share := range shares {
		each(share.Of(c), bytes, func(key string, n int64) { s.held[share.Name+" "+key] += n })
	}
}

// each gives everyone an equal part.
func each(keys []string, bytes int64, add func(key string, n int64)) {
	for _, key := range keys {
		add(key, bytes/int64(len(keys)))
	}
}

// maxHeld is how many names the sums remember. Who has least is forgotten first.
const maxHeld = 1 << 15

// take adds other sums.
func (s sums) take(o sums) {
	for domain, n := range o.domains {
		if s.domains[domain] += n; s.domains[domain] <= 0 {
			delete(s.domains, domain)
		}
	}
	for key, n := range o.held {
		if s.held[key] += n; s.held[key] <= 0 {
			delete(s.held, key)
		}
	}
	for len(s.held) > maxHeld {
		all := slices.Sorted(maps.Values(s.held))
		middle := all[len(all)/2]
		maps.DeleteFunc(s.held, func(_ string, n int64) bool { return n <= middle })
	}
}

// full tells when a domain has as much in the archive as it may have, or one who is charged with c
// as large a part.
func (a *Archive) full(c *Copy) error {
	var free int64
	if len(a.o.Shares) > 0 {
		var err error
		if free, err = a.w.free(); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, domain := range c.Domains() {
		limit := a.o.Retention(domain).MaxSize
		if used := a.sums.domains[domain]; limit > 0 && used >= limit {
			return a.refuse("domain "+domain, fmt.Errorf("%w: %s has %d MiB there, its max_size is %d MiB", ErrFull, domain, used>>20, limit>>20))
		}
	}
	if free <= 0 {
		return nil // nobody has room, and the writer says why
	}
	for _, share := range a.o.Shares {
		for _, key := range share.Of(c) {
			name := share.Name + " " + key
			if used := a.sums.held[name]; float64(used) > share.Part*float64(free) {
				return a.refuse(name, fmt.Errorf("%w: %s has its share of it, %d KiB with %d KiB free; release what is wanted, or raise max_size", ErrFull, name, used>>10, free>>10))
			}
		}
	}
	return nil
}

const (
	toldFor = 10 * time.Minute // after a refusal, a share counts as full
	maxTold = 100
)

// refuse notes that a share is full. a.mu is held.
func (a *Archive) refuse(name string, err error) error {
	if _, known := a.refused[name]; known || len(a.refused) < maxTold {
		a.refused[name] = a.clock.now()
	}
	return err
}

// FullShares are the shares for which mail was not taken lately, such as "storm id-5b3c88e01f".
func (a *Archive) FullShares() []string {
	now := a.clock.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.refused, func(_ string, at time.Time) bool { return now.Sub(at) > toldFor })
	return slices.Sorted(maps.Keys(a.refused))
}

// Oldest is since when the oldest mail of each domain is kept, as the last Expire found it; nil before
// the first. What is damaged does not count: it is not erased.
func (a *Archive) Oldest() map[string]time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.oldest
}
