package stormgen

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"breakwater/internal/message"
)

// responder is somebody in Cc for whom a program answers.
type responder struct {
	addr, name string
	host       string
	client     netip.Addr
	path       bool // the reverse-path is addr, not null
	write      func(d *draft, a *answer)
}

var responders = []responder{
	{"f.pohl@shop.example.net", "Fritz Pohl", "vps.shop.example.net", netip.MustParseAddr("203.0.113.9"), false, writeSieve},
	{"g.quast@firm.example.com", "Gerda Quast", "edge.firm.example.com", netip.MustParseAddr("198.51.100.60"), false, writeOutOfOffice},
	{"h.rose@uni.example.org", "H. Rose", "mail.uni.example.org", netip.MustParseAddr("2001:db8:9::25"), false, writeVacation},
	{"i.stein@webmail.example.com", "Ida Stein", "out2.webmail.example.com", netip.MustParseAddr("198.51.100.75"), true, writeWebmail},
	{"help@desk.example.net", "Help Desk", "tickets.desk.example.net", netip.MustParseAddr("203.0.113.88"), true, writeTicket},
}

// answer is an auto-reply to a message, about to be written.
type answer struct {
	responder
	id        string // of the answer, where it comes from
	to        string
	at        time.Time
	subject   string // of the message
	messageID string // of the message
	number    int    // of a ticket
}

func (t *tempest) autoReply(at time.Time) Item {
	s := t.shots[t.rng.IntN(t.out())]
	r := pick(t.rng, responders)
	h := pick(t.rng, s.hops)
	a := &answer{responder: r, id: queueID(t.rng, 12), to: s.author, at: at, subject: s.title(h), messageID: h.messageID, number: 40_000 + t.left}
	var d draft
	a.field(&d)
	r.write(&d, a)
	return Item{Group: s.group() + " answered by " + r.addr, Envelope: arrived(t.rng, r.envelope(), s.author), Raw: d.b}
}

func (r responder) envelope() message.Envelope {
	env := message.Envelope{Client: r.client, Helo: r.host}
	if r.path {
		env.ReversePath = r.addr
	}
	return env
}

// field appends the fields that all answers have.
func (a *answer) field(d *draft) {
	d.field("Received", "by %s id %s; %s", a.host, a.id, stamp(a.at))
	d.field("Date", "%s", stamp(a.at))
	d.field("From", "%s <%s>", word(a.name), a.addr)
	d.field("To", "%s", a.to)
	d.field("Message-ID", "<%s@%s>", strings.ToLower(a.id), a.host)
}

func writeSieve(d *draft, a *answer) {
	d.field("Subject", "Auto: %s", a.subject)
	d.field("In-Reply-To", "<%s>", a.messageID)
	d.field("References", "<%s>", a.messageID)
	d.field("Auto-Submitted", "auto-replied (vacation)")
	d.field("Precedence", "bulk")
	d.field("X-Auto-Response-Suppress", "All")
	d.single(part{typ: "text/plain; charset=utf-8", encoding: "8bit",
		content: "Ich bin bis zum 14. nicht im Hause und lese Ihre Nachricht danach.\n"})
}

func writeOutOfOffice(d *draft, a *answer) {
	d.field("Subject", "Automatic reply: %s", a.subject)
	d.field("In-Reply-To", "<%s>", a.messageID)
	d.field("References", "<%s>", a.messageID)
	d.field("Auto-Submitted", "auto-generated")
	d.field("X-Auto-Response-Suppress", "All")
	boundary := "_000_" + a.id
	d.multipart("multipart/alternative", boundary,
		part{typ: "text/plain; charset=\"us-ascii\"", content: "I am out of the office and will answer on my return.\n"},
		part{typ: "text/html; charset=\"us-ascii\"", content: "<html><body>I am out of the office and will answer on my return.</body></html>\n"})
}

func writeVacation(d *draft, a *answer) {
	d.field("Subject", "away from my mail: %s", a.subject)
	d.field("Precedence", "junk")
	d.field("Auto-Submitted", "auto-replied")
	d.line("\nI will not be reading my mail for a while.\nYour mail will be read when I return.")
}

func writeWebmail(d *draft, a *answer) {
	d.field("Subject", "Re: %s", a.subject)
	d.field("In-Reply-To", "<%s>", a.messageID)
	d.field("References", "<%s>", a.messageID)
	d.field("Auto-Submitted", "auto-replied")
	d.field("X-Autoreply", "yes")
	d.single(part{typ: "text/plain; charset=utf-8", encoding: "base64",
		content: "Danke für Ihre Nachricht! Ich bin im Urlaub. ☀\n"})
}

func writeTicket(d *draft, a *answer) {
	d.field("Subject", "[Ticket#%d] %s", a.number, a.subject)
	d.field("In-Reply-To", "<%s>", a.messageID)
	d.field("Auto-Submitted", "auto-replied")
	d.field("X-Loop", "%s", a.addr)
	d.single(part{typ: "text/plain; charset=utf-8", encoding: "quoted-printable",
		content: fmt.Sprintf("Vielen Dank für Ihre Anfrage. Sie wird unter der Nummer %d geführt.\n", a.number)})
}
