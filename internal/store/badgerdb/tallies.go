package badgerdb

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/dgraph-io/badger/v4"

	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

// Tallies is store.Store's. It shows each tally once, in a state that it had after Tallies
// was called.
func (s *Store) Tallies(ctx context.Context, since time.Time) iter.Seq2[storm.Tally, error] {
	return func(yield func(storm.Tally, error) bool) {
		s.reading.RLock()
		defer s.reading.RUnlock()
		if s.closed.Load() {
			yield(storm.Tally{}, errClosed)
			return
		}
		// Memory first: what is written to disk meanwhile is then in both, not in neither.
		newer := map[storm.Key]entry{}
		for i := range s.shards {
			s.shards[i].unwritten(newer)
		}
		show := func(value []byte) bool {
			var t storm.Tally
			return !s.readable(t.UnmarshalBinary(value)) || t.Last.Before(since) || yield(t, nil)
		}
		more, err := s.onDisk(ctx, newer, show)
		if err != nil {
			yield(storm.Tally{}, fmt.Errorf("list tallies: %w", err))
			return
		}
		for k, e := range newer {
			if more = more && (notes.Of(k.Kind) || show(e.value)); !more {
				return
			}
		}
	}
}

// onDisk shows the tallies on disk but those in newer, until show wants no more.
func (s *Store) onDisk(ctx context.Context, newer map[storm.Key]entry, show func([]byte) bool) (more bool, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if s.closed.Load() {
				return errClosed
			}
			k, ok := memoryKey(it.Item().Key())
			if _, known := newer[k]; known || !ok || notes.Of(k.Kind) {
				continue
			}
			more = true
			if err := it.Item().Value(func(v []byte) error { more = show(v); return nil }); err != nil {
				return err
			}
			if !more {
				return nil
			}
		}
		more = true
		return ctx.Err()
	})
	return more, err
}
