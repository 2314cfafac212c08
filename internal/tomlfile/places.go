package tomlfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"
)

// span is a range of bytes of a file.
type span struct{ offset, length int }

// places says where the keys and values of a file stand.
type places struct {
	keys, values map[string]span // by key, such as limit.id.copies or rule[0].when
	starts       []int           // offsets of the lines
}

// maxDepth bounds how many parts a key may have.
const maxDepth = 12

// find fills in d.places. The decoder tells of no place but that of a syntax error.
func (d *Document) find() error {
	d.places.keys, d.places.values = map[string]span{}, map[string]span{}
	f := finder{d: d, counts: map[string]int{}}
	f.p.Reset(d.data)
	table := ""
	for f.p.NextExpression() {
		e := f.p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = f.header(e)
		case unstable.KeyValue:
			f.keyValue(table, e, 0)
		}
		if f.err != nil {
			return f.err
		}
	}
	return nil // the decoder says what is wrong in the syntax
}

type finder struct {
	d      *Document
	p      unstable.Parser
	counts map[string]int // of the tables in each [[list]]
	err    error
}

// header notes a [table] or a [[list]], and returns its key.
func (f *finder) header(e *unstable.Node) string {
	parts := f.parts(e.Key())
	key := ""
	for i, part := range parts {
		key = Join(key, part.name)
		f.note(key, part.span)
		n, list := f.counts[key]
		if i == len(parts)-1 && e.Kind == unstable.ArrayTable {
			f.counts[key], list, n = n+1, true, n+1
		}
		if list {
			key = fmt.Sprintf("%s[%d]", key, n-1)
			f.note(key, part.span)
		}
	}
	return key
}

func (f *finder) keyValue(table string, e *unstable.Node, depth int) {
	parts := f.parts(e.Key())
	key := table
	for _, part := range parts {
		key = Join(key, part.name)
		f.note(key, part.span)
	}
	if f.err == nil {
		f.value(key, e.Value(), depth+len(parts))
	}
}

func (f *finder) value(key string, v *unstable.Node, depth int) {
	if depth > maxDepth {
		f.err = f.d.WrongKey(key, "too many tables within tables")
		return
	}
	if v.Raw.Length > 0 {
		f.d.places.values[key] = span{int(v.Raw.Offset), int(v.Raw.Length)}
	}
	n := 0
	for it := v.Children(); it.Next() && f.err == nil; n++ {
		if c := it.Node(); v.Kind == unstable.InlineTable {
			f.keyValue(key, c, depth)
		} else {
			item := fmt.Sprintf("%s[%d]", key, n)
			f.d.places.keys[item] = f.d.places.keys[key]
			f.value(item, c, depth+1)
		}
	}
}

// note notes where a key stands for the first time.
func (f *finder) note(key string, at span) {
	if _, known := f.d.places.keys[key]; !known {
		f.d.places.keys[key] = at
	}
}

// part is a part of a dotted key, and where it stands.
type part struct {
	name string
	span
}

func (f *finder) parts(it unstable.Iterator) (parts []part) {
	for it.Next() {
		n := it.Node()
		parts = append(parts, part{string(n.Data), span{int(n.Raw.Offset), int(n.Raw.Length)}})
		if len(parts) > maxDepth {
			f.err = f.d.wrong(parts[0].span, "too many parts in one key")
			break
		}
	}
	return parts
}

// Join appends a part to a key, in quotes where TOML wants them.
func Join(key, part string) string {
	bare := part != "" && strings.IndexFunc(part, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}) < 0
	if !bare {
		part = Quote(part)
	}
	if key == "" {
		return part
	}
	return key + "." + part
}

// Quote writes a string as TOML does: '…' if it has quotes or backslashes, as conditions do.
func Quote(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == '\'' }) < 0
	if plain && strings.ContainsAny(s, `"\`) {
		return "'" + s + "'"
	}
	var b strings.Builder
	enc := json.NewEncoder(&b) // its escapes are TOML's, too
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// lines notes where the lines of data begin.
func (p *places) lines(data []byte) {
	p.starts = []int{0}
	for i, c := range data {
		if c == '\n' {
			p.starts = append(p.starts, i+1)
		}
	}
}

// position is the line and the column of an offset, in bytes, from 1.
func (p *places) position(offset int) (line, column int) {
	line, found := slices.BinarySearch(p.starts, offset)
	if found {
		line++
	}
	return line, offset - p.starts[line-1] + 1
}

func (p *places) line(data []byte, n int) []byte {
	if n < 1 || n > len(p.starts) {
		return nil
	}
	text := data[p.starts[n-1]:]
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		text = text[:end]
	}
	return text
}
