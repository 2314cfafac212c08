package rules

import (
	"fmt"
	"slices"
	"strings"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/storm"
)

// Facts is what is known of a message and one of its recipients.
type Facts struct {
	Recipient message.Recipient
	Class     classify.Class
	Outbound  bool          // we send it to a mailbox that is not ours: it is counted, and goes
	Tallies   []storm.Tally // of its keys, this sighting included
	Evidence  []string      // by tally, what agrees where the kind leaves that open; may be shorter
	Signs     storm.Signs
	Loops     int // how often the message went through us before, if that is too often; else 0
}

// Decide says what happens to a message for one recipient. A storm decides before the class.
func (d *Domain) Decide(f Facts) Decision {
	dec := Decision{Recipient: f.Recipient, Class: f.Class, Action: d.actions[f.Class], Reason: string(f.Class), Rule: d.rules[f.Class]}
	if l, i, ok := d.raging(f.Tallies); ok {
		t := f.Tallies[i]
		dec.Action, dec.Rule, dec.Storm = l.action, l.rule, t.Key.String()
		dec.Reason = fmt.Sprintf("%s storm, copy %d", t.Key.Kind, t.Storm.Copies+uint64(t.Limit.Copies))
		if i < len(f.Evidence) && f.Evidence[i] != "" {
			dec.Reason += ": same " + f.Evidence[i]
		}
		if signs := f.Signs.Names(); len(signs) > 0 {
			dec.Reason += "; signs: " + strings.Join(signs, ", ")
		}
	} else if f.Loops > 0 {
		dec.Action, dec.Rule = Absorb, Source{File: "max_loops"}
		dec.Reason = fmt.Sprintf("loop, %d times through us", f.Loops)
	}
	switch {
	case dec.Action == Deliver:
	case f.Outbound:
		dec = dec.instead(Deliver, "outbound")
	case d.mode == Observe:
		dec = dec.instead(Deliver, "observe")
		dec.Rule = d.modeAt
	}
	return dec
}

// raging returns the place of the first storm, in the order of storm.Kinds, that holds this
// sighting back.
func (d *Domain) raging(tallies []storm.Tally) (limit, int, bool) {
	for _, k := range storm.Kinds {
		for i, t := range tallies {
			if l := d.limits[k]; t.Key.Kind == k && t.Storm != nil && !t.Through && l.action != Deliver {
				return l, i, true
			}
		}
	}
	return limit{}, 0, false
}

// instead does something else than what the rule says, and says why.
func (dec Decision) instead(a Action, why string) Decision {
	if dec.Wanted == "" {
		dec.Wanted = dec.Action
	}
	dec.Action, dec.Reason = a, dec.Reason+"; "+why
	return dec
}

// Combine makes the decisions for the recipients of one transaction fit together, since an
// MTA can refuse or hold a message only as a whole, and never makes a peer send a bounce.
// It changes ds and returns it.
func Combine(m *message.Message, ds []Decision) []Decision {
	for i := range ds {
		ds[i] = calm(m, ds[i])
	}
	all := func(a Action) bool { return !slices.ContainsFunc(ds, func(d Decision) bool { return d.Action != a }) }
	passes := func(d Decision) bool { return d.Action == Deliver || d.Action == Tag }
	some := slices.ContainsFunc(ds, passes)
	for i, d := range ds {
		apart := (d.Action == Reject || d.Action == Tempfail) && !all(d.Action) || d.Action == Quarantine && some
		if apart {
			d = d.instead(Absorb, "mixed")
		}
		// What is absorbed must be whole.
		if d.Action == Absorb && m.Truncated {
			d = d.instead(Deliver, "truncated")
		}
		ds[i] = d
	}
	return ds
}

// calm keeps a peer from sending bounces or more copies because of our answer: a refusal is
// for bounces, which are never answered, and for clients that are no relays and will not
// bounce; a 4xx would feed a storm.
func calm(m *message.Message, d Decision) Decision {
	relayed := m.ReversePath != "" && len(m.Received) > 0
	if d.Action == Reject && relayed || d.Action == Tempfail && d.Storm != "" {
		return d.instead(Absorb, string(d.Action)+" would feed the flood")
	}
	return d
}

// Failed is the decision where ours could not be made, or not carried out: action is
// Deliver or Tempfail, "" for Deliver.
func Failed(rcpt message.Recipient, c classify.Class, action Action) Decision {
	if action != Tempfail {
		action = Deliver
	}
	return Decision{Recipient: rcpt, Action: action, Class: c, Reason: "on_error", Rule: Source{File: "on_error"}}
}
