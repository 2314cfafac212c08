package stormgen

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// relay is a server that fetches copies from a mailbox of ours and sends each of them to
// everybody in Cc again.
type relay struct {
	host    string
	site    string // domain of its people
	client  netip.Addr
	rcpts   int // at most in one transaction
	make    int // in relays
	weight  int // its share of the storm
	fetched func(r *relay, mx, id string, at time.Time) string
	sent    func(r *relay, id string, at time.Time) string
}

// relays are the three of the story, of different make and habit.
var relays = []relay{
	{
		host: "sbs.north.example.org", site: "north.example.org",
		client: netip.MustParseAddr("198.51.100.23"), rcpts: 1, weight: 5,
		fetched: fetchedByConnector, sent: sentByConnector,
	}, {
		host: "mailsrv.south.example.com", site: "south.example.com",
		client: netip.MustParseAddr("203.0.113.77"), rcpts: 1, weight: 3, make: 1,
		fetched: fetchedByInternetMail, sent: sentByInternetMail,
	}, {
		host: "gw.west.example.net", site: "west.example.net",
		client: netip.MustParseAddr("2001:db8:77::25"), rcpts: 5, weight: 2, make: 2,
		fetched: fetchedByMultidrop, sent: sentByMultidrop,
	},
}

// resenders are the first n of them; further ones are of the same makes, elsewhere.
func resenders(n int) []*relay {
	all := make([]*relay, n)
	for i := range all {
		r := relays[i%len(relays)]
		if k := i / len(relays); k > 0 {
			r.host, r.site = fmt.Sprintf("s%d.%s", k, r.host), fmt.Sprintf("s%d.%s", k, r.site)
			r.client = netip.AddrFrom4([4]byte{198, byte(18 + i/256), byte(i % 256), 25}) // RFC 2544
		}
		all[i] = &r
	}
	return all
}

// A small-business server with a POP3 connector that hands on by the header.
func fetchedByConnector(r *relay, mx, id string, at time.Time) string {
	return fmt.Sprintf("from mail pickup service by %s with Microsoft SMTPSVC\n\tfor <mspop3connector.office@%s>; %s\n"+
		"Received: from %s by %s with POP3\n\tid %s; %s", r.host, r.site, stamp(at), mx, r.host, id, stamp(at.Add(-time.Second)))
}

func sentByConnector(r *relay, id string, at time.Time) string {
	return fmt.Sprintf("from %s ([10.0.0.2]) by %s with Microsoft SMTPSVC(6.0.3790.1830)\n\tid %s; %s", r.host, r.host, id, stamp(at))
}

// An old groupware server.
func fetchedByInternetMail(r *relay, mx, id string, at time.Time) string {
	return fmt.Sprintf("from %s by MAILSRV with POP3 download;\n\t%s\nReceived: by MAILSRV id <01%s>; %s", mx, stamp(at), id, stamp(at))
}

func sentByInternetMail(r *relay, id string, at time.Time) string {
	return fmt.Sprintf("by %s with Internet Mail Service (5.5.2653.19)\n\tid <%s>; %s", r.host, id, stamp(at))
}

// A gateway that fetches one mailbox for a whole domain.
func fetchedByMultidrop(r *relay, mx, id string, at time.Time) string {
	return fmt.Sprintf("from %s [192.0.2.2]\n\tby localhost with POP3 (fetchmail-6.2.5)\n\tfor <office@%s> (multi-drop); %s (CET)\n"+
		"Received: from localhost (localhost [127.0.0.1])\n\tby %s (8.12.8/8.12.8) with ESMTP id %s; %s",
		mx, r.site, stamp(at), r.host, id, stamp(at))
}

func sentByMultidrop(r *relay, id string, at time.Time) string {
	return fmt.Sprintf("(from daemon@localhost)\n\tby %s (8.12.8/8.12.8/Submit) id %s;\n\t%s", r.host, id, stamp(at))
}

// hop is a mailshot as one relay sends it to everybody: once for each copy that it has got.
type hop struct {
	relay     *relay
	chain     []byte // Received fields, newest first, without the one of the transaction
	depth     int    // relays that it went through
	messageID string
	look
	content []byte // MIME fields and body
}

// maxDepth keeps the number of Received fields below what mail servers take for a loop.
const maxDepth = 11

// pass is what r makes of the copy that it got from a server.
func (t *tempest) pass(r *relay, from *hop, s *mailshot, at time.Time) *hop {
	h := &hop{relay: r, depth: from.depth + 1, messageID: from.messageID, look: from.look, content: from.content}
	mx := "mx." + t.o.Domain
	var d draft
	d.field("Received", "%s", r.fetched(r, mx, queueID(t.rng, 10), at.Add(-2*time.Second)))
	d.field("Received", "from %s (%s)\n\tby %s (Postfix) with ESMTP id %s\n\tfor <office@%s>; %s",
		from.relay.host, literal(from.relay.client), mx, queueID(t.rng, 11), r.site, stamp(at.Add(-time.Minute)))
	d.field("Received", "%s", s.stamped(from, queueID(t.rng, 12), at.Add(-time.Minute-time.Second)))
	h.chain = append(d.b, from.chain...)
	if changes(t.o.MessageID, r.make == 1) {
		h.messageID = queueID(t.rng, 20) + "@" + r.host
	}
	if changes(t.o.Body, r.make == 2) {
		h.disclaimers++
	}
	if t.o.Gateways {
		h.look = r.gateway(h.look, at)
	}
	if h.look != from.look {
		h.content = s.content(h.look, "----=_NextPart_"+queueID(t.rng, 12))
	}
	return h
}

// gateway is what the gateway in front of r makes of a look.
func (r *relay) gateway(l look, at time.Time) look {
	switch r.make {
	case 0:
		l.date, l.from = at, "office@"+r.site
	case 1:
		l.html, l.lossy = true, true
	default:
		l.quoted, l.banners = true, l.banners+1
	}
	return l
}

// changes reports whether a server changes something; one is the server that does so if Mixed.
func changes(h Habit, one bool) bool { return h == Change || h == Mixed && one }

// literal is an address literal, RFC 5321 §4.1.3.
func literal(a netip.Addr) string {
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}

// drawRelay picks one of some relays by weight.
func drawRelay(rng *rand.Rand, of []*relay) int {
	sum := 0
	for _, r := range of {
		sum += r.weight
	}
	n, i := rng.IntN(sum), 0
	for n -= of[i].weight; n >= 0; n -= of[i].weight {
		i++
	}
	return i
}
