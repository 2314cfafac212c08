package replay

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/rules"
	"breakwater/internal/show"
)

// Counts counts deliveries by what would have become of them.
type Counts map[rules.Action]int

func (c Counts) sum() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// Sums is what `breakwater replay` finds out.
type Sums struct {
	Rules      string            `json:"rules"`
	Against    string            `json:"against,omitempty"`
	Messages   int               `json:"messages"`
	Guessed    int               `json:"guessed"` // messages whose recipients are those of To and Cc
	Nobody     int               `json:"nobody"`  // messages that name no recipient
	Unread     int               `json:"unread"`
	First      time.Time         `json:"first,omitzero"`
	Last       time.Time         `json:"last,omitzero"`
	Seconds    float64           `json:"seconds"`
	Deliveries Counts            `json:"deliveries"`
	Domains    map[string]Counts `json:"domains"`
	Mailboxes  map[string]Counts `json:"mailboxes"`
	Causes     map[string]Counts `json:"rules_used"` // by the line that decided, and why
	Changes    map[string]int    `json:"changes,omitempty"`
}

// NewSums are those of nothing.
func NewSums() *Sums {
	return &Sums{
		Deliveries: Counts{}, Domains: map[string]Counts{}, Mailboxes: map[string]Counts{},
		Causes: map[string]Counts{}, Changes: map[string]int{},
	}
}

// Message counts one message.
func (r *Sums) Message(mail Mail) {
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

// Add counts a decision, and how it would be by other rules.
func (r *Sums) Add(d, other rules.Decision) {
	r.Deliveries[d.Action]++
	mailbox := address.Base(address.Mailbox(d.Recipient.Addr))
	count(r.Domains, address.DomainOf(mailbox), d.Action)
	count(r.Mailboxes, mailbox, d.Action)
	count(r.Causes, fmt.Sprintf("%s (%s)", d.Rule, d.Cause()), d.Action)
	if other.Action != d.Action {
		r.Changes[fmt.Sprintf("%s, but %s", d.Action, other.Action)]++
	}
}

func count(in map[string]Counts, key string, a rules.Action) {
	if in[key] == nil {
		in[key] = Counts{}
	}
	in[key][a]++
}

// tableLines is how many lines of each table are printed without --all.
const tableLines = 15

// Print writes the sums for people: of each table all lines, or the top.
func (r *Sums) Print(w io.Writer, all bool) error {
	fmt.Fprintf(w, "%s, %s", show.Number(r.Messages, "message"), show.Number(r.Deliveries.sum(), "recipient"))
	if r.Messages > 0 {
		fmt.Fprintf(w, ", from %s to %s", r.First.Local().Format("2006-01-02 15:04"), r.Last.Local().Format("2006-01-02 15:04"))
	}
	fmt.Fprintf(w, "; judged by %s in %.1fs, as if enforced\n", r.Rules, r.Seconds)
	if r.Guessed > 0 {
		fmt.Fprintf(w, "%s did not say for whom: To and Cc were taken; --to says it\n", show.Number(r.Guessed, "message"))
	}
	if r.Nobody > 0 {
		fmt.Fprintf(w, "%s left out, without a recipient: --to says it\n", show.Number(r.Nobody, "message"))
	}
	t := show.NewTable(w)
	actions := r.actions()
	r.table(t, "ALL", map[string]Counts{"": r.Deliveries}, actions, all)
	r.table(t, "DOMAIN", r.Domains, actions, all)
	r.table(t, "MAILBOX", r.Mailboxes, actions, all)
	r.table(t, "DECIDED BY", r.Causes, actions, all)
	if r.Against != "" {
		fmt.Fprintf(t, "\nDIFFERENCES TO %s\n", r.Against)
		for _, what := range slices.Sorted(maps.Keys(r.Changes)) {
			t.Row(what, show.Thousands(r.Changes[what]))
		}
		if len(r.Changes) == 0 {
			fmt.Fprintln(t, "none")
		}
	}
	return t.Flush()
}

// actions are those that occur.
func (r *Sums) actions() []rules.Action {
	var occur []rules.Action
	for _, a := range rules.Actions {
		if r.Deliveries[a] > 0 {
			occur = append(occur, a)
		}
	}
	return occur
}

func (r *Sums) table(w io.Writer, name string, of map[string]Counts, actions []rules.Action, all bool) {
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
			fmt.Fprintf(w, "and %s more\n", show.Thousands(len(keys)-i))
			break
		}
		fmt.Fprint(w, show.Clip(k, 80))
		for _, a := range actions {
			fmt.Fprintf(w, "\t%s", show.Thousands(of[k][a]))
		}
		fmt.Fprintln(w)
	}
}
