package phrases

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Matcher finds phrases in a text, all at once.
type Matcher struct {
	tables int
	begins [1 << 9]uint64     // a bit for each hash of four bytes with which a phrase begins
	by     map[string][]entry // by their first three bytes, or by all that they have
	texts  []string
}

type entry struct {
	phrase string
	table  int
}

var (
	matchers []func() // make each of those that there are anew
	asked    = map[string]bool{}
)

// Match is a matcher of the phrases of lists, such as "report.failures". Each argument is a
// table of its own, which may have several lists, with blanks between their names. It panics
// where there is no such list. When phrases are added, the matcher has them, too.
func Match(tables ...string) *Matcher {
	m := &Matcher{}
	load := func() {
		texts := make([][]string, len(tables))
		for i, names := range tables {
			for name := range strings.FieldsSeq(names) {
				if asked[name] = true; len(Lists[name]) == 0 {
					panic("no phrases " + name)
				}
				for _, p := range Lists[name] {
					texts[i] = append(texts[i], p.Text)
				}
			}
		}
		m.load(texts)
	}
	matchers = append(matchers, load)
	load()
	return m
}

// load makes m one for the phrases of tables, also as systems write them that know no accents.
// Those of less than three bytes are known to Has, Table and Ends alone.
func (m *Matcher) load(tables [][]string) {
	*m = Matcher{tables: len(tables), by: map[string][]entry{}}
	for i, table := range tables {
		for _, phrase := range table {
			m.add(phrase, i)
			if bare := accents.Replace(phrase); bare != phrase {
				m.add(bare, i)
			}
		}
	}
	for _, es := range m.by {
		slices.SortStableFunc(es, func(a, b entry) int { return len(b.phrase) - len(a.phrase) })
	}
}

func (m *Matcher) add(phrase string, table int) {
	key := phrase[:min(len(phrase), 3)]
	m.by[key], m.texts = append(m.by[key], entry{phrase, table}), append(m.texts, phrase)
	if len(phrase) < 3 {
		return
	}
	m.mark(hash(phrase))
	for c := 0; len(phrase) == 3 && c < 1<<8; c++ { // whatever comes behind it
		m.mark(hash(phrase + string([]byte{byte(c)})))
	}
}

func (m *Matcher) mark(h uint32) { m.begins[h/64] |= 1 << (h % 64) }

// Texts are the phrases.
func (m *Matcher) Texts() []string { return m.texts }

// Has reports whether text is a phrase.
func (m *Matcher) Has(text string) bool {
	_, ok := m.Table(text)
	return ok
}

// Table is the one that has text for a phrase.
func (m *Matcher) Table(text string) (table int, ok bool) {
	for _, e := range m.by[text[:min(len(text), 3)]] {
		if e.phrase == text {
			return e.table, true
		}
	}
	return 0, false
}

// Ends returns the longest phrase with which text ends; "" if there is none.
func (m *Matcher) Ends(text string) string {
	longest := ""
	for _, phrase := range m.texts {
		if len(phrase) > len(longest) && strings.HasSuffix(text, phrase) {
			longest = phrase
		}
	}
	return longest
}

// Find returns, for each table, the phrase that stands first in text, the longest of several
// at that place; "" where there is none. It reads text once.
func (m *Matcher) Find(text string) []string {
	found, open := make([]string, m.tables), m.tables
	for pos := 0; pos+3 <= len(text) && open > 0; pos++ {
		for _, e := range m.at(text[pos:]) {
			if found[e.table] == "" && strings.HasPrefix(text[pos:], e.phrase) {
				found[e.table] = e.phrase
				open--
			}
		}
	}
	return found
}

// First returns the phrase of the first table that stands first in text; "" if there is none.
func (m *Matcher) First(text string) string {
	for pos := 0; pos+3 <= len(text); pos++ {
		for _, e := range m.at(text[pos:]) {
			if e.table == 0 && strings.HasPrefix(text[pos:], e.phrase) {
				return e.phrase
			}
		}
	}
	return ""
}

// at are phrases with which a text of at least three bytes may begin, the longest first.
func (m *Matcher) at(text string) []entry {
	if h := hash(text); m.begins[h/64]&(1<<(h%64)) == 0 {
		return nil
	}
	return m.by[text[:3]]
}

// Begins returns the longest phrase with which text begins; "" if there is none.
func (m *Matcher) Begins(text string) string {
	if len(text) < 3 {
		return ""
	}
	for _, e := range m.by[text[:3]] {
		if strings.HasPrefix(text, e.phrase) {
			return e.phrase
		}
	}
	return ""
}

// MayBegin tells cheaply of most texts, whatever their case, that they begin with no phrase.
func (m *Matcher) MayBegin(text string) bool {
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
	return slices.ContainsFunc(m.by[string(begin[:])], func(e entry) bool {
		n := min(8, len(text), len(e.phrase))
		return strings.EqualFold(text[:n], e.phrase[:n])
	})
}

// hash is one of 15 bits of the first four bytes of s, or of its three.
func hash(s string) uint32 {
	u := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16
	if len(s) > 3 {
		u |= uint32(s[3]) << 24
	}
	return u * 0x9e3779b1 >> 17
}

// accents are the letters of phrases that have one, as they are written without.
var accents = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss",
	"á", "a", "à", "a", "â", "a", "ã", "a", "ą", "a", "ç", "c", "ć", "c", "č", "c", "ď", "d", "é", "e", "è", "e", "ê", "e", "ę", "e", "ě", "e",
	"í", "i", "ì", "i", "î", "i", "ł", "l", "ñ", "n", "ń", "n", "ň", "n", "ó", "o", "ò", "o", "ô", "o", "õ", "o", "ř", "r", "ś", "s", "š", "s", "ť", "t",
	"ú", "u", "ù", "u", "ů", "u", "ý", "y", "ź", "z", "ż", "z", "ž", "z")
