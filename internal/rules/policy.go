package rules

import (
	"slices"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/origin"
	"breakwater/internal/storm"
	"breakwater/internal/tomlfile"
)

// Policy is what holds for the mailboxes and senders of a domain, or for an exception.
type Policy struct {
	Exception string // "" or its key, such as mailbox.abuse

	domain  *Domain
	mode    sourced[Mode]
	ownMode bool // an exception that says its mode
	actions map[classify.Class]sourced[Action]
	origins map[classify.Class]map[origin.Origin]sourced[Action]
	limits  map[storm.Kind]kindLimits
}

type sourced[T any] struct {
	value T
	at    Source
}

// kindLimits are those of one kind of key.
type kindLimits struct {
	limit
	byClass map[classify.Class]limit
}

type limit struct {
	storm.Limit
	learn  time.Duration
	action sourced[Action]
	at     Source // of copies
}

// Limit is the limit of a kind of key for mail of a class.
// What may repeat itself more often may report more errors under one subject, too.
func (p *Policy) Limit(k storm.Kind, c classify.Class) storm.Limit {
	l := p.limit(k, c).Limit
	if k == storm.Program {
		l.Copies = max(l.Copies, p.limit(storm.Repeat, c).Copies)
	}
	return l
}

// Learns is how long a flood of a kind is only observed, after the host began to count floods.
func (p *Policy) Learns(k storm.Kind, c classify.Class) time.Duration { return p.limit(k, c).learn }

// LimitSource is where the copies of that limit stand.
func (p *Policy) LimitSource(k storm.Kind, c classify.Class) Source { return p.limit(k, c).at }

func (p *Policy) limit(k storm.Kind, c classify.Class) limit {
	of := p.limits[k]
	if l, ok := of.byClass[c]; ok {
		return l
	}
	return of.limit
}

// Observes reports whether decisions are not carried out.
func (p *Policy) Observes() bool { return p.mode.value == Observe }

// Domain is what the policy belongs to.
func (p *Policy) Domain() *Domain { return p.domain }

// policy makes a Policy of all that l says. The values fit; what they cannot be together is
// told as errors.
func (l layers) policy(d *Domain, exception string) (*Policy, []*tomlfile.Error) {
	var s scope
	tomlfile.Assign(pick(l.tree, scopeKeys...), &s)
	p := &Policy{
		Exception: exception, domain: d, mode: sourced[Mode]{s.Mode, l.source("mode")},
		actions: make(map[classify.Class]sourced[Action], len(s.Action)), limits: make(map[storm.Kind]kindLimits, len(s.Limit)),
		origins: map[classify.Class]map[origin.Origin]sourced[Action]{},
	}
	for c, a := range s.Action {
		p.actions[classify.Class(c)] = sourced[Action]{a, l.source("action." + string(c))}
	}
	for c, of := range s.byOrigin() {
		for o, a := range of {
			if p.origins[c] == nil {
				p.origins[c] = map[origin.Origin]sourced[Action]{}
			}
			p.origins[c][origin.Origin(o)] = sourced[Action]{a, l.source(string(c) + "." + string(o))}
		}
	}
	var wrong []*tomlfile.Error
	for _, k := range storm.Kinds {
		of, err := l.limits("limit."+k.String(), s.Limit[kindName(k.String())])
		p.limits[k] = of
		wrong = append(wrong, err...)
	}
	return p, wrong
}

func (l layers) source(key string) Source { return l.from[key].source() }

// limits reads the limits of one kind.
func (l layers) limits(key string, f fileLimit) (kindLimits, []*tomlfile.Error) {
	of, wrong := kindLimits{limit: l.limit(f.limitValues, key)}, []*tomlfile.Error{}
	wrong = append(wrong, l.checkLimit(of.limit, key)...)
	for c, v := range f.Class {
		if of.byClass == nil {
			of.byClass = map[classify.Class]limit{}
		}
		// What is not said for the class holds as it does for all.
		lower := f.limitValues
		v.Copies, v.Window = or(v.Copies, lower.Copies), or(v.Window, lower.Window)
		v.Calm, v.Action = or(v.Calm, lower.Calm), or(v.Action, lower.Action)
		v.Learn = or(v.Learn, lower.Learn)
		cl := l.limit(v, tomlfile.Join(key, string(c)), key)
		of.byClass[classify.Class(c)] = cl
		wrong = append(wrong, l.checkLimit(cl, tomlfile.Join(key, string(c)), key)...)
	}
	return of, wrong
}

func or[T comparable](v, other T) T {
	var zero T
	if v != zero {
		return v
	}
	return other
}

// limit makes a limit of values that stand at the first of some keys that has them.
func (l layers) limit(v limitValues, keys ...string) limit {
	return limit{
		Limit:  storm.Limit{Copies: v.Copies, Window: v.Window, Calm: v.Calm, Keep: keep(v.Window, v.Calm)},
		learn:  v.Learn,
		action: sourced[Action]{v.Action, l.first("action", keys).source()},
		at:     l.first("copies", keys).source(),
	}
}

func (l layers) first(name string, keys []string) place {
	for _, key := range keys {
		if p, ok := l.from[key+"."+name]; ok {
			return p
		}
	}
	return place{}
}

// checkLimit tells when a storm could end while copies still come: its level could not rise over copies.
func (l layers) checkLimit(v limit, keys ...string) []*tomlfile.Error {
	if v.Window <= 0 || v.Calm <= 0 || v.Calm > v.Window {
		return nil
	}
	calm, window := l.first("calm", keys), l.first("window", keys)
	at := calm
	if calm.doc != l.top && window.doc == l.top {
		at = window
	}
	return []*tomlfile.Error{at.doc.WrongValue(at.key, "calm (%v) must be longer than window (%v)", tomlfile.Duration(v.Calm), tomlfile.Duration(v.Window))}
}

// keep is how long a tally of a limit is of use: until its level is back at zero for certain.
func keep(window, calm time.Duration) time.Duration { return max(calm, window, 2*time.Hour) }

// lacking are the keys of actions and limits that the default's file, doc, does not say.
func lacking(doc *tomlfile.Document) (missing []string) {
	need := func(table map[string]any, prefix string, names ...string) {
		for _, name := range names {
			if _, ok := table[name]; !ok {
				missing = append(missing, prefix+name)
			}
		}
	}
	need(sub(doc.Tree, "action"), "action.", className("").Values()...)
	for _, k := range kindName("").Values() {
		if limit := sub(sub(doc.Tree, "limit"), k); limit == nil {
			missing = append(missing, "limit."+k)
		} else {
			need(limit, "limit."+k+".", "copies", "window", "calm", "action")
		}
	}
	slices.Sort(missing)
	return missing
}
