package badgerdb

import (
	"context"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

const (
	tendEvery = time.Hour
	tendBatch = 1000                  // tallies looked at at once
	tendPause = 10 * time.Millisecond // between: mail comes first
)

// tendHourly calls tend now and every hour, until ctx ends.
func tendHourly(ctx context.Context, tend func()) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		tend()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tend looks at all tallies for those that were counted while the clock was ahead. Badger would keep them until the
// clock is there again, and in memory they would count until then. They are written again, as if they were counted
// now. It ends with ctx, and where nothing can be written.
func (s *Store) tend(ctx context.Context, now time.Time) error {
	for from := []byte{}; from != nil; {
		far, next, err := s.ahead(from, now)
		if err != nil {
			return fmt.Errorf("look for tallies of a clock that was ahead: %w", err)
		}
		for _, k := range far {
			if err := s.Err(); err != nil {
				return err
			}
			if err := s.setBack(ctx, k, now); err != nil {
				return fmt.Errorf("set back tally %s: %w", k, err)
			}
		}
		if len(far) > 0 {
			s.wake()
		}
		select {
		case <-time.After(tendPause):
		case <-ctx.Done():
			return ctx.Err()
		}
		from = next
	}
	return nil
}

// ahead returns the keys of those tallies that would stay on disk for too long, of the next ones from a key on. next is
// where to go on, nil at the end.
func (s *Store) ahead(from []byte, now time.Time) (far []storm.Key, next []byte, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		n := 0
		for it.Seek(from); it.Valid(); it.Next() {
			if n++; n > tendBatch {
				next = it.Item().KeyCopy(nil)
				return nil
			}
			k, ok := memoryKey(it.Item().Key())
			if !ok {
				continue
			}
			err := it.Item().Value(func(v []byte) error {
				var t storm.Tally
				if t.UnmarshalBinary(v) == nil && isFar(it.Item().ExpiresAt(), t, now) {
					far = append(far, k)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return far, next, err
}

// isFar reports whether a tally stays on disk for longer than it counts from now on. A clock may be set by as much as the
// margin without a word.
func isFar(until uint64, t storm.Tally, now time.Time) bool {
	most := expires(t.Limit.Keep, now.Add(keepMargin))
	return most != 0 && (until == 0 || until > most)
}

// setBack writes a tally again with the times that it would have if it was counted now. What domains have learned keeps
// its own, by which the index of sent mail knows that the clock was ahead; what was seen of hours to come says nothing
// of them.
func (s *Store) setBack(ctx context.Context, k storm.Key, now time.Time) error {
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := s.makeRoom(ctx, sh, k); err != nil {
		return err
	}
	value, err := s.load(sh, k)
	if err != nil || len(value) == 0 {
		return err
	}
	var keep time.Duration
	if notes.Of(k.Kind) {
		value, keep, err = s.noteSetBack(value, now)
	} else {
		t := s.tally(value).SetBack(now)
		keep = t.Limit.Keep
		value, err = sh.encode(t)
	}
	if err != nil {
		return err
	}
	sh.put(k, entry{value, expires(keep, now)})
	return nil
}

func (s *Store) noteSetBack(value []byte, now time.Time) ([]byte, time.Duration, error) {
	n := s.note(value)
	switch n.Key.Kind {
	case notes.Learned:
	case notes.Covered:
		n.Bits = 0
		fallthrough
	default:
		n = n.SetBack(now)
	}
	value, err := n.AppendBinary(nil)
	return value, n.Keep, err
}
