package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

// hot lets many count one key at once: each must see a count of its own.
func hot(t *testing.T, d Driver) {
	s := open(t, d)
	const workers, each = 16, 250
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		counts  = map[uint64]bool{}
		through int
	)
	c := storm.Count{Key: key(1, storm.ID), Limit: identity, Mailbox: "u1@example.test"}
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				got, err := s.Observe(context.Background(), storm.Sighting{At: start, Transfer: uint64(w*each + i), Counts: []storm.Count{c}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				counts[got[0].Seen] = true
				if got[0].Through {
					through++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	var want storm.Tally
	for i := range workers * each {
		want = storm.Add(want, storm.Sighting{At: start, Transfer: uint64(i)}, c)
	}
	got := lookup(t, s, start, c.Key)[0]
	if len(counts) != workers*each || through != identity.Copies || got.Seen != want.Seen || got.Level != want.Level ||
		got.Storm == nil || got.Storm.Copies != want.Storm.Copies {
		t.Errorf("%d counts, %d let through, got %+v, storm %+v, want %+v, storm %+v", len(counts), through, got, got.Storm, want, want.Storm)
	}
}

// foundedTwice counts a text that comes many times at once: each shingle has one link, and
// everybody is told the same.
func foundedTwice(t *testing.T, d Driver) {
	s := open(t, d)
	const workers, shingles = 16, 8
	var mu sync.Mutex
	links := map[int]map[[8]byte]bool{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var entries []notes.Entry
			for n := range shingles {
				entries = append(entries, notes.Entry{Key: key(n, noted), Keep: noteLife, Link: [8]byte{byte(w + 1)}, Bits: 1 << w})
			}
			got, err := s.Note(context.Background(), start, entries)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for n, note := range got {
				if links[n] == nil {
					links[n] = map[[8]byte]bool{}
				}
				links[n][note.Link] = true
			}
		})
	}
	wg.Wait()
	for n := range shingles {
		got := recall(t, s, start, key(n, noted))[0]
		if len(links[n]) != 1 || !links[n][got.Link] || got.Bits != 1<<workers-1 || got.Seen != workers {
			t.Errorf("shingle %d: links %v, kept %+v", n, links[n], got)
		}
	}
}

// overlapping counts several keys at once in all orders: no deadlock, no count lost.
func overlapping(t *testing.T, d Driver) {
	s := open(t, d)
	const workers, each, keys = 8, 100, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 0))
			for range each {
				sg := storm.Sighting{At: start, Transfer: r.Uint64()}
				for _, n := range r.Perm(keys) {
					sg.Counts = append(sg.Counts, storm.Count{Key: key(n, storm.Repeat), Limit: rate})
				}
				if _, err := s.Observe(context.Background(), sg); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for n := range keys {
		if got := lookup(t, s, start, key(n, storm.Repeat))[0].Seen; got != workers*each {
			t.Errorf("key %d was seen %d times, want %d", n, got, workers*each)
		}
	}
}

// talliesUnderLoad lists while all is being counted: each once, none missing, none older
// than when the loop began.
func talliesUnderLoad(t *testing.T, d Driver) {
	s := open(t, d)
	const keys = 500
	count := func(n, i int) {
		_, err := s.Observe(context.Background(), storm.Sighting{At: start, Transfer: uint64(i), Counts: []storm.Count{{Key: key(n, storm.Repeat), Limit: rate}}})
		if err != nil {
			t.Error(err)
		}
	}
	for n := range keys {
		count(n, 0)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				count(i%keys, i)
			}
		}
	})
	least := uint64(1)
	for range 20 {
		next := lookup(t, s, start, key(keys-1, storm.Repeat))[0].Seen
		got := all(t, s, time.Time{})
		if len(got) != keys {
			t.Errorf("%d tallies, want %d", len(got), keys)
		}
		if seen := got[key(keys-1, storm.Repeat)].Seen; seen < next || next < least {
			t.Errorf("shown as seen %d times, which was %d before", seen, next)
		}
		least = next
	}
	close(stop)
	wg.Wait()
}

// reopened closes while others still count: what they were told is counted is kept.
func reopened(t *testing.T, d Driver) {
	s := d.Open(t)
	const workers = 8
	told := [workers]storm.Tally{}
	var wg, begun sync.WaitGroup
	begun.Add(workers)
	for w := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				got, err := s.Observe(context.Background(), storm.Sighting{
					At: start.Add(time.Duration(i)), Transfer: uint64(i), Client: netip.MustParseAddr("192.0.2.1"), Class: "dsn", Subject: "Offer",
					Counts: []storm.Count{{Key: key(w, storm.ID), Limit: identity, Link: [8]byte{byte(w)}, Mailbox: "u1@example.test"}},
				})
				if err != nil {
					return // closed
				}
				told[w] = stored(got[0])
				if i == 100 {
					begun.Done()
				}
			}
		})
	}
	begun.Wait()
	again := d.Reopen(t, s)
	wg.Wait()
	t.Cleanup(func() { again.Close() })
	for w, want := range told {
		if want.Seen < 100 {
			t.Errorf("worker %d counted no more than %d", w, want.Seen)
		}
		same(t, fmt.Sprint("worker ", w), lookup(t, again, start.Add(time.Hour), key(w, storm.ID))[0], want)
	}
	if n := len(all(t, again, time.Time{})); n != workers {
		t.Errorf("%d tallies, want %d", n, workers)
	}
}
