package sweep

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"breakwater/internal/notes"
	"breakwater/internal/store"
	"breakwater/internal/storm"
)

// scratch is the store that a sweep's engine counts in: the tallies of one folder, which go on
// from one sweep to the next as values, and die with the folder. The daemon's store is asked
// beside it and never written to. It is for one goroutine.
//
// In a mailbox no message is a retry: each counts as a transfer of its own.
type scratch struct {
	daemon  store.Store // nil: there is none
	tallies map[storm.Key]storm.Tally
	notes   map[storm.Key]notes.Note

	undated bool        // the message under way has no time of its own: rates do not count it
	copies  uint64      // messages so far
	keys    []storm.Key // identities of the message under way
	version uint64      // what it says
	swept   time.Time   // when forgotten tallies were last dropped
	lost    error       // why the daemon is not asked any more
}

func newScratch(daemon store.Store) *scratch {
	return &scratch{daemon: daemon, tallies: map[storm.Key]storm.Tally{}, notes: map[storm.Key]notes.Note{}}
}

// forgetEvery is the time in mail after which tallies and notes that can not count any more are dropped.
const forgetEvery = 24 * time.Hour

// Observe is store.Store's.
func (s *scratch) Observe(ctx context.Context, sg storm.Sighting) ([]storm.Tally, error) {
	s.copies++
	sg.Transfer = s.copies
	if len(sg.Versions) > 0 {
		s.version = sg.Versions[0]
	}
	tallies := make([]storm.Tally, len(sg.Counts))
	for i, c := range sg.Counts {
		before := s.tallies[c.Key]
		if c.Key.Kind.Rate() {
			// A rate has a direction: what has no time, or comes out of order, is no part of it.
			if s.undated || sg.At.Before(before.Last) {
				continue
			}
		} else if !c.Revoke && slices.Contains(storm.Kinds, c.Key.Kind) {
			s.keys = append(s.keys, c.Key)
		}
		t := storm.Add(before, sg, c)
		t.Transfers = nil // they would tell retries
		s.tallies[c.Key] = t
		tallies[i] = s.known(ctx, t, sg.At)
	}
	s.forget(sg.At)
	return tallies, nil
}

// known adds what the daemon knows: as long as a storm rages there, what is over the limit
// here has not leaked away, however slowly it came.
func (s *scratch) known(ctx context.Context, t storm.Tally, at time.Time) storm.Tally {
	if s.daemon == nil || s.lost != nil || t.Storm != nil || t.Key.Kind.Rate() || t.Limit.Copies == 0 || t.Seen <= uint64(t.Limit.Copies) {
		return t
	}
	theirs, err := s.daemon.Lookup(ctx, at, []storm.Key{t.Key})
	if err != nil {
		s.lost = err // the sweep goes on without: fewer copies go
		return t
	}
	if d := theirs[0]; d.Storm != nil && !at.Before(d.Storm.Since) && d.Raging(at) && !t.Gave { // what it says was given here
		t.Storm, t.Through = d.Storm, false
	}
	return t
}

// forget drops tallies and notes that are too old to count, now and then.
func (s *scratch) forget(at time.Time) {
	if at.Sub(s.swept) < forgetEvery {
		return
	}
	s.swept = at
	maps.DeleteFunc(s.tallies, func(_ storm.Key, t storm.Tally) bool { return t.Forgotten(at) })
	maps.DeleteFunc(s.notes, func(_ storm.Key, n notes.Note) bool { return n.Forgotten(at) })
}

// Noted is store.Store's.
func (s *scratch) Noted(ctx context.Context, at time.Time, keys []storm.Key) ([]notes.Note, error) {
	found := make([]notes.Note, len(keys))
	for i, k := range keys {
		if n := s.notes[k]; !n.Forgotten(at) {
			found[i] = n
		}
	}
	return found, ctx.Err()
}

// Note is store.Store's.
func (s *scratch) Note(_ context.Context, at time.Time, entries []notes.Entry) ([]notes.Note, error) {
	noted := make([]notes.Note, len(entries))
	for i, e := range entries {
		noted[i] = notes.Add(s.notes[e.Key], at, e)
		s.notes[e.Key] = noted[i]
	}
	return noted, nil
}

// Lookup is store.Store's.
func (s *scratch) Lookup(ctx context.Context, at time.Time, keys []storm.Key) ([]storm.Tally, error) {
	tallies := make([]storm.Tally, len(keys))
	for i, k := range keys {
		if t := s.tallies[k]; !t.Forgotten(at) {
			tallies[i] = t
		}
	}
	return tallies, ctx.Err()
}

// Tallies is store.Store's.
func (s *scratch) Tallies(ctx context.Context, since time.Time) iter.Seq2[storm.Tally, error] {
	return func(yield func(storm.Tally, error) bool) {
		for _, t := range s.tallies {
			if !t.Last.Before(since) && !yield(t, ctx.Err()) {
				return
			}
		}
	}
}

// Close is store.Store's.
func (s *scratch) Close() error { return nil }
