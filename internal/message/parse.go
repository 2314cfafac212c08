package message

import (
	"bytes"
	"strings"
	"time"
)

// Parse reads what a message says of itself. It never fails. It reads only the header; the
// MIME tree and the content are read when they are asked for. raw must not change as long
// as the Message is in use.
func Parse(env Envelope, at time.Time, raw []byte) *Message {
	m := &Message{Envelope: env, At: at, Raw: raw}
	m.Header, m.Body, m.Problems = ParseHeader(WithoutBlank(raw))
	if env.Truncated {
		m.Problems = append(m.Problems, "truncated")
	}
	m.ContentType = ParseContentType(m.Header.Get("Content-Type"))
	if from := Addresses(m.Header.Get("From")); len(from) > 0 {
		m.From = from[0]
	}
	m.Subject = DecodeWords(m.Header.Get("Subject"))
	m.MessageID = MessageID(m.Header.Get("Message-ID"))
	if date := m.Header.Get("Date"); date != "" {
		if m.Date = ParseDate(date); m.Date.IsZero() {
			m.Problems = append(m.Problems, "the Date can not be read")
		}
	}
	m.Received = m.Header.Values("Received")
	return m
}

// WithoutBlank is a stored message without what stands before its header and shows nothing:
// white space, control characters, a byte order mark, an mbox line, as some put there who store
// mail. Where no field follows, it is all of it.
func WithoutBlank(raw []byte) []byte {
	for end := 0; end < len(raw) && end < maxBlank; end = lineEnd(raw, end) {
		line := bytes.TrimLeftFunc(trimEOL(raw[end:lineEnd(raw, end)]), blank)
		switch {
		case isField(line):
			return raw[end+bytes.Index(raw[end:], line):]
		case len(line) > 0 && !isSeparator(line, true):
			return raw
		}
	}
	return raw
}

// blank reports whether a character shows nothing.
func blank(r rune) bool { return r <= ' ' || r == '\u00a0' || r == '\ufeff' }

const maxBlank = 1 << 10 // bytes

// MessageID takes an unfolded Message-ID field out of its angle brackets. What is no msg-id
// at all stays as it is: it still tells messages apart.
func MessageID(field string) string {
	field = strings.TrimSpace(bounded(field))
	if _, after, ok := strings.Cut(field, "<"); ok {
		if id, _, ok := strings.Cut(after, ">"); ok {
			return strings.TrimSpace(id)
		}
	}
	return strings.Trim(field, "<>")
}
