package archive

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"breakwater/internal/owned"
)

const (
	suffix     = ".seg"
	tornSuffix = ".torn" // behind the name of a segment: what was cut off its end

	sector = 512 // bytes of a file that are written or not
)

// segment is a file of records, to be read.
type segment struct {
	name string // without folder
	r    io.ReaderAt
	size int64
}

// place is where a record is.
type place struct {
	head head
	at   int64
}

func (p place) end() int64 { return p.at + p.head.length() }

// headAt is the head at an offset, if there is one. An error is that of reading: nobody knows what is there.
func (s segment) headAt(at int64) (h head, ok bool, err error) {
	b := make([]byte, headSize)
	if _, err := s.r.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return head{}, false, s.damage(at, err)
	}
	h, ok = parseHead(b, s.name)
	return h, ok, nil
}

// mark is the head that says that nothing will be appended, if it is there. Its base is
// the highest ID of the segment.
func (s segment) mark() (h head, ok bool, err error) {
	if s.size < headSize {
		return head{}, false, nil
	}
	h, ok, err = s.headAt(s.size - headSize)
	return h, ok && h.id == 0, err
}

// records yields the records that have a sound head, and an error for each stretch of
// bytes that is none. The torn tail of a segment that is not finished is no error.
func (s segment) records() iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		_, finished, _ := s.mark() // where it cannot be read, what is before it may be
		for at := int64(0); at < s.size; {
			p, err := s.next(at)
			torn := p.at >= s.size || p.end() > s.size
			if torn && !finished && err == nil {
				var cut bool
				if cut, err = s.torn(min(at, s.size)); cut {
					return
				}
			}
			if err == nil {
				err = s.strange(at)
			}
			if (torn || p.at > at) && !yield(place{}, s.damage(at, fmt.Errorf("%w: %d bytes", err, min(p.at, s.size)-at))) {
				return
			}
			if torn || p.head.id == 0 {
				return
			}
			if !yield(p, nil) {
				return
			}
			at = p.end()
		}
	}
}

// strange says what is at an offset instead of a record: one of another version, or damage.
func (s segment) strange(at int64) error {
	b := make([]byte, len(magic))
	_, err := s.r.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err == nil && string(b[:len(stem)]) == stem {
		switch version := b[len(stem)]; {
		case int(version) > layout.Version:
			return fmt.Errorf("%w, or written by a newer breakwater: format %d, this version reads up to %d", ErrDamaged, version, layout.Version)
		case int(version) < layout.Oldest:
			return fmt.Errorf("%w, or written by a very old breakwater: format %d, this version reads from %d on; release its mail with that version", ErrDamaged, version, layout.Oldest)
		}
	}
	return ErrDamaged
}

func (s segment) damage(at int64, err error) error {
	return fmt.Errorf("%s, offset %d: %w", s.name, at, err)
}

// maxUnreadable is how many blocks are tried one after the other that cannot be read.
const maxUnreadable = 64

// next finds the first record at an offset or behind it. There is none when it is at the
// end of the segment. An error is that of a block on the way that could not be read.
func (s segment) next(at int64) (p place, unreadable error) {
	h, ok, unreadable := s.headAt(at)
	if ok {
		return place{h, at}, nil
	}
	buf := make([]byte, 256<<10)
	for failed := 0; at < s.size && failed < maxUnreadable; {
		want := min(int64(len(buf)), s.size-at)
		n, err := s.r.ReadAt(buf[:want], at)
		if err != nil && int64(n) < want && !errors.Is(err, io.EOF) {
			unreadable = err
			if n, err = s.r.ReadAt(buf[:min(block-at%block, want)], at); err != nil && !errors.Is(err, io.EOF) {
				failed++
				at += block - at%block
				continue
			}
		}
		if n == 0 {
			break // it has become shorter
		}
		failed = 0
		for from := 0; ; from++ {
			i := bytes.Index(buf[from:n], []byte(stem))
			if i < 0 {
				break
			}
			from += i
			h, ok, err := s.headAt(at + int64(from))
			if ok {
				return place{h, at + int64(from)}, unreadable
			}
			unreadable = cmp.Or(err, unreadable)
		}
		if int64(n) == s.size-at {
			break
		}
		at += int64(max(n-len(stem)+1, 1)) // a magic may lie across the border
	}
	return place{at: s.size}, unreadable
}

// whole is the end of the last record whose bytes are all as they were written, and the
// highest ID. An error is one of reading: what is behind it may be sound.
func (s segment) whole() (end int64, last id, err error) {
	for p, rerr := range s.records() {
		ok := false
		if rerr == nil {
			ok, rerr = s.sound(p)
		}
		if ok {
			end, last = p.end(), max(last, p.head.id)
		}
		if rerr != nil && !errors.Is(rerr, ErrDamaged) {
			err = rerr
		}
	}
	return end, last, err
}

// sound reports whether the bytes of a record are as they were written. Whether it can be unpacked
// is another question, which its base decides, too.
func (s segment) sound(p place) (bool, error) {
	r := io.NewSectionReader(s.r, p.at+headSize+int64(p.head.recipients), int64(p.head.strings)+int64(p.head.message))
	for _, part := range []struct{ length, sum uint32 }{{p.head.strings, p.head.stringsSum}, {p.head.message, p.head.messageSum}} {
		h := crc32.New(castagnoli)
		if _, err := io.CopyN(h, r, int64(part.length)); err != nil {
			return false, s.damage(p.at, err)
		}
		if h.Sum32() != part.sum {
			return false, nil
		}
	}
	return true, nil
}

