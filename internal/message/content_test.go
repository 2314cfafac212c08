package message

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"mime/quotedprintable"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func contentOf(s string) string {
	var b bytes.Buffer
	parse(s).WriteContent(&b)
	return b.String()
}

// multipart writes a text and an attachment in some manner.
func multipart(boundary, encoding, eol, text, file string) string {
	var body string
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(text, "\n", eol)))
		body = strings.Join(chunks(body, 76), "\n")
	case "quoted-printable":
		var b bytes.Buffer
		w := quotedprintable.NewWriter(&b)
		w.Write([]byte(text))
		w.Close()
		body = strings.ReplaceAll(b.String(), "\r\n", "\n")
	default:
		body = text
	}
	return "From: a@example.org\nContent-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n--" + boundary +
		"\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: " + encoding + "\n\n" + body + "\n--" + boundary +
		"\nContent-Type: image/png; name=x\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(file)) + "\n--" + boundary + "--\n"
}

func chunks(s string, n int) (cs []string) {
	for len(s) > n {
		cs, s = append(cs, s[:n]), s[n:]
	}
	return append(cs, s)
}

func TestContentSurvivesGateways(t *testing.T) {
	text := "Good day,\n\nhere is the offer: 100% = 7 €.  \n" + strings.Repeat("A long line that goes on and on. ", 9) + "\n--\nAnn\n"
	want := contentOf(multipart("x", "8bit", "\n", text, "\x89PNG\x00\x01"))
	if !strings.Contains(want, "offer: 100% = 7 €.\n") || !strings.Contains(want, "\x89PNG\x00\x01") {
		t.Fatalf("%q", want)
	}
	for _, boundary := range []string{"x", "another=_1"} {
		for _, encoding := range []string{"8bit", "base64", "quoted-printable", "QUOTED-Printable"} {
			for _, eol := range []string{"\n", "\r\n"} {
				if got := contentOf(multipart(boundary, encoding, eol, text, "\x89PNG\x00\x01")); got != want {
					t.Errorf("%s, %s, %q:\n%q\n%q", boundary, encoding, eol, got, want)
				}
			}
		}
	}
	plain := strings.Replace(multipart("x", "8bit", "\n", text, ""), "\n\n", "\n\npreamble\n", 1)
	if contentOf("Content-Transfer-Encoding: base64\n"+plain) != contentOf(plain) {
		t.Error("a multipart is taken for base64")
	}
	for name, other := range map[string]string{
		"text":       multipart("x", "8bit", "\n", strings.Replace(text, "7", "8", 1), "\x89PNG\x00\x01"),
		"attachment": multipart("x", "8bit", "\n", text, "\x89PNG\x00\x02"),
		"line break": multipart("x", "8bit", "\n", strings.Replace(text, "\n\n", "\n", 1), "\x89PNG\x00\x01"),
	} {
		if contentOf(other) == want {
			t.Errorf("another %s does not show", name)
		}
	}
}

// TestContentSkipsNothing puts a word at every place of messages of all qualities: it must
// always show.
func TestContentSkipsNothing(t *testing.T) {
	bodies := map[string]string{
		"plain":              "Content-Type: text/plain\n\nline one\nline two\n",
		"broken base64":      "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nR29vZCBkYXk=\n!!! not base64 at all\nR29\n",
		"base64 in no group": "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nR2 9v Z\nCBk\nYXk\n",
		"broken quoting":     "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\na=ZZ=\n=3\nend=\n",
		"wrong boundary":     strings.Replace(report, `boundary="x"`, `boundary="y"`, 1),
		"no boundary":        strings.Replace(report, `; boundary="x"`, "", 1),
		"never closed":       strings.Replace(report, "--x--\n", "", 1),
		"epilogue":           report + "behind the end\n",
		"other fields":       "Content-Type: multipart/mixed; boundary=b\n\n--b\nX-Attachment-Id: f_1\n more\nContent-Type: text/plain\nMIME-Version: 1.0\n\nand this\n--b--\n",
		"no empty line":      "Content-Type: multipart/mixed; boundary=b\n\n--b\nX-Header: alone\n--b\n--b--\n--b--\n",
		"nested, crossed":    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--b\n\none\n--c\n\ntwo\n--b--\nthree\n--c--\nfour\n",
		"long lines":         "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("=41", 50) + "\n=\n = \nx",
		"text for a header":  "Content-Type: multipart/mixed; boundary=b\n\n--b\nDear Sir: read this\nand this\n--b--\n",
	}
	for name, text := range bodies {
		want := contentOf(text)
		body := strings.Index(text, "\n\n") + 2
		for pos := body; pos <= len(text); pos++ {
			line := text[strings.LastIndexByte(text[:pos], '\n')+1:]
			line, _, _ = strings.Cut(line, "\n")
			// The lines that make the structure are no content.
			if strings.HasPrefix(line, "--") || strings.HasPrefix(line, "Content-") {
				continue
			}
			for _, word := range []string{"WORD", "7", "!"} {
				if got := contentOf(text[:pos] + word + text[pos:]); got == want {
					t.Errorf("%s: %q at %d (%q) does not show", name, word, pos, line)
				}
			}
		}
	}
}

