package stormgen

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// mailshot is one of the customer's, with everybody in Cc.
type mailshot struct {
	number  int
	author  string
	subject string
	date    time.Time
	cc      string
	boxes   []string // ours among them
	sent    int      // how many of these it has gone to
	handed  string   // Received field of the server that took it from its author, once for all
	hops    []*hop   // forms in which it is under way, the first as its author sent it

	text, html string
	attachment string // "" if none
}

// maxHops of a mailshot are remembered, to be sent again and to be reported on.
const maxHops = 8

// office is the server of the customer who sends the mailshots.
var office = relay{
	host: "mail.office.example.test", site: "office.example.test",
	client: netip.MustParseAddr("192.0.2.10"),
	sent: func(r *relay, id string, at time.Time) string {
		return fmt.Sprintf("from pc17.lan (unknown [10.1.4.17])\n\tby %s (Postfix) with ESMTPSA id %s;\n\t%s", r.host, id, stamp(at))
	},
}

func (t *tempest) newMailshot(n int, boxes []string, at time.Time) *mailshot {
	by := t.o.authors()
	s := &mailshot{number: n, author: by[n%len(by)], date: at.Add(-time.Second).Truncate(time.Second), boxes: boxes}
	s.subject = fmt.Sprintf("%s %d", pick(t.rng, shotSubjects), n+1)
	s.handed = office.sent(&office, queueID(t.rng, 12), s.date)
	s.cc = folded(append(append(everybodyElse(), boxes...), s.author))
	for range 3 + t.rng.IntN(5) {
		p := pick(t.rng, paragraphs)
		s.text += p + "\n\n"
		s.html += "<p>" + p + "</p>\n"
	}
	if n%4 == 3 {
		s.attachment = randomBytes(t.rng, 6000+t.rng.IntN(6000))
	}
	h := &hop{relay: &office, messageID: fmt.Sprintf("%s.%d@%s", queueID(t.rng, 16), n, office.host)}
	h.content = s.content(look{}, "=_"+queueID(t.rng, 16))
	s.hops = []*hop{h}
	return s
}

func (s *mailshot) group() string { return fmt.Sprintf("mailshot-%d", s.number+1) }

// stamped is the Received field of the server that sends a hop of s.
func (s *mailshot) stamped(h *hop, id string, at time.Time) string {
	if h.depth == 0 {
		return s.handed
	}
	return h.relay.sent(h.relay, id, at)
}

// anyHop is one of the forms under way, which is to be sent on; not one that mail servers
// would take for a loop.
func (s *mailshot) anyHop(r *rand.Rand) *hop {
	if h := pick(r, s.hops); h.depth < maxDepth {
		return h
	}
	return s.hops[0]
}

// remember puts h in the place of the oldest form, apart from the first.
func (s *mailshot) remember(h *hop) {
	if len(s.hops) == maxHops {
		s.hops = append(s.hops[:1], s.hops[2:]...)
	}
	s.hops = append(s.hops, h)
}

// header appends the fields that the author wrote, as they are by now.
func (s *mailshot) header(d *draft, h *hop) {
	from, date := s.author, s.date
	if h.from != "" {
		from, date = h.from, h.date
	}
	d.field("From", "%s <%s>", word(authorName(s.author)), from)
	d.field("To", "%s", s.author)
	d.field("Cc", "%s", s.cc)
	d.field("Subject", "%s", s.title(h))
	d.field("Date", "%s", stamp(date))
	d.field("Message-ID", "<%s>", h.messageID)
	d.field("X-Mailer", "Mailshot Assistant 3.1")
}

// title is the subject, as it is by now.
func (s *mailshot) title(h *hop) string {
	if h.disclaimers > 0 {
		return word("[EXTERN] " + s.subject)
	}
	return word(s.subject)
}

const disclaimer = `This message has been scanned. It is confidential and may be read by its
addressees alone. If you are not one of them, delete it and tell the sender.`

// look is what servers made of a mailshot. The zero value is how its author wrote it.
type look struct {
	disclaimers, banners int
	html                 bool // instead of text
	lossy                bool // without its charset
	quoted               bool
	date                 time.Time // a new one, if it is not zero
	from                 string    // likewise
}

// content is the MIME fields and the body. Servers that change a text also write its parts
// anew.
func (s *mailshot) content(l look, boundary string) []byte {
	encoding, charset := "quoted-printable", "utf-8"
	if l.disclaimers%2 == 1 {
		encoding = "base64"
	}
	text, html := s.text, s.html
	if l.quoted {
		text = "> " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n> ") + "\n"
		html = "<blockquote>\n" + html + "</blockquote>\n"
	}
	text = strings.Repeat(warning+"\n\n", l.banners) + text + strings.Repeat("-- \n"+disclaimer+"\n", l.disclaimers)
	html = "<html><body>\n" + strings.Repeat("<p><b>"+warning+"</b></p>\n", l.banners) + html + strings.Repeat("<hr><p>"+disclaimer+"</p>\n", l.disclaimers) + "</body></html>\n"
	if l.lossy {
		text, html, charset = lossy(text), lossy(html), "us-ascii"
	}
	parts := []part{
		{typ: "text/plain; charset=" + charset, encoding: encoding, content: text},
		{typ: "text/html; charset=" + charset, encoding: encoding, content: html},
	}
	if l.html {
		parts = parts[1:]
	}
	typ := "multipart/alternative"
	if s.attachment != "" {
		typ = "multipart/mixed"
		parts = append(parts, part{typ: "application/pdf; name=\"programme.pdf\"", encoding: "base64",
			disposition: "attachment; filename=\"programme.pdf\"", content: s.attachment})
	}
	var d draft
	if len(parts) == 1 {
		d.single(parts[0])
	} else {
		d.multipart(typ, boundary, parts...)
	}
	return d.b
}

// lossy is what is left of a text where its charset gets lost.
func lossy(text string) string {
	return strings.Map(func(r rune) rune {
		if r > 126 {
			return '?'
		}
		return r
	}, text)
}

func randomBytes(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}
