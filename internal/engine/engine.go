// Package engine holds the one path from a message to the decisions about it.
package engine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/mark"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/store"
	"breakwater/internal/storm"
)

// Engine judges messages. Its fields are set before the first call and not changed; it is
// safe for concurrent use.
type Engine struct {
	Store   store.Store
	Rules   func() *rules.Set // those in force now
	Hasher  *fingerprint.Hasher
	Site    Site
	Marks   *mark.Signer        // by which our own mail is known; nil: there is none
	Ring    func() *origin.Ring // keys by which mail is known that we sent; nil: nothing is proved
	Sent    store.Store         // the index of what we sent, where it is not Store
	Life    time.Duration       // of what is in it; 0: origin.Life
	Asked   time.Time           // when it is asked about old mail; zero: when mail comes
	OnError rules.Action        // Deliver or Tempfail: what is done where the store fails; "" is Deliver
	DryRun  bool                // look, but do not count

	// Seeing tells whether all mail was seen from the beginning of a minute to this moment: that
	// of a minute which no beat has ended yet. nil: it cannot be told.
	Seeing func(since time.Time) bool

	// TakesTag tells whether the MTA takes mail to addresses of a domain with tags of a form. Without it
	// nothing leaves with a tag. nil: no.
	TakesTag func(domain string, form origin.Form) bool
}

// index is where mail is remembered that we sent.
func (e *Engine) index() store.Store {
	if e.Sent != nil {
		return e.Sent
	}
	return e.Store
}

// Judgement is what was decided about a message, with all that it was decided by.
type Judgement struct {
	Verdict   classify.Verdict
	Policies  []*rules.Policy // of each recipient; empty for mail of our own, which is not judged
	Facts     []rules.Facts   // of each recipient; empty where counting failed
	Decisions []rules.Decision
}

// Judge returns a decision for each recipient of m, in their order. They are usable even
// when the error is not nil: they are then what OnError says.
func (e *Engine) Judge(ctx context.Context, m *message.Message) ([]rules.Decision, error) {
	j, err := e.Explain(ctx, m)
	return j.Decisions, err
}

// Explain is Judge, and tells what the decisions were made by.
func (e *Engine) Explain(ctx context.Context, m *message.Message) (Judgement, error) {
	if ds, ok, err := e.own(ctx, m); ok {
		return Judgement{Decisions: ds}, err
	}
	as := m.Recipients
	m, to := e.withoutTags(m)
	j, err := e.judge(ctx, as, m)
	for i := range j.Decisions {
		j.Decisions[i].Recipient = as[i]
		if to != nil {
			j.Decisions[i].To = to[i]
		}
	}
	return j, err
}

// judge judges m, whose recipients have no tags of ours; as are those that they came as.
func (e *Engine) judge(ctx context.Context, as []message.Recipient, m *message.Message) (Judgement, error) {
	set := e.Rules()
	j := Judgement{Verdict: classify.Classify(m)}
	j.Policies = policies(m, set)
	stamp, sent := e.send(m, set)
	fail := func(what string, err error) (Judgement, error) {
		j.Decisions = e.failed(m, j.Verdict, stamp)
		return j, fmt.Errorf("%s message %s: %w", what, m.QueueID, err)
	}
	outbound := e.outbound(m, set)
	var proofs []origin.Proof
	var err error
	if slices.Contains(outbound, false) {
		proofs, err = e.prove(ctx, as, m, j.Verdict, j.Policies)
	}
	if err != nil {
		return fail("prove", err)
	}
	k, err := e.kin(ctx, m, j.Verdict)
	if err != nil {
		return fail("look up", err)
	}
	s, places := e.sighting(m, j.Verdict, j.Policies, k, proofs)
	s.Counts = append(append(s.Counts, sent...), e.learn(m, proofs)...)
	tallies, err := e.observe(ctx, s)
	if err == nil {
		err = e.outbreak(ctx, s, k, tallies)
	}
	if err != nil {
		return fail("count", err)
	}
	j.Facts, j.Decisions = make([]rules.Facts, len(m.Recipients)), make([]rules.Decision, len(m.Recipients))
	for i, rcpt := range m.Recipients {
		facts := rules.Facts{
			Context: ctx, Message: m, Verdict: j.Verdict, Recipient: rcpt, Outbound: outbound[i],
			Signs: k.signs, Loops: e.Site.loops(m),
		}
		if proofs != nil {
			facts.Proof = proofs[i]
		}
		facts.Tallies, facts.Evidence = k.at(tallies, places[i])
		j.Facts[i], j.Decisions[i] = facts, j.Policies[i].Decide(facts)
		j.Decisions[i].Stamp = stamp
	}
	if err := ctx.Err(); err != nil {
		return fail("decide about", err)
	}
	j.Decisions = rules.Combine(m, j.Decisions)
	return j, nil
}

