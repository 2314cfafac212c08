package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/daemon"
	"breakwater/internal/sweep"
	"breakwater/internal/sweep/accounts"
)

// sweepFlags are those of `breakwater sweep` and `breakwater undo`.
type sweepFlags struct {
	config  string
	json    bool
	apply   bool
	resume  bool
	full    bool
	folders []string
	share   float64
	account config.Account
	list    bool
	rules   string
	state   string
	secret  string
}

func sweepCommand() *cobra.Command {
	f := &sweepFlags{}
	cmd := &cobra.Command{
		Use:   "sweep [ACCOUNT...]",
		Short: "Clean mailboxes over IMAP that were hit already",
		Long: `Sweep looks into mailboxes over IMAP and finds the copies of storms by the rules that
the daemon has. It shows what it would do, and does it with --apply: the first copies stay,
as many as the rules say, and the rest moves into a folder of its own. Nothing is deleted.
Each run keeps a journal, and ` + "`breakwater undo`" + ` puts everything back.

Left alone are messages that somebody has flagged, answered or given a keyword, those younger
than min_age, and the folders for sent mail, drafts, trash, junk and archive.

ACCOUNT is the name of a user among those of the configuration file; without one, all are
swept. With --server and --user it is one that is not in the file.`,
		Example: `  breakwater sweep                         show what would be done in all accounts
  breakwater sweep ann@example.org --json
  breakwater sweep --apply
  breakwater sweep --apply --max-share 1   even if nearly all of a folder goes
  breakwater sweep --resume                finish what was cut off
  breakwater sweep --server imaps://imap.example.org --user ann@example.org --password-file pw`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.sweep(cmd, args) },
	}
	f.common(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.apply, "apply", false, "do it")
	flags.BoolVar(&f.resume, "resume", false, "finish runs that were cut off, and do nothing else")
	flags.BoolVar(&f.full, "full", false, "look at all messages, not only at those since the last sweep")
	flags.StringArrayVar(&f.folders, "folder", nil, "only this `folder`; may be repeated")
	flags.Float64Var(&f.share, "max-share", 0, "of a folder that may be moved, from 0 to 1 (default as the rules say); 1 may empty it")
	return cmd
}

func undoCommand() *cobra.Command {
	f := &sweepFlags{}
	cmd := &cobra.Command{
		Use:   "undo RUN [ACCOUNT...]",
		Short: "Undo a sweep",
		Long: `Undo puts back what a run of ` + "`breakwater sweep`" + ` has moved or marked: into its folder, with
its flags and its date. It works after a run that was cut off, and can itself be cut off and
run again. Later sweeps leave alone what was brought back.`,
		Example: `  breakwater undo --list
  breakwater undo 20260302T081500.000Z
  breakwater undo 20260302T081500.000Z ann@example.org`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && !f.list {
				return errors.New("undo needs the name of a run; `breakwater undo --list` has them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.undo(cmd, args) },
	}
	f.common(cmd)
	cmd.Flags().BoolVar(&f.list, "list", false, "list the runs that there are")
	return cmd
}

func (f *sweepFlags) common(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "configuration `file` (default "+config.DefaultFile+", if it is there)")
	flags.BoolVar(&f.json, "json", false, "print a JSON object for each account, a line each")
	flags.StringVar(&f.rules, "rules", "", "`folder` of the rule files, if not the configured one")
	flags.StringVar(&f.state, "state", "", "`folder` for journals, if not the configured one")
	flags.StringVar(&f.secret, "secret", "", "`file` with the key of all fingerprints, if not the configured one")
	flags.StringVar(&f.account.Server, "server", "", "`URL` of a server: imaps://HOST, imap://HOST for STARTTLS, imap+plain://127.0.0.1:PORT")
	flags.StringVar(&f.account.User, "user", "", "`name` to log in with there")
	flags.StringVar(&f.account.PasswordFile, "password-file", "", "`file` with the password")
	flags.StringVar(&f.account.Mailbox, "mailbox", "", "`address` of the mailbox, where the user's name is none")
	flags.StringVar(&f.account.Master, "master", "", "`name` of a master user to log in as, for the user")
	flags.StringVar(&f.account.CAFile, "ca-file", "", "`file` with certificates to trust, PEM")
}

// load returns the configuration, with the flags over it, and the accounts that are meant.
func (f *sweepFlags) load(ctx context.Context, names []string) (config.Config, []accounts.Account, error) {
	cfg, err := config.Load(f.config)
	if err != nil {
		return cfg, nil, err
	}
	for _, v := range []struct {
		from string
		to   *string
	}{{f.rules, &cfg.Rules}, {f.state, &cfg.Sweep.State}, {f.secret, &cfg.Secret}} {
		if v.from != "" {
			*v.to = v.from
		}
	}
	if f.account.Server != "" || f.account.User != "" {
		if err := f.account.Check(); err != nil {
			return cfg, nil, fmt.Errorf("the account %w", err)
		}
		cfg.Sweep.Accounts = []config.Account{f.account}
	}
	if len(cfg.Sweep.Accounts) == 0 {
		return cfg, nil, errors.New("no accounts: write [[sweep.account]] into the configuration, or give --server, --user and --password-file")
	}
	all, err := accounts.All(ctx, cfg.Sweep)
	if err != nil {
		return cfg, nil, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(a accounts.Account) bool { return a.Name == name }) {
			return cfg, nil, fmt.Errorf("no account %q in the configuration", name)
		}
	}
	return cfg, slices.DeleteFunc(all, func(a accounts.Account) bool { return len(names) > 0 && !slices.Contains(names, a.Name) }), nil
}

