package flood

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

// maxNamed bounds how many Message-IDs of a thread are looked up: the newest.
const maxNamed = 12

// proven is the generation of answers by machine over which they are a loop: the answer to an answer to an
// answer to an answer of a program. Desks that confirm each alarm of ours are of generation two.
const proven = 4

// turns tells loops of answers by machine.
//
// Automatic mail that answers nothing, or a person, is of the first generation; what answers
// automatic mail of a generation is of the next. So it takes mail of ours to make a generation rise, and a
// stranger cannot make it. What answers mail of ours that a person wrote, or an alarm, is no loop however often
// it comes. Where nothing is known of our own mail, an answer that refers to an earlier answer of the same
// responder shows the loop, or else how often it says the same.
func (f *Message) turns(q *Question, c Case) {
	if !f.answers {
		return
	}
	who := f.from
	if f.v.Class == classify.DSN {
		who = "" // each server has a mailer-daemon of its own
	}
	parents, back := f.named()
	atParents, atBack := len(q.Keys), 0
	for _, id := range parents {
		q.ask(f.out(id))
	}
	atBack = len(q.Keys)
	for _, id := range back {
		q.ask(f.in(id))
	}
	// What goes between two addresses without a reference: all that ours sent, and what came from this network.
	theirs := f.h.Key(c.Mailbox, kindTurn, "in "+f.from+" "+f.network)
	pair := q.ask(f.h.Key(c.Mailbox, kindTurn, "out "+f.from), theirs)
	q.then(func(ts []notes.Note) {
		known, before := c.Proof.Known(), 0
		for _, t := range ts[atParents:atBack] {
			known, before = known || t.Seen > 0, max(before, generation(t))
		}
		if t := ts[pair]; len(parents) == 0 && t.Seen > 0 {
			// Ours may have answered what others forged in his name: his own answers rise by two at a time.
			known, before = true, min(generation(t), generation(ts[pair+1])+1)
		}
		g := before + 1
		note := func(k storm.Key, life time.Duration) {
			q.note(notes.Entry{Key: k, Keep: life, Bits: bit(g), Link: f.responder(c, who)})
		}
		if f.m.MessageID != "" {
			note(f.in(f.m.MessageID), turnLife)
		}
		note(f.h.Key(c.Mailbox, kindTurn, "in "+f.from), pairLife)
		note(theirs, pairLife)
		switch {
		case known && g > proven:
			q.part(Part{Key: f.key(c, storm.AnswerLoop, who), Evidence: fmt.Sprintf("answer of generation %d between %s and %s", g, c.Mailbox, f.writer())})
		case known:
		default:
			if slices.ContainsFunc(ts[atBack:atBack+len(back)], func(t notes.Note) bool { return t.Seen > 0 && t.Link == f.responder(c, who) }) {
				q.part(Part{Key: f.key(c, storm.Chain, who), Evidence: "it refers to an earlier automatic answer of " + f.writer()})
			}
			if f.v.Class != classify.DSN && !f.read().protects("") {
				q.part(Part{Key: f.key(c, storm.Echo, who, f.gist()), Evidence: "automatic answers of " + f.writer() + " that say the same"})
			}
		}
	})
}

// named are the Message-IDs of what f answers, and of what else it refers to.
func (f *Message) named() (parents, back []string) {
	h := f.m.Header
	replied, refs := ids(h.Get("In-Reply-To")), ids(h.Get("References"))
	back = append(refs, replied...)
	parents = replied
	if len(parents) == 0 {
		parents = last(refs, 1)
	}
	if f.v.Class == classify.DSN {
		parents = nil
		if r := f.v.Report; r != nil {
			if r.Original.MessageID != "" {
				parents = []string{r.Original.MessageID}
			}
			back = append(append(back, ids(r.Original.Header.Get("References"))...), ids(r.Original.Header.Get("In-Reply-To"))...)
		}
	}
	return last(parents, 2), last(back, maxNamed)
}

func (f *Message) in(id string) storm.Key  { return f.h.Key("", kindTurn, "in "+id) }
func (f *Message) out(id string) storm.Key { return f.h.Key("", kindTurn, "out "+id) }

// responder is a mark of one who answers a mailbox.
func (f *Message) responder(c Case, who string) [8]byte {
	return f.h.Key(c.Mailbox, kindTurn, "who "+who).Hash
}

// writer is who wrote f, in words.
func (f *Message) writer() string {
	if f.from == "" {
		return "a mail server"
	}
	return f.from
}

// generation is that of a note of automatic mail; 0 of mail that was never seen.
func generation(n notes.Note) int { return bits.Len64(n.Bits) }

// bit is that of a number from 1 on; all from 64 on share one.
func bit(n int) uint64 { return 1 << (min(max(n, 1), 64) - 1) }

// gist is what an answer says, without what differs in answers that say the same: digits, tags and
// addresses.
func (f *Message) gist() string {
	var said []string
	for word := range strings.FieldsSeq(strings.ToLower(f.m.Subject + "\n" + f.m.Own(maxText))) {
		if !strings.ContainsAny(word, "0123456789@") && word[0] != '[' {
			said = append(said, word)
		}
	}
	return strings.Join(said, " ")
}

// Sending is the question of mail that we send, with its Message-ID: of which generation it is, and whom its
// author knows from now on. Its parts are none.
func (f *Message) Sending(id string) *Question {
	q := &Question{}
	me := address.Base(address.Mailbox(f.m.Sender()))
	if !f.auto && !bulky(f.m.Header) {
		f.writes(q, me)
		return q
	}
	var to string
	if len(f.m.Recipients) == 1 {
		to = address.Mailbox(f.m.Recipients[0].Addr)
	}
	parents, back := f.named()
	for _, id := range last(append(back, parents...), maxNamed) {
		q.ask(f.in(id))
	}
	answered := len(q.Keys)
	pair := q.ask(f.h.Key(me, kindTurn, "in "+to))
	q.then(func(ts []notes.Note) {
		before := 0
		for _, t := range ts[:answered] {
			before = max(before, generation(t))
		}
		if answered == 0 && f.v.Class == classify.AutoReply {
			before = generation(ts[pair])
		}
		if id != "" {
			q.note(notes.Entry{Key: f.out(id), Keep: turnLife, Bits: bit(before + 1)})
		}
		if to != "" && f.v.Class == classify.AutoReply {
			q.note(notes.Entry{Key: f.h.Key(me, kindTurn, "out "+to), Keep: pairLife, Bits: bit(before + 1)})
		}
	})
	return q
}

// bulky reports whether a header says that its message is not to be answered.
func bulky(h message.Header) bool {
	switch strings.ToLower(strings.TrimSpace(h.Get("Precedence"))) {
	case "bulk", "junk", "list", "auto_reply":
		return true
	}
	return false
}
