package engine

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/store/badgerdb"
)

// piece is a mail as whoever writes it may choose to have it.
type piece struct {
	id, trace, from, replyTo, subject, date string
	paras                                   []string // of the text
	class                                   string   // header fields that make it what it is
	report                                  string   // parts of a report behind its text
	attached                                string
	html, quoted                            bool
	hops                                    []string // Received fields in front of the trace, newest first
}

// raw is p as bytes; n makes its newest Received field one of its own.
func (p piece) raw(n int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from x by mx.example.test with ESMTP id N%09d; x\r\n", n)
	for _, h := range append(p.hops, p.trace) {
		if h != "" {
			fmt.Fprintf(&b, "Received: %s\r\n", h)
		}
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: <ann@example.test>, <mallory@example.org>\r\nSubject: %s\r\n", p.from, p.subject)
	for name, v := range map[string]string{"Date": p.date, "Message-ID": p.id, "Reply-To": p.replyTo} {
		if v != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	b.WriteString(p.class)
	text := strings.Join(p.paras, "\r\n\r\n")
	if p.quoted {
		text = "> " + strings.ReplaceAll(text, "\r\n", "\r\n> ")
	}
	typ := "text/plain; charset=utf-8"
	if p.html {
		typ, text = "text/html; charset=utf-8", "<html><body><p>"+strings.ReplaceAll(text, "\r\n\r\n", "</p>\r\n<p>")+"</p></body></html>"
	}
	switch {
	case p.report != "":
		fmt.Fprintf(&b, "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: %s\r\n\r\n%s\r\n%s", typ, text, p.report)
	case p.attached != "":
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: %s\r\n\r\n%s\r\n--b\r\nContent-Type: application/pdf; name=invoice.pdf\r\n\r\n%s\r\n--b--\r\n", typ, text, p.attached)
	default:
		fmt.Fprintf(&b, "Content-Type: %s\r\n\r\n%s\r\n", typ, text)
	}
	return []byte(b.String())
}

// sender is where somebody sends from.
type sender struct {
	addr  netip.Addr
	login string
}

// scene is a mailbox, and what it was given.
type scene struct {
	t     *rapid.T
	e     *Engine
	at    time.Time
	n     int
	given map[string]bool // what arrived, as written
}

// send sends p, and reports whether it arrives. Mail of one transfer has one number.
func (s *scene) send(p piece, from sender, to string, number int) (arrives bool, reason string) {
	env := message.Envelope{QueueID: fmt.Sprint("Q", s.n), Client: from.addr, AuthUser: from.login, ReversePath: "x@example.org", Recipients: []message.Recipient{{Addr: to, Mailer: "virtual"}}}
	if p.report != "" {
		env.ReversePath = ""
	}
	j, err := s.e.Judge(s.t.Context(), message.Parse(env, s.at, p.raw(number)))
	ds := j.Decisions
	if err != nil {
		s.t.Fatal(err)
	}
	if ds[0].Action == rules.Deliver {
		s.given[words(p)] = true
		return true, ""
	}
	return false, ds[0].Reason
}

// words is all that p says, byte for byte.
func words(p piece) string {
	return strings.Join(append([]string{p.from, p.replyTo, p.subject, p.attached, fmt.Sprint(p.html, p.quoted)}, p.paras...), "\x00")
}

var (
	sentence = rapid.SampledFrom([]string{
		"Dear Ann, as discussed on the phone this morning our bank has changed, and so has the account.",
		"The quay is closed from Monday on, because it is being repaired and nobody can reach the door.",
		"Please have a look at what is attached, and tell us by Friday whether all of it is right.",
		"Whoever needs a permit before Easter may call at the customs house in the mornings.",
		"With kind regards from the harbour, Boss of Partner Limited.",
		"Yes.", "Pump 3 has stopped.", "There is a new order. Please log in.",
	})
)

// secret is what a stranger cannot know, and what he would rather have written.
var secret = rapid.Custom(func(t *rapid.T) [2]string {
	return rapid.SampledFrom([][2]string{
		{"Account: DE12 3456", "Account: XX66 EVIL"}, {"Pay 1000.50 by Friday.", "Pay 100050 by Friday."}, {"Your code is 471 115.", "Your code is 471 116."},
		{"Your code is aB3xYz.", "Your code is ab3xyz."}, {"See https://pay.example.net/Xy7 for it.", "See https://pay.example.net/xY7 for it."},
		{"IBAN DE89370400440532013000", "IBAN DE89370400440532013001"}, {"Call Hùng about it.", "Call Hưng about it."}, {"Do it.", "Do not do it."},
		{"It is five degrees below: -5.", "It is five degrees below: 5."},
		{"Reference 8f14e45fceea167a", "Reference c9f0f895fb98ab91"}, {"Scan-ID: a87ff679a2f3e71d", "Scan-ID: e4da3b7fbbce2345"},
	}).Draw(t, "secret")
})

// wish is mail that somebody waits for.
type wish struct {
	mails      []piece
	real, fake string // a stranger in the same network writes the one for the other
	from       sender
	every      time.Duration
}

const wishTrace = "from pc.partner.example by mx.partner.example (Postfix) with ESMTPSA id 4XkT2c9WzQ; Mon, 2 Mar 2026 07:59:00 +0000"

// wishes are the real mail, the real alarm, the real bounce, the real answer, the invoice run.
func drawWish(t *rapid.T) wish {
	sec := secret.Draw(t, "secret")
	paras := rapid.SliceOfN(sentence, 1, 5).Draw(t, "text")
	at := rapid.IntRange(0, len(paras)).Draw(t, "where")
	p := piece{id: "<1@partner.example>", trace: wishTrace, from: "Boss <boss@partner.example>", subject: "Invoice 4711", date: "Mon, 02 Mar 2026 07:59:00 +0000"}
	w := wish{real: sec[0], fake: sec[1], from: sender{addr: netip.MustParseAddr("198.51.100.7")}}
	switch rapid.SampledFrom([]string{"mail", "attachment", "subject", "alarm", "bounce", "answer", "invoices", "login"}).Draw(t, "kind") {
	case "attachment":
		p.paras, p.attached = paras, "%PDF "+sec[0]
		w.mails = []piece{p}
		return w
	case "subject":
		p.paras, p.subject = paras, "Invoice. "+sec[0]
		w.mails = []piece{p}
		return w
	case "alarm":
		p.paras = slices.Insert(slices.Clone(paras), at, sec[0])
		w.every = 10 * time.Minute
		for n := range 5 {
			q := p
			q.id, q.trace, q.date = fmt.Sprintf("<a%d@plant.example>", n), "", start.Add(time.Duration(n)*w.every).Format(time.RFC1123Z)
			w.mails = append(w.mails, q)
		}
		return w
	case "bounce":
		p.class = "Auto-Submitted: auto-replied\r\n"
		p.report = "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.partner.example\r\n\r\nFinal-Recipient: rfc822; bob@partner.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n" +
			"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: <ann@example.test>\r\nMessage-ID: <sent@example.test>\r\n\r\n--b--\r\n"
		p.from = "MAILER-DAEMON@mx.partner.example"
	case "answer":
		p.class = "Auto-Submitted: auto-replied\r\nIn-Reply-To: <sent@example.test>\r\n"
	case "invoices":
		w.every = time.Second
		for n := range 40 {
			q := p
			q.id, q.trace = fmt.Sprintf("<r%d@partner.example>", n), fmt.Sprintf("from pc.partner.example by mx.partner.example (Postfix) with ESMTPSA id 4XkT2c9W%02d; x", n)
			q.paras = slices.Insert(slices.Clone(paras), at, fmt.Sprintf("Invoice %d. ", n)+sec[0])
			w.mails = append(w.mails, q)
		}
		return w
	case "login":
		w.from = sender{addr: netip.MustParseAddr("198.51.100.7"), login: "boss"}
	}
	p.paras = slices.Insert(slices.Clone(paras), at, sec[0])
	w.mails = []piece{p}
	return w
}

// without is mail n with another text for its secret, wherever it stands.
func (w *wish) without(n int) piece {
	p := w.mails[n]
	change := func(s string) string { return strings.ReplaceAll(s, w.real, w.fake) }
	p.subject, p.attached = change(p.subject), change(p.attached)
	p.paras = slices.Clone(p.paras)
	for i := range p.paras {
		p.paras[i] = change(p.paras[i])
	}
	return p
}

// stranger is somebody who wants wanted mail to disappear.
type stranger struct {
	s       *scene
	w       *wish
	knows   bool // all words; he sends from elsewhere
	clients int
}

// from is one of the places that he sends from.
func (x *stranger) from(n int) sender {
	n %= x.clients
	if !x.knows { // a neighbour, or the same login's, or elsewhere
		if n%2 == 0 {
			if x.w.from.login != "" {
				return x.w.from
			}
			return sender{addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(8 + n%200)})}
		}
	}
	return sender{addr: netip.AddrFrom4([4]byte{203, byte(n / 250), byte(n % 250), 66})}
}

