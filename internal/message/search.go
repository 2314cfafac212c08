package message

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CountType counts how often a media type, or the beginning of one up to its slash, is named
// in b, whatever its case. It reads b once and copies nothing.
func CountType(b []byte, mediaType string) int {
	slash := strings.IndexByte(mediaType, '/')
	n := 0
	for pos := 0; ; pos++ {
		i := bytes.IndexByte(b[pos:], '/')
		if i < 0 {
			return n
		}
		pos += i
		begin, end := pos-slash, pos-slash+len(mediaType)
		if begin >= 0 && end <= len(b) && strings.EqualFold(string(b[begin:end]), mediaType) {
			n++
		}
	}
}

// Phrases finds many phrases in a text at once.
type Phrases struct {
	tables int
	begins [1 << 9]uint64 // a bit for each hash of three bytes with which a phrase begins
	by     map[string][]entry
}

type entry struct {
	phrase string
	table  int
}

// NewPhrases is for the phrases of tables. Each has at least three bytes.
func NewPhrases(tables ...[]string) *Phrases {
	p := &Phrases{tables: len(tables), by: map[string][]entry{}}
	for i, t := range tables {
		for _, phrase := range t {
			h := hash3(phrase)
			p.begins[h/64] |= 1 << (h % 64)
			p.by[phrase[:3]] = append(p.by[phrase[:3]], entry{phrase, i})
		}
	}
	for _, es := range p.by {
		slices.SortStableFunc(es, func(a, b entry) int { return len(b.phrase) - len(a.phrase) })
	}
	return p
}

// Find returns, for each table, the phrase that stands first in text, the longest of several
// at that place; "" where there is none. It reads text once.
func (p *Phrases) Find(text string) []string {
	found, open := make([]string, p.tables), p.tables
	for pos := 0; pos+3 <= len(text) && open > 0; pos++ {
		h := hash3(text[pos:])
		if p.begins[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for _, e := range p.by[text[pos:pos+3]] {
			if found[e.table] == "" && strings.HasPrefix(text[pos:], e.phrase) {
				found[e.table] = e.phrase
				open--
			}
		}
	}
	return found
}

// First returns the phrase of the first table that stands first in text; "" if there is none.
func (p *Phrases) First(text string) string { return p.Find(text)[0] }

// Begins returns the longest phrase with which text begins; "" if there is none.
func (p *Phrases) Begins(text string) string {
	if len(text) < 3 {
		return ""
	}
	for _, e := range p.by[text[:3]] {
		if strings.HasPrefix(text, e.phrase) {
			return e.phrase
		}
	}
	return ""
}

// MayBegin tells cheaply of most texts, whatever their case, that they begin with no phrase.
func (p *Phrases) MayBegin(text string) bool {
	if len(text) < 3 {
		return false
	}
	var begin [3]byte
	for i := range begin {
		begin[i] = text[i]
		switch c := text[i]; {
		case c >= utf8.RuneSelf:
			return true
		case 'A' <= c && c <= 'Z':
			begin[i] += 'a' - 'A'
		}
	}
	return slices.ContainsFunc(p.by[string(begin[:])], func(e entry) bool {
		n := min(8, len(text), len(e.phrase))
		return strings.EqualFold(text[:n], e.phrase[:n])
	})
}

// Plain is a text as phrases are written: in lower case, with single blanks and straight
// apostrophes.
func Plain(s string) string {
	b := make([]byte, 0, len(s))
	blank := false // one is to come before the next letter
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			i++
			if c = plains[c]; c == ' ' {
				blank = len(b) > 0
				continue
			}
			if blank {
				b, blank = append(b, ' '), false
			}
			b = append(b, c)
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if unicode.IsSpace(r) {
			blank = len(b) > 0
			continue
		}
		if blank {
			b, blank = append(b, ' '), false
		}
		if r == '’' {
			r = '\''
		}
		b = utf8.AppendRune(b, unicode.ToLower(r))
	}
	return string(b)
}

// plains is what Plain makes of each character of ASCII.
var plains = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		t[c] = byte(unicode.ToLower(rune(c)))
		if unicode.IsSpace(rune(c)) {
			t[c] = ' '
		}
	}
	return t
}()

func hash3(s string) uint32 {
	_ = s[2]
	return (uint32(s[0]) ^ uint32(s[1])<<5 ^ uint32(s[2])<<10 ^ uint32(s[2])>>3) & (1<<15 - 1)
}
