package badgerdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"breakwater/internal/storm"
)

// Probe looks up a key in each shard, and reads one of its tallies from disk where it has any. The error is that
// of a store that is stuck until ctx ends, or cannot read.
func (s *Store) Probe(ctx context.Context) error {
	if !s.probing.CompareAndSwap(false, true) {
		return errors.New("the store does not answer: it has not since the last look")
	}
	probed := make(chan error, 1)
	go func() {
		defer s.probing.Store(false)
		probed <- s.probe(ctx)
	}()
	select {
	case err := <-probed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the store does not answer: %w", ctx.Err())
	}
}

func (s *Store) probe(ctx context.Context) error {
	for i := range s.shards {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := s.lookup(s.probeKey(i)); err != nil {
			return err
		}
		k := s.shards[i].some()
		if k == (storm.Key{}) {
			k = s.probeKey(i)
		}
		if s.closed.Load() {
			return errClosed
		}
		if _, err := s.read(k); err != nil {
			return fmt.Errorf("read tally %s: %w", k, err)
		}
	}
	return nil
}

// some is the key of a tally in memory that is on disk, too; the zero Key where there is none.
func (sh *shard) some() storm.Key {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for k, value := range sh.young {
		if len(value) > 0 {
			return k
		}
	}
	return storm.Key{}
}

// probeKey is a key of a shard that nothing is counted by: its owner is nobody's.
func (s *Store) probeKey(shard int) storm.Key {
	var k storm.Key
	for n := uint64(0); ; n++ {
		binary.LittleEndian.PutUint64(k.Hash[:], n)
		if s.shard(k) == &s.shards[shard] {
			return k
		}
	}
}
