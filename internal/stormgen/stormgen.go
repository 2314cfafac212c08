// Package stormgen makes a mail storm, and the ordinary mail around it, by seed.
//
// The storm is one that people have lived through: a customer sends mailshots with everybody
// in Cc, and three re-relaying servers send each copy that they get to everybody in Cc again.
// Mailboxes elsewhere fill up and bounce, and people who are away have it answered.
//
// What to expect of a filter: of each (Group, mailbox) of the storm the first three messages
// arrive at most, the first of them included, and the rest is taken out; ordinary mail all
// arrives. With Message-IDs changed a bounce and an answer name a message that is new each time.
package stormgen

import (
	"iter"
	"time"

	"breakwater/internal/message"
)

// Kind says what part of the picture an Item is.
type Kind uint8

// Kinds of items. All but Ordinary are the storm.
const (
	Original  Kind = 1 + iota // a mailshot, as its author sent it
	Copy                      // the same, sent again by a re-relaying server
	Bounce                    // a DSN for a copy, RFC 3464
	AutoReply                 // a program's answer to a copy, RFC 3834
	Ordinary                  // mail that somebody wants, and that is no copy of anything
)

// Kinds lists all kinds.
var Kinds = []Kind{Original, Copy, Bounce, AutoReply, Ordinary}

func (k Kind) String() string {
	return [...]string{Original: "original", Copy: "copy", Bounce: "bounce", AutoReply: "auto-reply", Ordinary: "ordinary"}[k]
}

// Habit is what re-relaying servers do to a part of each message that they send again.
type Habit uint8

// Habits.
const (
	Keep   Habit = iota // leave it as it is
	Change              // a new Message-ID; a disclaimer more, another subject prefix, boundary and encoding
	Mixed               // one of the three servers changes it
)

// Options describe a storm. The zero value is the whole story. The same Options give the
// same bytes.
type Options struct {
	Seed uint64

	// Messages of the storm, one for each recipient of a transaction: 4% originals,
	// 8% bounces, 4% auto-replies, the rest copies. 0: 20,000. Less: none.
	Messages  int
	Ordinary  int // transactions; 0: a tenth of Messages; less: none
	Mailshots int // 0: as many as a share of 4% needs
	Mailboxes int // that each mailshot goes to; 0: 40
	Servers   int // that send copies again, each in a network of its own; 0: three

	MessageID Habit
	Body      Habit
	Gateways  bool // in front of each re-relaying server is one that rewrites: Date and From, HTML for text and the charset lost, quoted under a banner
	Login     bool // one of the re-relaying servers is a customer of ours and logs in

	Start  time.Time     // zero: a Monday morning in 2026
	Span   time.Duration // 0: 30 minutes
	Domain string        // of the mailboxes; "": example.test
}

// Item is one transaction.
type Item struct {
	Kind     Kind
	Group    string // of the storm: what it says, the same for all that do not differ but by having been sent again
	At       time.Time
	Envelope message.Envelope // with one recipient, or a few
	Raw      []byte           // as it comes to the mail server, lines ending in CRLF
}

// Generate yields the items in order of time. One is made when it is asked for.
func Generate(o Options) iter.Seq[Item] {
	o = o.withDefaults()
	return func(yield func(Item) bool) {
		storm, daily := newTempest(o), newDaily(o)
		for storm.left > 0 || daily.left > 0 {
			next := storm.next
			if storm.left <= 0 || daily.left > 0 && daily.at().Before(storm.at()) {
				next = daily.next
			}
			if !yield(next()) {
				return
			}
		}
	}
}

// Addresses lists all addresses that mail of o comes to: the mailboxes, then the authors
// of the mailshots.
func (o Options) Addresses() []string {
	o = o.withDefaults()
	return append(o.mailboxes(), o.authors()...)
}

func (o Options) withDefaults() Options {
	if o.Messages == 0 {
		o.Messages = 20_000
	}
	o.Messages = max(o.Messages, 0)
	if o.Ordinary == 0 {
		o.Ordinary = o.Messages / 10
	}
	o.Ordinary = max(o.Ordinary, 0)
	pairs := max(1, o.Messages*4/100)
	if o.Mailboxes <= 0 {
		o.Mailboxes = max(1, min(40, pairs))
		if o.Mailshots > 0 {
			o.Mailboxes = max(1, pairs/o.Mailshots)
		}
	}
	if o.Mailshots <= 0 {
		o.Mailshots = max(1, pairs/o.Mailboxes)
	}
	if o.Servers <= 0 {
		o.Servers = len(relays)
	}
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	}
	o.Start = o.Start.UTC().Truncate(time.Second)
	if o.Span <= 0 {
		o.Span = 30 * time.Minute
	}
	if o.Domain == "" {
		o.Domain = "example.test"
	}
	return o
}

// authors are the addresses of those who send the mailshots.
func (o Options) authors() []string {
	var list []string
	for _, local := range authors[:min(len(authors), o.Mailshots)] {
		list = append(list, local+"@"+o.Domain)
	}
	return list
}

func (o Options) mailboxes() []string {
	list := make([]string, o.Mailboxes)
	for i := range list {
		list[i] = localPart(i) + "@" + o.Domain
	}
	return list
}
