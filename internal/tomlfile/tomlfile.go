// Package tomlfile reads the TOML files that operators write. All that is wrong in a file
// is told at once, each error with the file, line and column, the line itself with a mark
// under the place, and what would be right.
//
// What a file may say is a Go struct. Its tags are
//
//	toml:"name"       the key; embedded structs are part of the struct around them
//	toml:",rest"      a map that takes all further keys of the table
//	doc:"…"           what the key means, for the JSON Schema
//	min:"1" max:"9"   bounds of a number
//	values:"a b"      what a string can be
//	need:"true"       the key must be there
//
// and a type that has a method Values takes only what that returns.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// MaxSize is the size of the longest file that is read, in bytes.
const MaxSize = 1 << 20

// Document is a TOML file, read but not yet understood.
type Document struct {
	Name string
	Tree map[string]any // tables are map[string]any, lists are []any

	data   []byte
	places places
}

// Text is the file as it was read.
func (d *Document) Text() []byte { return d.data }

// Read reads a file of at most MaxSize.
func Read(fsys fs.FS, name string) (*Document, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return Parse(name, data)
}

// Parse reads the file called name from data.
func Parse(name string, data []byte) (*Document, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // the mark that Windows puts before UTF-8
	d := &Document{Name: name, data: data}
	d.places.lines(data)
	if len(data) > MaxSize {
		return nil, &Error{File: name, Line: 1, Column: 1, What: fmt.Sprintf("the file is longer than %d bytes; split it", MaxSize)}
	}
	if !utf8.Valid(data) {
		return nil, d.notUTF8()
	}
	err := d.find()
	if err == nil {
		err = toml.Unmarshal(data, &d.Tree)
	}
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		return nil, d.syntax(syntax)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// notUTF8 is the error at the first byte that is not UTF-8.
func (d *Document) notUTF8() *Error {
	at := 0
	for r, n := utf8.DecodeRune(d.data); r != utf8.RuneError || n > 1; r, n = utf8.DecodeRune(d.data[at:]) {
		at += n
	}
	return d.wrong(span{at, 1}, "the file is not in UTF-8; have your editor save it so")
}

// bare is a value that a word or a number begins, up to a comment.
var bare = regexp.MustCompile(`^[^=]*=[ \t]*([\pL\d][^#\r\n"']*)`)

// syntax is an error that the decoder tells of.
func (d *Document) syntax(err *toml.DecodeError) *Error {
	row, col := err.Position()
	what := strings.TrimPrefix(err.Error(), "toml: ")
	if what == "strings must be quoted" || strings.HasSuffix(what, "at start of value") {
		if m := bare.FindSubmatch(d.places.line(d.data, row)); m != nil {
			what = fmt.Sprintf("the value stands in no quotes; write %q", strings.TrimSpace(string(m[1])))
		}
	}
	return d.at(row, col, 1, what)
}

// Decode reads the file called name from data into v, a pointer to a struct.
func Decode(name string, data []byte, v any) error {
	d, err := Parse(name, data)
	if err != nil {
		return err
	}
	return d.Decode(v)
}

// Error is one thing that is wrong in a file.
type Error struct {
	File         string
	Line, Column int    // both from 1
	What         string // what is wrong, and what would be right
	Text         string // the line itself
	Width        int    // of the place, in characters
}

// Error has the line below what is wrong, with a mark under the place.
func (e *Error) Error() string {
	head := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.What)
	if e.Text == "" {
		return head
	}
	// Under a tab stands a tab, so that the mark is under its place on every terminal.
	indent := []rune(e.Text)[:min(e.Column-1, utf8.RuneCountInString(e.Text))]
	for i, r := range indent {
		if r != '\t' {
			indent[i] = ' '
		}
	}
	return fmt.Sprintf("%s\n%5d | %s\n      | %s%s", head, e.Line, e.Text, string(indent), strings.Repeat("^", max(e.Width, 1)))
}

// Errors returns what is wrong in files of an error of Parse, Decode or a join of such, and
// the rest as an error.
func Errors(err error) (wrong []*Error, rest error) {
	if e, ok := err.(*Error); ok {
		return []*Error{e}, nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			w, r := Errors(err)
			wrong, rest = append(wrong, w...), errors.Join(rest, r)
		}
		return wrong, rest
	}
	return nil, err
}

// maxText bounds what an error shows of a line, in characters.
const maxText = 120

// at is an error at a line and a column that counts bytes.
func (d *Document) at(line, column, width int, what string) *Error {
	text := strings.TrimRight(string(d.places.line(d.data, line)), "\r\n")
	column = min(max(column, 1), len(text)+1)
	e := &Error{File: d.Name, Line: max(line, 1), Column: utf8.RuneCountInString(text[:column-1]) + 1, What: what}
	text = strings.ToValidUTF8(text, "?")
	if e.Column > maxText {
		return e // too far to the right to be shown
	}
	runes := []rune(text)
	e.Text = string(runes[:min(len(runes), maxText)])
	e.Width = max(1, min(width, len([]rune(e.Text))-e.Column+1))
	return e
}

// WrongKey is an error at a key, such as limit.id.copies.
func (d *Document) WrongKey(key, format string, args ...any) *Error {
	p, ok := d.places.keys[key]
	if !ok { // it is about the file as a whole
		return &Error{File: d.Name, Line: 1, Column: 1, What: fmt.Sprintf(format, args...)}
	}
	return d.wrong(p, fmt.Sprintf(format, args...))
}

// WrongValue is an error at the value of a key.
func (d *Document) WrongValue(key, format string, args ...any) *Error {
	p, ok := d.places.values[key]
	if !ok {
		return d.WrongKey(key, format, args...)
	}
	return d.wrong(p, fmt.Sprintf(format, args...))
}

func (d *Document) wrong(p span, what string) *Error {
	line, column := d.places.position(p.offset)
	first, _, _ := strings.Cut(string(d.data[p.offset:p.offset+p.length]), "\n")
	return d.at(line, column, utf8.RuneCountInString(first), what)
}

// WrongIn is an error within a string, at a line and column of it, both from 1.
func (d *Document) WrongIn(key string, line, column, width int, what string) *Error {
	p, ok := d.places.values[key]
	if !ok {
		return d.WrongKey(key, "%s", what)
	}
	raw := string(d.data[p.offset : p.offset+p.length])
	begin := walk(raw, inside(raw), line, column)
	end := walk(raw, begin, 1, 1+width)
	return d.wrong(span{p.offset + begin, end - begin}, what)
}

// inside is the offset of the first character of a string in how the file writes it.
func inside(raw string) int {
	if !strings.HasPrefix(raw, `"""`) && !strings.HasPrefix(raw, "'''") {
		return 1
	}
	if rest := strings.TrimPrefix(raw[3:], "\r"); strings.HasPrefix(rest, "\n") { // not part of the string
		return len(raw) - len(rest) + 1
	}
	return 3
}

// walk goes from the offset of the first line and column of a string, in how the file writes it, to
// that of another.
func walk(raw string, at, line, column int) int {
	for l, c := 1, 1; at < len(raw); {
		r, n := utf8.DecodeRuneInString(raw[at:])
		if raw[0] == '"' && r == '\\' {
			r, n = escape(raw[at:])
		}
		if r != skip && (l > line || l == line && c >= column) {
			break
		}
		at += n
		switch r {
		case '\n':
			l, c = l+1, 1
		case skip:
		default:
			c++
		}
	}
	return at
}

// skip is what an escape makes that makes no character.
const skip rune = -1

// escape is what the escape that begins s makes, as far as lines and columns go, and its length.
func escape(s string) (rune, int) {
	if len(s) < 2 {
		return skip, len(s)
	}
	switch s[1] {
	case 'n':
		return '\n', 2
	case 'x':
		return 'x', min(len(s), 4)
	case 'u':
		return 'u', min(len(s), 6)
	case 'U':
		return 'U', min(len(s), 10)
	case ' ', '\t', '\r', '\n': // the end of the line, and what stands before the next text
		return skip, len(s) - len(strings.TrimLeft(s[1:], " \t\r\n"))
	}
	return rune(s[1]), 2
}

// Line is the line of a key, from 1; 0 where it is not in the file.
func (d *Document) Line(key string) int {
	p, ok := d.places.keys[key]
	if !ok {
		return 0
	}
	line, _ := d.places.position(p.offset)
	return line
}

// ValueLine is the line of the value of a key, such as "a.b[3]", from 1; 0 where it is not in
// the file.
func (d *Document) ValueLine(key string) int {
	p, ok := d.places.values[key]
	if !ok {
		return 0
	}
	line, _ := d.places.position(p.offset)
	return line
}
