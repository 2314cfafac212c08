// Package mailfile reads messages from files: single ones, mbox, Maildir, and folders of them.
package mailfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"breakwater/internal/message"
)

// MaxMessage is how much of one message is read, in bytes.
const MaxMessage = 64 << 20

// File is one message.
type File struct {
	Path      string // of the file; of a message in an mbox with #N behind it, N from 1
	Raw       []byte
	Truncated bool // the message is longer than MaxMessage
	Place     Place
}

// Place is where a message is, to read it again.
type Place struct {
	Name   string // of the file
	Number int    // of the message in an mbox, from 1; 0 where the file is one message
	Offset int64  // of its separator in an mbox, in bytes
}

// Read reads the message at p again.
func (p Place) Read() (f File, err error) {
	file, err := os.Open(p.Name)
	if err != nil {
		return File{}, fmt.Errorf("read mail: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(p.Offset, io.SeekStart); err != nil {
		return File{}, fmt.Errorf("read mail %s: %w", p.Name, err)
	}
	read(p.Name, file, func(one File, e error) bool {
		f, err = one, e
		return false
	})
	f.Place = p
	if p.Number > 0 {
		f.Path = fmt.Sprintf("%s#%d", p.Name, p.Number)
	}
	return f, err
}

// Envelope rebuilds what the header still tells of the envelope.
func (f File) Envelope() message.Envelope {
	h, _, _ := message.ParseHeader(message.WithoutBlank(f.Raw[:min(len(f.Raw), 64<<10)]))
	env := message.Envelope{Rebuilt: true, Truncated: f.Truncated, ReversePath: strings.Trim(h.Get("Return-Path"), "<> ")}
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To"} {
		if to := message.Addresses(h.Get(name)); len(to) > 0 {
			env.Recipients = []message.Recipient{{Addr: to[0]}}
			break
		}
	}
	return env
}

// Walk yields the messages of paths in their order: of a file, an mbox, a Maildir or a
// folder with any of them below it; "-" is stdin. Only one message is in memory at a time.
// After an error it goes on with the next file.
func Walk(paths []string, stdin io.Reader) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for _, path := range paths {
			if path == "-" {
				if !read("-", stdin, yield) {
					return
				}
				continue
			}
			if !walk(path, yield) {
				return
			}
		}
	}
}

var errStop = errors.New("stop")

func walk(root string, yield func(File, error) bool) bool {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if !yield(File{Path: path}, fmt.Errorf("read mail: %w", err)) {
				return errStop
			}
			return nil
		case d.IsDir():
			if d.Name() == "tmp" && isMaildir(filepath.Dir(path)) {
				return fs.SkipDir // not delivered yet
			}
			return nil
		case !d.Type().IsRegular() && path != root:
			return nil
		case path != root && !isMail(path):
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			if !yield(File{Path: path}, fmt.Errorf("read mail: %w", err)) {
				return errStop
			}
			return nil
		}
		defer f.Close()
		if !read(path, f, yield) {
			return errStop
		}
		return nil
	})
	return err == nil
}

func isMaildir(dir string) bool {
	for _, sub := range []string{"cur", "new"} {
		if st, err := os.Stat(filepath.Join(dir, sub)); err != nil || !st.IsDir() {
			return false
		}
	}
	return true
}

// isMail tells by the place, the name or the first lines of a file whether it holds mail.
func isMail(path string) bool {
	dir := filepath.Dir(path)
	if base := filepath.Base(dir); (base == "cur" || base == "new") && isMaildir(filepath.Dir(dir)) {
		return true
	}
	switch filepath.Ext(path) {
	case ".eml", ".mbox":
		return true
	}
	f, err := os.Open(path)
	if err != nil {
		return true // reading it will say so
	}
	defer f.Close()
	begin := make([]byte, 2048)
	n, _ := io.ReadFull(f, begin)
	begin = begin[:n]
	h, _, _ := message.ParseHeader(begin)
	return bytes.HasPrefix(begin, []byte("From ")) || h.Get("From") != "" && len(h) >= 3 || len(h.Values("Received")) > 0
}

// read yields the messages of one file.
func read(path string, r io.Reader, yield func(File, error) bool) bool {
	b := bufio.NewReaderSize(r, 64<<10)
	if begin, _ := b.Peek(5); string(begin) == "From " {
		return mbox(path, b, yield)
	}
	raw, err := io.ReadAll(io.LimitReader(b, MaxMessage+1))
	if err != nil {
		return yield(File{Path: path}, fmt.Errorf("read mail %s: %w", path, err))
	}
	return yield(File{Path: path, Raw: raw[:min(len(raw), MaxMessage)], Truncated: len(raw) > MaxMessage, Place: Place{Name: path}}, nil)
}

// mbox splits at lines that begin with "From " after an empty line, and takes one ">" off
// those that were quoted for it.
func mbox(path string, b *bufio.Reader, yield func(File, error) bool) bool {
	var raw []byte
	var begin, offset int64 // of the message at hand, and of the line
	n, truncated, empty, begun := 0, false, true, false
	flush := func() bool {
		if !begun {
			return true
		}
		n++
		f := File{Path: fmt.Sprintf("%s#%d", path, n), Raw: raw, Truncated: truncated, Place: Place{path, n, begin}}
		raw, truncated = nil, false
		return yield(f, nil)
	}
	for {
		line, err := b.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !long && !errors.Is(err, io.EOF) {
			return yield(File{Path: path}, fmt.Errorf("read mail %s: %w", path, err))
		}
		if empty && bytes.HasPrefix(line, []byte("From ")) {
			if !flush() {
				return false
			}
			begun, empty, begin = true, false, offset
			offset += int64(len(line))
			continue
		}
		offset += int64(len(line))
		content := line
		if quoted := bytes.TrimLeft(line, ">"); len(quoted) < len(line) && bytes.HasPrefix(quoted, []byte("From ")) {
			content = line[1:]
		}
		if truncated = truncated || len(raw)+len(content) > MaxMessage; !truncated {
			raw = append(raw, content...)
		}
		empty = !long && len(bytes.TrimRight(line, "\r\n")) == 0 && len(line) > 0
		if errors.Is(err, io.EOF) {
			return flush()
		}
	}
}
