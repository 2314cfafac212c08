// Package storetest is the contract of store.Store, as tests that every driver runs.
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"breakwater/internal/store"
	"breakwater/internal/storm"
)

// Driver says how to open a store.
type Driver struct {
	// Open opens an empty store. The test closes it.
	Open func(t *testing.T) store.Store
	// Reopen closes a store and opens it again. Nil where nothing is kept.
	Reopen func(t *testing.T, s store.Store) store.Store
}

var (
	start    = time.Date(2026, 3, 2, 8, 0, 0, 123456789, time.UTC)
	identity = storm.Limit{Copies: 3, Window: 24 * time.Hour, Calm: 48 * time.Hour, Keep: 48 * time.Hour}
	rate     = storm.Limit{Copies: 30, Window: 10 * time.Minute, Calm: 20 * time.Minute, Keep: time.Hour}
	counted  = storm.Limit{Keep: time.Hour}
)

// Run tests a driver.
func Run(t *testing.T, d Driver) {
	type test struct {
		name string
		run  func(*testing.T, Driver)
	}
	tests := []test{
		{"unknown keys", unknown},
		{"random sightings", random},
		{"hot key", hot},
		{"overlapping sightings", overlapping},
		{"forgotten", forgotten},
		{"tallies", tallies},
		{"tallies under load", talliesUnderLoad},
		{"long labels", longLabels},
		{"odd times", oddTimes},
		{"canceled", canceled},
		{"closed", closed},
	}
	if d.Reopen != nil {
		tests = append(tests, test{"reopened", reopened})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, d) })
	}
}

func open(t *testing.T, d Driver) store.Store {
	t.Helper()
	s := d.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// key is a key that differs by n in owner and hash, spread as hashes are.
func key(n int, k storm.Kind) storm.Key {
	key := storm.Key{Kind: k}
	binary.BigEndian.PutUint64(key.Owner[:], uint64(n)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(key.Hash[:], uint64(n)*0xc2b2ae3d27d4eb4f+1)
	return key
}

func observe(t *testing.T, s store.Store, sg storm.Sighting) []storm.Tally {
	t.Helper()
	got, err := s.Observe(context.Background(), sg)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(sg.Counts) {
		t.Fatalf("%d tallies for %d counts", len(got), len(sg.Counts))
	}
	return got
}

func lookup(t *testing.T, s store.Store, at time.Time, keys ...storm.Key) []storm.Tally {
	t.Helper()
	got, err := s.Lookup(context.Background(), at, keys)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(keys) {
		t.Fatalf("%d tallies for %d keys", len(got), len(keys))
	}
	return got
}

func all(t *testing.T, s store.Store, since time.Time) map[storm.Key]storm.Tally {
	t.Helper()
	m := map[storm.Key]storm.Tally{}
	for tally, err := range s.Tallies(context.Background(), since) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := m[tally.Key]; twice {
			t.Errorf("%s is shown twice", tally.Key)
		}
		m[tally.Key] = tally
	}
	return m
}

// same compares two tallies in all that is stored, and in Through.
func same(t *testing.T, what string, got, want storm.Tally) {
	t.Helper()
	g, err := got.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := want.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g, w) || got.Through != want.Through {
		t.Fatalf("%s:\n got %+v, storm %+v\nwant %+v, storm %+v", what, got, got.Storm, want, want.Storm)
	}
}

// stored is what a store keeps of a tally.
func stored(t storm.Tally) storm.Tally {
	t.Through = false
	return t
}

func unknown(t *testing.T, d Driver) {
	s := open(t, d)
	for i, got := range lookup(t, s, start, key(1, storm.ID), key(2, storm.Text)) {
		same(t, fmt.Sprint("key ", i), got, storm.Tally{})
	}
	if n := len(lookup(t, s, start)); n != 0 {
		t.Errorf("%d tallies for no keys", n)
	}
	if n := len(observe(t, s, storm.Sighting{At: start})); n != 0 {
		t.Errorf("%d tallies for no counts", n)
	}
	if n := len(all(t, s, time.Time{})); n != 0 {
		t.Errorf("an empty store has %d tallies", n)
	}
}

