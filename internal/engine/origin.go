package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

// learning is the limit of how long domains have been learning.
var learning = storm.Limit{Keep: 2 * origin.Life}

// clockAhead is how far times of the index may be ahead of the clock. Where they are further, the clock was ahead, and what
// was to expire in that time may be gone from the store, in part.
const clockAhead = time.Hour

func isAhead(t storm.Tally, at time.Time) bool { return t.Last.Sub(at) > clockAhead }

// learnsSince is since when a domain has learned by its tally; zero: it has not.
func learnsSince(t storm.Tally, at time.Time) time.Time {
	if isAhead(t, at) {
		return time.Time{}
	}
	return t.First
}

// remembered is the limit of the index of what we sent.
func (e *Engine) remembered() storm.Limit { return storm.Limit{Keep: e.life()} }

func (e *Engine) life() time.Duration {
	if e.Life > 0 {
		return e.Life
	}
	return origin.Life
}

// withoutTags is m as if it had been sent to addresses without our tags; m itself where none
// has one. to has, by recipient, the address to deliver to where a tag is good.
func (e *Engine) withoutTags(m *message.Message) (plain *message.Message, to []string) {
	if e.Ring == nil {
		return m, nil
	}
	for i, r := range m.Recipients {
		tag := e.Ring().Untagged(r.Addr, m.At)
		if tag.Plain == "" {
			continue
		}
		if plain == nil {
			copied := *m
			copied.Recipients, to = slices.Clone(m.Recipients), make([]string, len(m.Recipients))
			plain = &copied
		}
		plain.Recipients[i].Addr = tag.Plain
		if tag.Good {
			to[i] = tag.Plain
		}
	}
	if plain == nil {
		return m, nil
	}
	return plain, to
}

// Origins tells of which origin m is for each recipient, without judging or counting it; nil
// where it is no report.
func (e *Engine) Origins(ctx context.Context, m *message.Message, v classify.Verdict) ([]origin.Proof, error) {
	plain, _ := e.withoutTags(m)
	set := e.Rules()
	return e.prove(ctx, m.Recipients, plain, v, set, policies(plain, set))
}

// prove tells for each recipient of a report whether we sent what it is about; nil for other
// mail. as has the recipients as they were named, m without our tags.
func (e *Engine) prove(ctx context.Context, as []message.Recipient, m *message.Message, v classify.Verdict, set *rules.Set, policies []*rules.Policy) ([]origin.Proof, error) {
	if e.Ring == nil {
		return nil, nil
	}
	claim, ok := origin.Read(m, v)
	if !ok {
		return nil, nil
	}
	var keys []storm.Key
	ask := func(key storm.Key) { keys = append(keys, key) }
	senders := []string{anybody} // that count for one of the recipients
	for _, r := range m.Recipients {
		if c := set.Customer(address.DomainOf(r.Addr)); !slices.Contains(senders, c) {
			senders = append(senders, c)
		}
	}
	for _, sender := range senders {
		for _, id := range claim.IDs {
			ask(e.sentID(sender, id))
		}
	}
	slots := origin.Slots(claim.Date, m.At)
	for _, s := range slots {
		ask(e.slot(s))
	}
	for _, r := range m.Recipients {
		ask(e.learned(address.DomainOf(r.Addr)))
		for _, p := range claim.Partner {
			ask(e.sentTo(r.Addr, p))
		}
	}
	found, err := e.index().Lookup(ctx, m.At, keys)
	if err != nil {
		return nil, err
	}
	next := func() (t storm.Tally) { t, found = found[0], found[1:]; return t }
	sent := map[string][]string{} // Message-IDs, by sender
	for _, sender := range senders {
		for _, id := range claim.IDs {
			if next().Seen > 0 {
				sent[sender] = append(sent[sender], id)
			}
		}
	}
	marks := make([]uint64, len(slots))
	for i := range slots {
		marks[i] = next().Marks
	}
	unseen := origin.Unseen(claim.Date, m.At, marks)
	covered := unseen.IsZero() || e.Seeing != nil && e.Seeing(unseen)
	hosts := e.Site.Hosts
	if m.Host != "" {
		hosts = append(slices.Clip(hosts), strings.ToLower(m.Host))
	}
	asked := m.At
	if e.Asked.After(asked) {
		asked = e.Asked
	}
	proofs := make([]origin.Proof, len(m.Recipients))
	for i, r := range m.Recipients {
		d, customer := policies[i].Domain(), set.Customer(address.DomainOf(r.Addr))
		c := origin.Case{
			Claim: claim, At: m.At, Asked: asked, Recipient: as[i].Addr, Tries: d.Origin().Proofs, Hosts: hosts,
			Belongs: func(domain string) bool { return set.Customer(address.Domain(domain)) == customer },
			SentIDs: sent[anybody], Covered: covered, Life: e.life(),
			AllMailLeavesHere: d.AllMailLeavesHere(), LearnsSince: learnsSince(next(), m.At), Learns: d.Origin().Learn,
		}
		if ids := sent[customer]; customer != anybody && len(ids) > 0 {
			c.KnownID = ids[0]
		}
		for _, p := range claim.Partner {
			if next().Seen > 0 && c.KnownPartner == "" {
				c.KnownPartner = p
			}
		}
		proofs[i] = e.Ring().Prove(c)
	}
	return proofs, nil
}

