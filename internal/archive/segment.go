package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	suffix = ".seg"
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

func (s segment) headAt(at int64) (head, bool) {
	b := make([]byte, headSize)
	if _, err := s.r.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return head{}, false
	}
	return parseHead(b, s.name)
}

// mark is the head that says that nothing will be appended, if it is there. Its base is
// the highest ID of the segment.
func (s segment) mark() (head, bool) {
	h, ok := s.headAt(s.size - headSize)
	return h, s.size >= headSize && ok && h.id == 0
}

// records yields the records that have a sound head, and an error for each stretch of
// bytes that is none. The torn tail of a segment that is not finished is no error.
func (s segment) records() iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		_, finished := s.mark()
		for at := int64(0); at < s.size; {
			p, err := s.next(at)
			if err != nil {
				yield(place{}, s.damage(at, err))
				return
			}
			torn := p.at >= s.size || p.end() > s.size
			if torn && !finished {
				return
			}
			if (torn || p.at > at) && !yield(place{}, s.damage(at, fmt.Errorf("%w: %d bytes", errDamaged, min(p.at, s.size)-at))) {
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

func (s segment) damage(at int64, err error) error {
	return fmt.Errorf("%s, offset %d: %w", s.name, at, err)
}

// next finds the first record at an offset or behind it. There is none when it is at the
// end of the segment.
func (s segment) next(at int64) (place, error) {
	if h, ok := s.headAt(at); ok {
		return place{h, at}, nil
	}
	buf := make([]byte, 256<<10)
	for at < s.size {
		n, err := s.r.ReadAt(buf[:min(int64(len(buf)), s.size-at)], at)
		if n == 0 {
			return place{}, err
		}
		for from := 0; ; from++ {
			i := bytes.Index(buf[from:n], []byte(magic))
			if i < 0 {
				break
			}
			from += i
			if h, ok := s.headAt(at + int64(from)); ok {
				return place{h, at + int64(from)}, nil
			}
		}
		at += int64(max(n-len(magic)+1, 1)) // a magic may lie across the border
	}
	return place{at: s.size}, nil
}

// whole is the end of the last record that is sound throughout, and its ID.
func (s segment) whole() (end int64, last id, err error) {
	u, err := newUnpacker(s)
	if err != nil {
		return 0, 0, err
	}
	defer u.close()
	for p, err := range s.records() {
		if err != nil {
			continue // stays where it is and is reported to readers
		}
		if _, err := u.whole(p); err == nil {
			end, last = p.end(), max(last, p.head.id)
		}
	}
	return end, last, nil
}

// torn reports whether what is at an offset may be what a crash leaves of a record: too
// short, or a head whose record is not all there, or a sector that was not written.
func (s segment) torn(at int64) bool {
	if s.size-at < headSize {
		return true
	}
	b := make([]byte, headSize)
	if _, err := s.r.ReadAt(b, at); err != nil {
		return false
	}
	missing := b
	if there := sector - at%sector; there < headSize {
		missing = b[there:]
	}
	_, ok := parseHead(b, s.name)
	return ok || len(bytes.Trim(missing, "\x00")) == 0
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
		return 0, err
	}
	for _, name := range names {
		first, _ := parseID(strings.TrimSuffix(name, suffix))
		highest, err := recoverSegment(dir, name, log)
		if err != nil {
			log.Warn("segment of the archive is not finished", "folder", dir, "err", err)
		}
		last = max(last, first, highest)
	}
	return last, nil
}

// removeUnfinished removes segments that a process was writing anew when it died.
func removeUnfinished(dir string) error {
	temps, err := filepath.Glob(filepath.Join(dir, "*"+suffix+rewriting))
	for _, temp := range temps {
		err = errors.Join(err, os.Remove(temp))
	}
	return err
}

func recoverSegment(dir, name string, log *slog.Logger) (last id, err error) {
	s, f, err := openSegment(dir, name, os.O_RDWR)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if mark, ok := s.mark(); ok {
		return mark.base, nil
	}
	end, last, err := s.whole()
	if err != nil {
		return 0, err
	}
	if end < s.size && !s.torn(end) {
		end = s.size // not ours to cut; readers report it
	}
	if end < s.size {
		log.Warn("torn tail of the archive is cut off", "file", filepath.Join(dir, name), "offset", end, "bytes", s.size-end)
		if err := f.Truncate(end); err != nil {
			return last, fmt.Errorf("cut %s: %w", name, err)
		}
	}
	if _, err := f.WriteAt(head{base: last}.append(nil, name), end); err != nil {
		return last, fmt.Errorf("finish %s: %w", name, err)
	}
	if err := f.Sync(); err != nil {
		return last, fmt.Errorf("finish %s: %w", name, err)
	}
	return last, nil
}

// segments lists the segments of a folder, and how many bytes they have.
func segments(dir string) (names []string, bytes int64, err error) {
	if names, err = segmentNames(dir); err != nil {
		return nil, 0, err
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return nil, 0, err
		}
		bytes += info.Size()
	}
	return names, bytes, nil
}
