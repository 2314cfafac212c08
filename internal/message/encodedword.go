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

// DecodeWords decodes the encoded words (RFC 2047) of an unfolded field. Bare 8-bit bytes are
// UTF-8 if they can be, else Russian or Chinese if they look like it, else windows-1252. The
// result is valid UTF-8 without control characters.
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
		return decodeTransfer("base64", []byte(text)), true
	case 'Q', 'q':
		return appendUnquoted(nil, []byte(strings.ReplaceAll(text, "_", " "))), true
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

// guess is s as UTF-8: as it is if it can be, else in the charset that it looks like. What
// somebody took for Latin-1 and wrote as UTF-8, as list archives do, is taken back.
func guess(s string) string {
	if !utf8.ValidString(s) {
		return toUTF8([]byte(s), "")
	}
	if b := latin1(s); b != nil {
		if e := looksLike(b); e != charmap.Windows1252 {
			return decode(b, e)
		}
	}
	return s
}

// latin1 is s in ISO 8859-1; nil where s is ASCII or can not be written so.
func latin1(s string) []byte {
	ascii := strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
	if ascii < 0 {
		return nil
	}
	b := append(make([]byte, 0, len(s)), s[:ascii]...)
	for _, r := range s[ascii:] {
		if r > 0xff {
			return nil
		}
		b = append(b, byte(r))
	}
	return b
}

// toUTF8 decodes b. A charset that is unknown or "" is guessed.
func toUTF8(b []byte, charset string) string {
	var e encoding.Encoding
	if charset != "" {
		e, _ = htmlindex.Get(charset)
	}
	if e == encoding.Replacement { // what browsers refuse to read, mail programs do read
		e = nil
	}
	if e == nil || strings.EqualFold(charset, "us-ascii") {
		if utf8.Valid(b) {
			return string(b)
		}
		e = looksLike(b)
	}
	return decode(b, e)
}

func decode(b []byte, e encoding.Encoding) string {
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		out = b
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// looksLike guesses the encoding of 8-bit bytes that nobody has named, as old systems send
// them. No language of Western Europe has four accented letters in a row.
func looksLike(b []byte) encoding.Encoding {
	run, longest, letters, lower, upper := 0, 0, true, 0, 0
	pairs, common, paired := 0, 0, true
	for i, c := range b {
		if c < 0x80 {
			paired = paired && run%2 == 0
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
		switch {
		case c >= 0xe0:
			lower++
		case c >= 0xc0:
			upper++
		case c != 0xa8 && c != 0xb8 && c != 0xa3 && c != 0xb3: // ё, in windows-1251 and in KOI8-R
			letters = false
		}
		if run%2 == 1 {
			continue
		}
		first := b[i-1]
		paired = paired && first >= 0xa1 && first <= 0xf7 && c >= 0xa1 && c != 0xff
		if pairs++; 0xb0 <= first && first <= 0xd7 { // the common characters of GB 2312
			common++
		}
	}
	switch {
	case longest < 4:
	case letters && lower >= upper:
		return charmap.Windows1251
	case letters:
		return charmap.KOI8R
	case paired && run%2 == 0 && pairs >= 3 && 2*common > pairs:
		return simplifiedchinese.GB18030
	}
	return charmap.Windows1252
}
