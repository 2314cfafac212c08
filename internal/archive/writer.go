package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// files is what a writer asks of the operating system; tests make it fail.
type files interface {
	Create(name string) (file, error)
	SyncDir(dir string) error
	Free(dir string) (bytes int64, err error)
}

type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

type osFiles struct{}

func (osFiles) Create(name string) (file, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func (osFiles) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osFiles) Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// writer appends to the newest segment.
type writer struct {
	dir  string
	o    Options
	last id

	file file // nil when a segment is to be begun
	name string
	size int64 // on disk for certain
	buf  *bufio.Writer
}

// room tells when there is too little for so many bytes more.
func (w *writer) room(bytes int64) error {
	free, err := w.o.files.Free(w.dir)
	if err != nil {
		return fmt.Errorf("free space at %s: %w", w.dir, err)
	}
	if free-bytes < w.o.MinFree {
		return fmt.Errorf("%w: %d MiB free at %s, %d MiB needed", ErrFull, free>>20, w.dir, (w.o.MinFree+bytes)>>20)
	}
	return nil
}

// write puts a group of records, of so many bytes, on disk, all or, as far as anybody is told, none. After a
// write or fsync that failed nobody knows what is on disk behind what was there before.
// So the segment is not used any more.
func (w *writer) write(group []*put, length int64) error {
	if err := w.room(length); err != nil {
		return err
	}
	if w.file != nil && w.size+length > w.o.SegmentSize {
		if err := w.finish(); err != nil {
			w.o.Log.Warn("segment of the archive is not finished", "folder", w.dir, "err", err) // the next Open does it
		}
	}
	for _, p := range group {
		w.last = max(w.last+1, id(time.Now().UnixNano()))
		p.record.head.id = w.last
	}
	if w.file == nil {
		if err := w.begin(group[0].record.head.id); err != nil {
			return err
		}
	}
	if err := w.append(group); err != nil {
		return errors.Join(err, w.abandon())
	}
	w.size += length
	return nil
}

func (w *writer) begin(first id) error {
	name := first.String() + suffix
	path := filepath.Join(w.dir, name)
	f, err := w.o.files.Create(path)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	if err := w.o.files.SyncDir(w.dir); err != nil {
		return errors.Join(fmt.Errorf("begin segment %s: %w", name, err), f.Close(), os.Remove(path))
	}
	w.file, w.name, w.size = f, name, 0
	return nil
}

func (w *writer) append(group []*put) error {
	if w.buf == nil {
		w.buf = bufio.NewWriterSize(nil, 64<<10)
	}
	w.buf.Reset(w.file)
	for _, p := range group {
		for _, b := range [][]byte{p.record.head.append(nil, w.name), p.record.strings, p.record.message} {
			if _, err := w.buf.Write(b); err != nil {
				return fmt.Errorf("write segment %s: %w", w.name, err)
			}
		}
	}
	if err := w.buf.Flush(); err != nil {
		return fmt.Errorf("write segment %s: %w", w.name, err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync segment %s: %w", w.name, err)
	}
	return nil
}

// abandon leaves a segment to readers, and to the next Open. It tries to cut off what was
// not archived, so that nobody sees it.
func (w *writer) abandon() error {
	err := errors.Join(w.file.Truncate(w.size), w.file.Close())
	if w.size == 0 {
		err = errors.Join(err, os.Remove(filepath.Join(w.dir, w.name)))
	}
	w.file = nil
	return err
}

// finish marks a segment as complete.
func (w *writer) finish() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	_, err := f.Write(head{}.append(nil, w.name))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("finish segment %s: %w", w.name, err)
	}
	return nil
}

// size is the length of a record on disk.
func (r record) size() int64 { return r.head.length() }