// torn reports whether what is from an offset on may be what a crash leaves of the records
// that were written last: too short, or a head whose record is not all there, or a sector that was
// not written; and no more than is written at once.
// An error is that of reading.
func (s segment) torn(at int64) (bool, error) {
	if s.size-at < headSize {
		return true, nil
	}
	b := make([]byte, headSize)
	if _, err := s.r.ReadAt(b, at); err != nil {
		return false, s.damage(at, err)
	}
	missing := b
	if there := sector - at%sector; there < headSize {
		missing = b[there:]
	}
	h, ok := parseHead(b, s.name)
	if s.size-at > 2*maxGroup && !(ok && (place{h, at}).end() >= s.size) {
		return false, nil
	}
	return ok || len(bytes.Trim(missing, "\x00")) == 0, nil
}

// segmentNames lists the segments of a folder, oldest first.
func segmentNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), suffix); ok {
			if _, ok := parseID(base); ok {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

func openSegment(dir, name string, flag int) (segment, *os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), flag, 0)
	if err != nil {
		return segment{}, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return segment{}, nil, err
	}
	return segment{name: name, r: f, size: info.Size()}, f, nil
}

// recoverAll finishes the segments that a process left when it died, and returns the
// highest ID so far. What it cannot finish it leaves as it is; the archive begins a new
// segment anyway.
func recoverAll(dir string, log *slog.Logger) (last id, err error) {
	names, err := segmentNames(dir)
	if err != nil {
		return 0, err
	}
	if err := removeUnfinished(dir); err != nil {
		log.Warn("what is left of a segment that was being written anew is still there", "folder", dir, "err", err)
	}
	for _, name := range names {
		highest, err := recoverSegment(dir, name, log)
		if err != nil {
			log.Warn("segment of the archive is not finished", "folder", dir, "err", err)
		}
		last = max(last, firstOf(name), highest)
	}
	return last, nil
}

// firstOf is the ID of the first record of a segment.
func firstOf(name string) id {
	first, _ := parseID(strings.TrimSuffix(name, suffix))
	return first
}

// removeUnfinished removes segments that a process was writing anew when it died.
func removeUnfinished(dir string) error {
	temps, err := filepath.Glob(filepath.Join(dir, "*"+suffix+rewriting))
	for _, temp := range temps {
		err = errors.Join(err, os.Remove(temp))
	}
	return err
}

// recoverSegment finishes a segment that no process writes to any more. Damage in it stays where it
// is. A torn tail is moved into a file beside it. Where something cannot be read, or nothing
// is known, the file is left alone.
func recoverSegment(dir, name string, log *slog.Logger) (last id, err error) {
	s, f, err := openSegment(dir, name, os.O_RDWR)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return s.finish(f, log)
}

// finish finishes a segment in its file.
func (s segment) finish(f *os.File, log *slog.Logger) (last id, err error) {
	mark, ok, err := s.mark()
	if ok {
		return mark.base, nil
	}
	var end int64
	if err == nil {
		end, last, err = s.whole()
	}
	torn := false
	if err == nil && end < s.size {
		torn, err = s.torn(end)
	}
	if err != nil {
		return last, fmt.Errorf("recover: %w; it is left as it is and tried again", err)
	}
	if end == 0 && s.size > 0 && !torn {
		return 0, fmt.Errorf("recover %s: there is no record in it that this version knows, nothing is written to it: %w", s.name, ErrDamaged)
	}
	if torn {
		aside := f.Name() + tornSuffix
		log.Warn("torn tail of the archive is cut off, and kept in a file beside it", "file", f.Name(), "offset", end, "bytes", s.size-end, "kept", aside)
		if err := keepTail(s, end, aside); err != nil {
			return last, fmt.Errorf("keep what is cut off %s: %w", s.name, err)
		}
		if err := f.Truncate(end); err != nil {
			return last, fmt.Errorf("cut %s: %w", s.name, err)
		}
	} else {
		end = s.size // damage behind the last record is not ours to cut; readers report it
	}
	if _, err := f.WriteAt(head{base: last}.append(nil, s.name), end); err != nil {
		return last, fmt.Errorf("finish %s: %w", s.name, err)
	}
	if err := f.Sync(); err != nil {
		return last, fmt.Errorf("finish %s: %w", s.name, err)
	}
	return last, nil
}

// keepTail writes what is behind an offset into a file.
func keepTail(s segment, from int64, name string) error {
	f, err := owned.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.NewSectionReader(s.r, from, s.size-from))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// segments lists the segments of a folder, and how many bytes they have.
func segments(dir string) (names []string, bytes int64, err error) {
	if names, err = segmentNames(dir); err != nil {
		return nil, 0, err
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		bytes += info.Size()
	}
	return names, bytes, nil
}

// newestWritten is when a segment was written last, by the host's clock; zero if there is none.
func newestWritten(dir string) (newest time.Time, err error) {
	names, err := segmentNames(dir)
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest, err
}
