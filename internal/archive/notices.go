package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"breakwater/internal/owned"
)

// Notices says which copies may be erased for their age: those whose owners had time enough to ask
// for them. All times are those of the archive's clock. It is safe for concurrent use.
type Notices struct {
	path   string
	mu     sync.Mutex
	rounds map[string][]Round // by domain
}

// Round says that all copies of a domain that are kept since Upto or longer may be erased from Ready on.
type Round struct {
	Upto  time.Time `json:"upto"`
	Ready time.Time `json:"ready"`
}

const (
	noticesFile = "notices"
	maxRounds   = 64                  // of a domain, in wait
	roundsKept  = 60 * 24 * time.Hour // after they were ready
)

// OpenNotices opens the notices of the archive in a folder. Where they cannot be read, nothing is
// erased before it has been announced again.
func OpenNotices(dir string) (*Notices, error) {
	n := &Notices{path: filepath.Join(dir, noticesFile), rounds: map[string][]Round{}}
	data, err := os.ReadFile(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &n.rounds)
	}
	if err != nil || n.rounds == nil {
		n.rounds = map[string][]Round{}
		return n, fmt.Errorf("read notices of the archive: %w; what is to be erased is announced again", err)
	}
	return n, nil
}

// Announce notes a round for each of some domains, on disk. One that goes less far than those before
// shows that the domain keeps its mail for longer now: those before count no more.
func (n *Notices) Announce(rounds map[string]Round, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := false
	for domain, r := range rounds {
		have := n.rounds[domain]
		if slices.ContainsFunc(have, func(h Round) bool { return h.Upto.Equal(r.Upto) && !h.Ready.After(r.Ready) }) {
			continue
		}
		have = slices.DeleteFunc(have, func(h Round) bool { return h.Upto.After(r.Upto) })
		n.rounds[domain] = n.thin(append(have, r), now)
		changed = true
	}
	before := len(n.rounds)
	maps.DeleteFunc(n.rounds, func(_ string, rs []Round) bool { return now.Sub(rs[len(rs)-1].Ready) > roundsKept })
	if !changed && before == len(n.rounds) {
		return nil
	}
	data, err := json.Marshal(n.rounds)
	if err == nil {
		err = owned.Replace(n.path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write notices of the archive: %w", err)
	}
	return nil
}

// thin drops rounds that say nothing more than another: of those that are ready all but the last, and
// where very many wait every other one.
func (n *Notices) thin(rs []Round, now time.Time) []Round {
	ready := 0
	for ready < len(rs)-1 && !rs[ready+1].Ready.After(now) {
		ready++
	}
	if rs = rs[ready:]; len(rs) > maxRounds {
		var left []Round
		for i, r := range rs {
			if i%2 == 0 || i == len(rs)-1 {
				left = append(left, r)
			}
		}
		rs = left
	}
	return slices.Clone(rs)
}

// Upto is the time up to which copies of a domain may be erased; zero: none.
func (n *Notices) Upto(domain string, now time.Time) (upto time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.rounds[domain] {
		if !r.Ready.After(now) && r.Upto.After(upto) {
			upto = r.Upto
		}
	}
	return upto
}
