package engine

import (
	"context"
	"net/netip"
	"slices"

	"breakwater/internal/address"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

// sighting is one message, seen, and which of its keys are rates that repeat.
type sighting struct {
	storm.Sighting
	repeats []bool // by count: of the kind Repeat
}

// place is one key of a recipient.
type place struct{ count, print int }

// count counts the message for each mailbox, and has all that it says of sent mail, of gateways and of texts
// remembered. What repeats itself is counted where the message is no copy of one that came before: a copy is held
// with what repeats itself, but makes it no storm. A retry is neither; its tallies of that kind are zero.
func (x *judging) count(ctx context.Context) error {
	x.facts(ctx)
	x.see()
	x.tallies = make([]storm.Tally, len(x.counts.Counts))
	if err := x.observe(ctx, func(i int) bool { return !x.counts.repeats[i] }); err != nil {
		return err
	}
	fresh, copied := x.repeats()
	if err := x.observe(ctx, func(i int) bool { return fresh[i] }); err != nil {
		return err
	}
	if err := x.peek(ctx, func(i int) bool { return copied[i] && !fresh[i] }); err != nil {
		return err
	}
	if err := x.remember(ctx); err != nil {
		return err
	}
	return x.held()
}

// facts are what is known before anything is counted.
func (x *judging) facts(ctx context.Context) {
	loops := x.Site.loops(x.m)
	x.j.Facts = make([]rules.Facts, len(x.recipients))
	for i, r := range x.recipients {
		x.j.Facts[i] = rules.Facts{
			Context: ctx, Message: x.m, Verdict: x.j.Verdict, Recipient: x.m.Recipients[i], Outbound: r.outbound,
			Signs: x.j.Signs, Loops: loops, Proof: r.proof,
		}
	}
}

// see gathers what is to be counted for all recipients. Recipients that are one
// mailbox share their keys, so that one message counts once. Reports on mail that we sent do not
// count to their class. What the rules exempt from limits counts nowhere.
func (x *judging) see() {
	m, v, all := x.m, x.j.Verdict, x.j.Prints
	s := &x.counts
	s.Sighting = storm.Sighting{
		At: m.At, Transfer: fingerprint.Transfer(m), Client: m.Client, Network: x.network, Saying: x.says,
		Signs: x.j.Signs, Class: string(v.Class), Subject: cut(m.Subject),
	}
	if x.Site.Relay(m.Client) {
		s.Client = netip.Addr{} // our own relay is not where a storm comes from
	}
	link := x.text
	if link == [8]byte{} && len(all) > 0 {
		link = all[0].Hash
	}
	known := make(map[storm.Key]int, len(all)*len(m.Recipients))
	s.Counts, s.repeats = make([]storm.Count, 0, len(all)*len(m.Recipients)), make([]bool, 0, len(all)*len(m.Recipients))
	for i, rcpt := range m.Recipients {
		policy, r := x.j.Policies[i], &x.recipients[i]
		if policy.Domain().Exempts(m.From, x.source.Addr, x.source.Login) {
			continue
		}
		prints := all
		if r.proof.Signed() {
			prints = proven(prints)
		}
		keeps := policy.Keeps(x.j.Facts[i])
		mailbox := counted(policy, rcpt)
		r.keys = make([]place, 0, len(prints))
		for n, key := range x.Hasher.Keys(prints, mailbox) {
			if key.Kind == storm.Class && r.proof.Origin == origin.Genuine {
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
				if x.memory.Mailboxes >= rules.Widespread && !key.Kind.Rate() {
					c.Limit = c.Limit.Tight()
				}
				s.Counts, s.repeats = append(s.Counts, c), append(s.repeats, key.Kind == storm.Repeat)
			}
			s.Counts[at].Keeps = s.Counts[at].Keeps && keeps
			r.keys = append(r.keys, place{at, n})
		}
	}
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
func (s *sighting) of(r recipient, tallies []storm.Tally, prints []fingerprint.Print) (of []storm.Tally, evidence []string) {
	of, evidence = make([]storm.Tally, 0, len(r.keys)), make([]string, 0, len(r.keys))
	for _, p := range r.keys {
		if t := tallies[p.count]; t.Seen > 0 {
			of, evidence = append(of, t), append(evidence, prints[p.print].Evidence)
		}
	}
	return of, evidence
}

// repeats reports of the keys of what repeats itself, by count, for which the message is new to a mailbox, and for
// which it is a copy to one.
func (x *judging) repeats() (fresh, copied []bool) {
	fresh, copied = make([]bool, len(x.tallies)), make([]bool, len(x.tallies))
	for _, r := range x.recipients {
		again, retry := false, false
		for _, p := range r.keys {
			t := &x.tallies[p.count]
			again, retry = again || t.Again && !t.Key.Kind.Rate(), retry || t.Pass == storm.Retry
		}
		for _, p := range r.keys {
			if x.counts.repeats[p.count] {
				fresh[p.count], copied[p.count] = fresh[p.count] || !again, copied[p.count] || again && !retry
			}
		}
	}
	return fresh, copied
}

// observe counts some keys, and puts their tallies in their places.
func (x *judging) observe(ctx context.Context, of func(i int) bool) error {
	some := x.counts.Sighting
	some.Counts = make([]storm.Count, 0, len(x.tallies))
	for i, c := range x.counts.Counts {
		if of(i) {
			some.Counts = append(some.Counts, c)
		}
	}
	if len(some.Counts) == 0 {
		return nil
	}
	got, err := x.add(ctx, some)
	if err != nil {
		return err
	}
	added := false
	for i := range x.tallies {
		if of(i) {
			added = added || got[0].Added
			x.tallies[i], got = got[0], got[1:]
		}
	}
	if added {
		return x.banners(ctx)
	}
	return nil
}

// banners remembers who added blocks to a message of which the rest was given. Where all hangs on these, it counts
// the message with what the mailbox knows of them.
func (x *judging) banners(ctx context.Context) error {
	s, known := x.counts.Sighting, map[[8]byte][]uint64{} // by owner
	var asks []int
	for i, t := range x.tallies {
		owner := t.Key.Owner
		if t.Added && known[owner] == nil {
			tallies, err := x.add(ctx, x.Hasher.Banners(s, owner))
			if err != nil {
				return err
			}
			known[owner] = fingerprint.KnownBanners(s, tallies)
		}
		if t.Pass == storm.Asks {
			asks = append(asks, i)
		}
	}
	s.Counts = nil
	for _, i := range asks {
		c := x.counts.Counts[i]
		c.Asked, c.Known = true, known[c.Key.Owner]
		s.Counts = append(s.Counts, c)
	}
	tallies, err := x.add(ctx, s)
	if err != nil {
		return err
	}
	for n, i := range asks {
		x.tallies[i] = tallies[n]
	}
	return nil
}

// peek looks up some keys, and puts their tallies in their places.
func (x *judging) peek(ctx context.Context, of func(i int) bool) error {
	var keys []storm.Key
	for i, c := range x.counts.Counts {
		if of(i) {
			keys = append(keys, c.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	got, err := x.Store.Lookup(ctx, x.m.At, keys)
	if err != nil {
		return err
	}
	for i := range x.tallies {
		if of(i) {
			x.tallies[i], got = got[0].Peek(x.counts.Sighting), got[1:]
		}
	}
	return nil
}

// revoke takes back that the message was given to recipients who do not get it after all: since rules ask for its
// count, or because it was absorbed under another key.
func (x *judging) revoke(ctx context.Context) error {
	ds, s := x.j.Decisions, &x.counts
	if x.DryRun || !slices.ContainsFunc(ds, func(d rules.Decision) bool { return !d.Arrives() }) {
		return nil
	}
	got := make([]bool, len(s.Counts))
	for i, r := range x.recipients {
		for _, p := range r.keys {
			got[p.count] = got[p.count] || ds[i].Arrives()
		}
	}
	taken := s.Sighting
	taken.Counts = nil
	for i, c := range s.Counts {
		if x.tallies[i].Gave && !got[i] {
			c.Revoke = true
			taken.Counts = append(taken.Counts, c)
		}
	}
	if len(taken.Counts) == 0 {
		return nil
	}
	_, err := x.Store.Observe(ctx, taken)
	return err
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
