package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/engine"
	"breakwater/internal/explain"
	"breakwater/internal/host"
	"breakwater/internal/mailfile"
	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/show"
	"breakwater/internal/trial"
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
			told := explain.Of(m, j)
			if told.Store = x.store; x.json {
				return show.JSON(cmd.OutOrStdout(), told)
			}
			return told.Print(cmd.OutOrStdout())
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

// daemon is an engine that sees what the daemon has counted; nil if there is none that we may ask.
func (x *explainer) daemon(ctx context.Context, f *rulesFlags, set *rules.Set) *engine.Engine {
	cfg, err := config.Load(f.config)
	if err != nil {
		return nil
	}
	if x.control != "" {
		cfg.Control = x.control
	}
	e := host.DryRun(ctx, cfg, set)
	if e != nil {
		x.store = "the daemon at " + cfg.Control
	}
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
	e, err := trial.Engine(set, "")
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
