// Package storetest is the contract of store.Store, as tests that every driver runs.
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"breakwater/internal/notes"
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

	noteLife = 24 * time.Hour
)

// noted is a kind of notes.
const noted storm.Kind = 32

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
		{"index", index},
		{"random notes", randomNotes},
		{"founded twice", foundedTwice},
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

func note(t *testing.T, s store.Store, at time.Time, entries ...notes.Entry) []notes.Note {
	t.Helper()
	got, err := s.Note(context.Background(), at, entries)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(entries) {
		t.Fatalf("%d notes for %d entries", len(got), len(entries))
	}
	return got
}

func recall(t *testing.T, s store.Store, at time.Time, keys ...storm.Key) []notes.Note {
	t.Helper()
	got, err := s.Noted(context.Background(), at, keys)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(keys) {
		t.Fatalf("%d notes for %d keys", len(got), len(keys))
	}
	return got
}

// sameNote compares two notes in all that is stored.
func sameNote(a, b notes.Note) bool {
	if a.Seen == 0 || b.Seen == 0 {
		return a == b
	}
	a.First, a.Last, b.First, b.Last = a.First.UTC(), a.Last.UTC(), b.First.UTC(), b.Last.UTC()
	return a == b
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
