package release

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"breakwater/internal/archive"
)

// Held is what the archive holds of an incident.
type Held struct {
	Copies    int        `json:"copies"`
	Messages  int        `json:"messages"` // one may be a copy for several mailboxes
	Mailboxes int        `json:"mailboxes"`
	Released  int        `json:"released"`
	Bytes     int64      `json:"bytes"` // of the messages, before compression
	First     time.Time  `json:"first"`
	Last      time.Time  `json:"last"`
	Rules     []HeldRule `json:"rules"`
	Rate      []HeldRate `json:"rate"`
	Damaged   int        `json:"damaged"` // in the whole archive
}

// HeldRule is the place in a rule file that decided, for so many copies.
type HeldRule struct {
	Rule   string `json:"rule"`
	Copies int    `json:"copies"`
}

// HeldRate is how many copies came in a span of time that began then.
type HeldRate struct {
	From   time.Time `json:"from"`
	Copies int       `json:"copies"`
}

// buckets is how many spans the rate has.
const buckets = 60

// HeldOf looks in the archive for what belongs to storms. A copy counts once for each
// mailbox.
func HeldOf(ctx context.Context, r *archive.Reader, belongs func(stormID string) bool) (*Held, error) {
	a := &Held{Rules: []HeldRule{}, Rate: []HeldRate{}}
	rules, mailboxes := map[string]int{}, map[string]bool{}
	var times []time.Time
	for c, err := range r.All(ctx) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			a.Damaged++
			continue
		}
		before := a.Copies
		for _, rcpt := range c.Recipients {
			if rcpt.Storm == "" || !belongs(rcpt.Storm) {
				continue
			}
			a.Copies++
			if rcpt.Released {
				a.Released++
			}
			rules[rcpt.Rule]++
			mailboxes[strings.ToLower(rcpt.Addr)] = true
			times = append(times, c.At)
		}
		if a.Copies > before {
			a.Messages++
			a.Bytes += c.Size
		}
	}
	a.Mailboxes = len(mailboxes)
	for _, rule := range slices.SortedFunc(maps.Keys(rules), func(x, y string) int { return cmp.Or(cmp.Compare(rules[y], rules[x]), strings.Compare(x, y)) }) {
		a.Rules = append(a.Rules, HeldRule{rule, rules[rule]})
	}
	a.rate(times)
	return a, nil
}

// rate spreads times over the spans from the first to the last.
func (a *Held) rate(times []time.Time) {
	if len(times) == 0 {
		return
	}
	slices.SortFunc(times, time.Time.Compare)
	a.First, a.Last = times[0], times[len(times)-1]
	span := max(a.Last.Sub(a.First)/buckets+1, time.Second)
	for _, t := range times {
		for i := int(t.Sub(a.First) / span); len(a.Rate) <= i; {
			a.Rate = append(a.Rate, HeldRate{From: a.First.Add(time.Duration(len(a.Rate)) * span)})
		}
		a.Rate[len(a.Rate)-1].Copies++
	}
}
