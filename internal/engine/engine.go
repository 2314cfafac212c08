// Package engine holds the one path from a message to the decisions about it.
package engine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"breakwater/internal/address"
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
		proofs, err = e.prove(ctx, as, m, j.Verdict, set, j.Policies)
	}
	if err != nil {
		return fail("prove", err)
	}
	k, err := e.kin(ctx, m, j.Verdict)
	if err != nil {
		return fail("look up", err)
	}
	j.Facts = make([]rules.Facts, len(m.Recipients))
	for i, rcpt := range m.Recipients {
		j.Facts[i] = rules.Facts{
			Context: ctx, Message: m, Verdict: j.Verdict, Recipient: rcpt, Outbound: outbound[i],
			Signs: k.signs, Loops: e.Site.loops(m),
		}
		if proofs != nil {
			j.Facts[i].Proof = proofs[i]
		}
	}
	s := e.sighting(m, j, k)
	tallies, err := e.count(ctx, s, slices.Concat(sent, e.learn(m, proofs), k.numbered))
	if err == nil {
		err = e.outbreak(ctx, s.Sighting, k, tallies)
	}
	if err != nil {
		j.Facts = nil
		return fail("count", err)
	}
	j.Decisions = make([]rules.Decision, len(m.Recipients))
	for i := range j.Facts {
		j.Facts[i].Tallies, j.Facts[i].Evidence = s.of(i, tallies, k.prints)
		j.Decisions[i] = j.Policies[i].Decide(j.Facts[i])
		j.Decisions[i].Stamp = stamp
	}
	if err := ctx.Err(); err != nil {
		return fail("decide about", err)
	}
	j.Decisions = rules.Combine(m, j.Decisions)
	if err := e.revoke(ctx, s, tallies, j.Decisions); err != nil {
		return fail("count", err)
	}
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
		ps[i] = set.For(address.DomainOf(rcpt.Addr)).For(address.Mailbox(rcpt.Addr), m.From)
	}
	return ps
}

// sighting is one message, seen, and which of its keys are whose.
type sighting struct {
	storm.Sighting
	repeats []bool    // by count: of the kind Repeat
	places  [][]place // by recipient
}

// place is one key of a recipient.
type place struct{ count, print int }

// sighting gathers what is to be counted for all recipients of m. Recipients that are one
// mailbox share their keys, so that one message counts once. Reports on mail that we sent do not
// count to their class. What the rules exempt from limits counts nowhere.
func (e *Engine) sighting(m *message.Message, j Judgement, k kin) sighting {
	v := j.Verdict
	s := sighting{places: make([][]place, len(m.Recipients))}
	s.Sighting = storm.Sighting{
		At: m.At, Transfer: fingerprint.Transfer(m), Client: m.Client, Network: k.network, Saying: k.says,
		Signs: k.signs, Class: string(v.Class), Subject: cut(m.Subject),
	}
	if e.Site.Relay(m.Client) {
		s.Client = netip.Addr{} // our own relay is not where a storm comes from
	}
	link := k.cluster
	if link == [8]byte{} && len(k.prints) > 0 {
		link = k.prints[0].Hash
	}
	known := make(map[storm.Key]int, len(k.prints)*len(m.Recipients))
	s.Counts, s.repeats = make([]storm.Count, 0, len(k.prints)*len(m.Recipients)), make([]bool, 0, len(k.prints)*len(m.Recipients))
	for i, rcpt := range m.Recipients {
		policy, proof := j.Policies[i], j.Facts[i].Proof
		if policy.Domain().Exempts(m.From, k.source.Addr, k.source.Login) {
			continue
		}
		prints := k.prints
		if proof.Signed() {
			prints = proven(prints)
		}
		keeps := policy.Keeps(j.Facts[i])
		mailbox := counted(policy, rcpt)
		s.places[i] = make([]place, 0, len(prints))
		for n, key := range e.Hasher.Keys(prints, mailbox) {
			if key.Kind == storm.Class && proof.Origin == origin.Genuine {
				continue
			}
			at, ok := known[key]
			if !ok {
				at = len(s.Counts)
				known[key] = at
				c := storm.Count{Key: key, Limit: policy.Limit(key.Kind, v.Class), Mailbox: mailbox, Keeps: true}
				if key.Kind != storm.Class {
					c.Link = link // what began with one message is one incident
				}
				if k.storms >= widespread && !key.Kind.Rate() {
					c.Limit = c.Limit.Tight()
				}
				s.Counts, s.repeats = append(s.Counts, c), append(s.repeats, key.Kind == storm.Repeat)
			}
			s.Counts[at].Keeps = s.Counts[at].Keeps && keeps
			s.places[i] = append(s.places[i], place{at, n})
		}
	}
	return s
}

// counted is the mailbox for which mail to a recipient counts: that which the rules say it is, or else the MTA.
func counted(p *rules.Policy, rcpt message.Recipient) string {
	mailbox := address.Mailbox(rcpt.Addr)
	if is := p.Domain().Mailbox(mailbox); is != mailbox || rcpt.User == "" {
		return is
	}
	user := address.Mailbox(address.Join(rcpt.User, address.DomainOf(rcpt.Addr)))
	if address.Base(user) == address.Base(mailbox) {
		return mailbox
	}
	return user
}

// proven are the prints of a report that a signature of ours proves.
func proven(prints []fingerprint.Print) []fingerprint.Print {
	prints = slices.Clone(prints)
	for i, p := range prints {
		if p.Kind == storm.DSN || p.Kind == storm.Reply {
			prints[i] = p.Proven()
		}
	}
	return prints
}

