// Package engine holds the one path from a message to the decisions about it.
package engine

import (
	"context"
	"fmt"
	"slices"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/mark"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/sent"
	"breakwater/internal/store"
	"breakwater/internal/storm"
	"breakwater/internal/texts"
)

// Engine judges messages. Its fields are set before the first call and not changed; it is
// safe for concurrent use.
type Engine struct {
	Store  store.Store
	Rules  func() *rules.Set // those in force now
	Hasher *fingerprint.Hasher
	Site   Site
	Marks  *mark.Signer        // by which our own mail is known; nil: there is none
	Ring   func() *origin.Ring // keys by which mail is known that we sent; nil: nothing is proved
	Sent   *sent.Index         // of the mail that we sent; nil: one in Store
	DryRun bool                // look, but do not count

	// TakesTag tells whether the MTA takes mail to addresses of a domain with tags of a form. Without it
	// nothing leaves with a tag. nil: no.
	TakesTag func(domain string, form origin.Form) bool
}

// index is that of the mail that we sent.
func (e *Engine) index() *sent.Index {
	if e.Sent != nil {
		return e.Sent
	}
	return &sent.Index{Store: e.Store, Hasher: e.Hasher}
}

// steps are what Judge does, in the order of the flow in internal/doc.go.
var steps = [...]struct {
	name string
	do   func(*judging, context.Context) error
}{
	{"classify", (*judging).classify}, // what the message is
	{"sign", (*judging).sign},         // mail that we send gets its stamp
	{"prove", (*judging).prove},       // a report is on mail that we sent, or it is not
	{"print", (*judging).print},       // what copies of the message share
	{"compare", (*judging).compare},   // with texts that came before
	{"count", (*judging).count},       // for each mailbox, and have the rest remembered
	{"decide", (*judging).decide},     // for each recipient
	{"combine", (*judging).combine},   // into what can be done to one message
}

// Judge decides about m for each of its recipients. Where that fails the decisions have no Action: see
// rules.Judgement.Settle.
func (e *Engine) Judge(ctx context.Context, m *message.Message) (rules.Judgement, error) {
	if ds, ok, err := e.own(ctx, m); ok {
		return rules.Judgement{Message: m, Decisions: ds}, err
	}
	x := e.begin(m)
	for _, step := range steps {
		if err := step.do(x, ctx); err != nil {
			return x.undecided(), fmt.Errorf("%s message %s: %w", step.name, m.QueueID, err)
		}
	}
	return x.j, nil
}

// judging is a message that is being judged, and what the steps so far have found.
type judging struct {
	*Engine
	set        *rules.Set
	m          *message.Message // as if it had come to addresses without our tags
	j          rules.Judgement
	recipients []recipient // of m, in their order

	stamp *origin.Stamp // of mail that we send
	sent  *sent.Mail    // the same for the index

	source   fingerprint.Source // where it comes from
	network  uint64             // the print of that
	says     storm.Saying
	near     *fingerprint.Near // nil: its text is too short to compare, and text and memory are zero
	numbered *fingerprint.Numbered
	gateway  []notes.Entry // what is to be noted of the numbers of gateways
	text     [8]byte       // that of which it is nearly a copy, or its own
	memory   texts.Memory

	counts  sighting
	tallies []storm.Tally // of counts
}

// recipient is one whom a message came to.
type recipient struct {
	named    message.Recipient // at RCPT, with a tag of ours if it has one
	to       string            // the address without it, if it is good
	outbound bool              // a mailbox that is not ours
	proof    origin.Proof      // of a report
	keys     []place           // that are counted for it
}

// begin takes tags of ours off the recipients of m, and looks up whose rules apply.
func (e *Engine) begin(m *message.Message) *judging {
	x := &judging{Engine: e, set: e.Rules(), m: m, recipients: make([]recipient, len(m.Recipients))}
	for i, r := range m.Recipients {
		x.recipients[i].named = r
		if e.Ring == nil {
			continue
		}
		tag := e.Ring().Untagged(r.Addr, m.At)
		if tag.Plain == "" {
			continue
		}
		if x.m == m {
			plain := *m
			plain.Recipients = slices.Clone(m.Recipients)
			x.m = &plain
		}
		x.m.Recipients[i].Addr = tag.Plain
		if tag.Good {
			x.recipients[i].to = tag.Plain
		}
	}
	x.j = rules.Judgement{Message: x.m, Policies: make([]*rules.Policy, len(x.recipients))}
	submitted := e.Site.Submitted(m)
	for i, r := range x.m.Recipients {
		x.j.Policies[i] = x.set.For(address.DomainOf(r.Addr)).For(address.Mailbox(r.Addr), m.From)
		x.recipients[i].outbound = submitted && !e.Site.ours(r, x.set)
	}
	return x
}

// undecided is what was found of a message that could not be judged.
func (x *judging) undecided() rules.Judgement {
	x.j.Facts, x.j.Decisions = nil, make([]rules.Decision, len(x.recipients))
	for i, r := range x.recipients {
		x.j.Decisions[i] = rules.Decision{Recipient: r.named, To: r.to, Class: x.j.Verdict.Class, Stamp: x.stamp}
	}
	return x.j
}

func (x *judging) classify(context.Context) error {
	x.j.Verdict = classify.Classify(x.m)
	return nil
}

func (x *judging) decide(ctx context.Context) error {
	x.j.Decisions = make([]rules.Decision, len(x.recipients))
	for i, r := range x.recipients {
		f := &x.j.Facts[i]
		f.Tallies, f.Evidence = x.counts.of(r, x.tallies, x.j.Prints)
		d := x.j.Policies[i].Decide(*f)
		d.Recipient, d.To, d.Stamp = r.named, r.to, x.stamp
		x.j.Decisions[i] = d
	}
	return ctx.Err()
}

// combine makes the decisions fit, and takes back that the message was given to those who do not get it.
func (x *judging) combine(ctx context.Context) error {
	x.j.Decisions = rules.Combine(x.m, x.j.Decisions)
	return x.revoke(ctx)
}
