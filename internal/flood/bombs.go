package flood

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

// What a mailbox must have had before a bomb holds anything, and what is remembered of it.
const (
	learnTime  = 14 * 24 * time.Hour
	learnMails = 50
	newcomer   = 24 * time.Hour // so long a sender counts as one that the mailbox did not know
	tailLife   = 30 * 24 * time.Hour
	refresh    = 24 * time.Hour // how old a memory may be before it is written anew

	// maxMet bounds the domains that are remembered for a mailbox: with about 90 bytes each, 58 KB. Who fills them has
	// later senders not be known. These are held no more than others that are not known.
	maxMet  = 640
	periods = 4 // in which they are counted: a third of metLife each, so that there are three whole ones

	week      = 7 * 24 * time.Hour
	normWeeks = 4 // whose busiest hours are the mailbox's norm
	overNorm  = 6 // times as many as in its busiest hour are a bomb
)

// Marks of a domain that a mailbox met.
const (
	written uint64 = 1 << iota // the mailbox wrote to it
	bombed                     // it came in a bomb
)

// bombs tells a mail bomb: sign-ups, written by machine, of ever more senders that the mailbox did not know.
//
// What is held has all four marks: a sender first seen, made by machine, worded as a sign-up or from a list, and
// none of what protects: money, an order or an appointment with a number, what guards an account, a
// code, an attachment, a calendar, an answer. What a person wrote is none of it. Domains are those that
// can be registered, so that nobody is new by a new host name.
func (f *Message) bombs(q *Question, c Case) {
	if v := f.v.Class; v != classify.Bulk && v != classify.Personal && v != classify.AutoReply {
		return
	}
	now, domain := f.m.At, registered(f.m.From)
	if domain == "" {
		return
	}
	machine := f.machine()
	may := machine || bytes.Contains(f.m.Body[:min(len(f.m.Body), maxText)], []byte("://"))
	met, mails := f.met(c.Mailbox, domain), f.h.Key(c.Mailbox, kindMet, "")
	// of is the key of what is counted by the period: it is the mailbox's own, with the number of the period.
	of := func(what byte, before int64, length time.Duration) storm.Key {
		k := mails
		k.Hash[0] ^= what
		n := uint64(now.Unix()/int64(length/time.Second) - before)
		binary.BigEndian.PutUint64(k.Hash[:], binary.BigEndian.Uint64(k.Hash[:])^n<<8>>8)
		return k
	}
	at := q.ask(met, mails)
	var domains, busy []storm.Key // of this period and of those before; busy has that of the hour first
	for n := range int64(periods) {
		domains = append(domains, of('d', n, metLife/(periods-1)))
	}
	q.ask(domains...)
	if may {
		busy = append(busy, of('f', 0, time.Hour))
		for n := range int64(normWeeks + 1) {
			busy = append(busy, of('b', n, week))
		}
		q.ask(busy...)
	}
	q.then(func(ns []notes.Note) {
		known, all, ns := ns[at], ns[at+1], ns[at+2:]
		many, busiest := uint64(0), 0
		for _, n := range ns[:len(domains)] {
			many += n.Seen
		}
		if may {
			for _, n := range ns[len(domains)+2 : len(domains)+len(busy)] {
				busiest = max(busiest, bits.Len64(n.Bits))
			}
		}
		full := many >= maxMet
		if all.Seen < learnMails || now.Sub(all.Last) > refresh {
			q.note(notes.Entry{Key: mails, Keep: metLife})
		}
		fresh := known.Seen == 0
		if fresh && full && may { // nobody is new twice in an hour, even if he is not remembered
			one := bit(int(met.Hash[0])%64 + 1)
			fresh = ns[len(domains)].Bits&one == 0
			q.note(notes.Entry{Key: busy[0], Keep: 2 * time.Hour, Bits: one})
		}
		// meets has the sender known from now on.
		meets := func(in uint64) (more []notes.Entry) {
			switch {
			case known.Seen > 0 && now.Sub(known.Last) > refresh:
				more = append(more, notes.Entry{Key: met, Keep: metLife, Bits: in})
			case known.Seen == 0 && !full:
				more = append(more, notes.Entry{Key: met, Keep: metLife, Bits: in}, notes.Entry{Key: domains[0], Keep: metLife})
			}
			return more
		}
		strange := known.Bits&written == 0 && (known.Seen == 0 || now.Sub(known.First) < newcomer)
		if may && strange && f.signsUp(machine, domain) {
			q.part(Part{
				Key: f.h.Key(c.Mailbox, storm.Bomb, ""), Least: overNorm * busiest, Peek: !fresh, Learning: all.Seen < learnMails || now.Sub(all.First) < learnTime,
				Evidence: fmt.Sprintf("a sign-up by %s, of which the mailbox had nothing before", domain),
				after: func(t storm.Tally) []notes.Entry {
					switch {
					case !fresh:
						return meets(0)
					case t.Storm != nil: // a week in which a bomb came is none to go by
						return append(meets(bombed), notes.Entry{Key: busy[1], Keep: (normWeeks + 1) * week, Reset: true})
					}
					return append(meets(0), notes.Entry{Key: busy[1], Keep: (normWeeks + 1) * week, Bits: bit(int(math.Ceil(t.Level)))})
				},
			})
			return
		}
		q.entries = append(q.entries, meets(0)...)
		if known.Bits&(bombed|written) == bombed && now.Sub(known.First) < tailLife && isListed(f.m.Header) && !f.protected(domain) {
			q.part(Part{Key: f.h.Key(c.Mailbox, storm.Bomb, ""), Peek: true, Held: true, Evidence: fmt.Sprintf("a newsletter of %s, which came in a bomb", domain)})
		}
	})
}

