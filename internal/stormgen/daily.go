package stormgen

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"breakwater/internal/message"
)

// daily is the ordinary mail of a day. Much of it looks alike, and none of it is a copy.
type daily struct {
	o     Options
	rng   *rand.Rand
	left  int // transactions still to come
	boxes []string
	made  [len(sorts)]int
	queue []Item // made together, to come one after another
}

// sorts of ordinary mail. A sort makes one message in one or more transactions.
var sorts = [...]struct {
	name string
	make func(l *letter) []Item
}{
	{"personal", personal}, {"personal", personal}, {"personal", personal},
	{"short answer", shortAnswer}, {"attachment", withAttachment}, {"no Message-ID", noMessageID},
	{"list thread", listThread}, {"cross-post", crossPost}, {"newsletter", newsletter},
	{"alert", alert}, {"cron", cron}, {"build notice", buildNotice}, {"parcel notice", parcelNotice},
	{"one-time code", oneTimeCode}, {"ticket", ticket}, {"invitation", invitation}, {"scan", scan},
	{"single bounce", singleBounce}, {"away", away}, {"read receipt", readReceipt},
}

func newDaily(o Options) *daily {
	return &daily{o: o, rng: rand.New(rand.NewPCG(o.Seed, 2)), left: o.Ordinary, boxes: append(o.mailboxes(), o.authors()...)}
}

// at is when the next message comes: evenly over the span.
func (d *daily) at() time.Time {
	done := 1 - (float64(d.left)-0.5)/float64(d.o.Ordinary)
	return d.o.Start.Add(time.Duration(float64(d.o.Span) * done))
}

func (d *daily) next() Item {
	if len(d.queue) == 0 {
		d.queue = d.make()
	}
	it := d.queue[0]
	d.queue = d.queue[1:]
	it.Kind, it.At = Ordinary, d.at()
	d.left--
	return it
}

func (d *daily) make() []Item {
	which := d.rng.IntN(len(sorts))
	n := d.made[which]
	d.made[which]++
	l := &letter{Rand: d.rng, sort: which, n: n, at: d.at().Truncate(time.Second).Add(time.Duration(n%same) * time.Second), boxes: d.boxes, server: pick(d.rng, servers)}
	items := sorts[which].make(l)
	for i := range items {
		items[i].Group = sorts[which].name
	}
	return items
}

// server is a mail server of others.
type server struct {
	host   string
	client netip.Addr
}

var servers = []server{
	{"mail.club.example.org", netip.MustParseAddr("192.0.2.131")},
	{"smtp3.provider.example.com", netip.MustParseAddr("198.51.100.133")},
	{"mx.law.example.net", netip.MustParseAddr("203.0.113.45")},
	{"out.city.example.org", netip.MustParseAddr("2001:db8:45::1")},
	{"mta7.cloud.example.com", netip.MustParseAddr("198.51.100.207")},
}

// same is how often a program says the same thing to the same mailbox before it says
// something else: few enough to be no storm even if a day of mail is played in a second.
const same = 12

// letter is an ordinary message, about to be written.
type letter struct {
	*rand.Rand
	sort   int       // which
	n      int       // of its sort
	at     time.Time // another one for each of the same things said
	boxes  []string
	server server // that hands it over
	last   string // Message-ID that was written
}

// box is the mailbox that so many letters of the sort go to, one after another.
func (l *letter) box(many int) string { return l.boxes[(l.sort+l.n/many)*7%len(l.boxes)] }

// begin writes the fields that most letters have. Mail of a client that is no relay has no
// Received field.
func (l *letter) begin(from, to, subject string) *draft {
	d := &draft{}
	d.field("Received", "from %s (%s)\n\tby %s (Postfix) with ESMTPS id %s; %s", "host"+queueID(l.Rand, 4)+".lan", "[10.7.0.9]", l.server.host, queueID(l.Rand, 11), stamp(l.at))
	l.fields(d, from, to, subject)
	l.last = l.id()
	d.field("Message-ID", "<%s>", l.last)
	return d
}

func (l *letter) fields(d *draft, from, to, subject string) {
	d.field("From", "%s", from)
	d.field("To", "%s", to)
	d.field("Subject", "%s", word(subject))
	d.field("Date", "%s", stamp(l.at))
}

// id is a Message-ID without its brackets.
func (l *letter) id() string { return queueID(l.Rand, 18) + "@" + l.server.host }

// person is somebody elsewhere, as in From.
func (l *letter) person(n int) string {
	first, last := localPart(n%len(firstNames)), lastNames[n%len(lastNames)]
	return fmt.Sprintf("%s <%s.%s@%s>", word(strings.ToUpper(first[:1])+first[1:]+" "+last), first, asciiOnly(last), l.server.host)
}

// send is one transaction of what was written.
func (l *letter) send(d *draft, reversePath string, to ...string) Item {
	env := message.Envelope{Client: l.server.client, Helo: l.server.host, ReversePath: reversePath}
	return Item{Envelope: arrived(l.Rand, env, to...), Raw: d.b}
}

// addr is the addr-spec of a mailbox as in From.
func addr(mailbox string) string {
	if i := strings.IndexByte(mailbox, '<'); i >= 0 {
		return strings.Trim(mailbox[i:], "<>")
	}
	return mailbox
}

func asciiOnly(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r > 126 {
			return -1
		}
		return r
	}, s))
}
