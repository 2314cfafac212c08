package flood

import (
	"fmt"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

// Limits of how a subject is read.
const (
	nested   = 4   // times that one prefix must stand in it
	maxUnits = 400 // prefixes that are looked at
	maxUnit  = 40  // bytes of one

	maxSubject = 8 << 10 // bytes
)

// nests tells a subject in which one prefix or tag stands four times and more, and more often than ever
// before. Two people who forward one mail to and fro do that, too, but each of them a few times.
func (f *Message) nests(q *Question, c Case) {
	if f.v.Class == classify.DSN || c.Proof.Known() {
		return
	}
	n, unit, rest := nest(f.m.Subject)
	if n < nested {
		return
	}
	depth := f.h.Key(c.Mailbox, kindNest, strings.Join([]string{f.from, rest, f.network}, "\x00"))
	at := q.ask(depth)
	q.then(func(ts []notes.Note) {
		deeper := n >= 64 || n > bits.Len64(ts[at].Bits) // more a note cannot tell
		q.part(Part{Key: f.key(c, storm.Nest, f.from, rest), Peek: !deeper, Evidence: fmt.Sprintf("%q stands %d times in its subject", unit, n)})
		if deeper {
			q.note(notes.Entry{Key: depth, Keep: turnLife, Bits: bit(n)})
		}
	})
}

// nest is how often the most frequent prefix or tag stands in a subject, which one that is, and what is left
// without all of them.
func nest(subject string) (n int, most, rest string) {
	if subject = subject[:min(len(subject), maxSubject)]; strings.Count(subject, ":")+strings.Count(subject, "：")+strings.Count(subject, "[") < nested {
		return 0, "", subject
	}
	units := map[string]int{}
	rest = strings.TrimSpace(subject)
	for range maxUnits {
		u, after := cutUnit(rest)
		if u == "" {
			break
		}
		rest = after
		if units[u]++; units[u] > n {
			n, most = units[u], u
		}
	}
	return n, most, skeleton(rest)
}

// cutUnit takes a prefix of up to three words with a colon, or a tag in brackets, off a subject.
func cutUnit(s string) (unit, rest string) {
	end, size := -1, 1
	if strings.HasPrefix(s, "[") {
		end = strings.IndexByte(s, ']')
	} else if end = strings.IndexAny(s, ":：[]"); end >= 0 {
		var r rune
		if r, size = utf8.DecodeRuneInString(s[end:]); r == '[' || r == ']' {
			return "", s
		}
	}
	if end < 1 || end > maxUnit || len(strings.Fields(s[:end])) > 3 && s[0] != '[' {
		return "", s
	}
	return skeleton(s[:end+size]), strings.TrimSpace(s[end+size:])
}

// skeleton is a text in lower case, with one sign for each number.
func skeleton(s string) string {
	var b strings.Builder
	digits := false
	for _, r := range strings.TrimSpace(s) {
		if unicode.IsDigit(r) {
			if !digits {
				b.WriteByte('#')
			}
			digits = true
			continue
		}
		digits = false
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// tripped is how often a mail must have been delivered to the mailbox before.
const tripped = 3

// trips tells mail that comes round: that names this very mailbox in Delivered-To or X-Original-To again and
// again. A mailbox that was moved has it once.
func (f *Message) trips(q *Question, c Case) {
	n := 0
	for _, name := range []string{"Delivered-To", "X-Original-To"} {
		times := 0
		for _, h := range f.m.Header {
			if strings.EqualFold(h.Name, name) && address.Mailbox(strings.Trim(strings.TrimSpace(h.Value), "<>")) == c.Addr {
				times++
			}
		}
		n = max(n, times)
	}
	if n >= tripped {
		_, _, rest := nest(f.m.Subject)
		q.part(Part{Key: f.key(c, storm.AnswerLoop, "trip", f.from, skeleton(rest)), Evidence: fmt.Sprintf("mail that was delivered to %s %d times before", c.Addr, n)})
	}
}