// of returns the tallies of a recipient, and what agrees in each.
func (s *sighting) of(recipient int, tallies []storm.Tally, prints []fingerprint.Print) (of []storm.Tally, evidence []string) {
	places := s.places[recipient]
	of, evidence = make([]storm.Tally, 0, len(places)), make([]string, 0, len(places))
	for _, p := range places {
		if t := tallies[p.count]; t.Seen > 0 {
			of, evidence = append(of, t), append(evidence, prints[p.print].Evidence)
		}
	}
	return of, evidence
}

// count counts s, and more, and returns the tallies of s. What repeats itself is counted where the
// message is no copy of one that came before: a copy is held with what repeats itself, but makes
// it no storm. A retry is neither; its tallies of that kind are zero.
func (e *Engine) count(ctx context.Context, s sighting, more []storm.Count) ([]storm.Tally, error) {
	tallies := make([]storm.Tally, len(s.Counts))
	if err := e.countSome(ctx, s, tallies, func(i int) bool { return !s.repeats[i] }, more); err != nil {
		return nil, err
	}
	fresh, copied := make([]bool, len(s.Counts)), make([]bool, len(s.Counts))
	for _, places := range s.places {
		again, retry := false, false
		for _, p := range places {
			t := &tallies[p.count]
			again, retry = again || t.Again && !t.Key.Kind.Rate(), retry || t.Pass == storm.Retry
		}
		for _, p := range places {
			if s.repeats[p.count] {
				fresh[p.count], copied[p.count] = fresh[p.count] || !again, copied[p.count] || again && !retry
			}
		}
	}
	if err := e.countSome(ctx, s, tallies, func(i int) bool { return fresh[i] }, nil); err != nil {
		return nil, err
	}
	return tallies, e.peek(ctx, s, tallies, func(i int) bool { return copied[i] && !fresh[i] })
}

// countSome counts some of s, and more, and puts the tallies of these in their places.
func (e *Engine) countSome(ctx context.Context, s sighting, tallies []storm.Tally, of func(i int) bool, more []storm.Count) error {
	part := s.Sighting
	part.Counts = make([]storm.Count, 0, len(s.Counts)+len(more))
	for i, c := range s.Counts {
		if of(i) {
			part.Counts = append(part.Counts, c)
		}
	}
	if part.Counts = append(part.Counts, more...); len(part.Counts) == 0 {
		return nil
	}
	got, err := e.observe(ctx, part)
	if err != nil {
		return err
	}
	for i := range s.Counts {
		if of(i) {
			tallies[i], got = got[0], got[1:]
		}
	}
	return nil
}

// peek looks up some of s, and puts their tallies in their places.
func (e *Engine) peek(ctx context.Context, s sighting, tallies []storm.Tally, of func(i int) bool) error {
	var keys []storm.Key
	for i, c := range s.Counts {
		if of(i) {
			keys = append(keys, c.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	got, err := e.Store.Lookup(ctx, s.At, keys)
	if err != nil {
		return err
	}
	for i := range s.Counts {
		if of(i) {
			tallies[i], got = got[0].Peek(s.Sighting), got[1:]
		}
	}
	return nil
}

// revoke takes back that s was given to recipients who do not get it after all: since rules ask for its
// count, or because it was absorbed under another key.
func (e *Engine) revoke(ctx context.Context, s sighting, tallies []storm.Tally, ds []rules.Decision) error {
	if e.DryRun || !slices.ContainsFunc(ds, func(d rules.Decision) bool { return !d.Arrives() }) {
		return nil
	}
	got := make([]bool, len(s.Counts))
	for i, places := range s.places {
		for _, p := range places {
			got[p.count] = got[p.count] || ds[i].Arrives()
		}
	}
	taken := s.Sighting
	taken.Counts = nil
	for i, c := range s.Counts {
		if tallies[i].Gave && !got[i] {
			c.Revoke = true
			taken.Counts = append(taken.Counts, c)
		}
	}
	if len(taken.Counts) == 0 {
		return nil
	}
	_, err := e.Store.Observe(ctx, taken)
	return err
}

// observe counts a sighting. Where a message is what was given and blocks more, it remembers who added them;
// where all hangs on these, it is counted with what the mailbox knows.
func (e *Engine) observe(ctx context.Context, s storm.Sighting) ([]storm.Tally, error) {
	tallies, err := e.add(ctx, s)
	if err != nil || !slices.ContainsFunc(tallies, func(t storm.Tally) bool { return t.Added }) {
		return tallies, err
	}
	known := map[[8]byte][]uint64{} // by owner
	again, at := s, []int(nil)
	again.Counts = nil
	for i, t := range tallies {
		if !t.Added {
			continue
		}
		c := s.Counts[i]
		if _, asked := known[c.Key.Owner]; !asked {
			banners, err := e.add(ctx, e.Hasher.Banners(s, c.Key.Owner))
			if err != nil {
				return nil, err
			}
			known[c.Key.Owner] = fingerprint.KnownBanners(s, banners)
		}
		if t.Pass == storm.Asks {
			c.Asked, c.Known = true, known[c.Key.Owner]
			again.Counts, at = append(again.Counts, c), append(at, i)
		}
	}
	if len(at) == 0 {
		return tallies, nil
	}
	counted, err := e.add(ctx, again)
	if err != nil {
		return nil, err
	}
	for n, i := range at {
		tallies[i] = counted[n]
	}
	return tallies, nil
}

// add counts a sighting, or in a dry run tells what counting it would give.
func (e *Engine) add(ctx context.Context, s storm.Sighting) ([]storm.Tally, error) {
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