// sighting is one that a random source makes up: few keys, so that they become storms.
func sighting(r *rand.Rand, i int) storm.Sighting {
	s := storm.Sighting{
		At: start.Add(time.Duration(i)*time.Second + time.Duration(r.IntN(7)-3)*time.Second), Transfer: uint64(r.IntN(500)),
		Client: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(30))}), Class: "personal", Subject: fmt.Sprint("Offer ", i),
	}
	limits := []storm.Limit{identity, rate, counted}
	for _, n := range r.Perm(40)[:r.IntN(6)] {
		c := storm.Count{
			Key: key(n, storm.Kinds[n%len(storm.Kinds)]), Limit: limits[n%len(limits)], Marks: 1 << (i % 64),
			Mailbox: fmt.Sprintf("u%d@example.test", n),
		}
		binary.BigEndian.PutUint64(c.Link[:], uint64(i))
		s.Counts = append(s.Counts, c)
	}
	return s
}

// random compares with storm.Add on a map: counts, storms, retries, links, marks.
func random(t *testing.T, d Driver) {
	s := open(t, d)
	r := rand.New(rand.NewPCG(1, 2))
	model := map[storm.Key]storm.Tally{}
	for i := range 5000 {
		sg := sighting(r, i)
		for j, got := range observe(t, s, sg) {
			want := storm.Add(model[sg.Counts[j].Key], sg, sg.Counts[j])
			same(t, fmt.Sprintf("sighting %d, count %d", i, j), got, want)
			model[want.Key] = stored(want)
		}
		if i%100 == 0 {
			n := r.IntN(40)
			k := key(n, storm.Kinds[n%len(storm.Kinds)])
			same(t, fmt.Sprint("lookup after sighting ", i), lookup(t, s, sg.At, k)[0], model[k])
		}
	}
	got := all(t, s, time.Time{})
	if len(got) != len(model) {
		t.Errorf("%d tallies, want %d", len(got), len(model))
	}
	storms := 0
	for k, want := range model {
		same(t, "at the end", got[k], want)
		if want.Storm != nil {
			storms++
		}
	}
	if storms == 0 || storms == len(model) {
		t.Errorf("%d of %d tallies are storms: not much of a test", storms, len(model))
	}
}

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

// forgotten goes by the times it is given, years from the clock's.
func forgotten(t *testing.T, d Driver) {
	s := open(t, d)
	for year, at := range map[int]time.Time{1999: start.AddDate(-27, 0, 0), 2026: start, 2096: start.AddDate(70, 0, 0)} {
		c := storm.Count{Key: key(year, storm.ID), Limit: identity, Link: [8]byte{1}}
		for i := range 5 {
			observe(t, s, storm.Sighting{At: at, Transfer: uint64(i), Counts: []storm.Count{c}})
		}
		if got := lookup(t, s, at.Add(identity.Keep), c.Key)[0]; got.Seen != 5 {
			t.Errorf("%d: seen %d at the end of its life, want 5", year, got.Seen)
		}
		late := at.Add(identity.Keep + time.Nanosecond)
		same(t, fmt.Sprint(year, ": forgotten"), lookup(t, s, late, c.Key)[0], storm.Tally{})
		if got := lookup(t, s, at, c.Key)[0]; got.Seen != 5 {
			t.Errorf("%d: looking it up later made it forgotten", year)
		}
		c.Link = [8]byte{2}
		got := observe(t, s, storm.Sighting{At: late, Transfer: 9, Counts: []storm.Count{c}})[0]
		if got.Seen != 1 || got.Storm != nil || got.Link != c.Link || !got.First.Equal(late) {
			t.Errorf("%d: not begun anew: %+v", year, got)
		}
	}
	forever := storm.Count{Key: key(1, storm.ID)}
	observe(t, s, storm.Sighting{At: start, Counts: []storm.Count{forever}})
	if got := lookup(t, s, start.AddDate(1000, 0, 0), forever.Key)[0]; got.Seen != 1 {
		t.Errorf("a tally without an end is forgotten: %+v", got)
	}
}

