// Package sent is the index of the mail that we sent: what left here, to whom, in which minutes all of it was seen,
// and since when all mail of a domain is. By it a report is told that is on mail of ours, and one that is not. It
// is kept as notes in a store.
package sent

import (
	"context"
	"fmt"
	"strconv"
	"time"

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
	kindSent    storm.Kind = 65 + iota // a message, by its Message-ID, or by who wrote to whom
	kindCovered                        // of an hour; its Bits are the minutes of which all mail was seen
	kindLearned                        // First is since when all mail of a domain is seen, or leaves with a tag
	kindExcused                        // reports that a domain would have told to be forged, had it learned for long enough
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

// Mail is a message that leaves.
type Mail struct {
	Customer   string   // who sends it
	ID         string   // Message-ID
	From, To   []string // addresses of its authors, and of its recipients
	AnsweredAt []string // addresses without a tag to which bounces and receipts come
}

// Add remembers a message.
func (x *Index) Add(ctx context.Context, at time.Time, m Mail) error {
	var entries []notes.Entry
	known := map[storm.Key]bool{} // a mailshot has thousands of recipients
	add := func(key storm.Key) {
		if !known[key] {
			known[key] = true
			entries = append(entries, notes.Entry{Key: key, Keep: x.Keeps()})
		}
	}
	add(x.id(m.Customer, m.ID))
	add(x.id(Anybody, m.ID))
	for _, addr := range m.AnsweredAt {
		add(x.untagged(addr))
	}
	for _, from := range m.From {
		for _, to := range m.To {
			add(x.pair(from, to))
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
	covered bool
	ids     map[[2]string]bool // by customer and Message-ID
	pairs   map[[2]string]bool // by author and recipient
	learned map[string]time.Time
}

// Knows reports whether a customer sent a message; of Anybody, whether it left here.
func (a Answer) Knows(customer, id string) bool { return a.ids[[2]string{customer, id}] }

// Wrote reports whether an address wrote to another one.
func (a Answer) Wrote(from, to string) bool { return a.pairs[[2]string{from, to}] }

// Covered reports whether all mail was seen that left around the date.
func (a Answer) Covered() bool { return a.covered }

// Learned is since when all mail of the domain of an address is seen; zero: it is not.
func (a Answer) Learned(addr string) time.Time { return a.learned[fingerprint.DomainOf(addr)] }

// Ask answers a question with one look.
func (x *Index) Ask(ctx context.Context, q Question) (Answer, error) {
	a := Answer{ids: map[[2]string]bool{}, pairs: map[[2]string]bool{}, learned: map[string]time.Time{}}
	var look lookup
	for _, customer := range q.Customers {
		for _, id := range q.IDs {
			look.ask(x.id(customer, id), func(n notes.Note) {
				if n.Seen > 0 {
					a.ids[[2]string{customer, id}] = true
				}
			})
		}
	}
	var minutes []uint64
	for _, hour := range origin.Slots(q.Date, q.At) {
		look.ask(x.hour(hour), func(n notes.Note) { minutes = append(minutes, n.Bits) })
	}
	for _, addr := range q.Addresses {
		domain := fingerprint.DomainOf(addr)
		look.ask(x.learned(domain), func(n notes.Note) { a.learned[domain] = n.First })
		for _, partner := range q.Partners {
			look.ask(x.pair(addr, partner), func(n notes.Note) {
				if n.Seen > 0 {
					a.pairs[[2]string{addr, partner}] = true
				}
			})
		}
	}
	if err := look.in(ctx, x.Store, q.At); err != nil {
		return Answer{}, err
	}
	unseen := origin.Unseen(q.Date, q.At, minutes)
	a.covered = unseen.IsZero() || x.Seeing != nil && x.Seeing(unseen)
	return a, nil
}

// Tagged reports whether all mail of an address leaves with a tag, and has for a time: its domain's does, and none of it
// was seen to leave without.
func (x *Index) Tagged(ctx context.Context, at time.Time, mailbox string, since time.Duration) (bool, error) {
	var domain, untagged notes.Note
	var look lookup
	look.ask(x.tagged(fingerprint.DomainOf(mailbox)), func(n notes.Note) { domain = n })
	look.ask(x.untagged(mailbox), func(n notes.Note) { untagged = n })
	if err := look.in(ctx, x.Store, at); err != nil {
		return false, err
	}
	return domain.Seen > 0 && at.Sub(domain.First) >= since && untagged.Seen == 0, nil
}

// Learn remembers what a report says of domains: of those whose mail left by a way that is not seen, which learn
// again; and of those for which it would be forged, had they learned for long enough.
func (x *Index) Learn(ctx context.Context, at time.Time, unseen, excused []string) error {
	var entries []notes.Entry
	for _, domain := range unseen {
		entries = append(entries, notes.Entry{Key: x.learned(domain), Keep: learning, Reset: true})
	}
	for _, domain := range excused {
		entries = append(entries, notes.Entry{Key: x.excused(domain), Keep: x.Keeps()})
	}
	return x.note(ctx, at, entries)
}

func (x *Index) note(ctx context.Context, at time.Time, entries []notes.Entry) error {
	_, err := x.Store.Note(ctx, at, entries)
	return err
}

// lookup is keys to be looked up at once, and what is done with the note of each.
type lookup struct {
	keys []storm.Key
	take []func(notes.Note)
}

func (l *lookup) ask(key storm.Key, take func(notes.Note)) {
	l.keys, l.take = append(l.keys, key), append(l.take, take)
}

func (l *lookup) in(ctx context.Context, s store.Store, at time.Time) error {
	found, err := s.Noted(ctx, at, l.keys)
	if err != nil {
		return fmt.Errorf("look into the index of sent mail: %w", err)
	}
	for i, n := range found {
		l.take[i](n)
	}
	return nil
}

// id is the key of a message that a customer sent.
func (x *Index) id(customer, id string) storm.Key {
	return x.Hasher.Key(customer, kindSent, "id "+id)
}

// pair is the key of mail from one address to another, whatever their sub-addresses.
func (x *Index) pair(from, to string) storm.Key {
	base := func(addr string) string { return fingerprint.Base(fingerprint.Mailbox(addr)) }
	return x.Hasher.Key(base(from), kindSent, "to "+base(to))
}

// untagged is the key of mail that left without a tag, or is answered without one.
func (x *Index) untagged(from string) storm.Key {
	return x.Hasher.Key(fingerprint.Base(fingerprint.Mailbox(from)), kindSent, "untagged")
}

func (x *Index) hour(n int64) storm.Key {
	return x.Hasher.Key("", kindCovered, strconv.FormatInt(n, 10))
}

func (x *Index) learned(domain string) storm.Key { return x.Hasher.Key(domain, kindLearned, "sent") }
func (x *Index) tagged(domain string) storm.Key  { return x.Hasher.Key(domain, kindLearned, "tagged") }
func (x *Index) excused(domain string) storm.Key { return x.Hasher.Key(domain, kindExcused, "") }
