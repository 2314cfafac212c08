package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/sent"
)

// Origins tells of which origin m is for each recipient, without judging or counting it; nil
// where it is no report.
func (e *Engine) Origins(ctx context.Context, m *message.Message, v classify.Verdict) ([]origin.Proof, error) {
	x := e.begin(m)
	x.j.Verdict = v
	if err := x.prove(ctx); err != nil {
		return nil, err
	}
	var proofs []origin.Proof
	for _, r := range x.recipients {
		if r.proof.Origin == "" {
			return nil, nil
		}
		proofs = append(proofs, r.proof)
	}
	return proofs, nil
}

// prove finds for each recipient of a report whether we sent what it is about.
func (x *judging) prove(ctx context.Context) error {
	m := x.m
	if x.Ring == nil || !slices.ContainsFunc(x.recipients, func(r recipient) bool { return !r.outbound }) {
		return nil
	}
	claim, ok := origin.Read(m, x.j.Verdict)
	if !ok {
		return nil
	}
	q := sent.Question{At: m.At, Date: claim.Date, Customers: []string{sent.Anybody}, IDs: claim.IDs, Partners: claim.Partner}
	for _, r := range m.Recipients {
		q.Addresses = append(q.Addresses, r.Addr)
		if c := x.set.Customer(address.DomainOf(r.Addr)); !slices.Contains(q.Customers, c) {
			q.Customers = append(q.Customers, c)
		}
	}
	index := x.index()
	known, err := index.Ask(ctx, q)
	if err != nil {
		return err
	}
	hosts := x.Site.Hosts
	if m.Host != "" {
		hosts = append(slices.Clip(hosts), strings.ToLower(m.Host))
	}
	asked := m.At
	if index.Now.After(asked) {
		asked = index.Now
	}
	first := func(of []string, is func(string) bool) string {
		if i := slices.IndexFunc(of, is); i >= 0 {
			return of[i]
		}
		return ""
	}
	left := slices.DeleteFunc(slices.Clone(claim.IDs), func(id string) bool { return !known.Knows(sent.Anybody, id) })
	for i, r := range m.Recipients {
		d, customer := x.j.Policies[i].Domain(), x.set.Customer(address.DomainOf(r.Addr))
		c := origin.Case{
			Claim: claim, At: m.At, Asked: asked, Recipient: x.recipients[i].named.Addr, Tries: d.Origin().Proofs, Hosts: hosts,
			Belongs: func(domain string) bool { return x.set.Customer(address.Domain(domain)) == customer },
			SentIDs: left, Covered: known.Covered(), Life: index.Keeps(),
			AllMailLeavesHere: d.AllMailLeavesHere(), LearnsSince: known.Learned(r.Addr), Learns: d.Origin().Learn,
			KnownPartner: first(claim.Partner, func(p string) bool { return known.Wrote(r.Addr, p) }),
		}
		if customer != sent.Anybody {
			c.KnownID = first(claim.IDs, func(id string) bool { return known.Knows(customer, id) })
		}
		x.recipients[i].proof = x.Ring().Prove(c)
	}
	return nil
}

