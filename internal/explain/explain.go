// Package explain says step by step why a message was judged as it was.
package explain

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/show"
	"breakwater/internal/storm"
	"breakwater/internal/tomlfile"
)

// Explanation is a judgement in steps, as `rules explain --json` prints it.
type Explanation struct {
	Store      string      `json:"store"` // whose counts they are
	Class      string      `json:"class"`
	Reasons    []string    `json:"reasons"`
	Problems   []string    `json:"problems,omitempty"`
	Recipients []Recipient `json:"recipients"`
}

// Recipient is what happens for one recipient.
type Recipient struct {
	To        string       `json:"to"`
	File      string       `json:"file"`                // whose rules apply
	Exception string       `json:"exception,omitempty"` // such as mailbox.abuse
	Outbound  bool         `json:"outbound,omitempty"`
	Origin    string       `json:"origin,omitempty"` // of a report: genuine, unknown or forged
	Proofs    []string     `json:"proofs,omitempty"` // what each proof found that was tried, and what else decided
	Counted   []Counted    `json:"counted"`
	Tried     []Tried      `json:"tried"`
	Action    rules.Action `json:"action"`
	Wanted    rules.Action `json:"wanted,omitempty"`
	Reason    string       `json:"reason"`
	Rule      string       `json:"rule"`
	Text      string       `json:"text,omitempty"`
}

// Counted is the count of one key.
type Counted struct {
	Kind   string  `json:"kind"`
	Seen   uint64  `json:"seen"`
	Level  float64 `json:"level"`
	Copies int     `json:"copies"` // that may arrive
	Window string  `json:"window"`
	Storm  bool    `json:"storm"`
	Held   bool    `json:"held"` // this copy is held back, if the limit's action says so
	Limit  string  `json:"limit"`
}

// Tried is a rule that was evaluated.
type Tried struct {
	Name    string `json:"name"`
	When    string `json:"when"`
	At      string `json:"at"`
	Matches bool   `json:"matches"`
}

// Of explains a judgement of a message.
func Of(m *message.Message, j rules.Judgement) Explanation {
	x := Explanation{Class: string(j.Verdict.Class), Reasons: j.Verdict.Reasons, Problems: m.Problems, Recipients: []Recipient{}}
	for i, d := range j.Decisions {
		r := Recipient{
			To: d.Recipient.Addr, Counted: []Counted{}, Tried: []Tried{},
			Action: d.Action, Wanted: d.Wanted, Reason: d.Reason, Rule: d.Rule.String(), Text: d.Text,
		}
		if i < len(j.Facts) {
			p, f := j.Policies[i], j.Facts[i]
			r.File, r.Exception, r.Outbound = p.Domain().File, p.Exception, f.Outbound
			r.Origin, r.Proofs = string(f.Proof.Origin), f.Proof.Reasons
			for _, t := range f.Tallies {
				r.Counted = append(r.Counted, Counted{
					Kind: t.Key.Kind.String(), Seen: t.Seen, Level: t.Level, Copies: t.Limit.Copies, Window: tomlfile.Duration(t.Limit.Window).String(),
					Storm: t.Storm != nil, Held: !t.Through, Limit: p.LimitSource(t.Key.Kind, j.Verdict.Class).String(),
				})
			}
			r.Tried = triedRules(p.Domain().Rules(), d.RuleName)
		}
		x.Recipients = append(x.Recipients, r)
	}
	return x
}

// triedRules are those up to the one that decided: they are tried in their order, and the
// first that matches decides.
func triedRules(all []*rules.Rule, decided string) []Tried {
	n := len(all)
	if i := slices.IndexFunc(all, func(r *rules.Rule) bool { return r.Name == decided }); i >= 0 {
		n = i + 1
	}
	list := []Tried{}
	for _, r := range all[:n] {
		list = append(list, Tried{r.Name, r.When, r.At.String(), r.Name == decided})
	}
	return list
}

// Print writes the explanation for people.
func (x Explanation) Print(w io.Writer) error {
	fmt.Fprintf(w, "The message is %s: %s.\n", x.Class, show.Clip(strings.Join(x.Reasons, "; "), 200))
	for _, p := range x.Problems {
		fmt.Fprintf(w, "It has a problem: %s.\n", show.Clip(p, 200))
	}
	fmt.Fprintf(w, "The counts are those of %s.\n", x.Store)
	for _, r := range x.Recipients {
		fmt.Fprintf(w, "\nTo %s\n", show.Clip(r.To, 100))
		t := show.NewTable(w)
		r.print(t)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Recipient) print(w io.Writer) {
	if r.File != "" {
		fmt.Fprintf(w, "  rules of\t%s\n", r.File)
	}
	if r.Exception != "" {
		fmt.Fprintf(w, "  exception\t%s\n", r.Exception)
	}
	if r.Origin != "" {
		fmt.Fprintf(w, "  origin\t%s\n", r.Origin)
	}
	for _, p := range r.Proofs {
		fmt.Fprintf(w, "  \t  %s\n", show.Clip(p, 200))
	}
	for i, c := range r.Counted {
		fmt.Fprintf(w, "  %s\t%s (%s)\n", heading(i, "counted"), c, c.Limit)
	}
	for i, c := range r.Tried {
		verdict := "no:"
		if c.Matches {
			verdict = "matches:"
		}
		fmt.Fprintf(w, "  %s\t%s rule %s (%s)\n  \t  %s\n", heading(i, "tried"), verdict, c.Name, c.At, show.Clip(c.When, 200))
	}
	if r.Outbound {
		fmt.Fprintf(w, "  outbound\twe send it to a mailbox that is not ours: it is counted, and goes\n")
	}
	action := string(r.Action)
	if r.Wanted != "" {
		action += " (instead of " + string(r.Wanted) + ")"
	}
	fmt.Fprintf(w, "  decision\t%s, because of: %s (%s)\n", action, r.Reason, r.Rule)
	if r.Text != "" {
		fmt.Fprintf(w, "  text\t%s\n", r.Text)
	}
}

// heading stands before the first line of several.
func heading(i int, s string) string {
	if i > 0 {
		return ""
	}
	return s
}

func (c Counted) String() string {
	state := "no storm"
	switch {
	case c.Storm && c.Held:
		state = "a storm that holds it back"
	case c.Storm:
		state = "a storm, but this one passes"
	}
	what := map[string]string{storm.Class.String(): "of this class"}[c.Kind]
	if what == "" {
		what = "of the same"
	}
	return fmt.Sprintf("%s: number %d %s, %d in %s may arrive: %s", c.Kind, c.Seen, what, c.Copies, c.Window, state)
}
