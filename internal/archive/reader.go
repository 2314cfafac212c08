package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
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
	if err := checkFormat(dir, slog.New(slog.DiscardHandler)); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	return &Reader{dir}, nil
}

// Is reports whether a folder looks like an archive.
func Is(dir string) bool {
	names, err := segmentNames(dir)
	return err == nil && len(names) > 0
}

// Message is a copy with its message, byte for byte as it was put.
type Message struct {
	Copy
	Raw []byte

	segment string // where it is
	place   place
}

// All yields the copies in the order of their IDs. An error is of one damaged record, or
// of one file that cannot be read; the loop goes on behind it. It ends with ctx.
func (r *Reader) All(ctx context.Context) iter.Seq2[Copy, error] { return r.Since(ctx, "") }

// Since is All from an ID on, itself included if there is such a copy.
func (r *Reader) Since(ctx context.Context, copyID string) iter.Seq2[Copy, error] {
	return func(yield func(Copy, error) bool) {
		r.each(ctx, copyID, (*unpacker).outline, func(m Message, err error) bool { return yield(m.Copy, err) })
	}
}

// Messages is All with the messages, each of them checked.
func (r *Reader) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) { r.each(ctx, "", (*unpacker).whole, yield) }
}

// Select is Messages of those copies that want says, which may take recipients off them.
func (r *Reader) Select(ctx context.Context, want func(*Copy) bool) iter.Seq2[Message, error] {
	read := func(u *unpacker, p place) (Message, error) {
		m, err := u.outline(p)
		if err != nil || len(m.Recipients) == 0 {
			return m, err
		}
		if !want(&m.Copy) {
			return Message{place: p}, nil // as if it had no recipients
		}
		m.Raw, err = u.messageAt(p)
		return m, err
	}
	return func(yield func(Message, error) bool) { r.each(ctx, "", read, yield) }
}

// Outlines is All with what a Marker needs: messages without their bytes.
func (r *Reader) Outlines(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) { r.each(ctx, "", (*unpacker).outline, yield) }
}

// Verified is what Verify found.
type Verified struct {
	Segments, Copies int
	Bytes            int64 // of the segments
	Damages          []error
}

// Verify reads everything back, and checks it: what Messages yields, and the second copies
// that it does not need. It tells progress after each segment. The error is that of the
// folder or of ctx.
func (r *Reader) Verify(ctx context.Context, progress func(done, all int)) (Verified, error) {
	var v Verified
	names, err := segmentNames(r.dir)
	if err != nil {
		return v, fmt.Errorf("list archive: %w", err)
	}
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		if err := r.verify(name, &v); err != nil {
			v.Damages = append(v.Damages, fmt.Errorf("read archive %s: %w", r.dir, err))
		}
		progress(i+1, len(names))
	}
	return v, nil
}

func (r *Reader) verify(name string, v *Verified) error {
	u, done, err := r.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since it was listed
	}
	if err != nil {
		return err
	}
	defer done()
	v.Segments++
	v.Bytes += u.segment.size
	for p, err := range u.records() {
		if err == nil && !p.head.spare() {
			v.Copies++
		}
		if err == nil {
			_, err = u.whole(p)
		}
		if err != nil {
			v.Damages = append(v.Damages, fmt.Errorf("read archive %s: %w", r.dir, err))
		}
	}
	return nil
}

// each yields what read gets of each record from an ID on.
func (r *Reader) each(ctx context.Context, from string, read func(*unpacker, place) (Message, error), yield func(Message, error) bool) {
	names, err := segmentNames(r.dir)
	if err != nil {
		yield(Message{}, fmt.Errorf("list archive: %w", err))
		return
	}
	for _, name := range names[max(segmentOf(names, from), 0):] {
		if !r.eachOf(ctx, name, from, read, yield) {
			return
		}
	}
}

// segmentOf is the last of names that begins before or with an ID; -1 if none does.
func segmentOf(names []string, copyID string) int {
	i, found := slices.BinarySearchFunc(names, copyID, func(name, id string) int {
		return strings.Compare(strings.TrimSuffix(name, suffix), id)
	})
	if !found {
		i--
	}
	return i
}

// eachOf is each for one segment. It reports whether more are wanted.
func (r *Reader) eachOf(ctx context.Context, name, from string, read func(*unpacker, place) (Message, error), yield func(Message, error) bool) bool {
	u, done, err := r.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true // gone since it was listed
	}
	if err != nil {
		return yield(Message{}, fmt.Errorf("read archive: %w", err))
	}
	defer done()
	first, _ := parseID(from)
	behind := func(p place) (Message, error) {
		if p.head.id < first {
			return Message{}, nil // without a look at the rest of it
		}
		return read(u, p)
	}
	for m, err := range u.copies(behind) {
		if ctx.Err() != nil {
			yield(Message{}, ctx.Err())
			return false
		}
		if err == nil && (m.ID < from || len(m.Recipients) == 0 && m.place.head.recipients > 0) {
			continue // not wanted, or to be erased
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

// open opens a segment. done closes it.
func (r *Reader) open(name string) (u *unpacker, done func(), err error) {
	s, f, err := openSegment(r.dir, name, os.O_RDONLY)
	if err != nil {
		return nil, nil, err
	}
	if u, err = newUnpacker(s); err != nil {
		f.Close()
		return nil, nil, err
	}
	return u, func() { u.close(); f.Close() }, nil
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
	i := segmentOf(names, copyID)
	if i < 0 {
		return fail(ErrNotFound)
	}
	u, done, err := r.open(names[i])
	if err != nil {
		return fail(err)
	}
	defer done()
	m, err := u.find(want)
	if err != nil {
		return fail(err)
	}
	return m.Copy, m.Raw, nil
}

// find reads the copy with an ID.
func (u *unpacker) find(want id) (Message, error) {
	missing := ErrNotFound
	for p, err := range u.records() {
		if err == nil && p.head.id != want {
			continue
		}
		if err != nil {
			missing = errors.Join(missing, err) // it may have been there
			continue
		}
		m, err := u.whole(p)
		if err != nil {
			missing = err // there may be its spare
			continue
		}
		if len(m.Recipients) == 0 && p.head.recipients > 0 {
			return Message{}, ErrNotFound // to be erased
		}
		return m, nil
	}
	return Message{}, missing
}
