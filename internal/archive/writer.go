package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"breakwater/internal/owned"
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
	return owned.Open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
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
	dir    string
	o      Options
	last   id
	packer *packer

	file  file // nil when a segment is to be begun
	name  string
	first id    // of the segment
	size  int64 // on disk for certain
	buf   *bufio.Writer

	used atomic.Int64 // bytes of all segments
}

// room tells when there is too little for so many bytes more.
func (w *writer) room(bytes int64) error {
	free, err := w.o.files.Free(w.dir)
	if err != nil {
		return fmt.Errorf("free space at %s: %w", w.dir, err)
	}
	if free-bytes < w.o.MinFree {
		return fmt.Errorf("%w: %d MiB free on the disk of %s, %d MiB needed; make room there", ErrFull, free>>20, w.dir, (w.o.MinFree+bytes)>>20)
	}
	if used := w.used.Load(); w.o.MaxSize > 0 && used+bytes > w.o.MaxSize {
		return fmt.Errorf("%w: %s has %d MiB, max_size is %d MiB; release what is wanted or raise max_size", ErrFull, w.dir, used>>20, w.o.MaxSize>>20)
	}
	return nil
}

// write puts a group of at most so many bytes on disk, all or, as far as anybody is told,
// none, and returns the bytes for each domain. After a write or fsync that failed nobody
// knows what is on disk behind what was there before. So the segment is not used any more.
func (w *writer) write(group []*put, length int64) (map[string]int64, error) {
	if err := w.room(length); err != nil {
		return nil, err
	}
	if w.file != nil && w.size > 0 && w.size+length > w.o.SegmentSize {
		if err := w.finish(); err != nil {
			w.o.Log.Warn("segment of the archive is not finished", "folder", w.dir, "err", err) // the next Open does it
		}
	}
	for _, p := range group {
		p.ids = p.ids[:0]
		for range p.entries {
			w.last = max(w.last+1, id(time.Now().UnixNano()))
			p.ids = append(p.ids, w.last)
		}
	}
	if w.file == nil {
		if err := w.begin(group[0].ids[0]); err != nil {
			return nil, err
		}
	}
	domains, err := w.append(group)
	if err != nil {
		return nil, errors.Join(err, w.abandon())
	}
	return domains, nil
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
	w.file, w.name, w.first, w.size = f, name, first, 0
	w.packer.reset()
	return nil
}

// append writes a group behind what is there.
func (w *writer) append(group []*put) (map[string]int64, error) {
	if w.buf == nil {
		w.buf = bufio.NewWriterSize(nil, 64<<10)
	}
	w.buf.Reset(w.file)
	var length int64
	domains := map[string]int64{}
	for _, p := range group {
		for i, e := range p.entries {
			records, err := w.packer.pack(p.ids[i], e)
			if err != nil {
				return nil, err
			}
			for _, r := range records {
				if _, err := w.buf.Write(r.append(nil, w.name)); err != nil {
					return nil, fmt.Errorf("write segment %s: %w", w.name, err)
				}
				length += r.head.length()
				domains[e.copy.Domain] += r.head.length()
			}
		}
	}
	if err := w.buf.Flush(); err != nil {
		return nil, fmt.Errorf("write segment %s: %w", w.name, err)
	}
	if err := w.file.Sync(); err != nil {
		return nil, fmt.Errorf("sync segment %s: %w", w.name, err)
	}
	// Who makes room by hand may have removed it: nobody would find what is in it.
	if _, err := os.Lstat(filepath.Join(w.dir, w.name)); err != nil {
		return nil, fmt.Errorf("segment of the archive is gone: %w", err)
	}
	w.size += length
	w.used.Add(length)
	return domains, nil
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
	_, err := f.Write(head{base: w.last}.append(nil, w.name))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("finish segment %s: %w", w.name, err)
	}
	w.used.Add(headSize)
	return nil
}
