package milterd

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// spool keeps the bytes of one message: in memory, and when it is long in a file without a
// name. It is shared by its holders, and freed when the last one lets it go.
type spool struct {
	pool      *sync.Pool // of *[]byte: where buf is from, and goes back to
	memory    int
	max       int64
	dir       string
	holders   atomic.Int32
	size      int64
	truncated bool
	buf       []byte
	file      *os.File
	mapped    []byte
}

func newSpool(s *Server) *spool {
	sp := &spool{pool: &s.buffers, memory: or(s.SpoolMemory, 256<<10), max: or(s.MaxMessage, 64<<20), dir: s.SpoolDir}
	if b, ok := s.buffers.Get().(*[]byte); ok {
		sp.buf = (*b)[:0]
	}
	sp.holders.Store(1)
	return sp
}

func (s *spool) hold() { s.holders.Add(1) }

func (s *spool) release() {
	if s.holders.Add(-1) > 0 {
		return
	}
	if s.mapped != nil {
		unix.Munmap(s.mapped)
		s.mapped = nil
	}
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	if b := s.buf; b != nil {
		s.buf = nil
		s.pool.Put(&b)
	}
}

// spoolTo appends p. What is over the longest message is dropped.
func spoolTo[T string | []byte](s *spool, p T) error {
	if room := s.max - s.size; int64(len(p)) > room {
		p, s.truncated = p[:room], true
	}
	s.size += int64(len(p))
	if s.file == nil && len(s.buf)+len(p) > s.memory {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.file == nil {
		s.buf = append(s.buf, p...)
		return nil
	}
	if _, err := s.file.Write([]byte(p)); err != nil {
		return fmt.Errorf("spool message: %w", err)
	}
	return nil
}

// open moves what there is to a file.
func (s *spool) open() error {
	f, err := os.CreateTemp(s.dir, "breakwater-")
	if err != nil {
		return fmt.Errorf("spool message: %w", err)
	}
	s.file = f
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("spool message: %w", err)
	}
	if _, err := f.Write(s.buf); err != nil {
		return fmt.Errorf("spool message: %w", err)
	}
	s.buf = nil
	return nil
}

// bytes returns the message. It is valid as long as the spool is held.
func (s *spool) bytes() ([]byte, error) {
	if s.file == nil || s.size == 0 {
		return s.buf, nil
	}
	b, err := unix.Mmap(int(s.file.Fd()), 0, int(s.size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("spool message: %w", err)
	}
	s.mapped = b
	return b, nil
}
