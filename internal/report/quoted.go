package report

import (
	"strings"

	"breakwater/internal/message"
)

// Limits of a header in running text, in bytes.
const (
	maxBlock  = 64 << 10
	maxFolded = 8 << 10 // of one field
	maxName   = 64      // of its name
)

// telling are the fields by which a header in running text is known.
var telling = []string{"Message-ID", "From", "To", "Subject", "Date", "Received", "Return-Path", "MIME-Version", "Content-Type"}

// inline finds the first header that stands in a text, perhaps quoted, and where it begins
// and ends. It is one when at least three telling fields are in it; nil if there is none.
// It reads each line once.
func inline(text string) (h message.Header, begin, end int) {
	for pos := 0; pos < len(text); {
		next := lineEnd(text, pos)
		if _, ok := tells(text[pos:next]); !ok {
			pos = next
			continue
		}
		h, end := block(text, pos)
		if known(h) >= 3 {
			return h, pos, end
		}
		pos = max(end, next) // a line that tells may be no field
	}
	return nil, 0, 0
}

// block reads the fields that begin at pos, all behind the same quotation mark, and says
// where they end. An empty line ends them, but not between fields that only sum a message up.
func block(text string, pos int) (message.Header, int) {
	mark := text[pos : len(text)-len(strings.TrimLeft(text[pos:], "> \t|"))]
	bound := pos + maxBlock
	var h message.Header
	for pos < len(text) && pos < bound {
		next := lineEnd(text, pos)
		line, quoted := strings.CutPrefix(text[pos:next], mark)
		line = strings.TrimRight(line, "\r\n")
		switch {
		case quoted && len(h) > 0 && line != "" && isBlank(line[0]) && strings.TrimSpace(line) != "":
			if last := &h[len(h)-1]; len(last.Value) < maxFolded {
				last.Value += " " + strings.TrimSpace(line)
			}
		case quoted && strings.TrimSpace(line) != "":
			name, value, ok := field(line)
			if !ok {
				return h, pos
			}
			h = append(h, message.Field{Name: name, Value: value})
		default:
			after := lineEnd(text, next)
			if _, ok := tells(text[next:after]); !ok || full(h) {
				return h, next
			}
		}
		pos = next
	}
	return h, pos
}

// field splits a line of a header. Its name is the one of RFC 5322 where systems call it
// something else, in another language.
func field(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	if wide, rest, found := strings.Cut(line, "："); found && (!ok || len(wide) < len(name)) {
		name, value, ok = wide, rest, true
	}
	if !ok || name == "" || len(name) > 80 {
		return "", "", false
	}
	name = strings.TrimSpace(name)
	if known := message.FieldName(line); known != "" && name[0] != '*' && name[0] != '-' { // no item of a list
		return known, strings.TrimSpace(value), true
	}
	other := strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
	return name, strings.TrimSpace(value), name != "" && !other
}

// tells returns the field of a line that tells of a message.
func tells(line string) (name string, ok bool) {
	name = message.FieldName(line)
	return name, name != "" && name != "Cc"
}

// known counts the telling fields of h.
func known(h message.Header) int {
	n := 0
	for _, t := range telling {
		if h.Get(t) != "" {
			n++
		}
	}
	return n
}

// full reports whether h is the header of a message rather than what sums one up.
func full(h message.Header) bool {
	return h.Get("Received") != "" || h.Get("Return-Path") != "" || h.Get("MIME-Version") != "" || len(h) > 6
}

// divide splits a text into what the reporter says and what it returns, and finds the header
// of the original in it; nil if there is none. It is quoted where it is as the mail programs
// of people put it above what they answer.
func divide(text string) (told string, h message.Header, quoted bool) {
	cut := len(text)
	for pos := 0; pos < len(text); {
		next := lineEnd(text, pos)
		if pos > 0 && beginsOriginal(text[pos:next]) {
			cut = pos
			quoted = message.HeadsQuotation(text[pos:])
			break
		}
		pos = next
	}
	told = text[:cut]
	if h, _, _ = inline(text[cut:]); h != nil {
		return told, h, quoted && !full(h)
	}
	h, begin, _ := inline(told)
	switch {
	case h == nil:
	case full(h):
		told = told[:begin]
	case message.HeadsQuotation(told[begin:]):
		return told, h, true
	}
	return told, h, false
}

// Told is what a reporter says in a text, without the message that it returns.
func Told(text string) string {
	told, _, _ := divide(text)
	return told
}

func beginsOriginal(line string) bool {
	line = strings.TrimLeft(line[:min(len(line), 200)], " \t>|*")
	return ending.MayBegin(line) && ending.Begins(lower(line)) != ""
}

// mentioned are the fields of the original that the reporter names here and there.
func mentioned(told string) message.Header {
	var h message.Header
	for line := range strings.Lines(told) {
		line = untimed(strings.TrimSpace(line))
		if name, ok := tells(line); ok && h.Get(name) == "" {
			if _, value, ok := field(strings.TrimLeft(line, "> \t|*-")); ok && value != "" {
				h = append(h, message.Field{Name: name, Value: value})
			}
		}
	}
	return h
}

// lower is a text in lower case, with straight apostrophes.
func lower(s string) string { return strings.ReplaceAll(strings.ToLower(s), "’", "'") }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func lineEnd(s string, pos int) int {
	if i := strings.IndexByte(s[pos:], '\n'); i >= 0 {
		return pos + i + 1
	}
	return len(s)
}
