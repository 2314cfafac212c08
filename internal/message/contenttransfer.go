package message

import (
	"bytes"
	"encoding/base64"
)

// chunk is how much base64 is decoded at once, a multiple of 4.
const chunk = 16 << 10

// base64Decoder decodes base64 (RFC 2045 §6.8), even where it is broken. It skips white space. Other bytes outside the
// alphabet stay where they are, so that nothing is lost.
type base64Decoder struct {
	open [4]byte // the quantum under way
	n    int
	buf  []byte
}

// decode decodes l and gives the bytes to put, which must not keep them.
func (d *base64Decoder) decode(l []byte, put func([]byte)) {
	l = bytes.TrimRight(l, " \t\r\n")
	for len(l) > 0 {
		part := l[:min(len(l), chunk)]
		l = l[len(part):]
		if d.n == 0 && len(part)%4 == 0 {
			if d.buf == nil {
				d.buf = make([]byte, 0, min(chunk, max(len(part), 128)))
			}
			if dst, err := base64.StdEncoding.AppendDecode(d.buf[:0], part); err == nil {
				d.buf = dst
				put(dst)
				continue
			}
		}
		put(d.slow(part))
	}
}

// slow decodes what is not whole quanta of the alphabet alone.
func (d *base64Decoder) slow(l []byte) []byte {
	out := d.buf[:0]
	for _, c := range l {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '=':
			out = d.rest(out)
		case !inAlphabet(c):
			out = append(d.rest(out), c)
		default:
			d.open[d.n] = c
			if d.n++; d.n == 4 {
				out, _ = base64.StdEncoding.AppendDecode(out, d.open[:])
				d.n = 0
			}
		}
	}
	d.buf = out
	return out
}

// rest ends the quantum under way, and appends to dst what it decodes to.
func (d *base64Decoder) rest(dst []byte) []byte {
	open := d.open[:d.n]
	d.n = 0
	if len(open) == 1 { // not even a byte
		return append(dst, open...)
	}
	dst, _ = base64.RawStdEncoding.AppendDecode(dst, open)
	return dst
}

func inAlphabet(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}

// appendUnquoted decodes a line of quoted-printable (RFC 2045 §6.7) and appends it to dst. What is wrongly encoded stays as
// it is. A soft line break takes the line's end away.
func appendUnquoted(dst, l []byte) []byte {
	end := ""
	if bytes.HasSuffix(l, []byte("\n")) {
		end = "\n"
		l = bytes.TrimRight(l, " \t\r\n")
		if bytes.HasSuffix(l, []byte("=")) {
			l, end = l[:len(l)-1], ""
		}
	}
	for len(l) > 0 {
		if l[0] != '=' {
			i := bytes.IndexByte(l, '=')
			if i < 0 {
				break
			}
			dst = append(dst, l[:i]...)
			l = l[i:]
		}
		if len(l) > 2 && unhex(l[1]) >= 0 && unhex(l[2]) >= 0 {
			dst = append(dst, byte(unhex(l[1])<<4|unhex(l[2])))
			l = l[3:]
			continue
		}
		dst = append(dst, '=')
		l = l[1:]
	}
	return append(append(dst, l...), end...)
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// decodeTransfer decodes a whole part by its Content-Transfer-Encoding (RFC 2045 §6), in lower case. It returns b for one
// that it does not know.
func decodeTransfer(encoding string, b []byte) []byte {
	switch encoding {
	case "base64":
		out := make([]byte, 0, len(b)/4*3+3)
		var d base64Decoder
		put := func(b []byte) { out = append(out, b...) }
		for pos := 0; pos < len(b); {
			end := lineEnd(b, pos)
			d.decode(b[pos:end], put)
			pos = end
		}
		return d.rest(out)
	case "quoted-printable":
		out := make([]byte, 0, len(b))
		for pos := 0; pos < len(b); {
			end := lineEnd(b, pos)
			out = appendUnquoted(out, b[pos:end])
			pos = end
		}
		return out
	}
	return b
}
