package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/archive"
	"breakwater/internal/show"
	"breakwater/internal/storm"
)

// absorbed is what the archive holds of an incident.
type absorbed struct {
	Copies    int            `json:"copies"`
	Messages  int            `json:"messages"` // one may be a copy for several mailboxes
	Mailboxes int            `json:"mailboxes"`
	Released  int            `json:"released"`
	Bytes     int64          `json:"bytes"` // of the messages, before compression
	First     time.Time      `json:"first"`
	Last      time.Time      `json:"last"`
	Rules     []absorbedRule `json:"rules"`
	Rate      []absorbedRate `json:"rate"`
	Damaged   int            `json:"damaged"` // in the whole archive
}

// absorbedRule is the place in a rule file that decided, for so many copies.
type absorbedRule struct {
	Rule   string `json:"rule"`
	Copies int    `json:"copies"`
}

// absorbedRate is how many copies came in a span of time that began then.
type absorbedRate struct {
	From   time.Time `json:"from"`
	Copies int       `json:"copies"`
}

// buckets is how many spans the rate has.
const buckets = 60

// absorbedOf looks in the archive for what belongs to storms. A copy counts once for each
// mailbox.
func absorbedOf(ctx context.Context, r *archive.Reader, belongs func(stormID string) bool) (*absorbed, error) {
	a := &absorbed{Rules: []absorbedRule{}, Rate: []absorbedRate{}}
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
		a.Rules = append(a.Rules, absorbedRule{rule, rules[rule]})
	}
	a.rate(times)
	return a, nil
}

// rate spreads times over the spans from the first to the last.
func (a *absorbed) rate(times []time.Time) {
	if len(times) == 0 {
		return
	}
	slices.SortFunc(times, time.Time.Compare)
	a.First, a.Last = times[0], times[len(times)-1]
	span := max(a.Last.Sub(a.First)/buckets+1, time.Second)
	for _, t := range times {
		for i := int(t.Sub(a.First) / span); len(a.Rate) <= i; {
			a.Rate = append(a.Rate, absorbedRate{From: a.First.Add(time.Duration(len(a.Rate)) * span)})
		}
		a.Rate[len(a.Rate)-1].Copies++
	}
}

// sparkline draws the rate, highest where most came.
func (a *absorbed) sparkline() string {
	most := 1
	for _, r := range a.Rate {
		most = max(most, r.Copies)
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, r := range a.Rate {
		if r.Copies == 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(bars[(r.Copies*len(bars)-1)/most])
	}
	return b.String()
}

func (a *absorbed) print(w io.Writer) error {
	if a.Copies == 0 {
		_, err := fmt.Fprint(w, "  nothing of it is in the archive\n\n")
		return err
	}
	t := show.NewTable(w)
	fmt.Fprintf(t, "  in the archive\t%s for %s, in %s, %s\n", show.Number(a.Copies, "copy"), show.Number(a.Mailboxes, "mailbox"), show.Number(a.Messages, "message"), show.Bytes(a.Bytes))
	if a.Released > 0 {
		fmt.Fprintf(t, "  released\t%s of them\n", show.Thousands(a.Released))
	}
	fmt.Fprintf(t, "  came\t%s to %s\n", a.First.Local().Format(time.DateTime), a.Last.Local().Format(time.DateTime))
	fmt.Fprintf(t, "  rate\t│%s│\n", a.sparkline())
	for _, r := range a.Rules {
		fmt.Fprintf(t, "  absorbed by\t%s (%s)\n", r.Rule, show.Thousands(r.Copies))
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// of reports whether a storm belongs to what an ID or the beginning of one names.
func of(name string) func(string) bool {
	return func(stormID string) bool { return storm.Named(stormID, name) }
}

func stormsVerifyCommand(f *stormsFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read the whole archive back, and check it",
		Long: `Verify reads every absorbed copy back and checks it against its SHA-256. The exit status
is 1 when something is damaged. The daemon may run meanwhile.`,
		Example: `  breakwater storms verify
  breakwater storms verify --json | jq .damages`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.reader()
			if err != nil {
				return err
			}
			bar := show.NewProgress(cmd.ErrOrStderr(), 0)
			v, err := r.Verify(cmd.Context(), bar.At)
			bar.Done()
			if err != nil {
				return exit{exitReport, err}
			}
			return f.verified(cmd, v)
		},
	}
}

func (f *stormsFlags) verified(cmd *cobra.Command, v archive.Verified) error {
	if f.json {
		texts := []string{}
		for _, err := range v.Damages {
			texts = append(texts, err.Error())
		}
		out := map[string]any{"segments": v.Segments, "copies": v.Copies, "bytes": v.Bytes, "damages": texts}
		if err := show.JSON(cmd.OutOrStdout(), out); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%s in %s, %s on disk: %s\n", show.Number(v.Copies, "copy"), show.Number(v.Segments, "segment"), show.Bytes(v.Bytes), soundness(v))
		damages(cmd.ErrOrStderr(), v.Damages)
	}
	if len(v.Damages) > 0 {
		return exit{exitReport, nil}
	}
	return nil
}

func soundness(v archive.Verified) string {
	if len(v.Damages) == 0 {
		return "all sound"
	}
	return fmt.Sprintf("%d DAMAGED records; restore the files that are named below from a backup, if there is one", len(v.Damages))
}
