package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func parse(s string) *Message {
	return Parse(Envelope{}, at, []byte(strings.ReplaceAll(s, "\n", "\r\n")))
}

func TestParse(t *testing.T) {
	m := parse("Received: from b\n by c; x\nReceived: from a by b\nFrom: =?utf-8?q?J=C3=B6rg?= <Joerg@Example.ORG>\n" +
		"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\n aus =?utf-8?B?S8O2bG4=?=\nMessage-ID: <1@example.org>\nDate: Mon, 2 Mar 2026 09:00:00 +0100\n" +
		"Content-Type: text/plain; charset=utf-8\n\nbody\n")
	if m.From != "Joerg@example.org" || m.Subject != "Grüße aus Köln" || m.MessageID != "1@example.org" || !m.Date.Equal(at) ||
		!reflect.DeepEqual(m.Received, []string{"from b by c; x", "from a by b"}) || string(m.Body) != "body\r\n" ||
		m.ContentType.Type != "text/plain" || len(m.Problems) != 0 {
		t.Errorf("%+v", m)
	}
}

func TestParseHeader(t *testing.T) {
	tests := []struct{ name, raw, fields, body string }{
		{"plain", "A: 1\r\nB: 2\r\n\r\nx", "A=1 B=2", "x"},
		{"line feeds", "A: 1\nB: 2\n\nx", "A=1 B=2", "x"},
		{"folded", "A: 1\r\n 2\r\nB:\r\n\t3\r\n\r\n", "A=1\r\n 2 B=\r\n\t3", ""},
		{"no body", "A: 1", "A=1", ""},
		{"nothing", "", "", ""},
		{"body alone", "\r\nx", "", "x"},
		{"empty value", "A:\r\nB: 1\r\n\r\nx", "A= B=1", "x"},
		{"white space before the colon", "A : 1\r\n\r\nx", "A=1", "x"},
		{"no empty line", "A: 1\r\nhello world\r\nmore", "A=1", "hello world\r\nmore"},
		{"mbox", "From a@b Mon\r\nA: 1\r\n>From c\r\nB: 2\r\n\r\nx", "A=1 B=2", "x"},
		{"8 bit name", "A: 1\r\n\xff\xfe: 2\r\nx", "A=1", "\xff\xfe: 2\r\nx"},
		{"8 bit value", "A: \xff\r\n\r\nx", "A=\xff", "x"},
		{"NUL", "A: \x001\r\n\r\n\x00x", "A=\x001", "\x00x"},
		{"leading fold", " A: 1\r\nB: 2\r\n\r\nx", "", " A: 1\r\nB: 2\r\n\r\nx"},
		{"bare CR", "A: 1\rB: 2\r\n\r\nx", "A=1\rB: 2", "x"},
	}
	for _, tt := range tests {
		h, body, _ := ParseHeader([]byte(tt.raw))
		var fields []string
		for _, f := range h {
			fields = append(fields, f.Name+"="+f.Value)
		}
		if got := strings.Join(fields, " "); got != tt.fields || string(body) != tt.body {
			t.Errorf("%s: %q, %q", tt.name, got, body)
		}
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct{ field, want string }{
		{"a@B.example", "a@b.example"},
		{"Ann <a@b.example>, Bob <c@d.example>", "a@b.example c@d.example"},
		{`"a, b" <a@b.example> (comment)`, "a@b.example"},
		{"Group: a@b.example, c@d.example;", "a@b.example c@d.example"},
		{"J\xf6rg <a@b.example>", "a@b.example"},
		{"=?x-unknown?Q?J=F6rg?= <a@b.example>", "a@b.example"},
		{"Ann [Sales] <a@b.example>", "a@b.example"},
		{"mail to a@b.example now", "a@b.example"},
		{"<>", ""}, {"", ""}, {"undisclosed-recipients:;", ""}, {"<<<@>>>", "<<@"},
	}
	for _, tt := range tests {
		if got := strings.Join(Addresses(tt.field), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.field, got, tt.want)
		}
	}
}

