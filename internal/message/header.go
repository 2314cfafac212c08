package message

import (
	"bytes"
	"strings"
)

// Limits of what is read of a header. What is over them is a problem and stays unread.
const (
	maxFields = 2000
	maxHeader = 256 << 10 // bytes
)

// ParseHeader reads a header and returns what is behind its empty line. As mail servers
// have it, a line that can be no field ends the header.
func ParseHeader(raw []byte) (h Header, body []byte, problems []string) {
	end, kept, problem := headerEnd(raw)
	// All fields are parts of one string: a header has many, and most are never looked at.
	text := string(raw[:kept])
	h = make(Header, 0, min(32, strings.Count(text, "\n")))
	pos := 0
	for pos < len(text) && len(h) < maxFields {
		begin := pos
		pos = textLineEnd(text, pos)
		colon := strings.IndexByte(text[begin:pos], ':')
		if colon < 0 || !isFieldName(text[begin:begin+colon]) {
			continue // the separator of an mbox, or the empty line
		}
		for pos < len(text) && isBlank(text[pos]) {
			pos = textLineEnd(text, pos)
		}
		name, value := text[begin:begin+colon], text[begin+colon+1:pos]
		h = append(h, Field{Name: strings.TrimRight(name, " \t"), Value: strings.TrimLeft(trimEOL(value), " \t")})
	}
	if problem != "" {
		problems = append(problems, problem)
	}
	if pos < len(text) && trimEOL(text[pos:]) != "" || kept < end {
		problems = append(problems, "the header is too long")
	}
	return h, raw[end:], problems
}

// headerEnd is where the header of raw ends, with its empty line, and how much of it is
// within maxHeader.
func headerEnd(raw []byte) (end, kept int, problem string) {
	folds, fields := false, false // the line before is a field; any line was one
	for end < len(raw) {
		next := lineEnd(raw, end)
		line := trimEOL(raw[end:next])
		switch {
		case len(line) == 0:
			if next <= maxHeader {
				kept = next
			}
			return next, kept, problem
		case folds && isBlank(line[0]):
		case isField(line):
			folds, fields = true, true
		case isSeparator(line, !fields):
			folds = false
		default:
			return end, kept, "the header ends without an empty line"
		}
		if end = next; end <= maxHeader {
			kept = end
		}
	}
	return end, kept, problem
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isField reports whether line begins a field.
func isField(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	return colon > 0 && isFieldName(line[:colon])
}

// isSeparator reports whether line is one of an mbox: the first of a message, or one that
// was quoted by a program that took it for text.
func isSeparator(line []byte, first bool) bool {
	return first && bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// lineEnd is where the line at pos ends, its line feed included.
func lineEnd(b []byte, pos int) int {
	if i := bytes.IndexByte(b[pos:], '\n'); i >= 0 {
		return pos + i + 1
	}
	return len(b)
}

// textLineEnd is lineEnd of a string.
func textLineEnd(s string, pos int) int {
	if i := strings.IndexByte(s[pos:], '\n'); i >= 0 {
		return pos + i + 1
	}
	return len(s)
}

func trimEOL[T string | []byte](line T) T {
	for len(line) > 0 && (line[len(line)-1] == '\r' || line[len(line)-1] == '\n') {
		line = line[:len(line)-1]
	}
	return line
}

// isFieldName reports whether s is a field name, RFC 5322 §3.6.8; white space before the
// colon is obsolete, but allowed (§4.5).
func isFieldName[T string | []byte](s T) bool {
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return len(s) > 0
}

// Get returns the first field called name, unfolded; "" if there is none. Case does not matter.
func (h Header) Get(name string) string {
	for i := range h {
		if is(h[i].Name, name) {
			return unfold(h[i].Value)
		}
	}
	return ""
}

// Values returns all fields called name, unfolded, in their order.
func (h Header) Values(name string) []string {
	var vs []string
	for i := range h {
		if is(h[i].Name, name) {
			vs = append(vs, unfold(h[i].Value))
		}
	}
	return vs
}

// is reports whether a field has a name. Names are of ASCII (RFC 5322 §3.6.8), so that equal ones are of one
// length, which most are not.
func is(field, name string) bool { return len(field) == len(name) && strings.EqualFold(field, name) }

var folds = strings.NewReplacer("\r", "", "\n", "")

// unfold takes the line ends out of a field, RFC 5322 §2.2.3.
func unfold(s string) string {
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		s = folds.Replace(s)
	}
	return strings.Trim(s, " \t")
}