// TestContentHides looks for content where it might be taken for structure.
func TestContentHides(t *testing.T) {
	many := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", maxSeparators+1)
	long := strings.Repeat(" ", maxValue)
	tests := []struct{ name, text string }{
		{"behind blanks in a boundary line", "Content-Type: multipart/mixed; boundary=b\n\n--b" + long + "WORD\n\nx\n--b--\n"},
		{"behind blanks over the limit", "Content-Type: multipart/mixed; boundary=b\n\n--b" + strings.Repeat(" ", 2*maxPiece) + "WORD\n\nx\n--b--\n"},
		{"in a long field", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-X:" + long + "WORD\n\nx\n--b--\n"},
		{"in a field of many lines", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-X: y\n" + strings.Repeat(" x\n", maxValue/3) + " WORD\n\nx\n--b--\n"},
		{"behind many fields", "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + strings.Repeat("Content-X: y\n", maxValue/13) + "Content-X: WORD\n\nx\n--b--\n"},
		{"in the part that is one too many", many + "--b\nContent-X: WORD\n\n"},
		{"behind blanks in the text", "\nx" + long + long + "WORD\n"},
		{"at the end of a long line", "\n" + strings.Repeat("x", maxPiece) + "WORD"},
		{"behind a long line that ends like a boundary", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + strings.Repeat("x", maxPiece) + "--b\nContent-X: WORD\n"},
		{"in the second piece of a field", "Content-Type: multipart/mixed; boundary=b\n\n--b\nX: " + strings.Repeat("x", maxPiece-3) + "Content-X: WORD\n\n"},
		{"behind blanks that fold no field", "Content-Type: multipart/mixed; boundary=b\n\n--b\n x\nContent-X: WORD\n\n"},
		{"in blanks at the end of base64", "Content-Transfer-Encoding: base64\n\nQUJD" + long + "WORD"},
	}
	for _, tt := range tests {
		with, without := contentOf(tt.text), contentOf(strings.Replace(tt.text, "WORD", "", 1))
		if with == without {
			t.Errorf("%s: a word does not show", tt.name)
		}
	}
}

// TestContentOfParts reads the stream back: it says where parts begin and what they are.
func TestContentOfParts(t *testing.T) {
	text := "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\nX-Id: 1\nContent-Type: text/html\nX-Id: 2\n\n<p>\n\n--b\nContent-Type: multipart/related; boundary=c\n\n" +
		"--c\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw==\n--c--\n\n--b\n--b--\nepilogue\n"
	want := []string{"multipart/mixed: preamble", ": X-Id: 1\nX-Id: 2", "text/html: <p>", "multipart/related: ", "image/png: \x89PNG", "text/plain: ", "text/plain: epilogue"}
	if got := readContent(t, contentOf(text)); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// readContent takes a stream apart from its end, which is how one can.
func readContent(t *testing.T, stream string) (parts []string) {
	for stream != "" {
		if len(stream) < 16 {
			t.Fatalf("%q is left", stream)
		}
		b := len(stream) - 16
		name, length := int(binary.BigEndian.Uint64([]byte(stream[b:]))), int(binary.BigEndian.Uint64([]byte(stream[b+8:])))
		if name+length > b {
			t.Fatalf("a part of %d bytes in %d", length, b)
		}
		parts = append(parts, stream[b-name:b]+": "+stream[b-name-length:b-name])
		stream = stream[:b-name-length]
	}
	slices.Reverse(parts)
	return parts
}

// TestContentOfLongLines encodes lines that are longer than what is decoded at once.
func TestContentOfLongLines(t *testing.T) {
	for _, text := range []string{strings.Repeat("ü", maxPiece), strings.Repeat("=", 2*maxPiece+1), strings.Repeat("x ", maxPiece) + "x\n" + strings.Repeat("ab\xff", maxPiece)} {
		want := readContent(t, contentOf("\n"+text))
		if want[0] != "text/plain: "+text {
			t.Errorf("%.20q is not what it was", text)
		}
		var escaped strings.Builder
		for i := range len(text) {
			fmt.Fprintf(&escaped, "=%02x", text[i])
		}
		got := readContent(t, contentOf("Content-Transfer-Encoding: base64\n\n"+base64.StdEncoding.EncodeToString([]byte(text))))
		if !slices.Equal(got, want) {
			t.Errorf("%.20q in base64: %d bytes", text, len(got[0]))
		}
		for _, before := range []string{"", "a", "ab"} {
			got := readContent(t, contentOf("Content-Transfer-Encoding: quoted-printable\n\n"+before+escaped.String()))
			if want := []string{"text/plain: " + before + text}; !slices.Equal(got, want) {
				t.Errorf("%.20q in quoted-printable behind %q: %d bytes", text, before, len(got[0]))
			}
		}
	}
}

// TestContentOfBase64Lines breaks base64 where it does not matter.
func TestContentOfBase64Lines(t *testing.T) {
	file := strings.Repeat("\x89PNG\x00 \n\xff", 100)
	for width := 1; width <= 80; width++ {
		encoded := base64.StdEncoding.EncodeToString([]byte(file))
		body := encoded[:width%3] + "\n" + strings.Join(chunks(encoded[width%3:], width), "\n")
		got := readContent(t, contentOf("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n"+body+"\n\n"))
		if want := []string{"image/png: " + file}; !slices.Equal(got, want) {
			t.Errorf("lines of %d: %q", width, got)
		}
	}
}

// TestContentOfALongBodyThatBeginsEmpty has a first line of one byte before much else.
func TestContentOfALongBodyThatBeginsEmpty(t *testing.T) {
	body := "\n" + strings.Repeat("A line of text, as people write it.\n", 4000)
	var b bytes.Buffer
	Parse(Envelope{}, at, []byte("Subject: x\n\n"+body)).WriteContent(&b)
	if !strings.HasPrefix(b.String(), "\nA line") {
		t.Errorf("%.40q", b.String())
	}
}

// TestRest says what of a message is no text that Parts shows.
func TestRest(t *testing.T) {
	rest := func(s string) (string, int) {
		var all, rest strings.Builder
		n := parse(s).WriteContents(&all, &rest)
		return strings.Map(func(r rune) rune { return max(r, ' ') }, rest.String()), n
	}
	const multipart = "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n"
	tests := []struct {
		name, message string
		in            []string // of the rest
		notIn         string
		texts         int
	}{
		{"text alone", "Subject: x\n\nvisible\n", nil, "visible", 1},
		{"text and attachment", multipart + "\nvisible\n--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\naGlkZGVu\n--b--\n", []string{"hidden", "application/pdf"}, "visible", 1},
		{"preamble", multipart + "\nvisible\n--b--\n", nil, "preamble", 1},
		{"no boundary", "Content-Type: multipart/mixed; boundary=b\n\nall of it\n", []string{"all of it"}, "nothing", 0},
		{"epilogue", multipart + "\nvisible\n--b--\nepilogue\n", []string{"epilogue"}, "visible", 1},
		{"text in a file", multipart + "Content-Type: text/plain; name=a.txt\n\nin a file\n--b--\n", []string{"in a file"}, "preamble", 0},
		{"attached text", multipart + "Content-Disposition: attachment\n\nin a file\n--b--\n", []string{"in a file"}, "preamble", 0},
		{"both forms", multipart + "\nplain\n--b\nContent-Type: text/html\n\n<p>html\n--b--\n", nil, "html", 2},
		{"behind what is parsed", "Subject: x\n\n" + strings.Repeat("visible\n", MaxParse/8) + "tail\n", []string{"tail"}, "nothing", 1},
	}
	for _, tt := range tests {
		got, texts := rest(tt.message)
		for _, in := range tt.in {
			if !strings.Contains(got, in) {
				t.Errorf("%s: %q is missing in %q", tt.name, in, got)
			}
		}
		if strings.Contains(got, tt.notIn) || texts != tt.texts {
			t.Errorf("%s: %d texts, %q", tt.name, texts, got)
		}
	}
}

func TestRead(t *testing.T) {
	p := Part{ContentType: ContentType{Type: "text/html", Params: map[string]string{"charset": "iso-8859-1"}}, Content: []byte("<p>Gr\xfc\xdfe <A class=x HREF='https://example.org/c/1'>hier</a><br>" +
		"<img alt=rot src=\"https://example.org/1.png\"><img src=cid:1><input type=text value='ja'>")}
	r := p.Read()
	if r.Text != "Grüße hier\n" || r.Links != "https://example.org/c/1\nrot\nhttps://example.org/1.png\nja\n" {
		t.Errorf("%q, %q", r.Text, r.Links)
	}
	if want := "Grüße <A class=x HREF='https://example.org/c/1'>hier\n<img alt=rot src=\"https://example.org/1.png\"><img src=cid:1><input type=text value='ja'>"; r.Whole != want {
		t.Errorf("%q, want %q", r.Whole, want)
	}
}
