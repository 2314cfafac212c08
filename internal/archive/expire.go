package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	overdue = 24 * time.Hour // what is gone in part of a segment is erased after this at the latest

	highMark, lowMark = 90, 80 // per cent of a bound: above the one, what was released is given up until below the other
	rewriting         = ".new" // behind the name of a segment while it is written anew
)

// Expired is what Expire did.
type Expired struct {
	Copies    int      // that are gone, for one recipient at least
	Forgotten int      // of these, copies that somebody had erased
	Bytes     int64    // of disk space that are free again
	Waiting   []string // domains with copies that should be gone for a day, but may not be erased yet
}

// survey is what a finished segment holds, as it was when the file had this size and time.
type survey struct {
	size    int64
	written time.Time
	damaged error
	held    bool // there are copies on hold: it is not true for long
	domains map[string]holding
}

// holding is what a segment holds of one domain.
type holding struct {
	released    int64     // bytes of copies that all their recipients have got
	first, last time.Time // since when its copies are kept
	forgotten   bool      // there is something to erase
}

// Expire erases what is forgotten. It erases what is older than its domain keeps it at a time on
// the archive's clock, as far as Erasable allows. Where the disk, the archive or a domain is
// nearly full, it erases what was released, oldest first. Unreleased mail is never erased for
// want of room.
//
// A segment is written anew without the copies that are gone, under its old name, or
// removed when none is left. One that is damaged stays as it is.
func (a *Archive) Expire(ctx context.Context, now time.Time) (Expired, error) {
	a.expiring.Lock()
	defer a.expiring.Unlock()
	done, err := a.expire(ctx, now)
	if err != nil {
		return done, fmt.Errorf("expire copies in %s: %w", a.dir, err)
	}
	return done, nil
}