func tallies(t *testing.T, d Driver) {
	s := open(t, d)
	for n := range 100 {
		observe(t, s, storm.Sighting{At: start.Add(time.Duration(n) * time.Minute), Counts: []storm.Count{{Key: key(n, storm.ID), Limit: identity}}})
	}
	for _, tt := range []struct {
		since time.Time
		want  int
	}{{time.Time{}, 100}, {start, 100}, {start.Add(1), 99}, {start.Add(99 * time.Minute), 1}, {start.Add(99*time.Minute + 1), 0}} {
		if got := len(all(t, s, tt.since)); got != tt.want {
			t.Errorf("since %v: %d tallies, want %d", tt.since, got, tt.want)
		}
	}
	for n, stop := range []int{1, 50} {
		seen := 0
		for _, err := range s.Tallies(context.Background(), time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == stop {
				break
			}
		}
		if seen != stop {
			t.Errorf("loop %d saw %d tallies, want %d", n, seen, stop)
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

func longLabels(t *testing.T, d Driver) {
	s := open(t, d)
	c := storm.Count{Key: key(1, storm.ID), Limit: identity, Mailbox: strings.Repeat("m", 10_000) + "@example.test"}
	sg := storm.Sighting{At: start, Class: "personal", Subject: strings.Repeat("Ü\x00\xff", 3000), Counts: []storm.Count{c}}
	var want storm.Tally
	for i := range 60 {
		sg.Transfer = uint64(i)
		sg.Client = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(i)})
		want = storm.Add(want, sg, c)
		same(t, fmt.Sprint("sighting ", i), observe(t, s, sg)[0], want)
		want = stored(want)
	}
	same(t, "at the end", all(t, s, time.Time{})[c.Key], want)
}

func oddTimes(t *testing.T, d Driver) {
	s := open(t, d)
	times := []time.Time{
		{}, time.Unix(0, 0), time.Unix(-1, 999999999), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Now(), start.In(time.FixedZone("", -11*3600-1)), start.Add(-1), start,
	}
	for n, at := range times {
		c := storm.Count{Key: key(n, storm.ID), Limit: identity}
		var want storm.Tally
		for i, again := range append([]time.Time{at, at.Add(time.Hour)}, times...) {
			sg := storm.Sighting{At: again, Transfer: uint64(i), Counts: []storm.Count{c}}
			want = storm.Add(want, sg, c)
			same(t, fmt.Sprintf("first at %v, then %v", at, again), observe(t, s, sg)[0], want)
			want = stored(want)
		}
	}
}

func canceled(t *testing.T, d Driver) {
	s := open(t, d)
	c := storm.Count{Key: key(1, storm.ID), Limit: identity}
	observe(t, s, storm.Sighting{At: start, Transfer: 1, Counts: []storm.Count{c}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Observe(ctx, storm.Sighting{At: start, Transfer: 2, Counts: []storm.Count{c}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Observe: %v", err)
	}
	if _, err := s.Lookup(ctx, start, []storm.Key{c.Key}); !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup: %v", err)
	}
	var last error
	for _, err := range s.Tallies(ctx, time.Time{}) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("Tallies: %v", last)
	}
	if got := lookup(t, s, start, c.Key)[0].Seen; got != 1 {
		t.Errorf("seen %d, want 1: a canceled sighting was counted", got)
	}
}

func closed(t *testing.T, d Driver) {
	s := d.Open(t)
	c := storm.Count{Key: key(1, storm.ID), Limit: identity}
	observe(t, s, storm.Sighting{At: start, Counts: []storm.Count{c}})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Observe(context.Background(), storm.Sighting{At: start, Counts: []storm.Count{c}}); err == nil {
		t.Error("Observe counts in a closed store")
	}
	if _, err := s.Lookup(context.Background(), start, []storm.Key{c.Key}); err == nil {
		t.Error("Lookup looks into a closed store")
	}
	for _, err := range s.Tallies(context.Background(), time.Time{}) {
		if err == nil {
			t.Error("Tallies shows a closed store")
		}
	}
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
					Counts: []storm.Count{{Key: key(w, storm.ID), Limit: identity, Link: [8]byte{byte(w)}, Marks: 5, Mailbox: "u1@example.test"}},
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
	s = d.Reopen(t, s)
	wg.Wait()
	t.Cleanup(func() { s.Close() })
	for w, want := range told {
		if want.Seen < 100 {
			t.Errorf("worker %d counted no more than %d", w, want.Seen)
		}
		same(t, fmt.Sprint("worker ", w), lookup(t, s, start.Add(time.Hour), key(w, storm.ID))[0], want)
	}
	if n := len(all(t, s, time.Time{})); n != workers {
		t.Errorf("%d tallies, want %d", n, workers)
	}
}