// learn counts what proofs tell of how much their domains have learned.
func (e *Engine) learn(m *message.Message, proofs []origin.Proof) (counts []storm.Count) {
	for i, p := range proofs {
		domain := address.DomainOf(m.Recipients[i].Addr)
		count := func(c storm.Count) {
			if !slices.ContainsFunc(counts, func(o storm.Count) bool { return o.Key == c.Key }) {
				counts = append(counts, c)
			}
		}
		if p.Unseen { // its mail leaves by a way that we do not see, and no stranger can say so
			count(storm.Count{Key: e.learned(domain), Limit: learning, Restart: true})
		}
		if p.Spared {
			count(storm.Count{Key: e.Hasher.Key(domain, storm.Spared, ""), Limit: e.remembered()})
		}
	}
	return counts
}

// send makes the stamp of mail that we send, and the counts that put it into the index: under the
// customer who sends it. Other addresses that the message names as its author's are those that
// belong to the same customer, since a From field can say anything.
func (e *Engine) send(m *message.Message, set *rules.Set) (*origin.Stamp, []storm.Count) {
	from := e.Site.sending(m, set)
	if e.Ring == nil || from == "" {
		return nil, nil
	}
	d := set.For(from)
	wishes := origin.Wishes{Token: d.Origin().Token, Tag: e.form(m, d, set)}
	stamp, id := e.Ring().Sign(m, from, wishes)
	var counts []storm.Count
	known := map[storm.Key]bool{} // a mailshot has thousands of recipients
	count := func(key storm.Key) {
		if !known[key] {
			known[key] = true
			counts = append(counts, storm.Count{Key: key, Limit: e.remembered()})
		}
	}
	customer := set.Customer(from)
	own := func(addr string) bool { return set.Customer(address.DomainOf(addr)) == customer }
	count(e.sentID(customer, id))
	count(e.sentID(anybody, id))
	if stamp.ReversePath == "" && own(m.Sender()) {
		count(e.untagged(m.Sender()))
	}
	for _, name := range []string{"Disposition-Notification-To", "Return-Receipt-To"} {
		for _, addr := range message.Addresses(m.Header.Get(name)) {
			if own(addr) { // receipts go there, with the null reverse-path (RFC 8098 §3)
				count(e.untagged(addr))
			}
		}
	}
	for _, author := range []string{m.Sender(), m.From} { // whom bounces go to, and automatic answers
		if !own(author) {
			continue
		}
		for _, r := range m.Recipients {
			count(e.sentTo(author, r.Addr))
		}
	}
	return &stamp, counts
}

