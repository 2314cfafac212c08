package badgerdb

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"breakwater/internal/storm"
)

// filter tells which keys may be on disk, in memory (Bloom, 1970). Most keys that are looked up were never seen, and it
// takes the database longer to find that out than all else takes that is done for a message. A key that
// is not in the filter is not on disk; one that is in it may be.
//
// It is made anew when the store is opened, and when it is full, from all keys on disk while mail
// goes on. Keys are hashed with the host's secret, so that nobody can choose such as fill it.
type filter struct {
	words []atomic.Uint64 // a key has its bits in one of them
	room  int64           // for so many keys it tells well
	added atomic.Int64    // keys, at least
	whole atomic.Bool     // all keys on disk are in it
}

const (
	leastKeys = 1 << 16 // keys for which there is room at least, in 128 KiB
	mostKeys  = 1 << 24 // and at most, in 32 MiB: with more keys the disk is asked more often in vain
	perWord   = 4       // keys: of a hundred that are not on disk two are looked for there
)

// newFilter returns a filter that has room for twice as many keys.
func newFilter(keys int) *filter {
	room := min(max(2*keys, leastKeys), mostKeys)
	return &filter{words: make([]atomic.Uint64, room/perWord), room: int64(room)}
}

// place is the word of a key, and its bits in that.
func (f *filter) place(k storm.Key) (word *atomic.Uint64, bits uint64) {
	h := (binary.LittleEndian.Uint64(k.Hash[:])*31 + binary.LittleEndian.Uint64(k.Owner[:]) + uint64(k.Kind)) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return &f.words[(h>>32)%uint64(len(f.words))], 1<<(h&63) | 1<<(h>>6&63) | 1<<(h>>12&63) | 1<<(h>>18&63)
}

func (f *filter) add(k storm.Key) {
	word, bits := f.place(k)
	if word.Or(bits)&bits != bits {
		f.added.Add(1)
	}
}

// has reports whether k may be on disk.
func (f *filter) has(k storm.Key) bool {
	word, bits := f.place(k)
	return !f.whole.Load() || word.Load()&bits == bits
}

// full reports whether f tells badly, and a larger one would be better.
func (f *filter) full() bool { return f.added.Load() > f.room && f.room < mostKeys }

// see begins to make a filter of all keys on disk. Only the writer may call it, or Open before there
// is one, so that what is written later is added as it is written.
func (s *Store) see() {
	keys := 0
	for _, t := range s.db.Tables() {
		keys += int(t.KeyCount)
	}
	f := newFilter(max(keys, int(s.keys.Load().added.Load()))) // tables in memory tell no number
	s.making = f
	txn := s.db.NewTransaction(false)
	s.reading.RLock() // Close waits for it
	go func() {
		defer s.reading.RUnlock()
		defer txn.Discard()
		it := txn.NewIterator(badger.IteratorOptions{AllVersions: true}) // also what has expired by a clock that may be ahead
		defer it.Close()
		for it.Rewind(); it.Valid() && !s.closed.Load(); it.Next() {
			if k, ok := memoryKey(it.Item().Key()); ok {
				f.add(k)
			}
		}
		if !s.closed.Load() {
			f.whole.Store(true)
			s.keys.Store(f)
		}
	}()
}

// saw adds keys that are about to be written. Only the writer may call it.
func (s *Store) saw(k storm.Key) {
	s.making.add(k)
	if f := s.keys.Load(); f != s.making {
		f.add(k)
	}
}
