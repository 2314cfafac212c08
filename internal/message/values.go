package message

import (
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// maxValue bounds what is read of one field's value, in bytes: parsers of structured fields
// are slow on absurd ones.
const maxValue = 8 << 10

func bounded(v string) string { return v[:min(len(v), maxValue)] }

// ParseContentType reads a Content-Type field as far as it can be read. Where it can not,
// type and boundary are picked out of it.
func ParseContentType(v string) ContentType {
	v = bounded(v)
	plain := ContentType{Type: "text/plain", Params: map[string]string{}}
	if strings.Count(v, ";") <= 100 {
		if t, params, err := mime.ParseMediaType(v); err == nil && strings.Contains(t, "/") {
			return ContentType{t, params}
		}
	}
	t, rest, _ := strings.Cut(v, ";")
	if t = strings.ToLower(strings.Trim(t, " \t\"")); !strings.Contains(t, "/") || strings.ContainsAny(t, " \t") {
		return plain
	}
	plain.Type = t
	for p := range strings.SplitSeq(rest, ";") {
		name, value, ok := strings.Cut(p, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := plain.Params[name]; ok && name != "" && !twice && len(plain.Params) < 20 {
			plain.Params[name] = strings.Trim(value, " \t\"")
		}
	}
	return plain
}

// DecodeWords decodes the encoded words (RFC 2047) of an unfolded field. Bare 8-bit bytes
// are UTF-8 if they can be, else windows-1252. The result is valid UTF-8 without control
// characters.
func DecodeWords(s string) string {
	s = toUTF8([]byte(bounded(s)), "")
	if strings.Contains(s, "=?") {
		d := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
			b, err := io.ReadAll(r)
			return strings.NewReader(toUTF8(b, charset)), err
		}}
		if decoded, err := d.DecodeHeader(s); err == nil {
			s = decoded
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// toUTF8 decodes b. A charset that is unknown or "" is guessed: UTF-8 if it can be, else
// windows-1252, in which no bytes are wrong.
func toUTF8(b []byte, charset string) string {
	var e encoding.Encoding
	if charset != "" {
		e, _ = htmlindex.Get(charset)
	}
	if e == nil || strings.EqualFold(charset, "us-ascii") {
		if utf8.Valid(b) {
			return string(b)
		}
		e = charmap.Windows1252
	}
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		out = b
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// Addresses returns the addr-specs of an unfolded address field, domains in lower case. Of a
// field that is not well-formed, those in angle brackets, or else the words with an "@".
func Addresses(field string) []string {
	field = bounded(field)
	var all []string
	if list, err := (&mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: raw}}).ParseList(field); err == nil {
		for _, a := range list {
			all = append(all, lowerDomain(a.Address))
		}
		return all
	}
	for rest := field; ; {
		_, after, ok := strings.Cut(rest, "<")
		addr, next, closed := strings.Cut(after, ">")
		if !ok || !closed {
			break
		}
		if strings.Contains(addr, "@") {
			all = append(all, lowerDomain(strings.TrimSpace(addr)))
		}
		rest = next
	}
	if len(all) > 0 {
		return all
	}
	for _, w := range strings.FieldsFunc(field, func(r rune) bool { return strings.ContainsRune(" \t,;:()\"", r) }) {
		if at := strings.IndexByte(w, '@'); at > 0 && at < len(w)-1 {
			all = append(all, lowerDomain(w))
		}
	}
	return all
}

// raw leaves the words of a display name in any charset as they are: only addresses count.
func raw(_ string, r io.Reader) (io.Reader, error) { return r, nil }

func lowerDomain(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	return addr[:at+1] + strings.ToLower(addr[at+1:])
}

// Obsolete and wrong ways to write a date that are common.
var layouts = []string{
	"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04 -0700",
	"Mon, 2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05",
	"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Mon Jan 2 15:04:05 -0700 2006", time.RFC3339,
}

// ParseDate reads a Date field; zero where it can not.
func ParseDate(s string) time.Time {
	if s = strings.TrimSpace(s); s == "" || len(s) > 200 {
		return time.Time{}
	}
	plain, _, _ := strings.Cut(s, "(") // what follows is a comment
	plain = strings.TrimSpace(plain)
	// Nearly all mail has this form. net/mail tries 48, at three allocations each.
	if t, err := time.Parse(layouts[0], plain); err == nil {
		return t.UTC()
	}
	if t, err := mail.ParseDate(s); err == nil {
		return t.UTC()
	}
	s = plain
	s = strings.Join(strings.Fields(s), " ")
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