// sign makes the stamp of mail that we send, and what the index is to know of it: under the
// customer who sends it. Other addresses that the message names as its author's are those that
// belong to the same customer, since a From field can say anything.
func (x *judging) sign(context.Context) error {
	m, from := x.m, x.Site.sending(x.m, x.set)
	if x.Ring == nil || from == "" {
		return nil
	}
	d, customer := x.set.For(from), x.set.Customer(from)
	stamp, id := x.Ring().Sign(m, from, origin.SignOptions{Token: d.Origin().Token, Tag: x.form(m, d, x.set)})
	x.stamp, x.sent = &stamp, &sent.Mail{Customer: customer, ID: id}
	own := func(addr string) bool { return x.set.Customer(address.DomainOf(addr)) == customer }
	if stamp.ReversePath == "" && own(m.Sender()) {
		x.sent.AnsweredAt = append(x.sent.AnsweredAt, m.Sender())
	}
	for _, name := range []string{"Disposition-Notification-To", "Return-Receipt-To"} {
		for _, addr := range message.Addresses(m.Header.Get(name)) {
			if own(addr) { // receipts go there, with the null reverse-path (RFC 8098 §3)
				x.sent.AnsweredAt = append(x.sent.AnsweredAt, addr)
			}
		}
	}
	for _, author := range []string{m.Sender(), m.From} { // whom bounces go to, and automatic answers
		if own(author) {
			x.sent.From = append(x.sent.From, author)
		}
	}
	for _, r := range m.Recipients {
		x.sent.To = append(x.sent.To, r.Addr)
	}
	return nil
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

// remember has the index know mail that we send, and what a report says of how much its domain has learned;
// and it has the numbers of gateways noted.
func (x *judging) remember(ctx context.Context) error {
	if x.DryRun {
		return nil
	}
	if x.sent != nil {
		if err := x.index().Add(ctx, x.m.At, *x.sent); err != nil {
			return err
		}
	}
	var unseen, excused []string
	for i, r := range x.recipients {
		domain := address.DomainOf(x.m.Recipients[i].Addr)
		if r.proof.Unseen && !slices.Contains(unseen, domain) { // its mail leaves by a way that we do not see, and no stranger can say so
			unseen = append(unseen, domain)
		}
		if r.proof.Excused && !slices.Contains(excused, domain) {
			excused = append(excused, domain)
		}
	}
	if len(unseen)+len(excused) > 0 {
		if err := x.index().Learn(ctx, x.m.At, unseen, excused); err != nil {
			return err
		}
	}
	if len(x.gateway) == 0 {
		return nil
	}
	_, err := x.Store.Note(ctx, x.m.At, x.gateway)
	return err
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
	tagged, err := e.index().Tagged(ctx, at, mailbox, d.Origin().Learn)
	if err != nil || !tagged {
		return "", false, err
	}
	return "this address sends its mail from tagged addresses only; what you report on was not sent by it", true, nil
}

// Beat ends a minute for the index: saw says that all mail of it was seen.
func (e *Engine) Beat(ctx context.Context, at time.Time, saw bool) error {
	return e.index().Beat(ctx, at, saw, e.leaving())
}

// RulesChanged tells the index of new rules.
func (e *Engine) RulesChanged(ctx context.Context, at time.Time) error {
	return e.index().Changed(ctx, at, e.leaving())
}

// AssumeIndex has the index of a scratch store know what it would if all mail had been seen for as long as it
// remembers up to a time, and all domains had learned.
func (e *Engine) AssumeIndex(ctx context.Context, at, until time.Time) error {
	var all []sent.Domain
	for _, name := range e.domains() {
		all = append(all, sent.Domain{Name: name})
	}
	return e.index().Assume(ctx, at, until, all)
}

// Learning is what the domains of which all mail leaves here have learned, by name.
func (e *Engine) Learning(ctx context.Context, at time.Time) ([]sent.Learning, error) {
	return e.index().Learning(ctx, at, e.leaving())
}

// leaving are the domains of which all mail leaves here, by name.
func (e *Engine) leaving() []sent.Domain {
	set := e.Rules()
	var all []sent.Domain
	for _, name := range e.domains() {
		if d := set.For(name); d.AllMailLeavesHere() {
			all = append(all, sent.Domain{Name: name, Tagged: d.BATV().Form != origin.NoTag, Learn: d.Origin().Learn})
		}
	}
	return all
}

// domains are those that are named as ours, in order.
func (e *Engine) domains() []string {
	all := slices.Clone(e.Site.Domains)
	for d := range e.Rules().Domains {
		for _, name := range d.Names {
			if !strings.HasPrefix(name, "*") {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
