package badgerdb

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgraph-io/badger/v4"

	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

const day = 24 * time.Hour

// kept are keys of all uses, and how long their tallies count.
var kept = map[storm.Kind]storm.Limit{
	storm.Text:    identity,
	storm.Class:   {Copies: 20, Window: time.Hour, Calm: 2 * time.Hour, Keep: 2 * time.Hour},
	storm.Near:    identity,
	32:            {Keep: 6 * time.Hour},
	34:            {Keep: 48 * time.Hour},
	35:            {Keep: 48 * time.Hour},
	65:            {Keep: 14 * day},
	notes.Covered: {Keep: 14 * day},
	notes.Learned: {Keep: 28 * day},
	68:            {Keep: 14 * day},
	storm.Release: {Copies: 1, Window: 365 * day, Calm: 365*day + time.Hour, Keep: 365 * day},
}

func keyOf(k storm.Kind) storm.Key {
	return storm.Key{Owner: [8]byte{1}, Kind: k, Hash: [8]byte{byte(k)}}
}

// see counts one mail by all keys, at what the clock shows.
func see(t *testing.T, s *Store, at time.Time, transfer uint64) {
	t.Helper()
	sg := storm.Sighting{At: at, Transfer: transfer}
	var entries []notes.Entry
	for k, l := range kept {
		if notes.Of(k) {
			entries = append(entries, notes.Entry{Key: keyOf(k), Keep: l.Keep, Bits: 1})
			continue
		}
		sg.Counts = append(sg.Counts, storm.Count{Key: keyOf(k), Limit: l})
	}
	if _, err := s.Observe(context.Background(), sg); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Note(context.Background(), at, entries); err != nil {
		t.Fatal(err)
	}
}

// onDiskUntil is until when the tallies on disk stay there.
func onDiskUntil(t *testing.T, s *Store) map[storm.Kind]time.Time {
	t.Helper()
	s.writeNow()
	all := map[storm.Kind]time.Time{}
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			k, _ := memoryKey(it.Item().Key())
			all[k.Kind] = time.Unix(int64(it.Item().ExpiresAt()), 0)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestClockWasWrong has a clock that was wrong, at the start, while the store is open, and with a restart between, and
// that is right then. Nothing stays for longer than it counts, in memory or on disk, and nothing that counted is a copy
// of mail that comes later.
func TestClockWasWrong(t *testing.T) {
	for _, by := range []time.Duration{time.Second, time.Hour, day, 40 * day, 3650 * day} {
		for _, by := range []time.Duration{by, -by} {
			for _, how := range []string{"at the start", "while it runs", "and a restart"} {
				t.Run(fmt.Sprint(by, " ", how), func(t *testing.T) {
					dir := t.TempDir()
					var wrong atomic.Int64
					wrong.Store(int64(by))
					clock := func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }
					if how != "at the start" {
						wrong.Store(0)
					}
					s := openTest(t, dir, Options{now: clock})
					if how != "at the start" {
						see(t, s, clock(), 1)
						wrong.Store(int64(by))
					}
					for n := range uint64(5) { // a storm of them
						see(t, s, clock(), 2+n)
					}
					if how == "and a restart" {
						if err := s.Close(); err != nil {
							t.Fatal(err)
						}
						wrong.Store(0)
						s = openTest(t, dir, Options{now: clock})
					}
					s.writeNow()
					wrong.Store(0)
					if err := s.tend(t.Context(), clock()); err != nil {
						t.Fatal(err)
					}
					now := clock()
					for kind, until := range onDiskUntil(t, s) {
						if most := now.Add(kept[kind].Keep + 2*keepMargin); until.After(most) || until.Unix() == 0 {
							t.Errorf("%v stays until %v, at most %v", kind, until, most)
						}
					}
					for kind, l := range kept {
						later := now.Add(l.Keep + 2*keepMargin)
						if kind == notes.Learned {
							continue // engine.TestLearnedAhead
						}
						if notes.Of(kind) {
							got, err := s.Noted(t.Context(), later, []storm.Key{keyOf(kind)})
							if known, err := s.Noted(t.Context(), now, []storm.Key{keyOf(kind)}); kind == notes.Covered && by > keepMargin && (err != nil || known[0].Bits != 0) {
								t.Errorf("hours to come are seen: %+v, %v", known[0], err)
							}
							if err != nil || got[0].Seen != 0 {
								t.Errorf("%v counts %v later: %+v, %v", kind, l.Keep, got[0], err)
							}
							continue
						}
						got, err := s.Lookup(t.Context(), later, []storm.Key{keyOf(kind)})
						if err != nil || got[0].Seen != 0 {
							t.Errorf("%v counts %v later: %+v, %v", kind, l.Keep, got[0], err)
						}
					}
				})
			}
		}
	}
}