// forge is one of his mails.
func (x *stranger) forge(t *rapid.T) piece {
	n := rapid.IntRange(0, len(x.w.mails)-1).Draw(t, "which")
	p := x.w.without(n)
	if x.knows && rapid.Bool().Draw(t, "as it is") {
		p = x.w.mails[n]
	}
	p.paras = slices.Clone(p.paras)
	for range rapid.IntRange(0, 3).Draw(t, "tricks") {
		i := 0
		if len(p.paras) > 0 {
			i = rapid.IntRange(0, len(p.paras)-1).Draw(t, "paragraph")
		}
		switch rapid.IntRange(0, 15).Draw(t, "trick") {
		case 0:
			p.html = !p.html
		case 1:
			p.quoted = !p.quoted
		case 2:
			if len(p.paras) > 1 {
				p.paras = slices.Delete(p.paras, i, i+1)
			}
		case 3:
			p.paras = append(p.paras, p.paras[i])
		case 4:
			p.paras[0], p.paras[i] = p.paras[i], p.paras[0]
		case 5:
			p.paras = append(p.paras, sentence.Draw(t, "more"))
		case 6:
			p.paras = slices.Insert(p.paras, 0, sentence.Draw(t, "banner"))
		case 7:
			p.from = "Mallory <mallory@example.org>"
		case 8:
			p.replyTo = "<mallory@example.org>"
		case 9:
			p.id = fmt.Sprintf("<m%d@partner.example>", rapid.IntRange(0, 3).Draw(t, "id"))
		case 10:
			p.date = start.Add(time.Duration(rapid.IntRange(-3, 3).Draw(t, "date")) * time.Minute).Format(time.RFC1123Z)
		case 11:
			p.trace = ""
		case 12:
			p.subject = "[EXTERN] Re: " + p.subject
		case 13:
			p.hops = append(p.hops, "from evil by sbs.example.org with ESMTP id Q77777; x", "from sbs.example.org by gw.example.org with ESMTP; x", "from sbs.example.org by gw.example.org with ESMTP; x")
		case 14:
			p.attached = ""
		case 15:
			p.paras = []string{strings.Join(p.paras, " ")}
		}
	}
	return p
}