func TestDecodeWords(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain", "plain"}, {"Gr\xfc\xdfe", "Grüße"}, {"Grüße", "Grüße"},
		{"=?utf-8?B?w7w=?= =?utf-8?B?w7w=?=", "üü"}, {"=?big5?B?pKSk5Q==?=", "中文"}, {"=?nope?Q?=FC?=", "ü"},
		{"=?utf-8?Q?a=0D=0Ab?=", "ab"}, {"=?utf-8?Q?broken", "=?utf-8?Q?broken"}, {"\x00\x1b[31m", "[31m"},
	}
	for _, tt := range tests {
		if got := DecodeWords(tt.in); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for _, s := range []string{"Mon, 2 Mar 2026 08:00:00 +0000", "2 Mar 2026 09:00:00 +0100", "Mon, 02 Mar 2026 08:00:00 GMT", "Mon, 2 Mar 2026 08:00:00 +0000 (UTC)",
		"Mon,  2 Mar 2026 08:00 +0000", "Mon Mar  2 08:00:00 2026", "2026-03-02T08:00:00Z"} {
		if d := ParseDate(s); !d.Equal(at) {
			t.Errorf("%q: %v", s, d)
		}
	}
	for _, s := range []string{"", "yesterday", strings.Repeat("1", 1000)} {
		if d := ParseDate(s); !d.IsZero() {
			t.Errorf("%q: %v", s, d)
		}
	}
}

func TestParseContentType(t *testing.T) {
	tests := []struct{ in, typ, boundary string }{
		{"text/HTML; charset=x", "text/html", ""},
		{`multipart/report; report-type=delivery-status; boundary="a b"`, "multipart/report", "a b"},
		{`multipart/report; boundary=a; boundary=b`, "multipart/report", "a"},
		{"multipart/mixed; boundary=a=b", "multipart/mixed", "a=b"},
		{"multipart/mixed; =junk;; boundary=a", "multipart/mixed", "a"},
		{"", "text/plain", ""}, {"junk", "text/plain", ""}, {"text", "text/plain", ""},
		{"multipart/mixed" + strings.Repeat("; p=1", 20000), "multipart/mixed", ""},
	}
	for _, tt := range tests {
		if got := ParseContentType(tt.in); got.Type != tt.typ || got.Params["boundary"] != tt.boundary {
			t.Errorf("%.60q: %+v", tt.in, got)
		}
	}
}

func nested(depth int, closed bool) string {
	var b strings.Builder
	b.WriteString("From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b0\n\n")
	for i := range depth {
		fmt.Fprintf(&b, "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i, i+1)
	}
	for i := depth; closed && i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d--\n", i)
	}
	return b.String()
}

// TestBombs plays mails that keep a MIME parser busy, some of them for ever.
func TestBombs(t *testing.T) {
	bombs := map[string]string{
		"50,000 parts":      "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 50_000),
		"20,000 parameters": "Content-Type: text/plain" + strings.Repeat("; p=a", 20_000) + "\n\nx\n",
		"part parameters":   "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain" + strings.Repeat(";\n p=a", 20_000) + "\n\nx\n--b--\n",
		"100,000 fields":    strings.Repeat("X: y\n", 100_000) + "\nx\n",
		"1 MB field":        "Subject: " + strings.Repeat("x", 1<<20) + "\n\nx\n",
		"1 MB folded":       "Subject: x\n" + strings.Repeat(" x\n", 1<<19) + "\nx\n",
		"64 KB address":     "From: " + strings.Repeat("a", 64<<10) + "@example.org\n\nx\n",
		"angle brackets":    "From: " + strings.Repeat("<", 64<<10) + "\n\nx\n",
		"NULs":              strings.Repeat("\x00", 1<<20),
		"line feeds":        "A: b\n\n" + strings.Repeat("\n", 4<<20),
		"blanks":            "A: b\n\n" + strings.Repeat(" ", 4<<20) + "x",
		"dashes":            "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--c\nContent-Type: text/plain\n\n", 20_000),
		"open part header":  "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + strings.Repeat("Content-X: y\n", 100_000),
	}
	for _, depth := range []int{10, 16, 24, 100, 3000} {
		bombs[fmt.Sprintf("nested %d", depth)] = nested(depth, false)
		bombs[fmt.Sprintf("nested %d, closed", depth)] = nested(depth, true)
	}
	for name, text := range bombs {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			m := parse(text)
			parts := m.Parts()
			m.Text(64 << 10)
			m.WriteContent(&bytes.Buffer{})
			if took := time.Since(begun); took > 5*time.Second || len(parts) > maxParts || len(m.Header) > maxFields {
				t.Errorf("took %v, %d parts, %d fields", took, len(parts), len(m.Header))
			}
		})
	}
}