// met is the key of a domain that a mailbox met.
func (f *Message) met(mailbox, domain string) storm.Key {
	return f.h.Key(mailbox, kindMet, "of "+domain)
}

// maxWritten bounds the recipients of one mail whose domains its author knows from then on.
const maxWritten = 1000

// writes has a mailbox know the domains that it writes to.
func (f *Message) writes(q *Question, me string) {
	if len(f.m.Recipients) > maxWritten {
		return
	}
	for _, r := range f.m.Recipients {
		key := f.met(me, registered(r.Addr))
		if !slices.ContainsFunc(q.entries, func(e notes.Entry) bool { return e.Key == key }) {
			q.note(notes.Entry{Key: key, Keep: metLife, Bits: written})
		}
	}
}

// registered is the domain of an address as it can be registered, "" if it has none.
func registered(addr string) string {
	d := address.DomainOf(addr)
	if r, err := publicsuffix.EffectiveTLDPlusOne(d); err == nil {
		return r
	}
	return d
}

// forms are mail programs of web sites.
var forms = regexp.MustCompile(`(?i)phpmailer|wordpress|drupal|typo3|swift ?mailer|symfony|laravel|joomla|wp ?mail`)

// robot is a local part from which programs write.
var robot = regexp.MustCompile(`^(no-?_?reply|do-?_?not-?_?reply|newsletter|news|wordpress|mailer|notification|notify|subscri|info|verify|confirm|welcome|hello@|account|registration|support-?no)`)

// machine reports whether a header shows that a program wrote f.
func (f *Message) machine() bool {
	h := f.m.Header
	return f.v.Class != classify.Personal || f.auto || isListed(h) || h.Has("X-Auto-Response-Suppress") || forms.MatchString(h.Get("X-Mailer")) || robot.MatchString(f.from)
}

// signsUp reports whether f is what a bomb is made of.
func (f *Message) signsUp(machine bool, domain string) bool {
	if !machine && !(bytes.Contains(f.m.Body[:min(len(f.m.Body), maxText)], []byte(domain)) && f.read().links(domain)) {
		return false
	}
	acknowledges := f.v.Class == classify.AutoReply && !f.away() // as the forms of web sites do
	return (isListed(f.m.Header) || acknowledges || signups.in(f.read().words)) && !f.protected(domain)
}

// protected reports whether f is never held by a bomb.
func (f *Message) protected(domain string) bool {
	h := f.m.Header
	if h.Has("In-Reply-To", "References") || slices.ContainsFunc(f.m.Parts(), isAttached) {
		return true
	}
	return f.read().protects(domain)
}

// isAttached reports whether a part is more than text and the pictures in it.
func isAttached(p message.Part) bool {
	switch {
	case strings.HasPrefix(p.Type, "text/calendar"):
		return true
	case strings.HasPrefix(p.Type, "text/"), strings.HasPrefix(p.Type, "image/"):
		return strings.HasPrefix(strings.ToLower(p.Header.Get("Content-Disposition")), "attachment")
	}
	return true
}
