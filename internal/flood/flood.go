// Package flood tells which flood of distinct messages a message is part of: answers that answer
// answers, reports by the hundred on one mail, mail to an address that is dead, a mail bomb, pleas to
// all, a program that never stops.
//
// Copies of one thing are told by package fingerprint. Here no two messages need be alike, and what is
// held says something new each time. So the laws are kept by the keys:
//
//   - What is held must be of a kind of which its reader wants the number and a table, not each one. Each
//     kind says below what is never part of it.
//   - A key names the network or login that a message comes from, wherever a stranger could write the
//     message: what he sends counts against him alone. A Bomb has no network, since each of its senders
//     has his own; it holds only sign-ups by senders that the mailbox never heard of.
//
// A message is read once. Each mailbox that it is for then asks a Question: it names the notes that it wants, in one
// look-up, and answers of what the message may be part. When that is counted it says what is to be noted.
package flood

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/storm"
)

// Part is one flood of which a message may be part: the key under which it counts.
type Part struct {
	Key      storm.Key
	Evidence string // what shows it, in words
	Least    int    // the limit has at least so many copies
	Peek     bool   // it does not count: it is held while the flood goes on
	Held     bool   // it is held even if the flood is over
	Learning bool   // the mailbox is too new for anything to be held

	after func(storm.Tally) []notes.Entry // what is to be noted, once it was counted
}

// Case is one mailbox that a message is for.
type Case struct {
	Addr    string       // as the message is addressed
	Mailbox string       // for which it counts
	Proof   origin.Proof // of a report or an answer: whether we sent what it is about
}

// Question is what one mailbox asks of the store.
type Question struct {
	Keys  []storm.Key // of the notes that are to be looked up
	Parts []Part      // the floods of which the message may be part, once it is answered

	answers []func(known []notes.Note)
	entries []notes.Entry
}

// Answer takes the notes of Keys, in their order.
func (q *Question) Answer(known []notes.Note) {
	for _, answer := range q.answers {
		answer(known)
	}
}

// Remember is what is to be noted of the message. tallies are those of Parts, in their order, after it was counted;
// zero where it was not.
func (q *Question) Remember(tallies []storm.Tally) []notes.Entry {
	all := q.entries
	for i, p := range q.Parts {
		if p.after != nil {
			all = append(all, p.after(tallies[i])...)
		}
	}
	return all
}

// ask has keys looked up, and returns the place of the first one.
func (q *Question) ask(keys ...storm.Key) int {
	q.Keys = append(q.Keys, keys...)
	return len(q.Keys) - len(keys)
}

func (q *Question) then(answer func(known []notes.Note)) { q.answers = append(q.answers, answer) }

func (q *Question) part(p Part) { q.Parts = append(q.Parts, p) }

func (q *Question) note(e notes.Entry) { q.entries = append(q.entries, e) }

// Message is what is read of one message, for all its recipients.
type Message struct {
	h       *fingerprint.Hasher
	m       *message.Message
	v       classify.Verdict
	network string // that it comes from
	from    string // its author
	answers bool   // it is an answer by machine, or a bounce
	auto    bool   // it says or shows that a program wrote it
	text    *text  // its beginning, once it was asked for
	shared  []Part // that are the same for all recipients but for the mailbox in their keys
	looked  bool   // shared is filled
}

// Read reads a message, which comes from a network.
func Read(h *fingerprint.Hasher, m *message.Message, v classify.Verdict, network uint64) *Message {
	f := &Message{h: h, m: m, v: v, network: strconv.FormatUint(network, 36), from: address.Mailbox(m.From)}
	switch v.Class {
	case classify.AutoReply, classify.Challenge, classify.DSN:
		f.answers = true
	}
	f.auto = f.answers || v.Class == classify.MDN || says(m.Header.Get("Auto-Submitted"))
	return f
}

// says reports whether a field such as Auto-Submitted says more than "no".
func says(field string) bool {
	word, _, _ := strings.Cut(strings.ToLower(field), ";")
	word = strings.TrimSpace(word)
	return word != "" && word != "no" && !strings.HasPrefix(word, "no ")
}

// For is the question of one mailbox.
func (f *Message) For(c Case) *Question {
	q := &Question{}
	c.Addr = address.Mailbox(c.Addr)
	c.Mailbox = address.Base(c.Mailbox)
	f.turns(q, c)
	f.nests(q, c)
	f.trips(q, c)
	f.reports(q, c)
	f.bombs(q, c)
	f.pleads(q, c)
	f.programs(q, c)
	return q
}

// Kinds of notes.
const (
	kindTurn storm.Kind = 36 + iota // automatic mail, theirs or ours, by its Message-ID or by whom it goes between; its Bits are generations
	kindNest                        // prefixes of a subject; its Bits are how many there were
	kindMet                         // a domain that wrote to a mailbox, and how many did
)

// key is the key of a flood at a mailbox, of messages of one network.
func (f *Message) key(c Case, k storm.Kind, fields ...string) storm.Key {
	return f.h.Key(c.Mailbox, k, strings.Join(append(fields, f.network), "\x00"))
}

// Lives of what is remembered.
const (
	turnLife = 3 * 24 * time.Hour // automatic mail, by its Message-ID: a loop turns faster
	pairLife = 30 * time.Minute   // automatic mail between two addresses, that refers to nothing
	metLife  = 90 * 24 * time.Hour
)

// ids are the last Message-IDs in a field, without angle brackets, in their order.
func ids(field string) (all []string) {
	for _, word := range last(strings.Fields(field), maxNamed) {
		if id := message.MessageID(word); id != "" && !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

// last are the last n of a list.
func last(of []string, n int) []string { return of[max(0, len(of)-n):] }

// Host is the key of the note since when a host counts floods.
func Host(h *fingerprint.Hasher) storm.Key { return h.Key("", kindMet, "host") }

// HostEntry notes that it does. It is never forgotten.
func HostEntry(h *fingerprint.Hasher) notes.Entry { return notes.Entry{Key: Host(h)} }
