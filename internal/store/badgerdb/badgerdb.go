// Package badgerdb is the embedded store: it counts in memory and writes behind to Badger.
//
// A tally that changed is written within Options.FlushEvery and synced within
// Options.SyncEvery, as an absolute value. A killed process loses at most what was not
// written yet, a machine without power what was not synced. Close loses nothing.
//
// When the disk is nearly full nothing is written any more, because Badger maps its files
// into memory and would die where it cannot grow them. Counting goes on in memory. When
// that is full too, tallies that were not seen for the longest time are forgotten, those
// that are no storm first: more mail is let through, none is held that should not be.
package badgerdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"golang.org/x/sys/unix"

	"breakwater/internal/format"
	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

// Options are the settings of a Store. Zero values mean the defaults.
type Options struct {
	MemoryEntries int           // tallies held in memory, a long one for several; 100,000
	FlushEvery    time.Duration // 100 ms
	SyncEvery     time.Duration // 1 s
	MinFree       int64         // bytes free on the disk below which nothing is written; 256 MiB
	Log           *slog.Logger
	InMemory      bool // keep all in memory and nothing on disk; the folder must be ""

	now func() time.Time // time.Now, if nil
}

// layout is the format of the folder, which is that of the tallies in it.
var layout = format.Format{
	Name: "breakwater store", Version: storm.CodecVersion, Oldest: storm.CodecOldest,
	Instead: "move the folder away and start again: counts are lost, mail is not",
}

// closeRoom is what Badger may write while it closes: its tables in memory.
const closeRoom = 32 << 20

var errClosed = errors.New("store is closed")

// Store is a store.Store in a folder.
type Store struct {
	dir    string
	o      Options
	db     *badger.DB
	shards [shards]shard

	closed  atomic.Bool
	probing atomic.Bool
	reading sync.RWMutex // held by Tallies; Close waits for it
	kick    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
	endTend context.CancelFunc
	tended  chan struct{} // closed when nothing is set back any more

	problem    atomic.Pointer[error] // why nothing is written now
	unreadable rare
	keys       atomic.Pointer[filter] // on disk

	// The writer's own.
	unsynced bool
	synced   time.Time
	said     rare
	making   *filter // the next one of keys, or else that
	mu       sync.Mutex
	wrote    chan struct{} // closed after each attempt to write
}

// Open opens the store in a folder, which it creates when it is missing.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{
		dir: dir, o: o, synced: time.Now(),
		kick: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}), tended: make(chan struct{}), wrote: make(chan struct{}),
	}
	for i := range s.shards {
		s.shards[i].init(o.MemoryEntries)
	}
	if !o.InMemory {
		if err := layout.Check(dir); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("create store: %w", err)
		}
		if err := s.room(o.MinFree); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	db, err := openBadger(dir, o)
	if err != nil {
		return nil, explain(dir, err)
	}
	s.db = db
	s.keys.Store(newFilter(0))
	s.see()
	go s.run()
	var ctx context.Context
	ctx, s.endTend = context.WithCancel(context.Background())
	go func() {
		defer close(s.tended)
		tendHourly(ctx, func() {
			if err := s.tend(ctx, o.now()); err != nil && ctx.Err() == nil {
				o.Log.Warn("tallies of a clock that was ahead stay until the next hour", "err", err)
			}
		})
	}()
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.MemoryEntries <= 0 {
		o.MemoryEntries = 100_000
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 100 * time.Millisecond
	}
	if o.SyncEvery <= 0 {
		o.SyncEvery = time.Second
	}
	if o.MinFree <= 0 {
		o.MinFree = 256 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	return o
}

// openBadger opens the database with little memory: small tables, no caches (the kernel
// has one), no compression (a miss would cost five times as much). No tally is long enough
// for the value log, so that there is no garbage to collect in it.
func openBadger(dir string, o Options) (db *badger.DB, err error) {
	defer func() {
		if p := recover(); p != nil { // what Badger does on some damaged files
			err = fmt.Errorf("%v", p)
		}
	}()
	bo := badger.DefaultOptions(dir).
		WithInMemory(o.InMemory).
		WithLogger(logger{o.Log}).
		WithMemTableSize(4 << 20).WithNumMemtables(2).
		WithBaseTableSize(1 << 20).WithBaseLevelSize(16 << 20).
		WithNumLevelZeroTables(2).WithNumLevelZeroTablesStall(8).
		WithNumCompactors(2).WithNumGoroutines(2).
		WithCompression(options.None).WithBlockCacheSize(0).WithIndexCacheSize(0).
		WithValueThreshold(2 * maxValue).WithValueLogFileSize(16 << 20).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithDetectConflicts(false).WithMetricsEnabled(false)
	if !o.InMemory {
		if err := prepare(bo, o.Log); err != nil {
			return nil, err
		}
	}
	return badger.Open(bo)
}