// TestStranger plays somebody who knows the mail to come in all but what he cannot know, and sends
// whatever he likes before it, from as many networks as he likes: either he knows all words, and sends
// from elsewhere, or he sends from the same network, and cannot know what the mail says. All of
// the mail arrives: its first copy, and the retries of it. It may be held only if it was given, byte for
// byte, by so many networks that the mailbox has had enough of it.
func TestStranger(t *testing.T) {
	base := newEngine(t, map[string]string{"catchall.test.toml": "[mailbox_alias]\n\"*\" = \"ann\"\n"})
	base.Site.MaxLoops = 10
	many := 2500
	if os.Getenv("BREAKWATER_SOAK") != "" {
		many = 10_000
	}
	rapid.Check(t, func(t *rapid.T) {
		store, err := badgerdb.Open("", badgerdb.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		e := *base
		e.Store = store
		s := &scene{t: t, e: &e, at: start, given: map[string]bool{}}
		w := drawWish(t)
		ann, others := "ann@example.test", []string{"bob@example.test", "ann+1@example.test", "ann+2@example.test"}
		if rapid.Bool().Draw(t, "catch-all") {
			ann, others = "ann@catchall.test", []string{"x1@catchall.test", "x2@catchall.test", "ann+1@catchall.test"}
		}
		x := &stranger{s: s, w: &w, knows: rapid.Bool().Draw(t, "knows all words"), clients: rapid.SampledFrom([]int{1, 2, 8, 9, 18, 1000}).Draw(t, "networks")}
		networks := map[netip.Prefix]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "waves") {
			p, to := x.forge(t), ann
			copies := rapid.SampledFrom([]int{1, 1, 2, 3, 4, 10, 31, 60, 310}).Draw(t, "copies")
			if rapid.IntRange(0, 3).Draw(t, "elsewhere") == 0 {
				to = rapid.SampledFrom(others).Draw(t, "to")
			}
			if rapid.IntRange(0, 49).Draw(t, "many") == 0 {
				copies = many
			}
			alike := rapid.Bool().Draw(t, "one transfer")
			first := rapid.IntRange(0, 999).Draw(t, "first")
			step := time.Duration(rapid.SampledFrom([]int{0, 1, 30, 7200}).Draw(t, "pace")) * time.Second
			fresh := rapid.Bool().Draw(t, "fresh")
			for i := range copies {
				if s.n++; !alike {
					first++
				}
				q := p
				if fresh {
					q.id, q.date = fmt.Sprintf("<f%d@partner.example>", s.n), s.at.Format(time.RFC1123Z)
				}
				from := x.from(first)
				pre, _ := from.addr.Prefix(24)
				networks[pre] = true
				s.send(q, from, to, map[bool]int{true: 7, false: s.n + 100}[alike])
				if s.at = s.at.Add(step); i > 40 && step > time.Minute {
					break
				}
			}
		}
		for i, p := range w.mails {
			s.n++
			enough := x.knows && len(networks) > 8 && s.given[words(p)]
			for retry := range 3 {
				if ok, why := s.send(p, w.from, ann, 1_000_000+i); !ok && !enough {
					t.Fatalf("wanted mail %d, retry %d: %s", i, retry, why)
				}
				s.at = s.at.Add(5 * time.Second)
			}
			s.at = s.at.Add(w.every)
		}
	})
}

