package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/mailfile"
	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/store/remote"
	"breakwater/internal/storm"
	"breakwater/internal/tomlfile"
)

// explainer is the settings of `breakwater rules explain`.
type explainer struct {
	to                        []string
	from, client, helo, login string
	copies                    int
	json, scratch             bool
	control                   string
	store                     string // whose counts they are, once judged
}

func rulesExplainCommand(f *rulesFlags) *cobra.Command {
	x := &explainer{copies: 1}
	cmd := &cobra.Command{
		Use:   "explain MESSAGE [FOLDER]",
		Short: "Say step by step what would happen to a message, and why",
		Long: `Explain judges one message as the daemon would, and shows every step: what the message
is taken for and why, what is counted of it, each rule that is tried with its line, and the
decision. MESSAGE is a file, or - for standard input.

Where the daemon of this host runs, and its socket and secret may be read, the counts are
those that it would have with this message, which it is not told of. With --scratch, or without a
daemon, the message is the first of its kind; with --copies N the last of so many copies that
come in a row.`,
		Example: `  breakwater rules explain bounce.eml --to ann@example.org
  breakwater rules explain alert.eml --to ops@example.org --from monitor@example.net --copies 40
  breakwater rules explain - ./new-rules --to ann@example.org --json <message.eml`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, _, err := f.load(args[1:])
			if err != nil {
				return err
			}
			m, err := x.message(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			j, err := x.judge(cmd.Context(), f, set, m)
			if err != nil {
				return exit{exitReport, err}
			}
			told := explained(m, j)
			if told.Store = x.store; x.json {
				return printJSON(cmd.OutOrStdout(), told)
			}
			return printExplained(cmd.OutOrStdout(), told)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&x.to, "to", nil, "envelope recipient; may be repeated (default: Delivered-To and the like)")
	flags.StringVar(&x.from, "from", "", "envelope sender; \"\" is that of bounces (default: Return-Path)")
	flags.StringVar(&x.client, "client", "", "IP `address` of the server that sends it")
	flags.StringVar(&x.helo, "helo", "", "what it says in HELO")
	flags.StringVar(&x.login, "login", "", "the `user` who logged in to send it")
	flags.IntVar(&x.copies, "copies", 1, "judge the last of so many copies")
	flags.BoolVar(&x.scratch, "scratch", false, "do not ask the daemon what it has counted")
	flags.StringVar(&x.control, "control", "", "the daemon's `socket`, if not the configured one")
	flags.BoolVar(&x.json, "json", false, "print a JSON object")
	return cmd
}

// message reads the one message of a file, with its envelope.
func (x *explainer) message(path string, stdin io.Reader) (*message.Message, error) {
	var file mailfile.File
	n := 0
	for f, err := range mailfile.Walk([]string{path}, stdin) {
		if err != nil {
			return nil, exit{exitUsage, err}
		}
		file = f
		n++
	}
	if n != 1 {
		return nil, exit{exitUsage, fmt.Errorf("%s holds %d messages, not one; breakwater replay takes many", path, n)}
	}
	env := file.Envelope()
	if x.from != "" {
		env.ReversePath = x.from
	}
	if len(x.to) > 0 {
		env.Recipients = nil
	}
	for _, to := range x.to {
		env.Recipients = append(env.Recipients, message.Recipient{Addr: to})
	}
	if len(env.Recipients) == 0 {
		return nil, exit{exitUsage, errors.New("the message does not say whom it is for; name the recipient with --to")}
	}
	env.Helo, env.AuthUser = x.helo, x.login
	if x.client != "" {
		addr, err := netip.ParseAddr(x.client)
		if err != nil {
			return nil, exit{exitUsage, fmt.Errorf("--client: %q is no IP address", x.client)}
		}
		env.Client = addr
	}
	return message.Parse(env, time.Now().UTC(), file.Raw), nil
}

// daemon is an engine that sees what the daemon has counted, and counts nothing; nil if there is none
// that we may ask.
func (x *explainer) daemon(ctx context.Context, f *rulesFlags, set *rules.Set) *engine.Engine {
	cfg, err := config.Load(f.config)
	if err != nil {
		return nil
	}
	if x.control != "" {
		cfg.Control = x.control
	}
	if _, err := os.Stat(cfg.Secret); err != nil {
		return nil // it would be made
	}
	secret, err := readSecret(cfg.Secret)
	if err != nil {
		return nil
	}
	counts := remote.Open(cfg.Control)
	if _, err := counts.Lookup(ctx, time.Now(), nil); err != nil {
		return nil
	}
	e := &engine.Engine{
		Store: counts, Rules: func() *rules.Set { return set }, Hasher: fingerprint.New(secret), Site: site(cfg.Site), DryRun: true,
	}
	knowSent(e, cfg, slog.New(slog.DiscardHandler))
	x.store = "the daemon at " + cfg.Control
	return e
}

// judge judges the copies before m, and then m.
func (x *explainer) judge(ctx context.Context, f *rulesFlags, set *rules.Set, m *message.Message) (rules.Judgement, error) {
	if x.copies <= 1 && !x.scratch {
		if e := x.daemon(ctx, f, set); e != nil {
			return e.Judge(ctx, m)
		}
	}
	x.store = "nobody: nothing was seen before"
	e, err := scratch(set, "")
	if err != nil {
		return rules.Judgement{}, err
	}
	defer e.Store.Close()
	for i := range x.copies - 1 {
		copied := *m
		copied.Received = append([]string{fmt.Sprint("copy ", i)}, m.Received...) // another transfer
		if _, err := e.Judge(ctx, &copied); err != nil {
			return rules.Judgement{}, err
		}
	}
	return e.Judge(ctx, m)
}

// explanation is what `rules explain --json` prints.
type explanation struct {
	Store      string               `json:"store"` // whose counts they are
	Class      string               `json:"class"`
	Reasons    []string             `json:"reasons"`
	Problems   []string             `json:"problems,omitempty"`
	Recipients []explainedRecipient `json:"recipients"`
}

type explainedRecipient struct {
	To        string       `json:"to"`
	File      string       `json:"file"`                // whose rules apply
	Exception string       `json:"exception,omitempty"` // such as mailbox.abuse
	Outbound  bool         `json:"outbound,omitempty"`
	Origin    string       `json:"origin,omitempty"` // of a report: genuine, unknown or forged
	Proofs    []string     `json:"proofs,omitempty"` // what each proof found that was tried, and what else decided
	Counted   []counted    `json:"counted"`
	Tried     []tried      `json:"tried"`
	Action    rules.Action `json:"action"`
	Wanted    rules.Action `json:"wanted,omitempty"`
	Reason    string       `json:"reason"`
	Rule      string       `json:"rule"`
	Text      string       `json:"text,omitempty"`
}

// counted is what is known of one key.
type counted struct {
	Kind   string  `json:"kind"`
	Seen   uint64  `json:"seen"`
	Level  float64 `json:"level"`
	Copies int     `json:"copies"` // that may arrive
	Window string  `json:"window"`
	Storm  bool    `json:"storm"`
	Held   bool    `json:"held"` // this copy is held back, if the limit's action says so
	Limit  string  `json:"limit"`
}

// tried is one rule that was tried.
type tried struct {
	Name    string `json:"name"`
	When    string `json:"when"`
	At      string `json:"at"`
	Matches bool   `json:"matches"`
}

func explained(m *message.Message, j rules.Judgement) explanation {
	x := explanation{Class: string(j.Verdict.Class), Reasons: j.Verdict.Reasons, Problems: m.Problems, Recipients: []explainedRecipient{}}
	for i, d := range j.Decisions {
		r := explainedRecipient{
			To: d.Recipient.Addr, Counted: []counted{}, Tried: []tried{},
			Action: d.Action, Wanted: d.Wanted, Reason: d.Reason, Rule: d.Rule.String(), Text: d.Text,
		}
		if i < len(j.Facts) {
			p, f := j.Policies[i], j.Facts[i]
			r.File, r.Exception, r.Outbound = p.Domain().File, p.Exception, f.Outbound
			r.Origin, r.Proofs = string(f.Proof.Origin), f.Proof.Reasons
			for _, t := range f.Tallies {
				r.Counted = append(r.Counted, counted{
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
func triedRules(all []*rules.Rule, decided string) []tried {
	n := len(all)
	if i := slices.IndexFunc(all, func(r *rules.Rule) bool { return r.Name == decided }); i >= 0 {
		n = i + 1
	}
	list := []tried{}
	for _, r := range all[:n] {
		list = append(list, tried{r.Name, r.When, r.At.String(), r.Name == decided})
	}
	return list
}

func printExplained(w io.Writer, x explanation) error {
	fmt.Fprintf(w, "The message is %s: %s.\n", x.Class, clip(strings.Join(x.Reasons, "; "), 200))
	for _, p := range x.Problems {
		fmt.Fprintf(w, "It has a problem: %s.\n", clip(p, 200))
	}
	fmt.Fprintf(w, "The counts are those of %s.\n", x.Store)
	for _, r := range x.Recipients {
		fmt.Fprintf(w, "\nTo %s\n", clip(r.To, 100))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		r.print(t)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (r *explainedRecipient) print(w io.Writer) {
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
		fmt.Fprintf(w, "  \t  %s\n", clip(p, 200))
	}
	for i, c := range r.Counted {
		fmt.Fprintf(w, "  %s\t%s (%s)\n", heading(i, "counted"), c, c.Limit)
	}
	for i, c := range r.Tried {
		verdict := "no:"
		if c.Matches {
			verdict = "matches:"
		}
		fmt.Fprintf(w, "  %s\t%s rule %s (%s)\n  \t  %s\n", heading(i, "tried"), verdict, c.Name, c.At, clip(c.When, 200))
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

func (c counted) String() string {
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