// outbound tells of each recipient whether we send m to a mailbox that is not ours.
func (e *Engine) outbound(m *message.Message, set *rules.Set) []bool {
	out := make([]bool, len(m.Recipients))
	if e.Site.Submitted(m) {
		for i, r := range m.Recipients {
			out[i] = !e.Site.ours(r, set)
		}
	}
	return out
}

// policies are the rules for each recipient of m.
func policies(m *message.Message, set *rules.Set) []*rules.Policy {
	ps := make([]*rules.Policy, len(m.Recipients))
	for i, rcpt := range m.Recipients {
		ps[i] = set.For(fingerprint.DomainOf(rcpt.Addr)).For(fingerprint.Mailbox(rcpt.Addr), m.From)
	}
	return ps
}

// uncounted is the place of a key that is not counted.
const uncounted = -1

// sighting gathers what is to be counted for all recipients of m, and for each recipient
// the places of its keys therein. Reports on mail that we sent do not count to their class. Two recipients that are one mailbox share their keys, so
// that one message counts once.
func (e *Engine) sighting(m *message.Message, v classify.Verdict, policies []*rules.Policy, k kin, proofs []origin.Proof) (storm.Sighting, [][]int) {
	s := storm.Sighting{Signs: k.signs, At: m.At, Transfer: fingerprint.Transfer(m), Client: m.Client, Class: string(v.Class), Subject: cut(m.Subject)}
	if e.Site.Relay(m.Client) {
		s.Client = netip.Addr{} // our own relay is not where a storm comes from
	}
	link := k.cluster
	if link == [8]byte{} && len(k.prints) > 0 {
		link = k.prints[0].Hash
	}
	s.Counts = make([]storm.Count, 0, len(k.prints)*len(m.Recipients))
	places := make([][]int, len(m.Recipients))
	known := make(map[storm.Key]int, len(k.prints)*len(m.Recipients))
	for i, rcpt := range m.Recipients {
		mailbox := fingerprint.Mailbox(rcpt.Addr)
		places[i] = make([]int, 0, len(k.prints))
		for _, key := range e.Hasher.Keys(k.prints, mailbox) {
			if key.Kind == storm.Class && proofs != nil && proofs[i].Origin == origin.Genuine {
				places[i] = append(places[i], uncounted)
				continue
			}
			place, ok := known[key]
			if !ok {
				place = len(s.Counts)
				known[key] = place
				c := storm.Count{Key: key, Limit: policies[i].Limit(key.Kind, v.Class), Mailbox: mailbox}
				if key.Kind != storm.Class {
					c.Link = link // what began with one message is one incident
				}
				if k.storms >= widespread && !key.Kind.Rate() {
					c.Limit = c.Limit.Tight()
				}
				s.Counts = append(s.Counts, c)
			}
			places[i] = append(places[i], place)
		}
	}
	return s, places
}

// observe counts a sighting, or in a dry run tells what counting it would give.
func (e *Engine) observe(ctx context.Context, s storm.Sighting) ([]storm.Tally, error) {
	if !e.DryRun {
		return e.Store.Observe(ctx, s)
	}
	keys := make([]storm.Key, len(s.Counts))
	for i, c := range s.Counts {
		keys[i] = c.Key
	}
	tallies, err := e.Store.Lookup(ctx, s.At, keys)
	if err != nil {
		return nil, err
	}
	for i, c := range s.Counts {
		tallies[i] = storm.Add(tallies[i], s, c)
	}
	return tallies, nil
}

// failed is what happens to m when it cannot be counted.
func (e *Engine) failed(m *message.Message, v classify.Verdict, stamp *origin.Stamp) []rules.Decision {
	ds := make([]rules.Decision, len(m.Recipients))
	for i, rcpt := range m.Recipients {
		ds[i] = rules.Failed(&m.Envelope, rcpt, v.Class, e.OnError)
		ds[i].Stamp = stamp
	}
	return ds
}

// maxSubject bounds what a storm's label keeps of a foreign subject, in bytes.
const maxSubject = 160

func cut(s string) string {
	if len(s) <= maxSubject {
		return s
	}
	end := maxSubject
	for end > 0 && s[end]&0xC0 == 0x80 { // not within a rune
		end--
	}
	return s[:end] + "…"
}
