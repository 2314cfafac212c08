package message

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// DecodeWords decodes the encoded words (RFC 2047) of an unfolded field. Bare 8-bit bytes
// are UTF-8 if they can be, else GB 2312 if they look like it, else windows-1252. The result is valid UTF-8 without control
// characters.
func DecodeWords(s string) string {
	s = bounded(s)
	if !strings.Contains(s, "=?") {
		return printable(s)
	}
	var out strings.Builder
	var last *encodedWord // not written yet: some cut a character in two, one half in each word
	for s != "" {
		between, w, rest := nextWord(s)
		s = rest
		if last != nil && w != nil && strings.EqualFold(w.charset, last.charset) && strings.Trim(between, " \t") == "" {
			last.content = append(last.content, w.content...)
			continue
		}
		if last != nil {
			out.WriteString(toUTF8(last.content, last.charset))
		}
		// White space between two words does not show, RFC 2047 §6.2.
		if last == nil || w == nil || strings.Trim(between, " \t") != "" {
			out.WriteString(guess(between))
		}
		last = w
	}
	if last != nil {
		out.WriteString(toUTF8(last.content, last.charset))
	}
	return printable(out.String())
}

// encodedWord is an encoded word of RFC 2047 §2, decoded but for its charset.
type encodedWord struct {
	charset string
	content []byte
}

// nextWord finds the first encoded word of s, and what stands before and behind it.
func nextWord(s string) (before string, w *encodedWord, rest string) {
	for pos := 0; ; pos += 2 {
		i := strings.Index(s[pos:], "=?")
		if i < 0 {
			return s, nil, ""
		}
		pos += i
		charset, rest, _ := strings.Cut(s[pos+2:], "?")
		if charset == "" || strings.ContainsAny(charset, " \t=") || len(rest) < 2 || rest[1] != '?' {
			continue
		}
		text, after, ok := strings.Cut(rest[2:], "?=")
		if !ok {
			continue
		}
		if content, ok := decodeWord(rest[0], text); ok {
			charset, _, _ = strings.Cut(charset, "*") // RFC 2231 §5: a language
			return s[:pos], &encodedWord{charset, content}, after
		}
	}
}

func decodeWord(encoding byte, text string) ([]byte, bool) {
	switch encoding {
	case 'B', 'b':
		return undo("base64", []byte(text)), true
	case 'Q', 'q':
		return unquote(nil, []byte(strings.ReplaceAll(text, "_", " "))), true
	}
	return nil, false
}

// printable is s as valid UTF-8 without control characters. A tab is white space, with which
// some fold their fields.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, guess(s))
}

// guess is s as UTF-8: as it is if it can be, else from GB 2312 if it looks like it, else from
// windows-1252, in which no bytes are wrong.
func guess(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return toUTF8([]byte(s), "")
}

// toUTF8 decodes b. A charset that is unknown or "" is guessed.
func toUTF8(b []byte, charset string) string {
	var e encoding.Encoding
	if charset != "" {
		e, _ = htmlindex.Get(charset)
	}
	if e == nil || strings.EqualFold(charset, "us-ascii") {
		if utf8.Valid(b) {
			return string(b)
		}
		if e = charmap.Windows1252; looksChinese(b) {
			e = simplifiedchinese.GB18030
		}
	}
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		out = b
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// looksChinese reports whether b is GB 2312, which old Chinese systems send without saying so:
// all bytes above ASCII come in pairs, some at least, and most of them are common characters.
func looksChinese(b []byte) bool {
	pairs, common := 0, 0
	for i := 0; i < len(b); i++ {
		if b[i] < 0x80 {
			continue
		}
		if i+1 == len(b) || b[i] < 0xa1 || b[i] > 0xf7 || b[i+1] < 0xa1 || b[i+1] > 0xfe {
			return false
		}
		if pairs++; 0xb0 <= b[i] && b[i] <= 0xd7 {
			common++
		}
		i++
	}
	return pairs >= 3 && 2*common > pairs
}