func explain(dir string, err error) error {
	if errors.Is(err, errInUse) {
		return fmt.Errorf("open store %s: %w", dir, err)
	}
	if strings.Contains(err.Error(), unix.EACCES.Error()) { // of most errors Badger keeps the text alone
		return fmt.Errorf("open store %s: %w; all of it has to belong to the user who runs the daemon", dir, err)
	}
	return fmt.Errorf("open store %s: %w; if its files are damaged, move the folder away and start again: counts are lost, mail is not", dir, err)
}

// room tells when less than so many bytes are free on the disk.
func (s *Store) room(bytes int64) error {
	if s.o.InMemory {
		return nil
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(s.dir, &fs); err != nil {
		return fmt.Errorf("free space at %s: %w", s.dir, err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < bytes {
		return fmt.Errorf("disk of %s is nearly full: %d MiB free, %d MiB needed", s.dir, free>>20, bytes>>20)
	}
	return nil
}

// Err says why tallies are not being written to disk, or nil. Counting goes on meanwhile.
func (s *Store) Err() error {
	if p := s.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// Lookup is store.Store's.
func (s *Store) Lookup(ctx context.Context, at time.Time, keys []storm.Key) ([]storm.Tally, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tallies := make([]storm.Tally, len(keys))
	for i, k := range keys {
		value, err := s.lookup(k)
		if err != nil {
			return nil, err
		}
		if t := s.tally(value); !t.Forgotten(at) {
			tallies[i] = t
		}
	}
	return tallies, nil
}

// Noted is store.Store's.
func (s *Store) Noted(ctx context.Context, at time.Time, keys []storm.Key) ([]notes.Note, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found := make([]notes.Note, len(keys))
	for i, k := range keys {
		value, err := s.lookup(k)
		if err != nil {
			return nil, err
		}
		if n := s.note(value); !n.Forgotten(at) {
			found[i] = n
		}
	}
	return found, nil
}

// Observe is store.Store's. When it fails, some of the keys may have been counted.
func (s *Store) Observe(ctx context.Context, sg storm.Sighting) ([]storm.Tally, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tallies := make([]storm.Tally, len(sg.Counts))
	for i, c := range sg.Counts {
		err := s.change(ctx, c.Key, func(sh *shard, value []byte) (entry, error) {
			t := storm.Add(s.tally(value), sg, c)
			tallies[i] = t
			value, err := sh.encode(t)
			return entry{value, expires(t.Limit.Keep, s.o.now())}, err
		})
		if err != nil {
			return nil, err
		}
	}
	return tallies, nil
}

// Note is store.Store's. When it fails, some of the entries may have been noted.
func (s *Store) Note(ctx context.Context, at time.Time, entries []notes.Entry) ([]notes.Note, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	noted := make([]notes.Note, len(entries))
	for i, e := range entries {
		err := s.change(ctx, e.Key, func(_ *shard, value []byte) (entry, error) {
			n := notes.Add(s.note(value), at, e)
			noted[i] = n
			value, err := n.AppendBinary(make([]byte, 0, noteSize))
			return entry{value, expires(n.Keep, s.o.now())}, err
		})
		if err != nil {
			return nil, err
		}
	}
	return noted, nil
}

// Close writes and syncs all, and closes the database. It waits for loops over Tallies to
// end and must not be called in one.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.endTend()
	<-s.tended
	close(s.stop)
	<-s.stopped
	s.reading.Lock()
	defer s.reading.Unlock()
	err := s.write(time.Now())
	if err == nil {
		err = s.sync(time.Now())
	}
	if room := s.room(min(closeRoom, s.o.MinFree)); room != nil {
		// What was written is in Badger's log, which it reads again when it is opened.
		return fmt.Errorf("close store %s: %w", s.dir, errors.Join(room, s.db.Sync()))
	}
	if err := errors.Join(err, s.db.Close()); err != nil {
		return fmt.Errorf("close store %s: %w", s.dir, err)
	}
	return nil
}
