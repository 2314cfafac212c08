package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

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
	io.WriterAt
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
	clock  *clock
	last   id
	packer *packer

	file  file // nil when a segment is to be begun
	name  string
	size  int64 // on disk for certain
	first id    // for the first record of a segment; 0 behind it
	buf   *bufio.Writer

	used atomic.Int64 // bytes of all segments
}

// free is how many bytes more are taken; less than 0 if there are too many.
func (w *writer) free() (int64, error) {
	free, err := w.o.files.Free(w.dir)
	if err != nil {
		return 0, fmt.Errorf("free space at %s: %w", w.dir, err)
	}
	free -= w.o.MinFree
	if w.o.MaxSize > 0 {
		free = min(free, w.o.MaxSize-w.used.Load())
	}
	return free, nil
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

// prepare makes sure that there are room and a segment for so many bytes.
func (w *writer) prepare(length int64) error {
	if err := w.room(length); err != nil {
		return err
	}
	if w.file != nil && w.size > 0 && w.size+length > w.o.SegmentSize {
		if err := w.finish(); err != nil {
			w.o.Log.Warn("segment of the archive is not finished", "folder", w.dir, "err", err) // the next Expire does it
		}
	}
	if w.file != nil {
		return nil
	}
	return w.begin(w.next())
}

func (w *writer) next() id { return max(w.last+1, id(w.clock.host.Now().UnixNano())) }

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

// pack makes the records of a group, and gives them their IDs. From then on nobody needs the
// messages.
func (w *writer) pack(group []*put) error {
	kept := w.clock.now()
	for _, p := range group {
		for _, e := range p.entries {
			if w.last = w.next(); w.first != 0 {
				w.last, w.first = w.first, 0
			}
			e.copy.Kept = kept
			before := w.packer.at
			records, err := w.packer.pack(w.last, e)
			if err != nil {
				return errors.Join(err, w.abandon())
			}
			p.ids = append(p.ids, w.last)
			p.records = append(p.records, records...)
			p.at = append(p.at, w.packer.at-records[len(records)-1].head.length())
			p.bytes = append(p.bytes, w.packer.at-before)
		}
	}
	return nil
}

// write puts a group on disk, all or, as far as anybody is told, none, and returns who is
// charged with it. After a write or fsync that failed nobody knows what is on disk behind
// what was there before. So the segment is not used any more.
func (w *writer) write(group []*put) (sums, error) {
	if w.buf == nil {
		w.buf = bufio.NewWriterSize(nil, 64<<10)
	}
	w.buf.Reset(w.file)
	err := w.append(group)
	if err != nil {
		return sums{}, errors.Join(err, w.abandon())
	}
	charged := newSums()
	for _, p := range group {
		for i, e := range p.entries {
			charged.add(w.o.Shares, &e.copy, p.bytes[i])
			w.size += p.bytes[i]
			w.used.Add(p.bytes[i])
		}
	}
	return charged, nil
}

// append writes a group behind what is there.
func (w *writer) append(group []*put) error {
	for _, p := range group {
		for _, r := range p.records {
			if _, err := w.buf.Write(r.append(nil, w.name)); err != nil {
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
	// Who makes room by hand may have removed it: nobody would find what is in it.
	if _, err := os.Lstat(filepath.Join(w.dir, w.name)); err != nil {
		return fmt.Errorf("segment of the archive is gone: %w", err)
	}
	return nil
}

// release marks what is on disk as got by all its recipients: nobody waited for it any longer, and
// it went another way.
func (w *writer) release(late []*put) error {
	if len(late) == 0 {
		return nil
	}
	for _, p := range late {
		for i, e := range p.entries {
			if _, err := w.file.WriteAt(bytes.Repeat([]byte{released}, len(e.states)), p.at[i]+headSize); err != nil {
				return fmt.Errorf("mark copy %s: %w", p.ids[i], err)
			}
		}
	}
	return w.file.Sync()
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
