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
	pos := 0
	for pos < len(raw) {
		end := lineEnd(raw, pos)
		line := trimEOL(raw[pos:end])
		if len(line) == 0 {
			return h, raw[end:], problems
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 || !isFieldName(line[:colon]) {
			if bytes.HasPrefix(line, []byte("From ")) && len(h) == 0 || bytes.HasPrefix(line, []byte(">From ")) {
				pos = end // the separator of an mbox
				continue
			}
			return h, raw[pos:], append(problems, "the header ends without an empty line")
		}
		for end < len(raw) && (raw[end] == ' ' || raw[end] == '\t') && end-pos < maxHeader {
			end = lineEnd(raw, end)
		}
		if len(h) >= maxFields || end > maxHeader {
			return h, behindHeader(raw, pos), append(problems, "the header is too long")
		}
		value := bytes.TrimLeft(trimEOL(raw[pos+colon+1:end]), " \t")
		h = append(h, Field{Name: string(bytes.TrimRight(line[:colon], " \t")), Value: string(value)})
		pos = end
	}
	return h, nil, problems
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

func trimEOL(line []byte) []byte { return bytes.TrimRight(line, "\r\n") }

// isFieldName reports whether b is a field name, RFC 5322 §3.6.8; white space before the
// colon is obsolete, but allowed (§4.5).
func isFieldName(b []byte) bool {
	b = bytes.TrimRight(b, " \t")
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
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
