package digest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"breakwater/internal/archive"
	"breakwater/internal/golden"
	"breakwater/internal/mark"
	"breakwater/internal/rules"
)

var composer = &Composer{
	Host: "mx.example.org", From: "postmaster@mx.example.org",
	Sign: func(id, date, _ string) string { return "signed " + id + " " + date },
}

// parts reads a digest as a mail program does: its text and its HTML.
func parts(t *testing.T, raw []byte) (h mail.Header, text, html string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, strings.ReplaceAll(string(b), "\r\n", "\n"))
	}
	if len(bodies) != 2 {
		t.Fatalf("%d parts in\n%s", len(bodies), raw)
	}
	return m.Header, bodies[0], bodies[1]
}

// wellFormed checks what is true of any mail with this envelope, whatever it tells.
func wellFormed(t *testing.T, e envelope, raw []byte) {
	t.Helper()
	header, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for i, line := range strings.Split(string(raw), "\r\n") {
		if strings.ContainsAny(line, "\r\n") || strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' }) {
			t.Errorf("line %d is %q", i, line)
		}
		if len(line) > 78 && (i > bytes.Count(header, []byte("\n")) || strings.Count(strings.TrimSpace(line), " ") > 1) {
			t.Errorf("line %d has %d bytes: %s", i, len(line), line)
		}
	}
	h, text, html := parts(t, raw)
	if h.Get("Auto-Submitted") != "auto-generated" || h.Get("X-Auto-Response-Suppress") != "All" || h.Get("Precedence") != "" ||
		h.Get("Message-Id") != "<"+e.messageID+">" || len(h["Subject"]) != 1 || len(h["To"]) != 1 || h.Get("MIME-Version") != "1.0" {
		t.Errorf("header %v", h)
	}
	if date, err := h.Date(); err != nil || !date.Equal(e.date.Truncate(time.Second)) {
		t.Errorf("Date %v, %v", h["Date"], err)
	}
	if want := "signed " + e.messageID + " " + h.Get("Date"); h.Get(mark.DigestField) != want {
		t.Errorf("mark %q, want %q", h.Get(mark.DigestField), want)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		t.Error(err)
	}
	for _, s := range []string{subject, text, html} {
		if i := strings.IndexFunc(s, func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }); i >= 0 {
			t.Errorf("what cannot be seen, at %q", s[i:min(i+20, len(s))])
		}
		for _, link := range []string{"://", "www.e", "WWW.e", "=?"} {
			if strings.Contains(s, link) {
				t.Errorf("%q in %.2000s", link, s)
			}
		}
	}
	for tag := range strings.SplitSeq(html, "<") {
		name, rest, _ := strings.Cut(tag, " ")
		if !ownTags[strings.TrimRight(strings.TrimPrefix(name, "/"), ">\n")] && !strings.Contains(name, ">") || strings.Contains(rest, "url(") {
			t.Errorf("a tag that is not ours: %.100q", tag)
		}
	}
}

var ownTags = map[string]bool{
	"": true, "!DOCTYPE": true, "html": true, "meta": true, "body": true, "div": true, "p": true, "h1": true, "h2": true, "h3": true, "h4": true,
	"table": true, "tr": true, "td": true, "th": true, "code": true,
}

// TestCompose writes each testdata/*.json in each language; x.en.want is the mail, its parts
// decoded.
func TestCompose(t *testing.T) {
	inAllLanguages(t, "testdata/*.json", func(name, language string) ([]byte, envelope, error) {
		d := read[Digest](t, name)
		d.Language = language
		raw, err := composer.Compose(d)
		return raw, d.envelope(), err
	})
}

// TestNotice does the same with notices.
func TestNotice(t *testing.T) {
	inAllLanguages(t, "testdata/notices/*.json", func(name, language string) ([]byte, envelope, error) {
		n := read[Notice](t, name)
		n.Language = language
		raw, err := composer.Notice(n)
		return raw, n.envelope(), err
	})
}

