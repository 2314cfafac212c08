package badgerdb

import (
	"testing"
	"time"
)

// TestFilter: a filter knows all that was added, and of a hundred others takes no more than two for known
// when it is full.
func TestFilter(t *testing.T) {
	f := newFilter(0)
	if f.has(key(1)) != true {
		t.Error("a filter that is not whole rules out a key")
	}
	f.whole.Store(true)
	if f.has(key(1)) {
		t.Error("an empty filter has a key")
	}
	n := 0
	for ; !f.full(); n++ {
		f.add(key(n))
	}
	wrong := 0
	for i := range n {
		if !f.has(key(i)) {
			t.Fatalf("key %d of %d is not in the filter", i, n)
		}
		if f.has(key(n + 1 + i)) {
			wrong++
		}
	}
	if n < leastKeys || wrong > n/50 {
		t.Errorf("%d keys, %d others are taken for known", n, wrong)
	}
}

// TestFilterOfStore: whatever is on disk is found, while more comes than the filter had room for, after a
// larger one was made, and when the store was opened anew.
func TestFilterOfStore(t *testing.T) {
	dir := t.TempDir()
	const all = leastKeys + leastKeys/8
	s := openTest(t, dir, Options{MemoryEntries: 1000, FlushEvery: time.Millisecond})
	first := s.keys.Load()
	find := func() {
		t.Helper()
		for n := 0; n < all; n += 7 {
			if seen(t, s, key(n)) != 1 {
				t.Fatalf("key %d is not found", n)
			}
		}
	}
	for n := 0; n < all; n += 64 {
		for i := n; i < n+64; i++ {
			mustCount(t, s, 0, key(i))
		}
		if i := n / 2; seen(t, s, key(i)) != 1 {
			t.Fatalf("key %d is not found while others are written", i)
		}
	}
	for i := 0; s.keys.Load() == first || !s.keys.Load().whole.Load(); i++ { // the writer sees to it when it wrote
		mustCount(t, s, 0, key(all+1))
		time.Sleep(time.Millisecond)
	}
	find()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{MemoryEntries: 1000})
	find() // it may not be whole yet
	for !s.keys.Load().whole.Load() {
		time.Sleep(time.Millisecond)
	}
	find()
	if f := s.keys.Load(); f.has(key(1<<30)) && f.has(key(1<<30+1)) && f.has(key(1<<30+2)) {
		t.Error("the filter tells nothing")
	}
}

// TestFilterAhead: what has expired is in the filter, too, as long as it is on disk: the clock may be ahead while the
// filter is made, and be set right then.
func TestFilterAhead(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{FlushEvery: time.Hour})
	for n, until := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Second)} {
		sh := s.shard(key(n))
		sh.mu.Lock()
		sh.put(key(n), entry{[]byte{1}, uint64(until.Unix())})
		sh.mu.Unlock()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{})
	for !s.keys.Load().whole.Load() {
		time.Sleep(time.Millisecond)
	}
	if f := s.keys.Load(); !f.has(key(0)) || !f.has(key(1)) || f.has(key(2)) {
		t.Errorf("has what lives %v, what has expired %v, what never was %v", f.has(key(0)), f.has(key(1)), f.has(key(2)))
	}
}
