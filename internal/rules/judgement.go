package rules

import (
	"cmp"
	"slices"

	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/storm"
)

// Judgement is what was decided about a message, and all that it was decided by. It is handed on as
// it is, to the log, the archive and whoever counts, so that nobody looks for anything again.
type Judgement struct {
	Message   *message.Message
	Verdict   classify.Verdict    // with the report that the message is
	Prints    []fingerprint.Print // what its copies share
	Signs     storm.Signs
	Policies  []*Policy  // of each recipient; none for mail of our own, which is not judged
	Facts     []Facts    // of each recipient; none where counting failed
	Decisions []Decision // of each recipient, in the order of the envelope
}

// Undecided is the judgement about a message of which nothing is known but its envelope.
func Undecided(m *message.Message) Judgement {
	j := Judgement{Message: m, Decisions: make([]Decision, len(m.Recipients))}
	for i, r := range m.Recipients {
		j.Decisions[i].Recipient = r
	}
	return j
}

// Absorbed are the decisions for those who do not get the message, but can ask for it.
func (j Judgement) Absorbed() []Decision {
	var ds []Decision
	for _, d := range j.Decisions {
		if d.Action == Absorb {
			ds = append(ds, d)
		}
	}
	return ds
}

// Settle is j with a decision for everybody that can be carried out, whatever failed. Where none was made,
// or its Action was taken back since it failed, it is onError: Deliver or Tempfail, "" for Deliver. Local
// mail is delivered, since nobody would send it again. It does not change j.
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
	fit(j.Decisions, Deliver)
	return j
}

// Combine makes the decisions for the recipients of one transaction fit together, and never makes a
// peer send a bounce. What does not fit is absorbed. It changes ds and returns it.
func Combine(m *message.Message, ds []Decision) []Decision {
	for i := range ds {
		ds[i] = calm(m, ds[i])
	}
	fit(ds, Absorb)
	for i, d := range ds {
		if d.Action == Absorb && m.Truncated { // what is absorbed must be whole
			ds[i] = d.instead(Deliver, "truncated")
		}
	}
	return ds
}

// calm keeps a peer from sending bounces or more copies because of our answer: a refusal is
// for bounces, which are never answered, and for clients that are no relays and will not
// bounce; a 4xx would feed a storm.
func calm(m *message.Message, d Decision) Decision {
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

// fit changes decisions that an MTA can only carry out for a message as a whole, where they are not for all
// of its recipients: to Absorb; or to Deliver where nothing more can be absorbed. One recipient whose
// mail is deferred defers it for all then, since a message that is tried again is lost to nobody.
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
