// Package store defines what remembers: sightings, by how many copies of what came, and notes of all else. A key
// is of one or the other, by its kind (see notes.Of).
package store

import (
	"context"
	"iter"
	"time"

	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

// Store remembers sightings and notes. It is safe for concurrent use.
type Store interface {
	// Lookup returns the tallies of keys in their order, a zero Tally for a key never
	// seen or forgotten. It counts nothing.
	Lookup(ctx context.Context, at time.Time, keys []storm.Key) ([]storm.Tally, error)
	// Observe applies storm.Add for each of s.Counts, one atomic step for each key, and
	// returns the tallies in that order.
	Observe(ctx context.Context, s storm.Sighting) ([]storm.Tally, error)
	// Noted returns the notes of keys in their order, a zero Note for a key never noted or
	// forgotten. It notes nothing.
	Noted(ctx context.Context, at time.Time, keys []storm.Key) ([]notes.Note, error)
	// Note applies notes.Add for each entry, one atomic step for each key, and returns the
	// notes in that order.
	Note(ctx context.Context, at time.Time, entries []notes.Entry) ([]notes.Note, error)
	// Tallies yields the tallies last touched since t, in no order.
	Tallies(ctx context.Context, since time.Time) iter.Seq2[storm.Tally, error]
	Close() error
}
