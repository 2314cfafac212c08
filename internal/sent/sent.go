// Package sent is the index of the mail that we sent: what left here, to whom, in which minutes all of it was seen,
// and since when all mail of a domain is. By it a report is told that is on mail of ours, and one that is not. It
// is kept as notes in a store.
package sent

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/fingerprint"
	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/store"
	"breakwater/internal/storm"
)

// Index is the index, in a store. It is safe for concurrent use.
type Index struct {
	Store  store.Store
	Hasher *fingerprint.Hasher
	Life   time.Duration // of what is in it; 0: origin.Life

	// Seeing reports whether all mail was seen from the beginning of a minute to this moment: that
	// of a minute which no beat has ended yet. nil: it cannot be told.
	Seeing func(since time.Time) bool
	// Now is when it is asked about old mail; zero: when that mail came.
	Now time.Time
}

// Kinds of notes.
const (
	kindSent    storm.Kind = 65 // a message, by its Message-ID, or by who wrote to whom
	kindCovered            = notes.Covered
	kindLearned            = notes.Learned
	kindExcused storm.Kind = 68 // reports that a domain would have told to be forged, had it learned for long enough
)

// Anybody stands for all customers. That mail left here at all keeps reports on it from being
// forged: rule files may have changed since, and mail servers may rewrite senders. The index that
// an earlier version wrote has Message-IDs of anybody alone.
const Anybody = ""

// Keeps is how long the index remembers what was sent.
func (x *Index) Keeps() time.Duration {
	if x.Life > 0 {
		return x.Life
	}
	return origin.Life
}

// learning is how long it is remembered that a domain learns, after the last beat.
const learning = 2 * origin.Life

// clockAhead is how far times of the index may be ahead of the clock. Where they are further, the clock was ahead, and what
// was to expire in that time may be gone from the store, in part.
const clockAhead = time.Hour

func isAhead(n notes.Note, at time.Time) bool { return n.Last.Sub(at) > clockAhead }

// learnedSince is since when a domain has learned by its note; zero: it has not.
func learnedSince(n notes.Note, at time.Time) time.Time {
	if isAhead(n, at) {
		return time.Time{}
	}
	return n.First
}

// Mail is a message that leaves.
type Mail struct {
	Customer   string   // who sends it
	ID         string   // Message-ID
	From, To   []string // addresses of its authors, and of its recipients
	AnsweredAt []string // addresses without a tag to which bounces and receipts come
}

// Add remembers a message.
func (x *Index) Add(ctx context.Context, at time.Time, m Mail) error {
	entries := make([]notes.Entry, 0, 2+len(m.AnsweredAt)+len(m.From)*len(m.To))
	known := map[storm.Key]bool{} // a mailshot has thousands of recipients
	add := func(t thing) {
		if key := x.key(t); !known[key] {
			known[key] = true
			entries = append(entries, notes.Entry{Key: key, Keep: x.Keeps()})
		}
	}
	add(thing{aboutMessage, m.Customer, m.ID})
	add(thing{aboutMessage, Anybody, m.ID})
	for _, addr := range m.AnsweredAt {
		add(thing{aboutUntagged, addr, ""})
	}
	for _, from := range m.From {
		for _, to := range m.To {
			add(thing{aboutPair, from, to})
		}
	}
	return x.note(ctx, at, entries)
}

// Question is all that is asked about one report.
type Question struct {
	At        time.Time
	Date      time.Time // of the message that it is about
	Customers []string
	IDs       []string // Message-IDs
	Addresses []string // to which it comes
	Partners  []string // to whom they may have written
}

// Answer is what is known of a Question.
type Answer struct {
	at      time.Time
	covered bool
	known   map[thing]notes.Note
}

// Knows reports whether a customer sent a message; of Anybody, whether it left here.
func (a Answer) Knows(customer, id string) bool {
	return a.known[thing{aboutMessage, customer, id}].Seen > 0
}

// Wrote reports whether an address wrote to another one.
func (a Answer) Wrote(from, to string) bool { return a.known[thing{aboutPair, from, to}].Seen > 0 }

// Covered reports whether all mail was seen that left around the date.
func (a Answer) Covered() bool { return a.covered }

// Learned is since when all mail of the domain of an address is seen; zero: it is not.
func (a Answer) Learned(addr string) time.Time {
	return learnedSince(a.known[thing{aboutLearned, address.DomainOf(addr), ""}], a.at)
}

