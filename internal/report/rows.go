package report

import (
	"cmp"

	"breakwater/internal/message"
)

// signs are what a message shows that may be a bounce.
type signs uint32

const (
	about      signs = 1 << iota // a phrase of a bounce is in the subject
	said                         // a formula is in the text
	why                          // a reason why mail fails is in the text
	gate                         // a filter found something in a message of the reader's
	arrived                      // all went well
	returns                      // the header of the original is there
	sure                         // somebody failed for certain
	early                        // and is among the first lines
	coded                        // an SMTP reply or a status is in the text
	names                        // addresses are named that are neither the sender's nor the reader's
	inSentence                   // and not only in fields of a message
	abroad                       // nor at home with either
	own                          // what it sums up is a message of the reader's
	toYou                        // it speaks of the message as the reader's
	reader                       // it names the reader's address
	null                         // the envelope says that nobody is to answer, RFC 5321 §4.5.5, and it is not of a list
	silent                       // nobody is known to answer to
	replies                      // it says that it is an automatic answer, RFC 3834 §5
	answers                      // its subject is a person's answer
	listed                       // it can be unsubscribed from
	lured                        // it asks to click or to log in and returns nothing, or carries what runs
	passed                       // the message went on to another address
	quotes                       // it quotes as a person does
	kept                         // it lists what a filter keeps for the reader
	toReaders                    // it is about mail to the reader
)

func (s signs) has(all signs) bool { return s&all == all }

func (s *signs) set(sign signs, there bool) {
	if there {
		*s |= sign
	}
}

// row is one way to tell a bounce: by a sender of at least this standing, by signs that are all
// there, others of which one is, and others of which none is. A postmaster's answer is a
// person's, a daemon's is none.
type row struct {
	from standing
	all  signs
	any  signs
	none signs
	tell []func(*bounce) string
}

func (r row) holds(b *bounce, m *message.Message) bool {
	none := r.none
	if b.is < program {
		none |= quotes
	} else if r.from == master {
		none &^= answers
	}
	return b.is >= r.from && b.signs.has(r.all&^slow) && (r.any == 0 || b.signs&r.any != 0) && b.signs&none == 0 &&
		(r.all&own == 0 || b.own(m)) && (r.all&abroad == 0 || b.failed.abroad(m))
}

// slow are the signs that are looked for only where all else of a row is there.
const slow = own | abroad

// What a row tells of a bounce, besides by what its sender is a mail system.
var (
	subject = func(b *bounce) string { return "Subject: " + b.about }
	formula = func(b *bounce) string { return "text: " + b.said }
	reason  = func(b *bounce) string { return "text: " + b.why }
	speaks  = func(b *bounce) string { return "text: " + cmp.Or(b.said, b.why, "your message") }
	filter  = func(b *bounce) string { return "text: " + b.gate }
	arrival = func(b *bounce) string { return "text: " + b.arrived }
)

func note(s string) func(*bounce) string { return func(*bounce) string { return s } }

func by(tell ...func(*bounce) string) []func(*bounce) string { return tell }

// rows read one after the other; the first that holds decides.
var rows = func() []row {
	failure, empty := note("somebody who failed"), note("null reverse-path")
	return []row{
		// A notice that all went well, and one of a filter.
		{master, arrived, returns | names, answers, by(arrival)},
		{caller, gate | about, returns | sure, answers | listed | toReaders, by(subject, filter)},
		{caller, gate | about | inSentence, null | reader, answers | listed | toReaders, by(subject, filter)},

		// The address of a mail system, with a formula.
		{master, said | returns, 0, answers, by(formula)},
		{master, said | about, returns | coded, 0, by(formula)},
		{master, said | sure, 0, 0, by(formula)},
		{program, said, coded | replies, 0, by(formula)},

		// With a subject.
		{master, about, returns | coded | sure, answers, by(subject, failure)},
		{program, about | names, 0, 0, by(subject, failure)},
		{master, about | names | silent, why | said, answers | toReaders, by(subject, failure)},

		// With a reason, or with a message that it returns.
		{master, why, returns | early, answers, by(reason)},
		{program, returns, 0, 0, nil},
		{master, returns | sure | coded, 0, answers, nil},

		// With nobody to answer to. Whom a sentence names besides may have the message now.
		{master, null | own, 0, answers | inSentence, by(note("a message of the reader's"), empty)},
		{program, null | names | toYou, 0, 0, by(speaks, empty)},
		{master, null | names | toYou, said | why, answers | toReaders, by(speaks, empty)},
		{program, said | silent, about | names, 0, by(formula, empty)},
		{program, sure | null, 0, 0, by(failure, empty)},
		{program, abroad | null, 0, answers, by(note("somebody elsewhere is named"), empty)},
		{program, sure | coded, 0, 0, by(failure)},
		{program, names | replies, 0, 0, by(note("Auto-Submitted: auto-replied"))},

		// Who calls itself a mail system, as anybody may.
		{caller, said | returns, 0, answers, by(formula)},
		{caller, said | sure | coded, 0, answers, by(formula)},
		{caller, said | sure | about | null, 0, answers, by(formula)},
		{caller, about | why | sure | null, 0, answers, by(subject, failure)},
		{caller, about | returns, why | coded | sure, answers, by(subject)},
		{caller, why | sure | returns, 0, answers, by(reason, failure)},
	}
}()
