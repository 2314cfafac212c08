package flood

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"breakwater/internal/address"
	"breakwater/internal/phrases"
)

// What mail of floods says, a list for each question; package phrases has what each list is about.
var (
	absences = words{phrases.Match("flood.absences")}
	signups  = words{phrases.Match("flood.signups")}
	orders   = words{phrases.Match("flood.orders")}
	guards   = words{phrases.Match("flood.guards")}
	pleas    = words{phrases.Match("flood.pleas")}
	errors   = words{phrases.Match("flood.errors")}
)

// words finds phrases at the beginnings of words.
type words struct{ *phrases.Matcher }

// in reports whether one of the phrases is in a text that is plain.
func (w words) in(plain string) bool {
	within := false // a word
	for pos, r := range plain {
		if (!within || !spaced(r)) && w.Begins(plain[pos:]) != "" {
			return true
		}
		within = isWord(r)
	}
	return false
}

func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r >= 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// plain is a text in lower case, with one blank for all that is no part of a word, and one at its end.
func plain(s string) string {
	b := make([]byte, 0, len(s)+1)
	for _, r := range strings.ReplaceAll(s, "’", "'") {
		switch r = unicode.ToLower(r); {
		case isWord(r) || r == '-' || r == '\'':
			b = utf8.AppendRune(b, r)
		case len(b) > 0 && b[len(b)-1] != ' ':
			b = append(b, ' ')
		}
	}
	return string(b) + " "
}

// spaced reports whether a letter is of a script that has blanks between its words.
func spaced(r rune) bool {
	return r < 0x0e00 || !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

// maxText bounds what is read of the text of a message, in bytes.
const maxText = 4 << 10

// text is the beginning of what a message says.
type text struct {
	raw   string // its subject and its text
	words string // plain, without links and addresses
}

func (f *Message) read() *text {
	if f.text == nil {
		raw := f.m.Subject + "\n" + f.m.Text(maxText)
		var b strings.Builder // without what may have any word in it
		for word := range strings.FieldsSeq(raw) {
			if !strings.Contains(word, "://") && !address.In(word) {
				b.WriteString(word)
				b.WriteByte(' ')
			}
		}
		f.text = &text{raw: raw, words: plain(b.String())}
	}
	return f.text
}

// money is an amount with its currency.
var money = regexp.MustCompile(`(?i)(?:[$€£¥]|\b(?:eur|usd|gbp|chf|pln|euro|czk|sek|nok|dkk|try|rub|jpy|cny|krw)\b)\s?\d|\d\s?(?:[$€£¥円元₩₽]|\b(?:eur|usd|gbp|chf|euro|pln|zł|kč|czk|sek|nok|dkk|kr|tl|lei|ft|huf)\b)`)

// pays reports whether a text names an amount of money.
func (t *text) pays() bool { return money.MatchString(t.raw) }

// protects reports whether a text of a sender's domain is one that must never be held: it names money, guards an
// account or a right, or is about an order or an appointment with a number. The sender's name may have a number
// of its own.
func (t *text) protects(domain string) bool {
	if guards.in(t.words) || t.pays() {
		return true
	}
	if !orders.in(t.words) {
		return false
	}
	name, _, _ := strings.Cut(domain, ".")
	for word := range strings.FieldsSeq(t.words) {
		if strings.ContainsAny(word, "0123456789") && (name == "" || !strings.Contains(word, plainWord(name))) {
			return true
		}
	}
	return false
}

func plainWord(s string) string { return strings.TrimSpace(plain(s)) }

// links reports whether a text has a link to a domain or to a host within it.
func (t *text) links(domain string) bool {
	for rest := t.raw; ; {
		_, after, ok := strings.Cut(rest, "://")
		if !ok {
			return false
		}
		rest = after
		host := strings.ToLower(after[:len(after)-len(strings.TrimLeftFunc(after, inHost))])
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
}

func inHost(r rune) bool {
	return r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r >= 0x80
}