// Ask answers a question with one look.
func (x *Index) Ask(ctx context.Context, q Question) (Answer, error) {
	all := make([]thing, 0, len(q.Customers)*len(q.IDs)+len(q.Addresses)*(1+len(q.Partners))+3)
	for _, customer := range q.Customers {
		for _, id := range q.IDs {
			all = append(all, thing{aboutMessage, customer, id})
		}
	}
	hours := origin.Slots(q.Date, q.At)
	for _, h := range hours {
		all = append(all, hourOf(h))
	}
	for _, addr := range q.Addresses {
		all = append(all, thing{aboutLearned, address.DomainOf(addr), ""})
		for _, partner := range q.Partners {
			all = append(all, thing{aboutPair, addr, partner})
		}
	}
	known, err := x.look(ctx, q.At, all)
	if err != nil {
		return Answer{}, err
	}
	minutes := make([]uint64, len(hours))
	for i, h := range hours {
		minutes[i] = known[hourOf(h)].Bits
	}
	unseen := origin.Unseen(q.Date, q.At, minutes)
	return Answer{q.At, unseen.IsZero() || x.Seeing != nil && x.Seeing(unseen), known}, nil
}

// Tagged reports whether all mail of an address leaves with a tag, and has for a time: its domain's does, and none of it
// was seen to leave without.
func (x *Index) Tagged(ctx context.Context, at time.Time, mailbox string, since time.Duration) (bool, error) {
	domain, box := thing{aboutTagged, address.DomainOf(mailbox), ""}, thing{aboutUntagged, mailbox, ""}
	known, err := x.look(ctx, at, []thing{domain, box})
	if err != nil {
		return false, err
	}
	first := learnedSince(known[domain], at)
	return !first.IsZero() && at.Sub(first) >= since && known[box].Seen == 0, nil
}

// Learn remembers what a report says of domains: of those whose mail left by a way that is not seen, which learn
// again; and of those for which it would be forged, had they learned for long enough.
func (x *Index) Learn(ctx context.Context, at time.Time, unseen, excused []string) error {
	var entries []notes.Entry
	for _, domain := range unseen {
		entries = append(entries, notes.Entry{Key: x.key(thing{aboutLearned, domain, ""}), Keep: learning, Reset: true})
	}
	for _, domain := range excused {
		entries = append(entries, notes.Entry{Key: x.key(thing{aboutExcused, domain, ""}), Keep: x.Keeps()})
	}
	return x.note(ctx, at, entries)
}

func (x *Index) note(ctx context.Context, at time.Time, entries []notes.Entry) error {
	_, err := x.Store.Note(ctx, at, entries)
	return err
}

// look returns what is known of things; nothing of those of which nothing is.
func (x *Index) look(ctx context.Context, at time.Time, of []thing) (map[thing]notes.Note, error) {
	keys := make([]storm.Key, len(of))
	for i, t := range of {
		keys[i] = x.key(t)
	}
	found, err := x.Store.Noted(ctx, at, keys)
	if err != nil {
		return nil, fmt.Errorf("look into the index of sent mail: %w", err)
	}
	var known map[thing]notes.Note
	for i, n := range found {
		if n.Seen > 0 {
			if known == nil {
				known = make(map[thing]notes.Note, len(found)-i)
			}
			known[of[i]] = n
		}
	}
	return known, nil
}

// thing is what one note of the index is about.
type thing struct {
	about about
	who   string // a customer, an address or a domain
	what  string
}

type about uint8

const (
	aboutMessage  about = iota // what: the Message-ID
	aboutPair                  // mail to what, whatever the sub-addresses
	aboutUntagged              // mail that left without a tag, or is answered without one
	aboutHour                  // what: its number; the minutes of it in which all mail was seen
	aboutLearned               // since when all mail of a domain is seen
	aboutTagged                // since when it leaves with a tag
	aboutExcused               // reports that would have been forged
	aboutIndex                 // the index itself, which is touched each minute
)

func hourOf(n int64) thing { return thing{aboutHour, "", strconv.FormatInt(n, 10)} }

// key is the key of the note about a thing.
func (x *Index) key(t thing) storm.Key {
	base := func(addr string) string { return address.Base(address.Mailbox(addr)) }
	switch t.about {
	case aboutMessage:
		return x.Hasher.Key(t.who, kindSent, "id "+t.what)
	case aboutPair:
		return x.Hasher.Key(base(t.who), kindSent, "to "+base(t.what))
	case aboutUntagged:
		return x.Hasher.Key(base(t.who), kindSent, "untagged")
	case aboutHour:
		return x.Hasher.Key("", kindCovered, t.what)
	case aboutLearned:
		return x.Hasher.Key(t.who, kindLearned, "sent")
	case aboutTagged:
		return x.Hasher.Key(t.who, kindLearned, "tagged")
	case aboutExcused:
		return x.Hasher.Key(t.who, kindExcused, "")
	}
	return x.Hasher.Key("", kindLearned, "")
}
