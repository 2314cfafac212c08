package message

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CountType counts how often a media type, or the beginning of one up to its slash, is named
// in b, whatever its case. It reads b once and copies nothing.
func CountType(b []byte, mediaType string) int {
	slash := strings.IndexByte(mediaType, '/')
	n := 0
	for pos := 0; ; pos++ {
		i := bytes.IndexByte(b[pos:], '/')
		if i < 0 {
			return n
		}
		pos += i
		begin, end := pos-slash, pos-slash+len(mediaType)
		if begin >= 0 && end <= len(b) && strings.EqualFold(string(b[begin:end]), mediaType) {
			n++
		}
	}
}

// Plain is a text as phrases are written: in lower case, with single blanks and straight
// apostrophes.
func Plain(s string) string {
	b := make([]byte, 0, len(s))
	blank := false // one is to come before the next letter
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			i++
			if c = plains[c]; c == ' ' {
				blank = len(b) > 0
				continue
			}
			if blank {
				b, blank = append(b, ' '), false
			}
			b = append(b, c)
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if unicode.IsSpace(r) {
			blank = len(b) > 0
			continue
		}
		if blank {
			b, blank = append(b, ' '), false
		}
		if r == '’' {
			r = '\''
		}
		b = utf8.AppendRune(b, unicode.ToLower(r))
	}
	return string(b)
}

// plains is what Plain makes of each character of ASCII.
var plains = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		t[c] = byte(unicode.ToLower(rune(c)))
		if unicode.IsSpace(rune(c)) {
			t[c] = ' '
		}
	}
	return t
}()
