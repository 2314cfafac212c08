package message

import (
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"

	"breakwater/internal/address"
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
	t, rest := v, ""
	if i := strings.IndexAny(v, "; \t"); i >= 0 { // some forget the semicolon
		t, rest = v[:i], v[i+1:]
	}
	if t = strings.ToLower(strings.Trim(t, "\"")); !strings.Contains(t, "/") {
		return plain
	}
	plain.Type = t
	for p := range strings.SplitSeq(rest, ";") {
		name, value, ok := strings.Cut(p, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := plain.Params[name]; ok && name != "" && !twice && len(plain.Params) < 20 {
			plain.Params[name] = word(value)
		}
	}
	return plain
}

// word is the quoted string or the token with which v begins.
func word(v string) string {
	v = strings.TrimSpace(v)
	if quoted, ok := strings.CutPrefix(v, "\""); ok {
		v, _, _ = strings.Cut(quoted, "\"")
		return v
	}
	if i := strings.IndexAny(v, " \t("); i >= 0 {
		v = v[:i]
	}
	return v
}

// transferEncoding is what h says of how its part is encoded, in lower case.
func transferEncoding(h Header) string {
	v := strings.ToLower(h.Get("Content-Transfer-Encoding"))
	if i := strings.IndexAny(v, " \t;("); i >= 0 {
		v = v[:i]
	}
	return v
}

// Addresses returns the addr-specs of an unfolded address field, domains in lower case. Of a
// field that is not well-formed, those in angle brackets, or else the words with an "@".
func Addresses(field string) []string {
	field = printable(bounded(field))
	var all []string
	if list, err := (&mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: raw}}).ParseList(field); err == nil {
		for _, a := range list {
			all = append(all, address.LowerDomain(a.Address))
		}
		return all
	}
	for rest := field; ; {
		addr, after, closed := strings.Cut(rest, ">")
		if !closed {
			break
		}
		if open := strings.LastIndexByte(addr, '<'); open >= 0 && address.Is(addr[open+1:]) {
			all = append(all, address.LowerDomain(strings.TrimSpace(addr[open+1:])))
		}
		rest = after
	}
	if len(all) > 0 {
		return all
	}
	for _, w := range strings.FieldsFunc(field, func(r rune) bool { return strings.ContainsRune(" \t,;:()<>\"", r) }) {
		if address.Is(w) {
			all = append(all, address.LowerDomain(w))
		}
	}
	return all
}

// Near reports whether two addresses are of one domain, or one is of a domain within the other's.
func Near(a, b string) bool {
	_, a, _ = address.Split(strings.ToLower(a))
	_, b, _ = address.Split(strings.ToLower(b))
	return a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a)
}

// raw leaves the words of a display name in any charset as they are: only addresses count.
func raw(_ string, r io.Reader) (io.Reader, error) { return r, nil }

// Obsolete and wrong ways to write a date that are common.
var layouts = []string{
	"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04 -0700",
	"Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05",
	"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 -0700 2006", time.RFC3339,
}

// zones are the names of zones that say an offset, RFC 5322 §4.3.
var zones = map[string]string{
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500",
	"MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700",
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
	words := strings.Fields(plain)
	for i := 3; i < len(words); i++ {
		words[i] = offset(words[i])
	}
	plain = strings.Join(words, " ")
	if t, err := mail.ParseDate(plain); err == nil {
		return t.UTC()
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, plain); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// offset is the offset of a zone, if word names one. All names but those in zones are to be
// taken for -0000; package time would look them up in the zone of this host.
func offset(word string) string {
	if strings.Trim(strings.ToUpper(word), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return word
	}
	if o, ok := zones[strings.ToUpper(word)]; ok {
		return o
	}
	return "+0000"
}
