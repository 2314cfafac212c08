package rules

import (
	"cmp"
	"slices"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/storm"
)

// Judgement is what was decided about a message, and all that it was decided by. Log, archive and metrics get it as it
// is, so that nobody parses or looks anything up again.
type Judgement struct {
	Message   *message.Message
	Verdict   classify.Verdict // with the report that the message is
	Prints    []storm.Print    // what its copies share
	Signs     storm.Signs
	Policies  []*Policy  // of each recipient; none for mail of our own, which is not judged
	Facts     []Facts    // of each recipient; none where counting failed
	Decisions []Decision // of each recipient, in the order of the envelope
}

// Undecided returns the judgement about a message of which only the envelope is known: no decision has an Action.
func Undecided(m *message.Message) Judgement {
	j := Judgement{Message: m, Decisions: make([]Decision, len(m.Recipients))}
	for i, r := range m.Recipients {
		j.Decisions[i].Recipient = r
	}
	return j
}

// Absorbed returns the decisions whose Action is Absorb.
func (j Judgement) Absorbed() []Decision {
	var ds []Decision
	for _, d := range j.Decisions {
		if d.Action == Absorb {
			ds = append(ds, d)
		}
	}
	return ds
}

// WithoutAbsorb returns j without the decisions to absorb, which could not be carried out. Settle decides instead.
func (j Judgement) WithoutAbsorb() Judgement {
	j.Decisions = slices.Clone(j.Decisions)
	for i := range j.Decisions {
		if d := &j.Decisions[i]; d.Action == Absorb {
			d.Action = ""
		}
	}
	return j
}

// Settle returns j with a decision for each recipient that can be carried out, whatever failed. A decision without an
// Action becomes onError: Deliver or Tempfail, "" for Deliver. Local mail is delivered, since nobody would send it again.
// Settle does not change j.
func (j Judgement) Settle(onError Action) Judgement {
	if onError != Tempfail || j.Message.Local {
		onError = Deliver
	}
	j.Decisions = slices.Clone(j.Decisions)
	for i, d := range j.Decisions {
		if d.Action == "" {
			j.Decisions[i] = Decision{
				Recipient: d.Recipient, To: d.To, Stamp: d.Stamp, Class: d.Class,
				Action: onError, Reason: "on_error", Rule: Source{File: "on_error"},
			}
		}
	}
	deliverTruncated(j.Message, j.Decisions)
	fit(j.Decisions, Deliver)
	return j
}

// Combine makes the decisions for the recipients of one transaction fit together, and never makes a
// peer send a bounce. What does not fit is absorbed. It changes ds and returns it.
func Combine(m *message.Message, ds []Decision) []Decision {
	for i := range ds {
		ds[i] = withoutBackscatter(m, ds[i])
	}
	fit(ds, Absorb)
	deliverTruncated(m, ds)
	return ds
}

// deliverTruncated delivers a message that was to be absorbed, but is too long to be read whole: the archive takes whole
// messages only.
func deliverTruncated(m *message.Message, ds []Decision) {
	for i, d := range ds {
		if d.Action == Absorb && m.Truncated {
			ds[i] = d.instead(Deliver, "truncated")
		}
	}
}

// withoutBackscatter absorbs a message instead, where our answer would make a peer send bounces or more copies. Only bounces,
// which are never answered, and clients that are no relays may be refused. A 4xx would feed a storm.
func withoutBackscatter(m *message.Message, d Decision) Decision {
	if m.Local && (d.Action == Reject || d.Action == Tempfail) {
		// Nobody is there to be told: it would be a bounce to ourselves, or none at all.
		return d.instead(Absorb, string(d.Action)+" of local mail")
	}
	relayed := m.ReversePath != "" && len(m.Received) > 0
	if d.Action == Reject && relayed || d.Action == Tempfail && d.Storm != "" {
		return d.instead(Absorb, string(d.Action)+" would feed the flood")
	}
	return d
}

// fit changes decisions that an MTA can only carry out for a message as a whole, where its recipients differ: to Absorb;
// or to Deliver where nothing more can be absorbed. Then one recipient whose mail is deferred defers it for all, since a
// message that is tried again is lost to nobody. No other place decides what becomes of mixed decisions.
func fit(ds []Decision, instead Action) {
	if !slices.ContainsFunc(ds, func(d Decision) bool { return d.Action != ds[0].Action }) {
		return
	}
	count := map[Action]int{}
	for _, d := range ds {
		count[d.Action]++
	}
	first := slices.IndexFunc(ds, func(d Decision) bool { return d.Action == Tempfail })
	for i, d := range ds {
		switch {
		case instead == Deliver && first >= 0:
			if d.Action != Tempfail {
				ds[i] = d.instead(Tempfail, "mixed")
				ds[i].Text = cmp.Or(ds[first].Text, ds[first].Reason)
			}
		case d.Action == Reject, d.Action == Tempfail,
			d.Action == Quarantine && (count[Deliver]+count[Tag] > 0 || instead == Deliver && count[Reject] > 0):
			ds[i] = d.instead(instead, "mixed")
		}
	}
}
