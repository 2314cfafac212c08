package stormgen

import (
	"fmt"
	"html"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// Changed is a message, and what became of it on its way.
type Changed struct {
	Language string
	Change   string // "" for the message as it was written
	Number   int    // of the message
	Raw      []byte
}

// note is a message as one writes it.
type note struct {
	l                 *language
	name, token       string
	subject, text     string
	date              time.Time
	received          string // queue ID of the server that took it first
	banner            string
	below             []string // disclaimers
	answer            string   // above what is quoted
	html              bool
	quoted, forwarded bool
	half              bool
	width             int
	charset           string // "" is utf-8
	lossy             bool   // the charset is lost
	encoding          string
}

// ways are what happens to messages under way.
var ways = []struct {
	name string
	make func(r *rand.Rand, n *note)
}{
	{"name and token", func(r *rand.Rand, n *note) { n.name, n.token = pick(r, firstNames), queueID(r, 16) }},
	{"wrapped anew", func(_ *rand.Rand, n *note) { n.width = 60 }},
	{"base64", func(_ *rand.Rand, n *note) { n.encoding = "base64" }},
	{"one disclaimer", func(_ *rand.Rand, n *note) { n.below = disclaimers[:1] }},
	{"two disclaimers", func(_ *rand.Rand, n *note) { n.below = disclaimers[:2] }},
	{"three disclaimers", func(_ *rand.Rand, n *note) { n.below = append(slices.Clone(disclaimers[:2]), disclaimers[0]) }},
	{"banner", func(_ *rand.Rand, n *note) { n.banner = warning }},
	{"forwarded and quoted", func(_ *rand.Rand, n *note) { n.forwarded, n.quoted = true, true }},
	{"HTML for text", func(_ *rand.Rand, n *note) { n.html = true }},
	{"old charset", func(_ *rand.Rand, n *note) { n.charset = n.l.charset }},
	{"charset lost", func(_ *rand.Rand, n *note) { n.lossy = true }},
	{"truncated", func(_ *rand.Rand, n *note) { n.half = true }},
	{"answered and quoted", func(r *rand.Rand, n *note) { n.answer, n.quoted = n.l.sentences(r, 2), true }},
	{"all at once", func(r *rand.Rand, n *note) {
		n.name, n.token = pick(r, firstNames), queueID(r, 16)
		n.banner, n.below, n.html = warning, disclaimers[:2], true
	}},
	{"forwarded by two gateways", func(_ *rand.Rand, n *note) {
		n.forwarded, n.quoted, n.banner, n.below, n.charset, n.width = true, true, warning, disclaimers, n.l.charset, 64
	}},
}

const warning = "CAUTION: this message came from outside. Do not follow links and do not open attachments unless you know who sent them."

var disclaimers = []string{
	disclaimer,
	"Diese Nachricht ist vertraulich und nur für den Empfänger bestimmt. Wer sie irrtümlich erhalten hat, möge sie löschen und uns benachrichtigen. Sitz der Gesellschaft: Musterstadt, HRB 12345.",
	"Before you print this mail think of the forest. Views that are expressed here are those of the author and not of the company, registered at 1 Example Street, number 0123456.",
}

// Changes yields n messages in each of seven languages, and after each what becomes of it. No
// two of the messages say the same.
func Changes(seed uint64, n int) iter.Seq[Changed] {
	return func(yield func(Changed) bool) {
		r := rand.New(rand.NewPCG(seed, 4))
		for i := range n * len(languages) {
			was := newNote(r, i)
			l := was.l
			if !yield(Changed{l.name, "", i, was.write(r)}) {
				return
			}
			for _, c := range ways {
				is := was
				c.make(r, &is)
				if !yield(Changed{l.name, c.name, i, is.write(r)}) {
					return
				}
			}
		}
	}
}

// newNote writes the nth message.
func newNote(r *rand.Rand, n int) note {
	l := &languages[n%len(languages)]
	return note{l: l, name: pick(r, firstNames), token: queueID(r, 16), width: 72, encoding: "quoted-printable",
		text: l.sentences(r, 4+r.IntN(24)), subject: l.sentences(r, 1),
		date: time.Date(2026, 3, 2, 8, 0, n, 0, time.UTC), received: queueID(r, 12)}
}

// Letters yields n messages in seven languages, no two of which say the same.
func Letters(seed uint64, n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		r := rand.New(rand.NewPCG(seed, 6))
		for i := range n {
			letter := newNote(r, i)
			if !yield(letter.write(r)) {
				return
			}
		}
	}
}