// form is how the reverse-path of m is tagged: as its domain wants it, where m goes to others
// and none of them is exempt.
func (e *Engine) form(m *message.Message, d *rules.Domain, set *rules.Set) origin.Form {
	batv := d.BATV()
	if m.ReversePath == "" || batv.Form == origin.NoTag || e.TakesTag == nil || !e.TakesTag(address.DomainOf(m.ReversePath), batv.Form) {
		return origin.NoTag
	}
	leaves := false
	for _, r := range m.Recipients {
		if batv.Exempts(r.Addr) {
			return origin.NoTag
		}
		leaves = leaves || !e.Site.ours(r, set)
	}
	if !leaves || d.For(address.Mailbox(m.ReversePath), m.From).Observes() {
		return origin.NoTag
	}
	return batv.Form
}

// Refuse tells whether a report is refused because its recipient has no tag of ours, and what
// the peer is told. All else is judged at the end of the message.
func (e *Engine) Refuse(ctx context.Context, at time.Time, env message.Envelope, rcpt message.Recipient) (text string, refused bool, err error) {
	if env.ReversePath != "" || env.Local || e.Ring == nil || e.Site.Submitted(&message.Message{Envelope: env}) {
		return "", false, nil
	}
	if e.Site.OurHost(env.Client) {
		// A filter or a backup MX hands on what is accepted already. There the tag may have been taken off.
		return "", false, nil
	}
	mailbox := address.Mailbox(rcpt.Addr)
	d := e.Rules().For(address.DomainOf(rcpt.Addr))
	batv := d.BATV()
	if !batv.Refuse || batv.Accepts(mailbox) || d.For(mailbox, "").Observes() {
		return "", false, nil
	}
	if e.Ring().Untagged(rcpt.Addr, at).Ours {
		return "", false, nil // even if it has expired; any other tag is what a stranger can write
	}
	ts, err := e.index().Lookup(ctx, at, []storm.Key{e.tagged(address.DomainOf(rcpt.Addr)), e.untagged(mailbox)})
	if err != nil {
		return "", false, err
	}
	since := learnsSince(ts[0], at)
	if since.IsZero() || at.Sub(since) < d.Origin().Learn || ts[1].Seen > 0 {
		return "", false, nil
	}
	return "this address sends its mail from tagged addresses only; what you report on was not sent by it", true, nil
}

// Beat keeps the index: at says that a minute has ended, and saw that all mail of that minute
// was seen. Domains learn as long as they are named in the rules at each beat.
func (e *Engine) Beat(ctx context.Context, at time.Time, saw bool) error {
	var marks []storm.Count
	if saw {
		slot, bit := origin.Slot(at.Add(-time.Minute))
		marks = []storm.Count{{Key: e.slot(slot), Limit: e.remembered(), Marks: bit}}
	}
	return e.touch(ctx, at, !saw, marks)
}

// RulesChanged tells the index of new rules, so that domains that are in them no more are known
// to have been away when they come back.
func (e *Engine) RulesChanged(ctx context.Context, at time.Time) error {
	return e.touch(ctx, at, false, nil)
}

// touch goes on with what domains learn, and counts more. gap tells that mail may have left
// without a tag.
func (e *Engine) touch(ctx context.Context, at time.Time, gap bool, more []storm.Count) error {
	keys := []storm.Key{e.Hasher.Key("", storm.Learned, "")} // of the index itself
	restart := []bool{false}
	set := e.Rules()
	for _, domain := range e.domains(set) {
		d := set.For(domain)
		if !d.AllMailLeavesHere() {
			continue
		}
		keys, restart = append(keys, e.learned(domain)), append(restart, false)
		if batv := d.BATV(); batv.Form != origin.NoTag {
			keys, restart = append(keys, e.tagged(domain)), append(restart, gap)
		}
	}
	n := len(keys)
	for _, c := range more {
		keys = append(keys, c.Key)
	}
	before, err := e.Store.Lookup(ctx, at, keys)
	if err != nil {
		return fmt.Errorf("look up what domains have learned: %w", err)
	}
	for i := range more {
		more[i].Restart = before[n+i].Last.After(at) // minutes that are still to come were not seen
	}
	keys = keys[:n]
	s := storm.Sighting{At: at, Counts: more}
	for i, key := range keys {
		// All are touched at once. Which was not, the last time, was not in the rules then.
		lapsed := before[i].Seen == 0 || before[i].Last.Before(before[0].Last) || isAhead(before[0], at)
		s.Counts = append(s.Counts, storm.Count{Key: key, Limit: learning, Restart: i > 0 && (lapsed || restart[i])})
	}
	if _, err := e.Store.Observe(ctx, s); err != nil {
		return fmt.Errorf("count what domains have learned: %w", err)
	}
	return nil
}

