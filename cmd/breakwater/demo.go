package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/demo"
	"breakwater/internal/show"
	"breakwater/internal/stormgen"
)

// demoFlags are those of `breakwater demo`.
type demoFlags struct {
	demo.Demo
	keep      string
	json, all bool
}

func demoCommand() *cobra.Command {
	d := demoFlags{Demo: demo.Demo{
		Storm: stormgen.Options{
			Messages: 20_000, Ordinary: 2000, Seed: 1,
			Start: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), Span: 30 * time.Minute,
		},
		Connections: 20,
	}}
	var id, body string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a mail storm against breakwater and see what arrives",
		Long: `Demo needs no mail server and touches nothing on this host. It starts the daemon with a
store, an archive and the shipped rules in a temporary folder, and plays a mail storm to it
over the milter protocol, as Postfix would: a customer sends mailshots with everybody in Cc,
three servers send each copy that they get to everybody in Cc again, mailboxes fill up and
bounce, programs answer for people who are away, and ordinary mail comes in between.

Then it prints what each mailbox got. The exit status is 1 if any ordinary mail did not
arrive as it was.`,
		Example: `  breakwater demo
  breakwater demo --messages 100000 --seed 7
  breakwater demo --msgid mixed --body mixed        copies that no longer look alike
  breakwater demo --msgid rewrite --gateways        nor have their Date, sender and layout
  breakwater demo --keep /tmp/demo --json > demo.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if d.Storm.MessageID, err = habit("msgid", id, "rewrite"); err != nil {
				return exit{exitUsage, err}
			}
			if d.Storm.Body, err = habit("body", body, "disclaimer"); err != nil {
				return exit{exitUsage, err}
			}
			return d.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.IntVar(&d.Storm.Messages, "messages", d.Storm.Messages, "`number` of mails of the storm")
	f.IntVar(&d.Storm.Ordinary, "ordinary", d.Storm.Ordinary, "`number` of ordinary mails")
	f.Uint64Var(&d.Storm.Seed, "seed", d.Storm.Seed, "another `number` makes another storm")
	f.StringVar(&id, "msgid", "keep", "what the servers do to Message-IDs: keep, rewrite or mixed")
	f.StringVar(&body, "body", "keep", "what the servers do to bodies: keep, disclaimer or mixed")
	f.BoolVar(&d.Storm.Gateways, "gateways", false, "put gateways in front of the servers that rewrite Date, sender, layout and charset")
	f.IntVar(&d.Connections, "connections", d.Connections, "`number` of milter connections at a time")
	f.StringVar(&d.keep, "keep", "", "keep store, archive and log in a new `folder`")
	f.BoolVar(&d.all, "all", false, "print every mailbox, server and storm, not only the busiest")
	f.BoolVar(&d.json, "json", false, "print the result as JSON")
	return cmd
}

// habit reads a flag of which change is the name of stormgen.Change.
func habit(flag, value, change string) (stormgen.Habit, error) {
	switch value {
	case "keep":
		return stormgen.Keep, nil
	case change:
		return stormgen.Change, nil
	case "mixed":
		return stormgen.Mixed, nil
	}
	return 0, fmt.Errorf("--%s is %q; must be keep, %s or mixed", flag, value, change)
}

// run plays the storm and prints the result.
func (d *demoFlags) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if d.Storm.Messages < 1 || d.Connections < 1 || d.Storm.Ordinary < 0 {
		return exit{exitUsage, errors.New("--messages and --connections must be at least 1, --ordinary at least 0")}
	}
	if d.Storm.Ordinary == 0 {
		d.Storm.Ordinary = -1 // none
	}
	folder, remove, err := d.folder()
	if err != nil {
		return exit{exitUsage, err}
	}
	defer func() { err = errors.Join(err, remove()) }()
	d.Keep = d.keep != ""
	result, err := d.Play(ctx, folder, stderr)
	if err != nil {
		return exit{exitReport, err}
	}
	if d.json {
		err = show.JSON(stdout, result)
	} else {
		err = result.Print(stdout, d.all)
	}
	if err == nil && len(result.Touched) > 0 {
		err = exit{status: exitReport}
	}
	return err
}

// folder makes the folder for all that the daemon writes.
func (d *demoFlags) folder() (name string, remove func() error, err error) {
	if d.keep == "" {
		name, err = os.MkdirTemp("", "breakwater-demo-")
		return name, func() error { return os.RemoveAll(name) }, err
	}
	if err := os.Mkdir(d.keep, 0o700); errors.Is(err, fs.ErrExist) {
		return "", nil, fmt.Errorf("--keep %s: it is there already; name a new folder", d.keep)
	} else if err != nil {
		return "", nil, fmt.Errorf("--keep: %w", err)
	}
	return d.keep, func() error { return nil }, nil
}
