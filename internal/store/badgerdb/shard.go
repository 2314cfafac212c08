package badgerdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

const (
	shards = 64

	maxValue = 64 << 10 // bytes; a longer tally has its label cut
	maxLabel = 4 << 10
	unit     = 256 // bytes of a tally that count as one entry

	keepMargin = time.Hour // a tally is on disk for so much longer than it counts
	sampled    = 8         // tallies compared when one is to be forgotten
)

// shard is a part of the tallies. Those in memory are held in their stored form, which is
// small and never changed once it is there.
type shard struct {
	mu      sync.Mutex
	dirty   map[storm.Key]entry // newer than on disk
	writing map[storm.Key]entry // being written; read only

	// Clean ones. When young is full it becomes old, and the old ones are dropped. What is
	// looked up among the old moves to the young.
	young, old map[storm.Key][]byte

	dirtySize, writingSize, youngSize int // entries
	maxDirty, maxYoung                int

	scratch []byte
}

type entry struct {
	value   []byte
	expires uint64 // Unix seconds when it may go from disk; 0 is never
}

func (sh *shard) init(memoryEntries int) {
	sh.maxDirty = max(memoryEntries/2/shards, 1)
	sh.maxYoung = max(memoryEntries/4/shards, 1)
	sh.dirty = map[storm.Key]entry{}
	sh.young = map[storm.Key][]byte{}
}

func size(value []byte) int { return 1 + len(value)/unit }

// shard returns the one that a key belongs to.
func (s *Store) shard(k storm.Key) *shard {
	h := binary.LittleEndian.Uint64(k.Owner[:])*31 + binary.LittleEndian.Uint64(k.Hash[:]) + uint64(k.Kind)
	return &s.shards[h*0x9e3779b97f4a7c15>>(64-6)]
}

// lookup returns the stored form of what is known of k, empty where that is nothing.
func (s *Store) lookup(k storm.Key) ([]byte, error) {
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return s.load(sh, k)
}

// change puts what to makes of the stored form of k in its place, in one step.
func (s *Store) change(ctx context.Context, k storm.Key, to func(sh *shard, value []byte) (entry, error)) error {
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := s.makeRoom(ctx, sh, k); err != nil {
		return err
	}
	value, err := s.load(sh, k)
	if err != nil {
		return err
	}
	e, err := to(sh, value)
	if err != nil {
		return fmt.Errorf("encode tally %s: %w", k, err)
	}
	sh.put(k, e)
	if sh.dirtySize > sh.maxDirty/2 {
		s.wake()
	}
	return nil
}

// load returns the stored form of k. The shard is locked, so that no newer one comes between.
func (s *Store) load(sh *shard, k storm.Key) ([]byte, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	value := sh.get(k)
	if value == nil {
		var err error
		if value, err = s.read(k); err != nil {
			return nil, fmt.Errorf("read tally %s: %w", k, err)
		}
		if value == nil {
			value = absent // what is looked up is often counted next
		}
		sh.cache(k, value)
	}
	return value, nil
}

// noteSize is room for a note: most have some 60 bytes.
const noteSize = 72

// tally is what a stored form says; the zero value of an empty one, and of one that cannot be read.
func (s *Store) tally(value []byte) (t storm.Tally) {
	if len(value) > 0 {
		s.readable(t.UnmarshalBinary(value))
	}
	return t
}

// note is tally for notes.
func (s *Store) note(value []byte) (n notes.Note) {
	if len(value) > 0 {
		s.readable(n.UnmarshalBinary(value))
	}
	return n
}

// absent is cached for a key that is not on disk.
var absent = []byte{}

// readable reports whether a stored tally or note could be read. One that could not counts as never seen: the others
// still protect their mailboxes.
func (s *Store) readable(err error) bool {
	if err != nil && s.unreadable.now(time.Now()) {
		s.o.Log.Warn("stored tallies are counted anew", "folder", s.dir, "err", err)
	}
	return err == nil
}

// read returns what is on disk for k, or nil.
func (s *Store) read(k storm.Key) (value []byte, err error) {
	if !s.keys.Load().has(k) {
		return nil, nil
	}
	err = s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(diskKey(k))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		value, err = item.ValueCopy(nil)
		return err
	})
	return value, err
}

func (sh *shard) get(k storm.Key) []byte {
	if e, ok := sh.dirty[k]; ok {
		return e.value
	}
	if e, ok := sh.writing[k]; ok {
		return e.value
	}
	if v, ok := sh.young[k]; ok {
		return v
	}
	v, ok := sh.old[k]
	if ok {
		sh.cache(k, v)
	}
	return v
}