// prepare is what both commands begin with.
func (f *sweepFlags) prepare(cmd *cobra.Command, names []string) ([]*sweep.Sweep, error) {
	daemon.LimitMemory()
	cfg, all, err := f.load(cmd.Context(), names)
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	bar := newBar(cmd.ErrOrStderr())
	log := daemon.NewLog(cfg.Log, bar)
	list, err := accounts.Sweeps(cfg, all, log)
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	for _, s := range list {
		s.Progress, s.Folders, s.Full = bar.progress, f.folders, f.full
	}
	return list, nil
}

// together calls do for each sweep, all at once as far as their servers allow, and returns
// what went wrong. Only one writes at a time.
func together(list []*sweep.Sweep, do func(*sweep.Sweep, *sync.Mutex) error) error {
	var group sync.WaitGroup
	var mu, writing sync.Mutex
	var wrong []error
	for _, s := range list {
		group.Go(func() {
			if err := do(s, &writing); err != nil {
				mu.Lock()
				wrong = append(wrong, fmt.Errorf("account %s: %w", s.Account, err))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if err := errors.Join(wrong...); err != nil {
		return exit{exitReport, err}
	}
	return nil
}

func (f *sweepFlags) sweep(cmd *cobra.Command, names []string) error {
	if f.share < 0 || f.share > 1 {
		return exit{exitUsage, fmt.Errorf("--max-share %v is not between 0 and 1", f.share)}
	}
	list, err := f.prepare(cmd, names)
	if err != nil {
		return err
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if f.resume {
		some := false
		err := together(list, func(s *sweep.Sweep, writing *sync.Mutex) error {
			done, err := s.Resume(ctx, "")
			if err == nil && done {
				writing.Lock()
				defer writing.Unlock()
				some = true
				fmt.Fprintf(out, "%s: finished\n", s.Account)
			}
			return err
		})
		if err == nil && !some {
			fmt.Fprintln(out, "no run was cut off")
		}
		return err
	}
	run := sweep.NewRun(time.Now())
	return together(list, func(s *sweep.Sweep, writing *sync.Mutex) error {
		var plan *sweep.Plan
		err := s.Run(ctx, run, func(p *sweep.Plan) (bool, error) {
			plan = p
			writing.Lock()
			defer writing.Unlock()
			if !f.json {
				printSweep(out, p)
			}
			return f.approve(s, p)
		})
		if plan != nil {
			writing.Lock()
			defer writing.Unlock()
			err = errors.Join(err, f.told(out, s, plan))
		}
		return err
	})
}

// guard tells why a plan may not be applied as it is.
func (f *sweepFlags) guard(s *sweep.Sweep, p *sweep.Plan) error {
	share := s.Rules.MaxShare
	if f.share > 0 {
		share = f.share
	}
	return p.Guard(share)
}

// approve says whether a plan is to be applied.
func (f *sweepFlags) approve(s *sweep.Sweep, p *sweep.Plan) (bool, error) {
	if !f.apply {
		return false, nil
	}
	if err := f.guard(s, p); err != nil {
		return false, fmt.Errorf("%w; nothing was changed: look at the plan, and if it is right, give --max-share 1", err)
	}
	return true, nil
}

// told says how a sweep ended.
func (f *sweepFlags) told(out io.Writer, s *sweep.Sweep, p *sweep.Plan) error {
	guard := f.guard(s, p)
	switch {
	case f.json:
		return printLine(out, p)
	case p.Run != "":
		fmt.Fprintf(out, "%s: to take it back: breakwater undo %s\n", p.Account, p.Run)
	case !f.apply && p.Move()+p.Mark() > 0 && guard != nil:
		fmt.Fprintf(out, "%s: nothing was changed; --apply does it only with --max-share 1, since %v\n", p.Account, guard)
	case !f.apply && p.Move()+p.Mark() > 0:
		fmt.Fprintf(out, "%s: nothing was changed; --apply does it\n", p.Account)
	}
	return nil
}

func (f *sweepFlags) undo(cmd *cobra.Command, args []string) error {
	if f.list {
		return f.runs(cmd.OutOrStdout())
	}
	list, err := f.prepare(cmd, args[1:])
	if err != nil {
		return err
	}
	ctx, out, run := cmd.Context(), cmd.OutOrStdout(), args[0]
	some := false
	err = together(list, func(s *sweep.Sweep, writing *sync.Mutex) error {
		u, err := s.Undo(ctx, run)
		if errors.Is(err, os.ErrNotExist) {
			return nil // the run was not at this account
		}
		writing.Lock()
		defer writing.Unlock()
		some = true
		if f.json {
			return errors.Join(err, printLine(out, u))
		}
		fmt.Fprintf(out, "%s: %d of %d messages are back", u.Account, u.Back, u.Moved)
		if u.Missing > 0 {
			fmt.Fprintf(out, "; %d were no longer where the sweep had put them", u.Missing)
		}
		fmt.Fprintln(out)
		return err
	})
	if err == nil && !some {
		return exit{exitReport, fmt.Errorf("there is no run %s of these accounts; `breakwater undo --list` has them", run)}
	}
	return err
}

// runs lists the journals.
func (f *sweepFlags) runs(out io.Writer) error {
	cfg, err := config.Load(f.config)
	if err != nil {
		return exit{exitUsage, err}
	}
	if f.state != "" {
		cfg.Sweep.State = f.state
	}
	all, err := sweep.Journals(cfg.Sweep.State)
	if err != nil {
		return exit{exitReport, err}
	}
	return printRuns(out, all, f.json)
}
