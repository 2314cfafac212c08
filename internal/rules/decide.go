package rules

import (
	"fmt"
	"strings"

	"breakwater/internal/storm"
)

// Decide says what happens to a message for one recipient.
func (p *Policy) Decide(f Facts) Decision {
	dec := p.decide(&f)
	switch {
	case dec.Action == Deliver:
	case f.Outbound:
		dec = dec.instead(Deliver, "outbound")
	case p.Observes():
		dec = dec.instead(Deliver, "observe")
		dec.Rule, dec.Observed = p.mode.at, true
	}
	return dec
}

// Keeps reports whether p has a message not arrive, whatever was counted of it.
func (p *Policy) Keeps(f Facts) bool {
	f.Tallies, f.Evidence = nil, nil
	return !p.Decide(f).Arrives()
}

// decide is Decide as if all decisions were carried out: the first rule that matches, a
// storm, a loop, or else the class decides.
func (p *Policy) decide(f *Facts) Decision {
	class := f.Verdict.Class
	action := p.actions[class]
	reason := string(class)
	if a, ok := p.origins[class][f.Proof.Origin]; ok {
		action, reason = a, reason+", "+string(f.Proof.Origin)
	}
	dec := Decision{Recipient: f.Recipient, Action: action.value, Class: class, Reason: reason, Rule: action.at, Origin: f.Proof.Origin, Proof: f.Proof.Why(), Unseen: f.Proof.Unseen}
	if l, i, ok := p.raging(f); ok {
		dec.Action, dec.Rule, dec.Storm = l.action.value, l.action.at, f.Tallies[i].Key.String()
		dec.Reason = f.stormReason(i)
	} else if f.Loops > 0 {
		dec.Action, dec.Rule = Absorb, Source{File: "max_loops"}
		dec.Reason = fmt.Sprintf("loop, %d times through us", f.Loops)
	} else if why := p.passing(f); why != "" {
		dec.Reason += "; " + why
	}
	rule, failed := p.match(f)
	if rule != nil {
		dec.Action, dec.Rule, dec.RuleName, dec.Text, dec.Tell = rule.Action, rule.At, rule.Name, rule.Text, rule.Digest
		dec.Reason = "rule " + rule.Name
	}
	for _, why := range failed {
		dec.Reason += "; " + why
	}
	return dec
}

// passing says why a message arrives in the midst of a storm; "" if it is part of none.
func (p *Policy) passing(f *Facts) string {
	for _, t := range f.Tallies {
		if t.Storm != nil && t.Pass != storm.Held && p.limit(t.Key.Kind, f.Verdict.Class).action.value != Deliver {
			return fmt.Sprintf("%s storm, %s", t.Key.Kind, t.Pass)
		}
	}
	return ""
}

// stormReason says what storm of f's tallies a message is part of, and by what it is known.
func (f *Facts) stormReason(i int) string {
	t := f.Tallies[i]
	reason := fmt.Sprintf("%s storm, copy %d", t.Key.Kind, t.Storm.Copies+uint64(t.Limit.Copies))
	if i < len(f.Evidence) && f.Evidence[i] != "" {
		reason += ": same " + f.Evidence[i]
	}
	if signs := f.Signs.Names(); len(signs) > 0 {
		reason += "; signs: " + strings.Join(signs, ", ")
	}
	return reason
}

// match returns the first rule that matches, nil if none does. A rule whose condition fails
// does not match; why it failed is returned, too.
func (p *Policy) match(f *Facts) (rule *Rule, failed []string) {
	if len(p.domain.rules) == 0 {
		return nil, nil
	}
	env := environments.Get().(*environment)
	defer func() {
		env.forget()
		environments.Put(env)
	}()
	for _, r := range p.domain.rules {
		if f.Context != nil && f.Context.Err() != nil {
			return nil, append(failed, "no time for rule "+r.Name) // nobody waits for the decision any more
		}
		ok, err := r.when.holds(env, p, f)
		if err != nil {
			failed = append(failed, fmt.Sprintf("rule %s failed: %v", r.Name, err))
		}
		if ok {
			return r, failed
		}
	}
	return nil, failed
}

// raging returns the place of the first storm, in the order of storm.Kinds, that holds this
// sighting back.
func (p *Policy) raging(f *Facts) (limit, int, bool) {
	for _, k := range storm.Kinds {
		for i, t := range f.Tallies {
			if t.Key.Kind != k || t.Storm == nil || t.Through {
				continue
			}
			if l := p.limit(k, f.Verdict.Class); l.action.value != Deliver {
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
