package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/engine"
	"breakwater/internal/replay"
	"breakwater/internal/rules"
	"breakwater/internal/show"
	"breakwater/internal/trial"
)

// replayer is the settings of `breakwater replay`, and what it needs on its way.
type replayer struct {
	rules, against  string
	to              []string
	each, json, all bool

	base, other *engine.Engine // other is nil without --against
	stderr      io.Writer
	out         *bufio.Writer
	result      *replay.Sums
}

func replayCommand() *cobra.Command {
	r := &replayer{}
	f := &rulesFlags{}
	cmd := &cobra.Command{
		Use:   "replay PATH...",
		Short: "Say what rules would have done to mail of the past",
		Long: `Replay judges mail of the past as the daemon would have, in the order and at the pace of
its Received fields (or else its Date), beginning with nothing seen. It reads .eml files, mbox
files, Maildirs, folders of them, and archives of absorbed mail. It changes nothing, and the
daemon's counts stay as they are. All rules are tried as if their files said mode = "enforce".

With --against it judges by two sets of rules and prints each delivery at which they differ.

Whom mail was for is read from Delivered-To, X-Original-To or Envelope-To, and else from To
and Cc; --to says it for all. The exit status is 1 if something could not be read.`,
		Example: `  breakwater replay ~/Maildir --to me@example.org
  breakwater replay /var/lib/breakwater/archive --against ./new-rules
  breakwater replay mail.mbox --each --json | jq -r 'select(.action == "absorb") | .path'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			var named []string
			if r.rules != "" {
				named = []string{r.rules}
			}
			set, folder, err := f.load(named)
			if err != nil {
				return err
			}
			r.rules, r.stderr, r.out = folder, cmd.ErrOrStderr(), bufio.NewWriter(cmd.OutOrStdout())
			return r.run(cmd.Context(), set, paths)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.rules, "rules", "", "`folder` of the rules (default: the configured one)")
	flags.StringVar(&f.config, "config", "", "configuration `file` that names it")
	flags.StringVar(&r.against, "against", "", "`folder` of other rules to compare with")
	flags.StringArrayVar(&r.to, "to", nil, "the recipient of all mail; may be repeated")
	flags.BoolVar(&r.each, "each", false, "print every delivery, not only sums")
	flags.BoolVar(&r.all, "all", false, "print every domain, mailbox and rule, not only the busiest")
	flags.BoolVar(&r.json, "json", false, "print JSON: the sums as one object, and with --each or --against a line for each delivery before it")
	return cmd
}

// run replays and prints.
func (r *replayer) run(ctx context.Context, set *rules.Set, paths []string) (err error) {
	temp, err := os.MkdirTemp("", "breakwater-replay-")
	if err != nil {
		return exit{exitReport, err}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if r.base, err = trial.Engine(set.Enforced(), temp+"/store"); err != nil {
		return exit{exitReport, err}
	}
	defer func() { err = errors.Join(err, r.base.Store.Close()) }()
	if r.against != "" {
		otherSet, err := loadRules(r.against)
		if err != nil {
			return err
		}
		if r.other, err = trial.Engine(otherSet.Enforced(), temp+"/other"); err != nil {
			return exit{exitReport, err}
		}
		defer func() { err = errors.Join(err, r.other.Store.Close()) }()
	}
	if err := r.play(ctx, paths); err != nil {
		return exit{exitReport, errors.Join(err, r.out.Flush())}
	}
	r.result.Rules, r.result.Against = r.rules, r.against
	if r.json {
		err = r.encode(r.result)
	} else {
		err = r.result.Print(r.out, r.all)
	}
	if err = errors.Join(err, r.out.Flush()); err == nil && r.result.Unread > 0 {
		err = exit{exitReport, fmt.Errorf("%d messages or files could not be read", r.result.Unread)}
	}
	return err
}

// play judges all mail and counts what becomes of it.
func (r *replayer) play(ctx context.Context, paths []string) error {
	begun := time.Now()
	looking := show.NewProgress(r.stderr, 0)
	plan, err := replay.Scan(ctx, paths, looking.Add)
	looking.Done()
	if err != nil {
		return err
	}
	bar := show.NewProgress(r.stderr, plan.Total)
	defer bar.Done()
	p := replay.Player{Base: r.base, Other: r.other, To: r.to, Unread: r.unread, Each: r.delivered, Progress: bar.Add}
	r.result, err = p.Play(ctx, plan)
	r.result.Seconds = time.Since(begun).Seconds()
	return err
}

func (r *replayer) unread(err error) { fmt.Fprintln(r.stderr, "breakwater:", err) }

// delivered prints a delivery that is to be printed.
func (r *replayer) delivered(mail replay.Mail, d, other rules.Decision) error {
	differ := other.Action != d.Action
	if !differ && (!r.each || r.other != nil) {
		return nil
	}
	return r.print(mail, d, other, differ)
}

// delivery is what `replay --json` prints of a message and one recipient.
type delivery struct {
	Path    string     `json:"path"`
	At      time.Time  `json:"at"`
	To      string     `json:"to"`
	Class   string     `json:"class"`
	Action  string     `json:"action"`
	Reason  string     `json:"reason"`
	Rule    string     `json:"rule"`
	Storm   string     `json:"storm,omitempty"`
	Against *otherwise `json:"against,omitempty"`
}

type otherwise struct {
	Action string `json:"action"`
	Reason string `json:"reason"`
	Rule   string `json:"rule"`
}

func (r *replayer) print(mail replay.Mail, d, other rules.Decision, differ bool) error {
	if !r.json {
		line := fmt.Sprintf("%s to %s: %s (%s, %s)", mail.Path, show.Clip(d.Recipient.Addr, 60), d.Action, d.Reason, d.Rule)
		if differ {
			line += fmt.Sprintf(", but %s (%s, %s)", other.Action, other.Reason, other.Rule)
		}
		_, err := fmt.Fprintln(r.out, line)
		return err
	}
	one := delivery{
		Path: mail.Path, At: mail.Message.At, To: d.Recipient.Addr, Class: string(d.Class),
		Action: string(d.Action), Reason: d.Reason, Rule: d.Rule.String(), Storm: d.Storm,
	}
	if differ {
		one.Against = &otherwise{string(other.Action), other.Reason, other.Rule.String()}
	}
	return r.encode(one)
}

func (r *replayer) encode(v any) error {
	enc := json.NewEncoder(r.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
