package message

import (
	"bytes"
	"encoding/base64"
)

// chunk is how much base64 is decoded at once, a multiple of 4.
const chunk = 16 << 10

// quanta decodes base64 (RFC 2045 §6.8) of any quality. Bytes outside the alphabet stay
// where they are, so that nothing is ever skipped; white space is.
type quanta struct {
	open [4]byte // the quantum under way
	n    int
	buf  []byte
}

// decode gives what l decodes to to put, which must not keep it.
func (q *quanta) decode(l []byte, put func([]byte)) {
	l = bytes.TrimRight(l, " \t\r\n")
	for len(l) > 0 {
		part := l[:min(len(l), chunk)]
		l = l[len(part):]
		if q.n == 0 && len(part)%4 == 0 {
			if q.buf == nil {
				q.buf = make([]byte, 0, min(chunk, max(len(part), 128)))
			}
			if dst, err := base64.StdEncoding.AppendDecode(q.buf[:0], part); err == nil {
				q.buf = dst
				put(dst)
				continue
			}
		}
		put(q.slow(part))
	}
}

func (q *quanta) slow(l []byte) []byte {
	var out []byte
	for _, c := range l {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '=':
			out = append(out, q.rest()...)
		case !inAlphabet(c):
			out = append(append(out, q.rest()...), c)
		default:
			q.open[q.n] = c
			if q.n++; q.n == 4 {
				out, _ = base64.StdEncoding.AppendDecode(out, q.open[:])
				q.n = 0
			}
		}
	}
	return out
}

// rest ends the quantum under way.
func (q *quanta) rest() []byte {
	open := q.open[:q.n]
	q.n = 0
	if out, err := base64.RawStdEncoding.AppendDecode(nil, open); err == nil {
		return out
	}
	return bytes.Clone(open)
}

func inAlphabet(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}

// unquote decodes one line of quoted-printable (RFC 2045 §6.7). What is wrongly encoded
// stays as it is. A soft line break takes the line's end away.
func unquote(l []byte) []byte {
	if bytes.IndexByte(l, '=') < 0 {
		return l
	}
	body := bytes.TrimRight(l, " \t\r\n")
	end := "\n"
	if bytes.HasSuffix(body, []byte("=")) {
		body, end = body[:len(body)-1], ""
	} else if !bytes.HasSuffix(l, []byte("\n")) {
		end = ""
	}
	out := make([]byte, 0, len(body)+1)
	for i := 0; i < len(body); i++ {
		if body[i] == '=' && i+2 < len(body) {
			hi, lo := unhex(body[i+1]), unhex(body[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, body[i])
	}
	return append(out, end...)
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

// undo decodes a whole part.
func undo(encoding string, b []byte) []byte {
	var out []byte
	switch encoding {
	case "base64":
		var q quanta
		put := func(d []byte) { out = append(out, d...) }
		for pos := 0; pos < len(b); {
			end := lineEnd(b, pos)
			q.decode(b[pos:end], put)
			pos = end
		}
		return append(out, q.rest()...)
	case "quoted-printable":
		for pos := 0; pos < len(b); {
			end := lineEnd(b, pos)
			out = append(out, unquote(b[pos:end])...)
			pos = end
		}
		return out
	}
	return b
}