// inAllLanguages compares the mails that compose makes of some files with what is wanted.
func inAllLanguages(t *testing.T, files string, compose func(name, language string) (raw []byte, e envelope, err error)) {
	names, err := filepath.Glob(files)
	if err != nil || len(names) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, name := range names {
		for _, language := range rules.Languages {
			t.Run(filepath.Base(name)+"."+language, func(t *testing.T) {
				raw, e, err := compose(name, language)
				if err != nil {
					t.Fatal(err)
				}
				wellFormed(t, e, raw)
				header, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
				_, text, html := parts(t, raw)
				got := strings.ReplaceAll(string(header), "\r\n", "\n") + "\n\n" + text + "\n" + html
				golden.Check(t, strings.TrimSuffix(name, ".json")+"."+language+".want", got)
			})
		}
	}
}

func read[T any](t testing.TB, name string) T {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var d T
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(name, err)
	}
	return d
}

// TestWords: each language has the same keys, and none is empty.
func TestWords(t *testing.T) {
	first := languages[rules.Languages[0]]
	for _, l := range rules.Languages {
		w := languages[l]
		for name, tables := range map[string][2]map[string]string{
			"phrase": {first.Phrase, w.Phrase}, "class": {first.Class, w.Class}, "action": {first.Action, w.Action}, "status": {first.Status, w.Status},
		} {
			all, own := slices.Sorted(maps.Keys(tables[0])), slices.Sorted(maps.Keys(tables[1]))
			if !slices.Equal(all, own) {
				t.Errorf("%s of %s: %q\nand of %s: %q", name, rules.Languages[0], all, l, own)
			}
			for key, text := range tables[1] {
				if text == "" {
					t.Errorf("%s: %s %q is empty", l, name, key)
				}
			}
		}
		if w.Thousands == "" || w.Decimal == "" || w.Date == "" || w.Quotes[0] == "" || w.Quotes[1] == "" || w.Mail[0] == "" || w.Mail[1] == "" {
			t.Errorf("%s: numbers, dates, quotes or mails are missing", l)
		}
	}
	files, err := wordFiles.ReadDir("words")
	if err != nil || len(files) != len(rules.Languages) {
		t.Errorf("%d files for %d languages, %v", len(files), len(rules.Languages), err)
	}
	if _, err := composer.Compose(Digest{Language: "tlh"}); err == nil || !strings.Contains(err.Error(), "tlh") {
		t.Error(err)
	}
}

