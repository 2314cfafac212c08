package stormgen

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"
)

// draft is a message being written. Fields and lines are given without their line end and
// may be folded by "\n".
type draft struct{ b []byte }

func (d *draft) field(name, format string, args ...any) {
	d.b = append(append(d.b, name...), ": "...)
	d.line(format, args...)
}

func (d *draft) line(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	d.text(format)
	d.b = append(d.b, "\r\n"...)
}

// text appends s with its line ends made CRLF.
func (d *draft) text(s string) {
	for {
		line, rest, more := strings.Cut(s, "\n")
		d.b = append(d.b, line...)
		if !more {
			return
		}
		d.b = append(d.b, "\r\n"...)
		s = rest
	}
}

// part is a leaf of a MIME tree.
type part struct {
	typ         string // with parameters
	encoding    string // "": none is declared
	disposition string
	content     string
}

// entity appends the MIME fields, the empty line and the encoded content of p.
func (d *draft) entity(p part) {
	d.field("Content-Type", "%s", p.typ)
	if p.disposition != "" {
		d.field("Content-Disposition", "%s", p.disposition)
	}
	if p.encoding != "" {
		d.field("Content-Transfer-Encoding", "%s", p.encoding)
	}
	d.line("")
	d.text(encode(p.content, p.encoding))
}

// multipart appends the MIME fields of typ, the empty line and all parts.
func (d *draft) multipart(typ, boundary string, parts ...part) {
	d.field("MIME-Version", "1.0")
	d.field("Content-Type", "%s;\n\tboundary=\"%s\"", typ, boundary)
	d.line("")
	d.line("This is a multi-part message in MIME format.")
	for _, p := range parts {
		d.line("\n--%s", boundary)
		d.entity(p)
	}
	d.line("\n--%s--", boundary)
}

// single appends the MIME fields, the empty line and the content of a message of one part.
func (d *draft) single(p part) {
	d.field("MIME-Version", "1.0")
	d.entity(p)
}

func encode(s, encoding string) string {
	switch encoding {
	case "quoted-printable":
		var b strings.Builder
		w := quotedprintable.NewWriter(&b)
		w.Write([]byte(s))
		w.Close()
		return strings.ReplaceAll(b.String(), "\r\n", "\n")
	case "base64":
		return wrap(base64.StdEncoding.EncodeToString([]byte(s)), 76)
	}
	return s
}

// wrap cuts s into lines of n bytes.
func wrap(s string, n int) string {
	var b strings.Builder
	for len(s) > n {
		b.WriteString(s[:n])
		b.WriteByte('\n')
		s = s[n:]
	}
	b.WriteString(s)
	b.WriteByte('\n')
	return b.String()
}

// word is s as RFC 2047 wants it in a field.
func word(s string) string { return mime.QEncoding.Encode("utf-8", s) }

// stamp is a date-time of RFC 5322 §3.3.
func stamp(t time.Time) string { return t.Format(time.RFC1123Z) }

// folded joins addresses, one a line.
func folded(addrs []string) string { return strings.Join(addrs, ",\n\t") }

const idDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// queueID is n letters and digits, as mail servers name what they hold.
func queueID(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = idDigits[r.IntN(len(idDigits))]
	}
	return string(b)
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }
