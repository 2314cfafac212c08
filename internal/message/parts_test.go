package message

import (
	"strings"
	"testing"
)

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
		{"never opened", "Content-Type: multipart/mixed; boundary=b\n\n--b--\n", "multipart/mixed"},
		{"CR alone", strings.ReplaceAll(report, "\n", "\r"), "text/plain"},
		{"no empty line before the parts", edit("\n\npreamble\n", "\n"), all},
		{"no empty line in a part", edit("charset=utf-8\n\n", "charset=utf-8\n"), all},
		{"blanks behind the boundary", edit("--x\n", "--x \t\n"), all},
		{"junk behind the boundary", edit("--x\nContent-Type: message/rfc822", "--xyz\nContent-Type: message/rfc822"), "text/plain message/delivery-status"},
		{"fields before Content-Type", strings.ReplaceAll(edit(`boundary="x"`, `boundary="y"`), "--x\nContent-Type", "--x\nContent-Description: x\nContent-Type"), all},
		{"junk in Content-Type", edit("multipart/report; report-type", "multipart/report (x); ; report-type"), all},
		{"no semicolon", edit("multipart/report; report-type=delivery-status; ", "multipart/report "), all},
		{"two Content-Types", edit("Content-Type: multipart", "Content-Type: multipart/report; boundary=z\nContent-Type: multipart"), all},
		{"one part with a multipart in its message", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n" + report + "--b--\n", "message/rfc822"},
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

func TestPartsProblems(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"report", report, ""},
		{"wrong boundary", strings.Replace(report, `boundary="x"`, `boundary="y"`, 1), "the boundary is missing or wrong"},
		{"one part", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n" + report + "--b--\n", ""},
		{"nested 11", nested(11, true), "too many multiparts"},
		{"many lines of dashes", nested(2, true) + strings.Repeat("---\n", maxDashed), "too many parts"},
		{"a long header", strings.Repeat("X: "+strings.Repeat("y", 7000)+"\n", 10) + nested(2, true), "the header is too long"},
		{"a long header in a part", nested(2, false) + "--b2\nX: " + strings.Repeat("x", maxValue) + "\n", "a header is too long"},
	}
	for _, tt := range tests {
		m := parse(tt.text)
		m.Parts()
		if got := strings.Join(m.Problems, ", "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestPartsOnce reads the tree once, and not behind MaxParse.
func TestPartsOnce(t *testing.T) {
	m := parse(strings.Replace(report, "Sorry.", strings.Repeat("Sorry.\n", MaxParse/8), 1))
	if got := types(m.Parts()); got != "text/plain" {
		t.Errorf("%q behind the limit", got)
	}
	first := m.Parts()
	if again := m.Parts(); &first[0] != &again[0] {
		t.Error("the parts were read again")
	}
}

func TestPartLineEnds(t *testing.T) {
	m := parse("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n\n--b\n\ntwo\n--b--\nepilogue\n")
	if ps := m.Parts(); len(ps) != 2 || string(ps[0].Content) != "one\r\n" || string(ps[1].Content) != "two" {
		t.Errorf("%q", ps)
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		name, text string
		limit      int
		want       string
	}{
		{"plain", "\none\ntwo\n", 100, "one\r\ntwo\r\n\n"},
		{"at the limit", "\nGrüße\n", 3, "Gr"},
		{"nothing", "\n", 0, ""},
		{"not text", "Content-Type: image/png\n\nx\n", 100, ""},
		{"charset", "Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe", 100, "Grüße\n"},
		{"no charset", "\nGr\xfc\xdfe", 100, "Grüße\n"},
		{"unknown charset", "Content-Type: text/plain; charset=x-klingon\n\nGr\xfc\xdfe", 100, "Grüße\n"},
		{"quoted", "Content-Transfer-Encoding: Quoted-Printable (really)\n\nGr=c3=BC=\n=C3=9Fe", 100, "Grüße\n"},
		{"all text parts", report, 100, "Sorry.\n"},
		{"HTML with a long style", "Content-Type: text/html\n\n<STYLE>" + strings.Repeat("x", 500) + "</Style >seen<script>alert('<p>')</script>", 100, "seen\n"},
		{"HTML that is no tag", "Content-Type: text/html\n\n1 < 2 &lt; 3<", 100, "1 < 2 < 3<\n"},
		{"HTML table", "Content-Type: text/html\n\n<tr><td>a<td>b</td><td>c</td></tr>d", 100, " a b c\nd\n"},
		{"HTML never closed", "Content-Type: text/html\n\na<!-- b", 100, "a\n"},
	}
	for _, tt := range tests {
		if got := parse(tt.text).Text(tt.limit); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