func TestMeaning(t *testing.T) {
	for _, tt := range []struct{ action, status, want string }{
		{"failed", "5.1.1", "not delivered: there is no such mailbox"},
		{"delayed", "4.4.7", "delayed, still being tried: the mail could not be delivered in time"},
		{"failed", "5.7.26", "not delivered: several checks of the sender failed"},
		{"failed", "5.2.99", "not delivered: something is wrong with the mailbox"},
		{"failed", "5.9.9", "not delivered"},
		{"failed", "5.0.0", "not delivered"},
		{"failed", "", "not delivered"},
		{"", "4.2.2", "delayed, still being tried: the mailbox is full"},
		{"", "", "no details given"},
		{"nonsense", "x", "no details given"},
	} {
		if got := languages["en"].meaning(tt.action, tt.status); got != tt.want {
			t.Errorf("%q %q: %s", tt.action, tt.status, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	en, de := languages["en"], languages["de"]
	for n, want := range map[int]string{0: "0 mails", 1: "1 mail", 999: "999 mails", 1000: "1,000 mails", 1234567: "1,234,567 mails"} {
		if got := en.mails(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1,5 KiB", 1<<20 - 1: "1,0 MiB", 5 << 40: "5,0 TiB", 5 << 50: "5120,0 TiB"} {
		if got := de.size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 "",
		" a\r\n\tb\x00c\x7fd ":             "a b c d",
		"\u202egnp.exe\u2066x\u200b\ufeff": "gnp.exex",
		"caf\xe9":                          "caf\ufffd",
		"see HTTPS://evil.example now":     "see HTTPS: //evil.example now",
		"a  b":                             "a b",
		"Offer, wow: 20 % off (web)":       "Offer, wow: 20 % off (web)",
		"WWW.evil.example":                 "WWW. evil.example",
		"=?utf-8?q?=E2=80=AE?=":            "= ?utf-8?q?=E2=80=AE?=",
		strings.Repeat("ü", 80):            strings.Repeat("ü", 80),
		strings.Repeat("ü", 81):            strings.Repeat("ü", 79) + "…",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"ann@example.org": "ann@example.org", "$(rm -rf ~)@example.org": "'$(rm -rf ~)@example.org'", "o'neil@example.org": `'o'\''neil@example.org'`,
		"jörg@example.org": "'jörg@example.org'",
	} {
		if got := shellWord(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	at := time.Date(2026, 3, 2, 8, 0, 0, 5e8, time.UTC)
	for _, tt := range []struct{ mailbox, id, want string }{
		{"ann@example.org", "id-1-2", "breakwater release id-1-2 --mailbox ann@example.org"},
		{"a\nb@example.org", "id-1-2", "breakwater release id-1-2"},
		{"ann@example.org", "", "breakwater release --mailbox ann@example.org --since 2026-03-02T08:00:00Z --until 2026-03-02T08:00:01Z"},
		{"a\nb@example.org", "", "breakwater release --mailbox 'a b@example.org' --since 2026-03-02T08:00:00Z --until 2026-03-02T08:00:01Z"},
	} {
		if got := releaseCommand(tt.mailbox, Storm{ID: tt.id, First: at, Last: at}); got != tt.want {
			t.Errorf("%q, storm %q: %s", tt.mailbox, tt.id, got)
		}
	}
}

// TestTold: a stranger's subject sends nobody anywhere.
func TestTold(t *testing.T) {
	for in, want := range map[string]string{
		"Spring catalogue, and 20 % off":      "Spring catalogue, and 20 % off",
		"Go to bank-secure.example/login now": "Go to bank-secure[.]example/login now",
		"mail boss@evil.example, a.b.example": "mail boss@evil[.]example, a.b[.]example",
		"müller.example and пример.испытание": "müller[.]example and пример[.]испытание",
		"call 0900 123456 or +49 (30) 12-34":  "call …3456 or …1234",
		"Order 12345, 2026-03-02, 14.30":      "Order 12345, 2026-03-02, 14.30",
		"Invoice 2026000123":                  "Invoice …0123",
		"Ticket#40007. Done":                  "Ticket#40007. Done",
	} {
		if got := told(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAddressee(t *testing.T) {
	for in, want := range map[string]string{
		"ann@example.org": "ann@example.org", "": "", "jörg@example.org": "undisclosed-recipients:;", "a b@example.org": "undisclosed-recipients:;",
		"ann@example.org\r\nBcc: x@example.net": "undisclosed-recipients:;", "a@b@example.org": "undisclosed-recipients:;", "a,b@example.org": "undisclosed-recipients:;",
	} {
		if got := addressee(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// FuzzCompose has strangers choose all that strangers can choose.
func FuzzCompose(f *testing.F) {
	f.Add("Offer", "ann@example.org", "shop@example.net", "5.1.1", 3)
	f.Add("</td><script>alert(1)</script>{{.}} https://evil.example", "'\";rm -rf /\r\nBcc: x@example.net\r\n\r\n@example.org", "\u202e\x00\xff", "x\r\n.\r\n", 1)
	f.Add("=?utf-8?q?=E2=80=AE?= WWW.evil.example", "=?utf-8?q?x?=@example.org", strings.Repeat("x", 3000), "9.9.9", 0)
	f.Fuzz(func(t *testing.T, subject, mailbox, sender, status string, copies int) {
		copies = min(max(copies, 0), 1<<40)
		s := Storm{
			ID: "id-0b81f20c5e-9ac41d77", Class: sender, Subject: subject, Copies: copies, Total: copies, Senders: Counts{Named: []Count{{sender, copies}}, Others: copies},
			Failures: []Failure{{archive.Failure{Recipient: sender, Action: status, Status: status}, copies}}, Unlisted: copies,
		}
		for _, kind := range []Kind{First, Later, Final, Expiry} {
			for _, language := range rules.Languages {
				d := Digest{
					Kind: kind, To: mailbox, Operator: kind == Final, Domain: "example.org", Postmaster: "postmaster@example.org", Language: language,
					MessageID: "digest.1@mx.example.org", Date: time.Unix(1e9, 0), Mailboxes: []Mailbox{{Addr: mailbox, Storms: []Storm{s, {}}}},
				}
				raw, err := composer.Compose(d)
				if err != nil {
					t.Fatal(err)
				}
				wellFormed(t, d.envelope(), raw)
			}
		}
	})
}

func BenchmarkCompose(b *testing.B) {
	d := read[Digest](b, "testdata/reports.json")
	for b.Loop() {
		if _, err := composer.Compose(d); err != nil {
			b.Fatal(err)
		}
	}
}
