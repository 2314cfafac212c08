// Package store defines what remembers sightings.
package store

import (
	"context"
	"iter"
	"time"

	"breakwater/internal/storm"
)

// Store remembers sightings. It is safe for concurrent use.
type Store interface {
	// Lookup returns the tallies of keys in their order, a zero Tally for a key never
	// seen or forgotten. It counts nothing.
	Lookup(ctx context.Context, at time.Time, keys []storm.Key) ([]storm.Tally, error)
	// Observe applies storm.Add for each of s.Counts, one atomic step for each key, and
	// returns the tallies in that order.
	Observe(ctx context.Context, s storm.Sighting) ([]storm.Tally, error)
	// Tallies yields the tallies last touched since t, in no order.
	Tallies(ctx context.Context, since time.Time) iter.Seq2[storm.Tally, error]
	Close() error
}