// AssumeIndex has the index of a scratch store know, as if all mail had been seen for as long as
// it remembers up to a time, and all domains had learned.
func (e *Engine) AssumeIndex(ctx context.Context, at, until time.Time) error {
	s := storm.Sighting{}
	for _, domain := range e.domains(e.Rules()) {
		s.Counts = append(s.Counts, storm.Count{Key: e.learned(domain), Limit: learning}, storm.Count{Key: e.tagged(domain), Limit: learning})
	}
	for _, s.At = range []time.Time{at.Add(-origin.Life), at} {
		if _, err := e.Store.Observe(ctx, s); err != nil {
			return err
		}
	}
	first, _ := origin.Slot(at.Add(-origin.Life))
	last, bit := origin.Slot(until)
	s = storm.Sighting{At: at}
	for n := first; n <= last; n++ {
		marks := ^uint64(0)
		if n == last {
			marks = bit - 1
		}
		s.Counts = append(s.Counts, storm.Count{Key: e.slot(n), Limit: e.remembered(), Marks: marks})
	}
	_, err := e.Store.Observe(ctx, s)
	return err
}

// Learner is what a domain has learned of the mail that it sends.
type Learner struct {
	Domain string
	Since  time.Time // when all its mail began to be seen; zero: not yet
	Until  time.Time // when its reports on mail that nobody saw are forged
	Spared uint64    // reports that would have been, had it not been learning
}

// Learners are the domains of which all mail leaves here, by name.
func (e *Engine) Learners(ctx context.Context, at time.Time) ([]Learner, error) {
	set := e.Rules()
	var all []Learner
	var keys []storm.Key
	for _, domain := range e.domains(set) {
		if set.For(domain).AllMailLeavesHere() {
			all = append(all, Learner{Domain: domain})
			keys = append(keys, e.learned(domain), e.Hasher.Key(domain, storm.Spared, ""))
		}
	}
	found, err := e.index().Lookup(ctx, at, keys)
	if err != nil {
		return nil, err
	}
	for i := range all {
		l := &all[i]
		l.Since, l.Spared = learnsSince(found[2*i], at), found[2*i+1].Seen
		if !l.Since.IsZero() {
			l.Until = l.Since.Add(set.For(l.Domain).Origin().Learn)
		}
	}
	return all, nil
}

// domains are those that are named as ours, in order.
func (e *Engine) domains(set *rules.Set) []string {
	all := slices.Clone(e.Site.Domains)
	for d := range set.Domains {
		for _, name := range d.Names {
			if !strings.HasPrefix(name, "*") {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// anybody stands for all customers. That mail left here at all keeps reports on it from being
// forged: rule files may have changed since, and mail servers may rewrite senders. The index that
// an earlier version wrote has Message-IDs of anybody alone.
const anybody = ""

// sentID is the key of mail that a customer sent.
func (e *Engine) sentID(customer, id string) storm.Key {
	return e.Hasher.Key(customer, storm.Sent, "id "+id)
}

// sentTo is the key of mail from one address to another, whatever their sub-addresses.
func (e *Engine) sentTo(from, to string) storm.Key {
	base := func(addr string) string { return address.Base(address.Mailbox(addr)) }
	return e.Hasher.Key(base(from), storm.Sent, "to "+base(to))
}

// untagged is the key of mail that left without a tag, or is answered without one.
func (e *Engine) untagged(from string) storm.Key {
	return e.Hasher.Key(address.Base(address.Mailbox(from)), storm.Sent, "untagged")
}

func (e *Engine) slot(n int64) storm.Key {
	return e.Hasher.Key("", storm.Covered, strconv.FormatInt(n, 10))
}

func (e *Engine) learned(domain string) storm.Key { return e.Hasher.Key(domain, storm.Learned, "sent") }
func (e *Engine) tagged(domain string) storm.Key {
	return e.Hasher.Key(domain, storm.Learned, "tagged")
}