// body is the text of n.
func (n *note) body() string {
	text := fmt.Sprintf("%s %s,\n\n%s\n\nhttps://track.example.com/c/%s\n%s\n", n.l.dear, n.name, n.text, n.token, "No. "+n.token)
	if n.half {
		cut := len(text) / 2
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	if n.html {
		return n.markup(text)
	}
	text = n.wrapped(text)
	if n.quoted {
		text = "> " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n> ") + "\n"
	}
	if n.forwarded {
		text = fmt.Sprintf("FYI\n\n-----Original Message-----\nFrom: Ann <ann@example.net>\nSent: %s\nTo: bob@example.net\nSubject: %s\n\n", stamp(n.date), n.subject) + text
	}
	if n.answer != "" {
		text = n.wrapped(n.answer) + "\n\nAnn wrote:\n" + text
	}
	if n.banner != "" {
		text = n.banner + "\n\n" + text
	}
	for _, d := range n.below {
		text += "\n-- \n" + n.wrapped(d) + "\n"
	}
	return text
}

// wrapped breaks the lines of a text, in languages that have spaces at these.
func (n *note) wrapped(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		at := 0
		for _, word := range strings.SplitAfter(line, " ") {
			if at += utf8.RuneCountInString(word); at > n.width {
				b.WriteString("\n")
				at = utf8.RuneCountInString(word)
			}
			b.WriteString(word)
		}
	}
	return b.String()
}

// markup is text as HTML, by a gateway that thinks much of itself.
func (n *note) markup(text string) string {
	var b strings.Builder
	b.WriteString("<html><head><style>p { margin: 0 }</style></head><body>\n")
	p := func(s string) {
		fmt.Fprintf(&b, "<p class=\"MsoNormal\">%s</p>\n", strings.ReplaceAll(html.EscapeString(strings.TrimSpace(s)), "’", "&rsquo;"))
	}
	if n.banner != "" {
		p(n.banner)
	}
	for part := range strings.SplitSeq(text, "\n\n") {
		p(part)
	}
	for _, d := range n.below {
		p(d)
	}
	b.WriteString("<img src=\"https://track.example.com/p.gif\"></body></html>\n")
	return b.String()
}

func (n *note) write(r *rand.Rand) []byte {
	text, charset := n.body(), "utf-8"
	if n.charset != "" {
		if e, err := htmlindex.Get(n.charset); err == nil {
			if s, err := e.NewEncoder().String(strings.NewReplacer("’", "'").Replace(text)); err == nil {
				text, charset = s, n.charset
			}
		}
	}
	if n.lossy {
		charset = "us-ascii"
		if n.l.space == " " && n.l.charset != "koi8-r" && n.l.charset != "windows-1256" { // there is something left of it
			text = lossy(text)
		}
	}
	typ := "text/plain"
	if n.html {
		typ = "text/html"
	}
	d := &draft{}
	d.field("Received", "from gw.example.net by mx.example.net with ESMTP id %s; %s", queueID(r, 11), stamp(n.date.Add(time.Minute)))
	d.field("Received", "from pc by mail.example.net with ESMTPSA id %s; %s", n.received, stamp(n.date))
	d.field("From", "Ann <ann@example.net>")
	d.field("To", "u1@example.test, bob@example.net, office@example.org")
	d.field("Subject", "%s", word(n.subject))
	d.field("Date", "%s", stamp(n.date))
	d.field("Message-ID", "<%s@example.net>", queueID(r, 20))
	d.single(part{typ: typ + "; charset=" + charset, encoding: n.encoding, content: text})
	return d.b
}
