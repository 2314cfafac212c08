package badgerdb

import (
	"context"
	"errors"
	"testing"
	"time"

	"breakwater/internal/storm"
)

// TestProbe: a store answers for all its shards, with tallies and without, and does not when any one is stuck.
func TestProbe(t *testing.T) {
	s, err := Open(t.TempDir(), Options{FlushEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	limit := storm.Limit{Copies: 3, Window: time.Hour, Calm: 2 * time.Hour, Keep: 2 * time.Hour}
	sg := storm.Sighting{At: time.Now()}
	for i := range 2000 {
		sg.Counts = append(sg.Counts, storm.Count{Key: storm.Key{Owner: [8]byte{byte(i), byte(i >> 8), 1}, Kind: storm.ID}, Limit: limit})
	}
	if _, err := s.Observe(t.Context(), sg); err != nil {
		t.Fatal(err)
	}
	<-s.nextWrite()
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[*shard]bool{}
	for i := range s.shards {
		k := s.probeKey(i)
		if seen[s.shard(k)] = true; s.shard(k) != &s.shards[i] {
			t.Errorf("the key of shard %d is another's", i)
		}
	}
	if len(seen) != shards {
		t.Errorf("%d shards are looked at", len(seen))
	}
	for _, stuck := range []int{0, shards / 2, shards - 1} {
		s.shards[stuck].mu.Lock()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := s.Probe(ctx)
		cancel()
		again := s.Probe(t.Context()) // at once, and no other one waits besides
		s.shards[stuck].mu.Unlock()
		if !errors.Is(err, context.DeadlineExceeded) || again == nil {
			t.Errorf("shard %d is stuck: %v, %v", stuck, err, again)
		}
		for s.probing.Load() {
			time.Sleep(time.Millisecond)
		}
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}
