package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
)

// ErrNotFound is the error of Read for an ID that is not in the archive.
var ErrNotFound = errors.New("no such copy")

// Reader reads an archive, also while a daemon writes to it or after one was killed.
type Reader struct{ dir string }

// OpenReadOnly opens the archive in a folder to look into it. There is nothing to close.
func OpenReadOnly(dir string) (*Reader, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a folder")}
	}
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	return &Reader{dir}, nil
}

// Message is a copy with its message, byte for byte as it was put.
type Message struct {
	Copy
	Raw []byte
}

// All yields the copies in the order of their IDs. An error is of one damaged record, or
// of one file that cannot be read; the loop goes on behind it. It ends with ctx.
func (r *Reader) All(ctx context.Context) iter.Seq2[Copy, error] {
	return func(yield func(Copy, error) bool) {
		r.each(ctx, segment.outline, func(m Message, err error) bool { return yield(m.Copy, err) })
	}
}

// Messages is All with the messages, each of them checked.
func (r *Reader) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) { r.each(ctx, segment.message, yield) }
}

// each yields what read gets of each record.
func (r *Reader) each(ctx context.Context, read func(segment, place) (Message, error), yield func(Message, error) bool) {
	names, err := segmentNames(r.dir)
	if err != nil {
		yield(Message{}, fmt.Errorf("list archive: %w", err))
		return
	}
	for _, name := range names {
		if !r.eachOf(ctx, name, read, yield) {
			return
		}
	}
}

// eachOf is each for one segment. It reports whether more are wanted.
func (r *Reader) eachOf(ctx context.Context, name string, read func(segment, place) (Message, error), yield func(Message, error) bool) bool {
	s, f, err := openSegment(r.dir, name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return true // gone since it was listed
	}
	if err != nil {
		return yield(Message{}, fmt.Errorf("read archive: %w", err))
	}
	defer f.Close()
	for p, err := range s.records() {
		if ctx.Err() != nil {
			yield(Message{}, ctx.Err())
			return false
		}
		var m Message
		if err == nil {
			m, err = read(s, p)
		}
		if err != nil {
			m, err = Message{}, fmt.Errorf("read archive %s: %w", r.dir, err)
		}
		if !yield(m, err) {
			return false
		}
	}
	return true
}

// Read returns a copy and its message, byte for byte as it was put, which it checks.
func (r *Reader) Read(copyID string) (Copy, []byte, error) {
	fail := func(err error) (Copy, []byte, error) {
		return Copy{}, nil, fmt.Errorf("read copy %s in %s: %w", copyID, r.dir, err)
	}
	want, ok := parseID(copyID)
	if !ok {
		return fail(ErrNotFound)
	}
	names, err := segmentNames(r.dir)
	if err != nil {
		return fail(err)
	}
	i, found := slices.BinarySearchFunc(names, copyID, func(name, id string) int {
		return strings.Compare(strings.TrimSuffix(name, suffix), id)
	})
	if !found {
		i-- // the last segment that begins before
	}
	if i < 0 {
		return fail(ErrNotFound)
	}
	s, f, err := openSegment(r.dir, names[i], os.O_RDONLY)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	c, raw, err := s.read(want)
	if err != nil {
		return fail(err)
	}
	return c, raw, nil
}

func (s segment) read(want id) (Copy, []byte, error) {
	missing := ErrNotFound
	for p, err := range s.records() {
		if err != nil {
			missing = errors.Join(missing, err) // it may have been there
			continue
		}
		if p.head.id != want {
			continue
		}
		m, err := s.message(p)
		return m.Copy, m.Raw, err
	}
	return Copy{}, nil, missing
}

// outline reads a record without its message.
func (s segment) outline(p place) (Message, error) {
	c, err := s.copyAt(p)
	return Message{Copy: c}, err
}

// message reads a whole record.
func (s segment) message(p place) (Message, error) {
	m, err := s.outline(p)
	if err == nil {
		m.Raw, err = s.messageAt(p)
	}
	if err != nil {
		return Message{}, err
	}
	return m, nil
}
