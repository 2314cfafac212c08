package stormgen

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"breakwater/internal/message"
)

// Lookalikes yields series of messages to three mailboxes that look much alike, and of which each
// is wanted: what an upright filter must not take for copies. Group is the series.
func Lookalikes(seed uint64) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		r := rand.New(rand.NewPCG(seed, 5))
		for n, s := range series {
			s.Rand, s.begin = r, time.Date(2026, 3, 2, 8, 1, 0, 0, time.UTC).Add(time.Duration(n)*13*time.Hour)
			s.text = languages[0].sentences(r, 6)
			s.client = netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + r.IntN(200))})
			for i := range 12 {
				if !yield(s.item(i)) {
					return
				}
			}
		}
	}
}

// alike is a series, and how its messages are written.
type alike struct {
	name    string
	from    string
	write   func(s *alike, i int) (subject string, parts []part)
	gap     time.Duration // between two of them, and between their Dates
	oneID   bool          // all have one Message-ID
	direct  bool          // from a program that is no relay: there is no Received field
	stale   bool          // the stamps of servers tell nothing apart
	session string        // of the server that took them all: its stamp tells sessions, not messages
	field   string        // another one

	*rand.Rand
	begin  time.Time
	text   string
	client netip.Addr
}

func (s *alike) item(i int) Item {
	at := s.begin.Add(time.Duration(i) * s.gap)
	subject, parts := s.write(s, i)
	d := &draft{}
	if !s.direct {
		last, first := "with ESMTP id "+queueID(s.Rand, 12), "with ESMTP id "+queueID(s.Rand, 12)
		if s.stale {
			last, first = "with SMTP", "with ESMTP id 15.20.7958.16"
		}
		if s.session != "" {
			first = s.session
		}
		d.field("Received", "from mail.shop.example.org by out.shop.example.org %s; %s", last, stamp(at.Add(time.Duration(i)*time.Second)))
		d.field("Received", "from app.shop.example.org by mail.shop.example.org %s; %s", first, stamp(at))
	}
	d.field("From", "%s", strings.ReplaceAll(s.from, "%", fmt.Sprint(i)))
	d.field("To", "u1@example.test, u2@example.test, u3@example.test")
	d.field("Subject", "%s", word(subject))
	d.field("Date", "%s", stamp(at))
	id := queueID(s.Rand, 16)
	if s.oneID {
		id = "MAIL"
	}
	d.field("Message-ID", "<%s@shop.example.org>", id)
	if s.field != "" {
		d.line("%s", s.field)
	}
	if len(parts) == 1 {
		d.single(parts[0])
	} else {
		d.multipart("multipart/mixed", "b"+queueID(s.Rand, 12), parts...)
	}
	env := message.Envelope{Client: s.client, Helo: "mail.shop.example.org", ReversePath: "bounce@shop.example.org"}
	return Item{Kind: Ordinary, Group: s.name, At: at, Envelope: arrived(s.Rand, env, "u1@example.test", "u2@example.test", "u3@example.test"), Raw: d.b}
}

func plain(format string, args ...any) []part {
	return []part{{typ: "text/plain; charset=utf-8", encoding: "quoted-printable", content: fmt.Sprintf(format, args...)}}
}

const shopFoot = "\n\nThank you for your order. You will hear from us again as soon as the parcel has left our house. Please keep this mail until then, and name the number above whenever you write to us.\n\nYour friends from the shop at the old harbour\n"

