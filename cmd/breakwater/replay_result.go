package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/replay"
	"breakwater/internal/rules"
)

// actionCounts counts deliveries by what would have become of them.
type actionCounts map[rules.Action]int

func (c actionCounts) sum() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// replayed is what `breakwater replay` finds out.
type replayed struct {
	Rules      string                  `json:"rules"`
	Against    string                  `json:"against,omitempty"`
	Messages   int                     `json:"messages"`
	Guessed    int                     `json:"guessed"` // messages whose recipients are those of To and Cc
	Nobody     int                     `json:"nobody"`  // messages that name no recipient
	Unread     int                     `json:"unread"`
	First      time.Time               `json:"first,omitzero"`
	Last       time.Time               `json:"last,omitzero"`
	Seconds    float64                 `json:"seconds"`
	Deliveries actionCounts            `json:"deliveries"`
	Domains    map[string]actionCounts `json:"domains"`
	Mailboxes  map[string]actionCounts `json:"mailboxes"`
	Causes     map[string]actionCounts `json:"rules_used"` // by the line that decided, and why
	Changes    map[string]int          `json:"changes,omitempty"`
}

func newReplayed() *replayed {
	return &replayed{
		Deliveries: actionCounts{}, Domains: map[string]actionCounts{}, Mailboxes: map[string]actionCounts{},
		Causes: map[string]actionCounts{}, Changes: map[string]int{},
	}
}

// message counts one message.
func (r *replayed) message(mail replay.Mail) {
	r.Messages++
	if len(mail.Message.Recipients) == 0 {
		r.Nobody++
	} else if mail.Guessed {
		r.Guessed++
	}
	at := mail.Message.At
	if r.First.IsZero() || at.Before(r.First) {
		r.First = at
	}
	if at.After(r.Last) {
		r.Last = at
	}
}

// add counts a decision, and how it would be by other rules.
func (r *replayed) add(d, other rules.Decision) {
	r.Deliveries[d.Action]++
	mailbox := address.Base(address.Mailbox(d.Recipient.Addr))
	count(r.Domains, address.DomainOf(mailbox), d.Action)
	count(r.Mailboxes, mailbox, d.Action)
	count(r.Causes, fmt.Sprintf("%s (%s)", d.Rule, d.Cause()), d.Action)
	if other.Action != d.Action {
		r.Changes[fmt.Sprintf("%s, but %s", d.Action, other.Action)]++
	}
}

func count(in map[string]actionCounts, key string, a rules.Action) {
	if in[key] == nil {
		in[key] = actionCounts{}
	}
	in[key][a]++
}

// tableLines is how many lines of each table are printed without --all.
const tableLines = 15

func (r *replayed) print(w io.Writer, all bool) error {
	fmt.Fprintf(w, "%s, %s", number(r.Messages, "message"), number(r.Deliveries.sum(), "recipient"))
	if r.Messages > 0 {
		fmt.Fprintf(w, ", from %s to %s", r.First.Local().Format("2006-01-02 15:04"), r.Last.Local().Format("2006-01-02 15:04"))
	}
	fmt.Fprintf(w, "; judged by %s in %.1fs, as if enforced\n", r.Rules, r.Seconds)
	if r.Guessed > 0 {
		fmt.Fprintf(w, "%s did not say for whom: To and Cc were taken; --to says it\n", number(r.Guessed, "message"))
	}
	if r.Nobody > 0 {
		fmt.Fprintf(w, "%s left out, without a recipient: --to says it\n", number(r.Nobody, "message"))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	actions := r.actions()
	r.table(t, "ALL", map[string]actionCounts{"": r.Deliveries}, actions, all)
	r.table(t, "DOMAIN", r.Domains, actions, all)
	r.table(t, "MAILBOX", r.Mailboxes, actions, all)
	r.table(t, "DECIDED BY", r.Causes, actions, all)
	if r.Against != "" {
		fmt.Fprintf(t, "\nDIFFERENCES TO %s\n", r.Against)
		for _, what := range slices.Sorted(maps.Keys(r.Changes)) {
			fmt.Fprintf(t, "%s\t%s\n", what, thousands(r.Changes[what]))
		}
		if len(r.Changes) == 0 {
			fmt.Fprintln(t, "none")
		}
	}
	return t.Flush()
}

// actions are those that occur.
func (r *replayed) actions() []rules.Action {
	var occur []rules.Action
	for _, a := range rules.Actions {
		if r.Deliveries[a] > 0 {
			occur = append(occur, a)
		}
	}
	return occur
}

func (r *replayed) table(w io.Writer, name string, of map[string]actionCounts, actions []rules.Action, all bool) {
	fmt.Fprintf(w, "\n%s", name)
	for _, a := range actions {
		fmt.Fprintf(w, "\t%s", strings.ToUpper(string(a)))
	}
	fmt.Fprintln(w)
	keys := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		held := func(k string) int { return of[k].sum() - of[k][rules.Deliver] }
		return cmp.Or(cmp.Compare(held(b), held(a)), cmp.Compare(of[b].sum(), of[a].sum()), cmp.Compare(a, b))
	})
	for i, k := range keys {
		if i == tableLines && !all {
			fmt.Fprintf(w, "and %s more\n", thousands(len(keys)-i))
			break
		}
		fmt.Fprint(w, clip(k, 80))
		for _, a := range actions {
			fmt.Fprintf(w, "\t%s", thousands(of[k][a]))
		}
		fmt.Fprintln(w)
	}
}
