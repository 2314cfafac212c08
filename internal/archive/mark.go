package archive

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"breakwater/internal/owned"
)

// marksFile is locked by whoever marks copies or writes a segment anew.
const marksFile = "marks"

// LockReleases keeps others from releasing at the same time, until done is called.
func LockReleases(dir string) (done func(), err error) {
	f, err := owned.Open(filepath.Join(dir, "releasing"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("release from %s: %w", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("release from %s: another release is running: %w", dir, err), f.Close())
	}
	return func() { f.Close() }, nil
}

// Marker notes in the archive itself what became of copies. Other processes may read the
// archive, write to it and mark at the same time. A Marker is for one goroutine.
type Marker struct {
	dir  string
	lock *os.File
	f    *os.File
	u    *unpacker
	sync func(*os.File) error
}

// NewMarker returns a Marker for the archive in a folder.
func NewMarker(dir string) (*Marker, error) {
	lock, err := owned.Open(filepath.Join(dir, marksFile), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("open archive %s to write to it: %w", dir, err)
	}
	return &Marker{dir: dir, lock: lock, sync: (*os.File).Sync}, nil
}

// Released notes that recipients of a copy, by their addresses, have got it. The note is on disk when
// it returns: they are not to get it again after the power has failed.
func (k *Marker) Released(m Message, addrs ...string) error { return k.mark(m, released, addrs) }

// Forget erases a copy for some of its recipients. Nobody is shown it any more; its bytes
// are gone after the next Expire.
func (k *Marker) Forget(m Message, addrs ...string) error { return k.mark(m, forgotten, addrs) }

// Close writes all marks to the disk.
func (k *Marker) Close() error { return errors.Join(k.closeSegment(), k.lock.Close()) }

func (k *Marker) closeSegment() error {
	if k.f == nil {
		return nil
	}
	k.u.close()
	err := errors.Join(k.sync(k.f), k.f.Close())
	k.f = nil
	return err
}

// locked runs f while nobody else marks or rewrites a segment.
func locked(lock *os.File, f func() error) error {
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	return errors.Join(f(), unix.Flock(int(lock.Fd()), unix.LOCK_UN))
}

func (k *Marker) mark(m Message, s state, addrs []string) error {
	err := locked(k.lock, func() error {
		p, err := k.find(m)
		if err != nil {
			return err
		}
		c, states, err := k.u.copyAt(p)
		if err != nil {
			return err
		}
		for i, r := range c.Recipients {
			if slices.Contains(addrs, r.Addr) && states[i] != forgotten {
				if _, err := k.f.WriteAt([]byte{s}, p.at+headSize+int64(i)); err != nil {
					return err
				}
			}
		}
		if s == released {
			return k.sync(k.f)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mark copy %s in %s: %w", m.ID, k.dir, err)
	}
	return nil
}

// find opens the segment of a copy as it is now, and finds the copy in it.
func (k *Marker) find(m Message) (place, error) {
	if err := k.openSegment(m.segment); err != nil {
		return place{}, err
	}
	h, ok, unreadable := k.u.headAt(m.place.at)
	if ok && h == m.place.head {
		return m.place, nil
	}
	for p, err := range k.u.records() { // it was rewritten since
		if err == nil && p.head.id == m.place.head.id {
			return p, nil
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			unreadable = err
		}
	}
	return place{}, cmp.Or(unreadable, ErrNotFound)
}

func (k *Marker) openSegment(name string) error {
	path := filepath.Join(k.dir, name)
	now, err := os.Stat(path)
	if err != nil {
		return errors.Join(ErrNotFound, err)
	}
	if k.f != nil {
		if old, err := k.f.Stat(); err == nil && os.SameFile(old, now) {
			return nil
		}
		if err := k.closeSegment(); err != nil {
			return err
		}
	}
	s, f, err := openSegment(k.dir, name, os.O_RDWR)
	if err != nil {
		return err
	}
	u, err := newUnpacker(s)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	k.f, k.u = f, u
	return nil
}