const report = `From: MAILER-DAEMON@example.org
Content-Type: multipart/report; report-type=delivery-status; boundary="x"

preamble
--x
Content-Type: text/plain; charset=utf-8

Sorry.
--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; bob@example.net
--x
Content-Type: message/rfc822

Subject: original

body
--x--
`

func types(ps []Part) string {
	var s []string
	for _, p := range ps {
		s = append(s, p.Type)
	}
	return strings.Join(s, " ")
}

func TestParts(t *testing.T) {
	const all = "text/plain message/delivery-status message/rfc822"
	edit := func(old, new string) string { return strings.Replace(report, old, new, 1) }
	tests := []struct{ name, text, want string }{
		{"report", report, all},
		{"no multipart", "Content-Type: text/html\n\n<p>x", "text/html"},
		{"no Content-Type", "From: a\n\nx", "text/plain"},
		{"never closed", edit("--x--\n", ""), all},
		{"no boundary parameter", edit(`; boundary="x"`, ""), all},
		{"wrong boundary", edit(`boundary="x"`, `boundary="y"`), all},
		{"two boundaries", edit(`boundary="x"`, `boundary="x"; boundary="y"`), all},
		{"cut in the status part", report[:strings.Index(report, "Final-")], "text/plain message/delivery-status"},
		{"nested in a list's multipart", "Content-Type: multipart/mixed; boundary=l\n\n--l\n" + strings.SplitN(report, "\n", 2)[1] + "--l\nContent-Type: text/plain\n\nfooter\n--l--\n", all + " text/plain"},
		{"empty multipart", "Content-Type: multipart/mixed; boundary=b\n\nnothing\n", "multipart/mixed"},
		{"nested 11 deep", nested(11, true), "multipart/mixed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(tt.text)
			if got := types(m.Parts()); got != tt.want {
				t.Errorf("%q, want %q; problems %q", got, tt.want, m.Problems)
			}
		})
	}
}

func TestPartContent(t *testing.T) {
	m := parse("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DF=\ne\n" +
		"--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: BASE64\nContent-Disposition: attachment; filename*=utf-8''%C3%BC.pdf\n\nAAECAwQ=\n" +
		"--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nSubject: plain all the same\n\nx\n--b--\n")
	ps := m.Parts()
	if len(ps) != 3 || string(ps[1].Content) != "\x00\x01\x02\x03\x04" || ps[1].Filename != "ü.pdf" || !strings.HasPrefix(string(ps[2].Content), "Subject: plain") {
		t.Fatalf("%+v", ps)
	}
	if got := strings.TrimSpace(m.Text(100)); got != "Grüße" {
		t.Errorf("%q", got)
	}
}

func TestTextOfHTML(t *testing.T) {
	m := parse("Content-Type: text/html; charset=utf-8\n\n<style>p{}</style><p>Gr&uuml;&szlig;e<br>aus</p><!-- no -->Köln\n")
	if got := strings.Join(strings.Fields(m.Text(1000)), " "); got != "Grüße aus Köln" {
		t.Errorf("%q", got)
	}
}

func contentOf(s string) string {
	var b bytes.Buffer
	parse(s).WriteContent(&b)
	return b.String()
}

// multipart writes a text and an attachment in some manner.
func multipart(boundary, encoding, eol, text, file string) string {
	var body string
	switch encoding {
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
				if got := contentOf(multipart(boundary, strings.Clone(encoding), eol, text, "\x89PNG\x00\x01")); encoding != "QUOTED-Printable" && got != want {
					t.Errorf("%s, %s, %q:\n%q\n%q", boundary, encoding, eol, got, want)
				}
			}
		}
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
			for _, word := range []string{"WORD", "7"} {
				if got := contentOf(text[:pos] + word + text[pos:]); got == want {
					t.Errorf("%s: %q at %d (%q) does not show", name, word, pos, line)
				}
			}
		}
	}
}

