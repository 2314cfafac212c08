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
	// All fields are parts of one string: a header has many, and most are never looked at.
	text := string(raw[:headerLength(raw)])
	h = make(Header, 0, min(32, strings.Count(text, "\n")))
	pos := 0
	for pos < len(text) {
		end := textLineEnd(text, pos)
		line := trimEOL(text[pos:end])
		if line == "" {
			return h, raw[end:], problems
		}
		colon := strings.IndexByte(line, ':')
		if colon < 0 || !isFieldName(line[:colon]) {
			if strings.HasPrefix(line, "From ") && len(h) == 0 || strings.HasPrefix(line, ">From ") {
				pos = end // the separator of an mbox
				continue
			}
			return h, raw[pos:], append(problems, "the header ends without an empty line")
		}
		for end < len(text) && (text[end] == ' ' || text[end] == '\t') {
			end = textLineEnd(text, end)
		}
		if len(h) >= maxFields {
			break
		}
		value := strings.TrimLeft(trimEOL(text[pos+colon+1:end]), " \t")
		h = append(h, Field{Name: strings.TrimRight(line[:colon], " \t"), Value: value})
		pos = end
	}
	if pos < len(text) || len(text) < len(raw) {
		return h, behindHeader(raw, pos), append(problems, "the header is too long")
	}
	return h, nil, problems
}

// headerLength is where the header of raw ends, with its empty line, but for lines that
// begin behind maxHeader.
func headerLength(raw []byte) int {
	pos := 0
	for pos < len(raw) {
		end := lineEnd(raw, pos)
		if end > maxHeader {
			return pos
		}
		if len(trimEOL(raw[pos:end])) == 0 {
			return end
		}
		pos = end
	}
	return pos
}

// behindHeader returns what follows the first empty line from pos on.
func behindHeader(raw []byte, pos int) []byte {
	for pos < len(raw) {
		end := lineEnd(raw, pos)
		if len(trimEOL(raw[pos:end])) == 0 {
			return raw[end:]
		}
		pos = end
	}
	return nil
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
		if strings.EqualFold(h[i].Name, name) {
			return unfold(h[i].Value)
		}
	}
	return ""
}

// Values returns all fields called name, unfolded, in their order.
func (h Header) Values(name string) []string {
	var vs []string
	for i := range h {
		if strings.EqualFold(h[i].Name, name) {
			vs = append(vs, unfold(h[i].Value))
		}
	}
	return vs
}

var folds = strings.NewReplacer("\r", "", "\n", "")

// unfold takes the line ends out of a field, RFC 5322 §2.2.3.
func unfold(s string) string {
	if strings.ContainsAny(s, "\r\n") {
		s = folds.Replace(s)
	}
	return strings.Trim(s, " \t")
}
