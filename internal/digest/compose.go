package digest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"fmt"
	htmltemplate "html/template"
	"mime"
	"mime/quotedprintable"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"breakwater/internal/address"
	"breakwater/internal/mark"
)

// Composer writes digests and notices. All fields are needed but Zone and Sign.
type Composer struct {
	Host string         // name of this host, for people
	From string         // address of the From field
	Zone *time.Location // of the times shown; UTC

	// Sign returns the value of mark.DigestField, by which a mail is known when it comes back; nil: the field is not
	// written.
	Sign func(messageID, date, rcpt string) string
}

//go:embed mail.txt.tmpl
var textForm string

//go:embed mail.html.tmpl
var htmlForm string

var (
	textTemplate = template.Must(template.New("text").Funcs(template.FuncMap{"wrap": wrap, "field": field}).Parse(textForm))
	htmlTemplate = htmltemplate.Must(htmltemplate.New("html").Parse(htmlForm))
)

// Compose writes a digest as a mail: multipart/alternative, with CRLF, lines of at most 78
// bytes but for single long words, and nothing beyond ASCII.
func (c *Composer) Compose(d Digest) ([]byte, error) {
	raw, err := c.compose(d.envelope(), func(v *viewer) view {
		v.d = d
		return v.view()
	})
	if err != nil {
		return nil, fmt.Errorf("compose digest for %s: %w", d.To, err)
	}
	return raw, nil
}

// envelope is what the header of a mail is made of, beside its subject.
type envelope struct {
	to, replyTo, language, messageID string
	date                             time.Time
}

func (d Digest) envelope() envelope {
	return envelope{d.To, d.Postmaster, d.Language, d.MessageID, d.Date}
}

// compose writes the mail that look sees.
func (c *Composer) compose(e envelope, look func(*viewer) view) ([]byte, error) {
	w := languages[e.language]
	if w == nil {
		return nil, fmt.Errorf("there are no words for language %q", e.language)
	}
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	v := viewer{words: w, host: c.Host, zone: zone}
	page := look(&v)
	err := v.err
	var text, html bytes.Buffer
	if err == nil {
		err = textTemplate.Execute(&text, page)
	}
	if err == nil {
		err = htmlTemplate.Execute(&html, page)
	}
	if err != nil {
		return nil, err
	}
	return c.mail(e, page.Subject, text.String(), html.String()), nil
}

// mail puts the fields and the parts together.
func (c *Composer) mail(e envelope, subject, text, html string) []byte {
	date, signed := e.date.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"), ""
	if c.Sign != nil {
		signed = c.Sign(e.messageID, date, e.to)
	}
	boundary := fmt.Sprintf("=_%x", sha256.Sum256([]byte(e.messageID)))[:34] // "=_" is in no quoted-printable text
	var b bytes.Buffer
	for _, f := range [][2]string{
		{"Date", date},
		{"From", "Breakwater <" + c.From + ">"},
		{"To", addressee(e.to)},
		{"Reply-To", addressee(e.replyTo)},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Message-ID", "<" + e.messageID + ">"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834 §5
		{"X-Auto-Response-Suppress", "All"},
		{mark.DigestField, signed},
		{"MIME-Version", "1.0"},
		{"Content-Language", e.language},
		{"Content-Type", "multipart/alternative; boundary=\"" + boundary + "\""},
	} {
		if f[1] != "" {
			b.WriteString(folded(f[0] + ": " + f[1]))
		}
	}
	for _, part := range []struct{ subtype, body string }{{"plain", text}, {"html", html}} {
		fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", boundary, part.subtype)
		q := quotedprintable.NewWriter(&b) // RFC 2045 §6.7; it writes LF as CRLF
		q.Write([]byte(part.body))
		q.Close()
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes()
}

// addressee is an address as a field has it. One that cannot stand there, which the
// envelope still has, becomes an empty group (RFC 5322 §3.4).
func addressee(addr string) string {
	if addr == "" {
		return ""
	}
	for _, r := range addr {
		if r <= ' ' || r > '~' || strings.ContainsRune(`<>()[],;:\"`, r) {
			return "undisclosed-recipients:;"
		}
	}
	if address.Is(addr) && address.In(address.Local(addr)) {
		return "undisclosed-recipients:;"
	}
	return addr
}

// folded is a field with line breaks at spaces, so that lines have at most 78 bytes
// where that can be (RFC 5322 §2.1.1), and at its end.
func folded(f string) string {
	var b strings.Builder
	line := 0
	for i, word := range strings.Split(f, " ") {
		if i > 0 && line+1+len(word) > 78 {
			b.WriteString("\r\n ")
			line = 1
		} else if i > 0 {
			b.WriteByte(' ')
			line++
		}
		b.WriteString(word)
		line += len(word)
	}
	return b.String() + "\r\n"
}

// wrap breaks a text at spaces into lines of 72 runes, indented by so many spaces.
func wrap(indent int, s string) string {
	return hang(strings.Repeat(" ", indent), indent, s)
}

// field is one line of what is known, with its label; further lines are indented.
func field(label, text string) string {
	const column = 20
	label = "  " + label
	return hang(label+strings.Repeat(" ", max(column-utf8.RuneCountInString(label), 1)), column, text)
}

// hang writes a text behind its first words, with later lines indented.
func hang(first string, indent int, s string) string {
	var b strings.Builder
	b.WriteString(first)
	line := utf8.RuneCountInString(first)
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case line+1+n > 72:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			line = indent
		default:
			b.WriteByte(' ')
			line++
		}
		b.WriteString(word)
		line += n
	}
	return b.String()
}