func samples(f *testing.F) {
	for _, s := range []string{report, nested(5, true), nested(5, false), multipart("x", "base64", "\n", "text\n", "file"), "\n", "From x\nA: b\n\nc"} {
		f.Add([]byte(s))
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
	}
	files, _ := filepath.Glob("../../testdata/*/*.eml")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && len(b) < 20_000 {
			f.Add(b)
		}
	}
}

func FuzzParse(f *testing.F) {
	samples(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		m := Parse(Envelope{}, at, b)
		parts := m.Parts()
		again := Parse(Envelope{}, at, b)
		again.Parts()
		if !reflect.DeepEqual(m, again) {
			t.Error("not deterministic")
		}
		if !bytes.HasSuffix(b, m.Body) || len(parts) == 0 || len(parts) > maxParts {
			t.Errorf("%d parts", len(parts))
		}
		for _, p := range parts {
			if len(p.Content) > len(b)+16 {
				t.Errorf("a part of %d bytes in %d", len(p.Content), len(b))
			}
		}
		if s := m.Text(1000); len(s) > 1000 {
			t.Errorf("text of %d bytes", len(s))
		}
		if !bytes.Equal(b, before) {
			t.Error("raw was changed")
		}
	})
}

// FuzzContent inserts a digit anywhere behind the structure of a body.
func FuzzContent(f *testing.F) {
	samples(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var one, two bytes.Buffer
		m := Parse(Envelope{}, at, b)
		m.WriteContent(&one)
		// A line of its own at the very end is content, whatever is open there, unless a
		// part's header is, in which it may continue a field.
		Parse(Envelope{}, at, append(bytes.Clone(b), "\n\n7 WORDS\n"...)).WriteContent(&two)
		if len(m.Body) > 0 && bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%q: %q", b, one.Bytes())
		}
	})
}

func ordinary(size int) []byte {
	s := "Received: from a.example.net (a.example.net [192.0.2.1])\n\tby mx.example.test (Postfix) with ESMTPS id 4ABC\n\tfor <u1@example.test>; Mon, 2 Mar 2026 08:00:00 +0000 (UTC)\n" +
		"From: Ann <ann@example.net>\nTo: u1@example.test\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\nDate: Mon, 2 Mar 2026 07:59:00 +0000\nMessage-ID: <1@example.net>\n" +
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nUser-Agent: x\n\n" + strings.Repeat("A line of text, as people write it.\n", size/36)
	return []byte(strings.ReplaceAll(s, "\n", "\r\n"))
}

func BenchmarkParse(b *testing.B) {
	raw := ordinary(4 << 10)
	b.ReportAllocs()
	for b.Loop() {
		Parse(Envelope{}, at, raw)
	}
}

func BenchmarkParts(b *testing.B) {
	raw := []byte(strings.ReplaceAll(strings.Replace(report, "\nbody\n", "\n"+strings.Repeat("A line of text, as people write it.\n", 500), 1), "\n", "\r\n"))
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		Parse(Envelope{}, at, raw).Parts()
	}
}

func BenchmarkContent(b *testing.B) {
	for _, encoding := range []string{"8bit", "quoted-printable", "base64"} {
		b.Run(encoding, func(b *testing.B) {
			m := parse(multipart("x", encoding, "\n", strings.Repeat("A line of text, as people write it.\n", 500), "x"))
			b.SetBytes(int64(len(m.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				m.WriteContent(discard{})
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestCountType(t *testing.T) {
	for _, tt := range []struct {
		text, typ string
		want      int
	}{
		{"", "a/b", 0}, {"a/b", "a/b", 1}, {"/A/B a/ba", "a/b", 2}, {"x/", "x/y", 0}, {"/y", "x/y", 0},
		{"Content-Type: MultiPart/Mixed\nmultipart/x", "multipart/", 2}, {"//////", "a/", 0},
	} {
		if got := CountType([]byte(tt.text), tt.typ); got != tt.want {
			t.Errorf("%q in %q: %d, want %d", tt.typ, tt.text, got, tt.want)
		}
	}
}
