package badgerdb

import (
	"bytes"
	"sync"
	"testing"

	"breakwater/internal/store"
	"breakwater/internal/store/storetest"
)

func openTest(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	for name, o := range map[string]Options{
		"on disk":       {},
		"in memory":     {InMemory: true},
		"little memory": {MemoryEntries: 1}, // each tally is written and read again
	} {
		d := storetest.Driver{
			Open: func(t *testing.T) store.Store {
				dir := ""
				if !o.InMemory {
					dir = t.TempDir()
				}
				return openTest(t, dir, o)
			},
		}
		if !o.InMemory {
			d.Reopen = func(t *testing.T, s store.Store) store.Store {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				return openTest(t, s.(*Store).dir, o)
			}
		}
		t.Run(name, func(t *testing.T) { storetest.Run(t, d) })
	}
}

// buffer takes what the writer logs.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