// cache keeps a value that is on disk too.
func (sh *shard) cache(k storm.Key, value []byte) {
	if v, ok := sh.young[k]; ok {
		sh.youngSize -= size(v)
	} else if sh.youngSize >= sh.maxYoung {
		sh.old, sh.young, sh.youngSize = sh.young, map[storm.Key][]byte{}, 0
	}
	sh.young[k] = value
	sh.youngSize += size(value)
}

func (sh *shard) put(k storm.Key, e entry) {
	if old, ok := sh.dirty[k]; ok {
		sh.dirtySize -= size(old.value)
	}
	sh.dirty[k] = e
	sh.dirtySize += size(e.value)
}

// makeRoom waits until one more tally may be dirty. It unlocks the shard meanwhile. When
// nothing can be written it forgets another one instead.
func (s *Store) makeRoom(ctx context.Context, sh *shard, k storm.Key) error {
	for {
		if _, ok := sh.dirty[k]; ok || sh.dirtySize+sh.writingSize < sh.maxDirty {
			return nil
		}
		if s.closed.Load() {
			return errClosed
		}
		if s.Err() != nil {
			for sh.dirtySize >= sh.maxDirty {
				s.forget(sh)
			}
			return nil
		}
		wrote := s.nextWrite()
		sh.mu.Unlock()
		s.wake()
		var err error
		select {
		case <-wrote:
		case <-ctx.Done():
			err = ctx.Err()
		}
		sh.mu.Lock()
		if err != nil {
			return fmt.Errorf("wait for the store's disk: %w", err)
		}
	}
}

// forget drops one of a few dirty tallies picked at random: one that is no storm, and of
// those the one not seen for the longest time.
func (s *Store) forget(sh *shard) {
	var victim storm.Key
	var worst storm.Tally
	seen := 0
	for k, e := range sh.dirty { // in random order
		var t storm.Tally // a note has the same form
		ok := s.readable(t.UnmarshalBinary(e.value))
		if seen == 0 || !ok || lessWorth(t, worst) {
			victim, worst = k, t
		}
		if seen++; seen == sampled || !ok {
			break
		}
	}
	sh.dirtySize -= size(sh.dirty[victim].value)
	delete(sh.dirty, victim)
}

func lessWorth(a, b storm.Tally) bool {
	if (a.Storm == nil) != (b.Storm == nil) {
		return a.Storm == nil
	}
	return a.Last.Before(b.Last)
}

// take hands the dirty tallies to the writer.
func (sh *shard) take() map[storm.Key]entry {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.dirty) == 0 {
		return nil
	}
	sh.writing, sh.writingSize = sh.dirty, sh.dirtySize
	sh.dirty, sh.dirtySize = make(map[storm.Key]entry, len(sh.writing)), 0 // as many come again
	return sh.writing
}

// settle ends what take began.
func (sh *shard) settle(written bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for k, e := range sh.writing {
		_, newer := sh.dirty[k]
		switch {
		case newer:
		case written:
			sh.cache(k, e.value)
		default:
			sh.put(k, e)
		}
	}
	sh.writing, sh.writingSize = nil, 0
}

// unwritten returns what is newer than on disk.
func (sh *shard) unwritten(into map[storm.Key]entry) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	maps.Copy(into, sh.writing)
	maps.Copy(into, sh.dirty)
}

// encode returns the stored form of t, with a label that is not too long.
func (sh *shard) encode(t storm.Tally) ([]byte, error) {
	value, err := t.AppendBinary(sh.scratch[:0])
	if err == nil && len(value) > maxValue && t.Storm != nil {
		short := *t.Storm
		for _, text := range []*string{&short.Mailbox, &short.Class, &short.Subject} {
			*text = (*text)[:min(len(*text), maxLabel)]
		}
		t.Storm = &short
		value, err = t.AppendBinary(value[:0])
	}
	if cap(value) <= maxValue {
		sh.scratch = value
	}
	return bytes.Clone(value), err
}

// expires says in Unix seconds when what is counted now and is kept for so long may go from disk: by the clock,
// whatever the time of the mail, which may be long ago or still to come in a replay.
func expires(keep time.Duration, now time.Time) uint64 {
	if keep <= 0 {
		return 0
	}
	return uint64(now.Add(keep).Add(keepMargin).Unix())
}

func diskKey(k storm.Key) []byte {
	b := make([]byte, 0, 17)
	b = append(b, k.Owner[:]...)
	b = append(b, byte(k.Kind))
	return append(b, k.Hash[:]...)
}

func memoryKey(b []byte) (k storm.Key, ok bool) {
	if len(b) != 17 {
		return k, false
	}
	copy(k.Owner[:], b)
	k.Kind = storm.Kind(b[8])
	copy(k.Hash[:], b[9:])
	return k, true
}
