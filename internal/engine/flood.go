package engine

import (
	"context"
	"slices"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/flood"
	"breakwater/internal/notes"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

// flood asks of which floods of distinct messages the message may be part at each mailbox, and of which generation it
// is where we send it. What the rules exempt from limits is part of none.
func (x *judging) flood(ctx context.Context) error {
	f := flood.Read(x.Hasher, x.m, x.j.Verdict, x.network)
	if x.sent != nil {
		x.sending = f.Sending(x.sent.ID)
	}
	for i, rcpt := range x.m.Recipients {
		r, policy := &x.recipients[i], x.j.Policies[i]
		if r.outbound || policy.Domain().Exempts(x.m.From, x.source.Addr, x.source.Login) {
			continue
		}
		r.flood = f.For(flood.Case{Addr: rcpt.Addr, Mailbox: counted(policy, rcpt), Proof: r.proof})
	}
	keys := []storm.Key{flood.Host(x.Hasher)}
	for q := range x.questions {
		keys = append(keys, q.Keys...)
	}
	found, err := x.Store.Noted(ctx, x.m.At, keys)
	if err != nil {
		return err
	}
	x.floodsSince, found = found[0].First, found[1:]
	for q := range x.questions {
		q.Answer(found[:len(q.Keys)])
		found = found[len(q.Keys):]
	}
	return nil
}

// questions yields what is asked about floods.
func (x *judging) questions(yield func(*flood.Question) bool) {
	if x.sending != nil && !yield(x.sending) {
		return
	}
	for _, r := range x.recipients {
		if r.flood != nil && !yield(r.flood) {
			return
		}
	}
}

// learns reports whether nothing is held yet of a part of a flood.
func (x *judging) learns(p flood.Part, policy *rules.Policy) bool {
	learn := policy.Learns(p.Key.Kind, x.j.Verdict.Class)
	return p.Learning || learn > 0 && (x.floodsSince.IsZero() || x.m.At.Before(x.floodsSince.Add(learn)))
}

// floodNotes is what is to be noted of floods, after the message was counted.
func (x *judging) floodNotes() (all []notes.Entry) {
	if x.sending != nil {
		all = x.sending.Remember(nil)
	}
	for _, r := range x.recipients {
		if r.flood == nil {
			continue
		}
		var tallies []storm.Tally
		for _, p := range r.keys[len(r.keys)-len(r.flood.Parts):] {
			tallies = append(tallies, x.tallies[p.count])
		}
		all = append(all, slices.DeleteFunc(r.flood.Remember(tallies), func(e notes.Entry) bool {
			return slices.ContainsFunc(all, func(o notes.Entry) bool { return o.Key == e.Key })
		})...)
	}
	return all
}

// FloodLearning is a kind of flood that is only observed until a time, since this host does not count floods for long.
type FloodLearning struct {
	Limit string    // such as bomb
	Since time.Time // zero: it does not count them yet
	Until time.Time // zero: not known yet
}

// FloodsLearning are the floods that are only observed at a time, by the rules for all domains.
func (e *Engine) FloodsLearning(ctx context.Context, at time.Time) (all []FloodLearning, err error) {
	found, err := e.Store.Noted(ctx, at, []storm.Key{flood.Host(e.Hasher)})
	if err != nil {
		return nil, err
	}
	policy := e.Rules().For("").For("", "")
	for _, k := range storm.Kinds {
		learn := policy.Learns(k, classify.Personal)
		if learn <= 0 {
			continue
		}
		l := FloodLearning{Limit: k.String(), Since: found[0].First}
		if !l.Since.IsZero() {
			l.Until = l.Since.Add(learn)
		}
		if l.Since.IsZero() || at.Before(l.Until) {
			all = append(all, l)
		}
	}
	return all, nil
}

// CountFloods notes that this host counts floods, from a time on if it did not before.
func (e *Engine) CountFloods(ctx context.Context, at time.Time) error {
	_, err := e.Store.Note(ctx, at, []notes.Entry{flood.HostEntry(e.Hasher)})
	return err
}