// TestTendByItself: the store looks by itself, when it is opened and each hour.
func TestTendByItself(t *testing.T) {
	dir, ahead := t.TempDir(), 3650*day
	s := openTest(t, dir, Options{now: func() time.Time { return time.Now().Add(ahead) }})
	see(t, s, time.Now().Add(ahead), 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{})
	most := time.Now().Add(365*day + 3*keepMargin)
	for {
		far := 0
		for _, until := range onDiskUntil(t, s) {
			if until.After(most) {
				far++
			}
		}
		if far == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	synctest.Test(t, func(t *testing.T) {
		var looks []time.Duration
		begun := time.Now()
		ctx, end := context.WithCancel(t.Context())
		go tendHourly(ctx, func() { looks = append(looks, time.Since(begun)) })
		time.Sleep(150 * time.Minute)
		end()
		synctest.Wait()
		if len(looks) != 3 || looks[0] != 0 || looks[1] != time.Hour || looks[2] != 2*time.Hour {
			t.Errorf("looked at %v", looks)
		}
	})
}

// TestTendManyWhileCounting: what is set right is so in small parts, mail is counted meanwhile, and no count is lost.
func TestTendManyWhileCounting(t *testing.T) {
	ahead := 3650 * day
	s := openTest(t, t.TempDir(), Options{MemoryEntries: 1000, now: func() time.Time { return time.Now().Add(ahead) }})
	at := time.Now().Add(ahead)
	sight := func(at time.Time, transfer uint64, n int) {
		t.Helper()
		if _, err := s.Observe(t.Context(), storm.Sighting{At: at, Transfer: transfer, Counts: []storm.Count{{Key: key(n), Limit: identity}}}); err != nil {
			t.Fatal(err)
		}
	}
	const many = 5000
	for n := range many {
		sight(at, 1, n)
	}
	s.writeNow()
	now := time.Now()
	tended := make(chan error)
	go func() { tended <- s.tend(t.Context(), now) }()
	for n := 0; n < many; n += 3 {
		sight(now, 2, n)
	}
	if err := <-tended; err != nil {
		t.Fatal(err)
	}
	for n := range many {
		want := uint64(1)
		if n%3 == 0 {
			want = 2
		}
		got, err := s.Lookup(t.Context(), now, []storm.Key{key(n)})
		if err != nil || got[0].Seen != want || got[0].Last.After(now) {
			t.Fatalf("%d: seen %d times, want %d, last %v, %v", n, got[0].Seen, want, got[0].Last, err)
		}
	}
}

// TestTendOnFullDisk: while nothing can be written, nothing is set right, so that no count is given up for it.
func TestTendOnFullDisk(t *testing.T) {
	ahead := 3650 * day
	s := openTest(t, t.TempDir(), Options{FlushEvery: time.Hour, now: func() time.Time { return time.Now().Add(ahead) }})
	see(t, s, time.Now().Add(ahead), 1)
	s.writeNow()
	full := errors.New("no space left on device")
	s.problem.Store(&full)
	before := inMemory(s)
	if err := s.tend(t.Context(), time.Now()); !errors.Is(err, full) || inMemory(s) != before {
		t.Errorf("%d in memory, before %d, %v", inMemory(s), before, err)
	}
}
