package badgerdb

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// run writes what changed until the store is closed.
func (s *Store) run() {
	defer close(s.stopped)
	flush := time.NewTicker(s.o.FlushEvery)
	defer flush.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-flush.C:
		case <-s.kick:
		}
		s.writeAndSay(time.Now())
	}
}

// wake makes run write now.
func (s *Store) wake() {
	select {
	case s.kick <- struct{}{}:
	default: // it is to be woken already
	}
}

// nextWrite returns a channel that is closed after the next attempt to write.
func (s *Store) nextWrite() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrote
}

// writeAndSay writes, syncs when it is time, and lets everybody know how that went.
func (s *Store) writeAndSay(now time.Time) {
	err := s.write(now)
	if err == nil && s.unsynced && now.Sub(s.synced) >= s.o.SyncEvery {
		err = s.sync(now)
	}
	if f := s.keys.Load(); f == s.making && f.full() {
		s.see()
	}
	switch before := s.Err(); {
	case err != nil:
		s.problem.Store(&err)
		if s.said.now(now) {
			s.o.Log.Error("tallies are counted in memory alone", "err", err)
		}
	case before != nil:
		s.problem.Store(nil)
		s.said.last.Store(0)
		s.o.Log.Info("tallies are written to disk again", "folder", s.dir)
	}
	s.mu.Lock()
	close(s.wrote)
	s.wrote = make(chan struct{})
	s.mu.Unlock()
}

// write puts all dirty tallies into the database. After an error they are dirty again.
func (s *Store) write(now time.Time) error {
	if err := s.room(s.o.MinFree); err != nil {
		return err
	}
	batch := s.db.NewWriteBatch()
	defer batch.Cancel()
	var err error
	for i := range s.shards {
		for k, e := range s.shards[i].take() {
			if err == nil {
				s.saw(k)
				err = batch.SetEntry(&badger.Entry{Key: diskKey(k), Value: e.value, ExpiresAt: e.expires})
				s.unsynced = true
			}
		}
	}
	if err == nil {
		err = batch.Flush()
	}
	for i := range s.shards {
		s.shards[i].settle(err == nil)
	}
	if err != nil {
		return fmt.Errorf("write tallies to %s: %w", s.dir, err)
	}
	return nil
}

func (s *Store) sync(now time.Time) error {
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("sync tallies in %s: %w", s.dir, err)
	}
	s.synced, s.unsynced = now, false
	return nil
}

// rare lets something be said once a minute.
type rare struct{ last atomic.Int64 }

func (r *rare) now(at time.Time) bool {
	last := r.last.Load()
	return at.UnixNano()-last >= int64(time.Minute) && r.last.CompareAndSwap(last, at.UnixNano())
}

// logger passes on what Badger has to say, as far as an operator may want to know it.
type logger struct{ log *slog.Logger }

func (l logger) Errorf(f string, a ...any)   { l.log.Error("badger: " + text(f, a)) }
func (l logger) Warningf(f string, a ...any) { l.log.Warn("badger: " + text(f, a)) }
func (l logger) Infof(f string, a ...any)    { l.log.Debug("badger: " + text(f, a)) }
func (l logger) Debugf(string, ...any)       {}

func text(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