func (a *Archive) expire(ctx context.Context, now time.Time) (done Expired, err error) {
	names, err := a.roll(ctx)
	if err != nil {
		return done, err
	}
	surveys := map[string]survey{} // without those of segments that are gone
	for _, name := range names {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		if s, ok := a.survey(name); ok {
			surveys[name] = s
		}
	}
	a.surveys = surveys
	a.noteOldest()
	c := a.cleaner(now)
	var wrong []error
	for _, name := range names {
		s, ok := surveys[name]
		if !ok || !c.due(s) {
			continue
		}
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		freed, err := a.rewrite(name, c)
		done.Copies += freed.Copies
		done.Forgotten += freed.Forgotten
		done.Bytes += freed.Bytes
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	done.Waiting = c.waiting(surveys)
	return done, errors.Join(wrong...)
}

// noteOldest is what Oldest says from now on.
func (a *Archive) noteOldest() {
	oldest := map[string]time.Time{}
	for _, s := range a.surveys {
		for domain, h := range s.domains {
			if had, ok := oldest[domain]; s.damaged == nil && !h.first.IsZero() && (!ok || h.first.Before(had)) {
				oldest[domain] = h.first
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.oldest = oldest
}

// roll finishes the segment in hand, since only what is finished expires, and lists what there is then.
func (a *Archive) roll(ctx context.Context) ([]string, error) {
	listed := make(chan []string, 1) // the writer may come to it when nobody waits any more
	err := a.have(ctx, func() error {
		if err := a.w.finish(); err != nil {
			return err
		}
		names, bytes, err := segments(a.dir)
		if err != nil {
			return err
		}
		a.w.used.Store(bytes)
		a.recount(names)
		listed <- names
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-listed, nil
}

// recount has all segments counted anew where one is gone that should be there: somebody has made room
// by hand, or brought files back.
func (a *Archive) recount(names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	if maps.Equal(there, a.known) {
		return
	}
	a.known, a.before, a.sums = map[string]bool{}, map[string]bool{}, newSums()
	a.expect(names)
}

// survey looks what a segment holds, if it is finished. One that a write error has left unfinished is
// finished now.
func (a *Archive) survey(name string) (survey, bool) {
	info, err := os.Stat(filepath.Join(a.dir, name))
	if err != nil {
		return survey{}, false
	}
	a.mu.Lock()
	uncounted := a.before[name]
	a.mu.Unlock()
	if s, ok := a.surveys[name]; ok && !uncounted && !s.held && s.size == info.Size() && s.written.Equal(info.ModTime()) {
		return s, true
	}
	s, held, err := a.look(name, info)
	if errors.Is(err, errUnfinished) {
		if _, err := recoverSegment(a.dir, name, a.o.Log); err != nil {
			a.o.Log.Warn("segment of the archive is not finished", "folder", a.dir, "err", err)
			return survey{}, false
		}
		if info, err = os.Stat(filepath.Join(a.dir, name)); err != nil {
			return survey{}, false
		}
		s, held, err = a.look(name, info)
	}
	if err != nil {
		return survey{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.before[name] {
		delete(a.before, name)
		a.sums.take(held)
	}
	return s, true
}

var errUnfinished = errors.New("segment is not finished")

// look reads what a finished segment holds, and who is charged with it.
func (a *Archive) look(name string, info fs.FileInfo) (survey, sums, error) {
	u, done, err := a.Reader.open(name)
	if err != nil {
		return survey{}, sums{}, err
	}
	defer done()
	if _, finished, err := u.mark(); err != nil {
		return survey{}, sums{}, err
	} else if !finished {
		return survey{}, sums{}, errUnfinished
	}
	s := survey{size: info.Size(), written: info.ModTime(), domains: map[string]holding{}}
	held := newSums()
	for p, err := range u.records() {
		var c Copy
		var states []state
		if err == nil {
			c, states, err = u.copyAt(p)
		}
		if err != nil {
			s.damaged = err
			continue
		}
		held.add(a.o.Shares, &c, p.head.length())
		kept := (&cleaner{held: a.o.Held}).heldAny(&c)
		s.held = s.held || kept
		for _, domain := range c.Domains() {
			h := s.domains[domain]
			if !kept {
				h.add(p, c.Kept, states)
			}
			h.forgotten = h.forgotten || slices.Contains(states, forgotten)
			s.domains[domain] = h
		}
	}
	return s, held, nil
}

func (h *holding) add(p place, kept time.Time, states []state) {
	if allReleased(states) {
		h.released += p.head.length()
	}
	if h.first.IsZero() || kept.Before(h.first) {
		h.first = kept
	}
	if kept.After(h.last) {
		h.last = kept
	}
}

func allReleased(states []state) bool {
	for _, s := range states {
		if s == held {
			return false
		}
	}
	return len(states) > 0
}

// cleaner says which copies are gone.
type cleaner struct {
	now       time.Time
	age       func(kept, now time.Time) time.Duration
	retention func(domain string) Retention
	erasable  func(domain string) time.Time // nil: all
	held      func(storm string) bool       // nil: none
	over      int64                         // bytes that the archive should give up
	domains   map[string]int64              // likewise, by domain
}

func (a *Archive) cleaner(now time.Time) *cleaner {
	c := &cleaner{now: now, age: a.clock.age, retention: a.o.Retention, erasable: a.o.Erasable, held: a.o.Held, over: a.excess(), domains: map[string]int64{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	for domain, used := range a.sums.domains {
		if n := excess(used, a.o.Retention(domain).MaxSize); n > 0 {
			c.domains[domain] = n
		}
	}
	return c
}

// excess is how much the archive should give up, in bytes.
func (a *Archive) excess() int64 {
	over := excess(a.w.used.Load(), a.o.MaxSize)
	if free, err := a.o.files.Free(a.dir); err == nil && free < a.o.MinFree*5/4 {
		over = max(over, a.o.MinFree*3/2-free)
	}
	return over
}

// excess is how much should go, 0 while a bound is not near.
func excess(used, bound int64) int64 {
	if bound <= 0 || used < bound/100*highMark {
		return 0
	}
	return used - bound/100*lowMark
}

// due reports whether a segment is to be written anew.
func (c *cleaner) due(s survey) bool {
	for domain, h := range s.domains {
		if h.first.IsZero() && !h.forgotten {
			continue // all of it is on hold
		}
		if h.forgotten || h.released > 0 && (c.over > 0 || c.domains[domain] > 0) {
			return true
		}
		if c.expired(domain, h.last, 0) || c.expired(domain, h.first, overdue) {
			return true
		}
	}
	return len(s.domains) == 0 && s.damaged == nil
}

// expired reports whether a copy is older than its domain keeps it, and by how much, and may be erased.
func (c *cleaner) expired(domain string, kept time.Time, by time.Duration) bool {
	return c.tooOld(domain, kept, by) && (c.erasable == nil || !kept.After(c.erasable(domain)))
}

func (c *cleaner) tooOld(domain string, kept time.Time, by time.Duration) bool {
	keep := c.retention(domain).Keep
	return keep > 0 && c.age(kept, c.now) > keep+by
}

// waiting are the domains with copies that only want of a notice keeps from being erased.
func (c *cleaner) waiting(surveys map[string]survey) []string {
	domains := map[string]bool{}
	for _, s := range surveys {
		for domain, h := range s.domains {
			if !h.first.IsZero() && c.tooOld(domain, h.first, overdue) && !c.expired(domain, h.first, overdue) {
				domains[domain] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(domains))
}

// holds reports whether the copy of a recipient is on hold.
func (c *cleaner) holds(r Recipient) bool { return c.held != nil && r.Storm != "" && c.held(r.Storm) }

func (c *cleaner) heldAny(m *Copy) bool { return slices.ContainsFunc(m.Recipients, c.holds) }

// left is for which recipients a copy stays.
func (c *cleaner) left(m *Copy, p place, states []state) (rs []Recipient, leftStates []state, forgot bool) {
	room := allReleased(states) && !c.heldAny(m) && slices.ContainsFunc(m.Domains(), func(d string) bool { return c.over > 0 || c.domains[d] > 0 })
	if room {
		c.over -= p.head.length()
		each(m.Domains(), p.head.length(), func(d string, n int64) { c.domains[d] -= n })
	}
	for i, r := range m.Recipients {
		forgot = forgot || states[i] == forgotten
		if states[i] != forgotten && (c.holds(r) || !room && !c.expired(m.DomainOf(r), m.Kept, 0)) {
			rs, leftStates = append(rs, r), append(leftStates, states[i])
		}
	}
	return rs, leftStates, forgot
}