var series = func() []alike {
	order := func(_ *alike, i int) (string, []part) {
		return "Your order", plain("Hello,\n\nwe have received your order number %d of today.%s", 70_000+i, shopFoot)
	}
	letter := func(_ *alike, i int) (string, []part) {
		return "Your appointment", plain("Dear %s,\n\nwe are looking forward to your visit. Please bring the letter of your insurance along.%s", firstNames[i], shopFoot)
	}
	code := func(_ *alike, i int) (string, []part) {
		return "Your code", plain("Somebody, we hope you, wants to log in to your account at the shop at the old harbour. To go on, enter the code %06d. It holds for ten minutes. If it was not you who asked for it there is nothing that you have to do.\n", 1000+i*7919)
	}
	report := func(s *alike, i int) (string, []part) {
		return "Weekly report", plain("%s\n\nVisitors this week: %d\nOrders: %d\nReturned: %d\n%s", s.text, 1000+37*i, 100+i, i%5, shopFoot)
	}
	numbered := func(s *alike, i int) (string, []part) {
		return fmt.Sprintf("Order %d", 500+i), plain("%s%s", s.text, shopFoot)
	}
	ticket := func(s *alike, i int) (string, []part) {
		return fmt.Sprintf("[Ticket#%d] We have your request", 500+i), plain("%s%s", s.text, shopFoot)
	}
	project := func(s *alike, i int) (string, []part) {
		return "[" + firstNames[i] + "] Build failed", plain("%s%s", s.text, shopFoot)
	}
	matrix := func(s *alike, i int) (string, []part) {
		state := []string{"up", "down"}
		return "State of all hosts", plain("%s\n\nlibrary %s harbour %s bridge %s tower %s\n", s.text, state[i%2], state[i/2%2], state[i/4%2], state[i/8%2])
	}
	build := func(_ *alike, i int) (string, []part) {
		return "Build failed: main", plain("The build of branch main has failed in the step %s.\nSee the log of the build server for what went wrong there, and mend it before you push anything else, since all others wait for it.\n", strings.Fields("lint unit race docs fuzz pack sign push deploy smoke scan notify")[i])
	}
	constant := func(s *alike, _ int) (string, []part) { return "Alarm", plain("%s\n", s.text) }
	answer := func(s *alike, i int) (string, []part) {
		yes := strings.Fields("Yes No Perhaps Agreed Fine Gladly Never Sure Hardly Surely Later Thanks")[i]
		return "Re: The plan", plain("%s.\n\nAnn wrote:\n> %s\n", yes, strings.ReplaceAll(s.text, "\n", "\n> "))
	}
	above := func(s *alike, i int) (string, []part) {
		return "RE: The plan", plain("%s\n\n-----Original Message-----\nFrom: Ann <ann@example.net>\nSent: Monday\nSubject: The plan\n\n%s\n", languages[0].sentences(s.Rand, 1), s.text)
	}
	log := func(s *alike, i int) (string, []part) {
		line := "the pump ran, all is well\n"
		return "Log of today", plain("%s\n\n%s", s.text, strings.Repeat(line, 1)+strings.Repeat("and again, later: "+line, i))
	}
	journal := func(s *alike, i int) (string, []part) {
		text := s.text + "\n"
		for n := range i {
			text += fmt.Sprintf("%02d:00 the tide was looked at, and written down\n", n)
		}
		return "Journal", plain("%s", text)
	}
	attached := func(s *alike, i int) (string, []part) {
		return "Invoice", append(plain("Please find your invoice attached.%s", shopFoot), part{typ: "application/pdf; name=\"invoice.pdf\"", encoding: "base64",
			disposition: "attachment; filename=\"invoice.pdf\"", content: "%PDF-1.4\n" + randomBytes(s.Rand, 3000)})
	}
	link := func(s *alike, i int) (string, []part) {
		return "Confirm your address", []part{{typ: "text/html; charset=utf-8", encoding: "quoted-printable",
			content: fmt.Sprintf("<html><body><p>%s</p><p><a href=\"https://shop.example.org/c/%s\">Confirm</a></p><p>%s</p></body></html>\n", s.text, queueID(s.Rand, 20), shopFoot)}}
	}
	invitation := func(s *alike, i int) (string, []part) {
		ics := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:series@cal.example.org\r\nRECURRENCE-ID:202603%02dT080000Z\r\nSUMMARY:Planning round\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", i+1)
		return "Invitation: planning round", append(plain("%s\n%s", s.text, shopFoot), part{typ: "text/calendar; method=REQUEST; charset=utf-8", encoding: "base64", content: ics})
	}
	const (
		shop      = "Shop <orders@shop.example.org>"
		people    = "Person % <p%@shop.example.org>"
		hosts     = "root <root@host%.shop.example.org>"
		parent    = "References: <plan@shop.example.org>\nIn-Reply-To: <plan@shop.example.org>"
		connector = "X-Original-To: u1@example.test\nReturn-Path: <mspop3connector.office@shop.example.org>"
	)
	all := []alike{
		{name: "orders", from: shop, write: order, gap: time.Minute},
		{name: "orders in one second", from: shop, write: order},
		{name: "orders in one second by an old program", from: shop, write: order, direct: true},
		{name: "orders with one Message-ID in one second", from: shop, write: order, oneID: true},
		{name: "orders with one Message-ID in one second by an old program", from: shop, write: order, oneID: true, direct: true},
		{name: "orders with one Message-ID in one second by a server without queue IDs", from: shop, write: order, oneID: true, stale: true},
		{name: "letters in one second", from: shop, write: letter, direct: true, oneID: true},
		{name: "letters in one second by a server without queue IDs", from: shop, write: letter, stale: true},
		{name: "one-time codes", from: shop, write: code, gap: 20 * time.Second},
		{name: "one-time codes in one second", from: shop, write: code, direct: true},
		{name: "weekly reports", from: shop, write: report, gap: time.Hour},
		{name: "weekly reports in one second", from: shop, write: report, stale: true, oneID: true},
		{name: "orders numbered in the subject, in one second", from: shop, write: numbered, stale: true},
		{name: "orders numbered in the subject, by a connector in one second", from: shop, write: numbered, stale: true, field: parent + "\n" + connector},
		{name: "tickets numbered in the subject, in one second", from: shop, write: ticket, stale: true},
		{name: "builds named in the subject, in one second", from: shop, write: project, direct: true},
		{name: "states of hosts", from: shop, write: matrix, gap: time.Minute},
		{name: "builds", from: shop, write: build, gap: time.Minute},
		{name: "builds in one second", from: shop, write: build, stale: true},
		{name: "an alarm that comes again", from: shop, write: constant, gap: time.Minute, field: parent},
		{name: "an alarm that comes again, by an old program", from: shop, write: constant, gap: time.Minute, direct: true},
		{name: "an alarm that comes again, by a connector", from: shop, write: constant, gap: time.Minute, field: parent + "\n" + connector},
		{name: "the same from twelve hosts in one second", from: hosts, write: constant, direct: true},
		{name: "answers that quote all", from: people, write: answer, gap: time.Minute, field: parent},
		{name: "answers of one person that quote all", from: shop, write: answer, gap: time.Minute, field: parent},
		{name: "answers over an original message", from: shop, write: above, gap: time.Minute, field: parent},
		{name: "answers by a connector", from: people, write: answer, gap: time.Minute, field: parent + "\n" + connector},
		{name: "answers of one person by a connector", from: shop, write: above, gap: time.Minute, field: parent + "\n" + connector},
		{name: "orders by a connector", from: shop, write: order, field: connector, stale: true},
		{name: "a log that grows", from: shop, write: log, gap: time.Minute},
		{name: "a journal that grows", from: shop, write: journal, gap: time.Hour},
		{name: "invoices", from: shop, write: attached, gap: time.Minute},
		{name: "invoices in one second", from: shop, write: attached, stale: true, oneID: true},
		{name: "links to confirm", from: shop, write: link, gap: time.Minute},
		{name: "links to confirm in one second", from: shop, write: link, stale: true, oneID: true},
		{name: "invitations of a series", from: shop, write: invitation, gap: time.Minute},
		{name: "invitations of a series in one second", from: shop, write: invitation, stale: true, oneID: true},
	}
	for _, f := range families {
		all = append(all, paces(f)...)
	}
	return all
}()