// TestCounted: addresses that are one mailbox share what it was given, by the rules or by what the mail
// server tells.
func TestCounted(t *testing.T) {
	e := newEngine(t, map[string]string{"catchall.test.toml": "[mailbox_alias]\n\"*\" = \"office\"\n"})
	for name, to := range map[string]func(n int) message.Recipient{
		"rules": func(n int) message.Recipient { return message.Recipient{Addr: fmt.Sprintf("u%d@catchall.test", n)} },
		"mail server": func(n int) message.Recipient {
			return message.Recipient{Addr: fmt.Sprintf("u%d@example.test", n), User: "office"}
		},
	} {
		for n := range 6 {
			m := mail(n, start, "Offer", name, "x@example.test")
			m.Recipients[0] = to(n)
			if got, want := actions(t, e, m), map[bool]string{true: "deliver", false: "absorb"}[n < 3]; got != want {
				t.Errorf("%s: copy %d to another address: %s, want %s", name, n+1, got, want)
			}
		}
	}
	for n := range 4 { // a user's own address and its sub-addresses are what they were
		m := mail(n, start, "Offer", "own", fmt.Sprintf("ann+%d@example.test", n))
		m.Recipients[0].User = "ann"
		if got := actions(t, e, m); got != "deliver" {
			t.Errorf("to sub-address %d: %s", n, got)
		}
	}
}
