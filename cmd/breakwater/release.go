package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"breakwater/internal/archive"
	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/host"
	"breakwater/internal/incident"
	"breakwater/internal/mailfile"
	"breakwater/internal/mark"
	"breakwater/internal/record"
	"breakwater/internal/release"
	"breakwater/internal/show"
	"breakwater/internal/submit"
)

// releaseFlags are those of `breakwater release`.
type releaseFlags struct {
	all, again, dryRun, forget, yes, json        bool
	mailbox, since, until, to, format            string
	config, archive, submit, secret, controlPath string
}

func releaseCommand() *cobra.Command {
	f := &releaseFlags{}
	cmd := &cobra.Command{
		Use:   "release [ID...]",
		Short: "Deliver absorbed mail after all, write it to files, or erase it",
		Long: `Release hands absorbed mail to the mail server, with its own envelope, in the order in which
it came. The milter lets it pass, once. ID is that of a copy, of a storm or of an incident,
as ` + "`breakwater storms show`" + ` has them, in full; conditions are added up.

What was delivered is noted in the archive, so that the same command, run again after it
was stopped, goes on where it ended, and nothing comes twice unless --again asks for it.

With --to, messages are written to a folder instead, and nothing is noted. With --forget
they are erased for good: it shows what that would be, and does it with
--yes. audit.log in the archive records every release, export and erasure.`,
		Example: `  breakwater release --dry-run id-5b3c88e01f              what would be delivered
  breakwater release id-5b3c88e01f                        a whole incident
  breakwater release --mailbox ann@example.org            all that one mailbox did not get
  breakwater release --since 2h --all                     what was absorbed in the last two hours
  breakwater release 20260302-080000-000000123 --to -     look at one copy
  breakwater release --mailbox ann@example.org --to ~/ann --format mbox
  breakwater release --mailbox ann@example.org --forget   erase, after --yes`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.mailbox, "mailbox", "", "only what was meant for this `address`, or for a sub-address of it")
	flags.StringVar(&f.since, "since", "", "only what came since this `time`: 2h or 3d ago, 2026-03-02, or 2026-03-02T08:00:00Z")
	flags.StringVar(&f.until, "until", "", "only what came before this `time`")
	flags.BoolVar(&f.all, "all", false, "all mailboxes and storms")
	flags.BoolVar(&f.again, "again", false, "also what was released before")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only tell how much it is")
	flags.StringVar(&f.to, "to", "", "write to this `folder` instead; - is standard output, as mbox")
	flags.StringVar(&f.format, "format", "maildir", "of --to: maildir or mbox")
	flags.BoolVar(&f.forget, "forget", false, "erase for good")
	flags.BoolVar(&f.yes, "yes", false, "really --forget")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	flags.StringVar(&f.config, "config", "", "configuration `file` (default "+config.DefaultFile+")")
	flags.StringVar(&f.archive, "archive", "", "`folder` of the archive, if not the configured one")
	flags.StringVar(&f.secret, "secret", "", "`file` with the daemon's key, if not the configured one")
	flags.StringVar(&f.submit, "submit", "", "mail server to hand mail to: smtp://HOST:PORT or lmtp://HOST:PORT")
	flags.StringVar(&f.controlPath, "control", "", "the daemon's `socket`, if not the configured one")
	cmd.MarkFlagsMutuallyExclusive("forget", "to")
	return cmd
}

// configuration is the host's, with the flags over it.
func (f *releaseFlags) configuration() (config.Config, error) {
	c, err := config.Load(f.config)
	for _, v := range []struct {
		flag string
		to   *string
	}{{f.archive, &c.Archive}, {f.submit, &c.Release.Submit}, {f.secret, &c.Secret}, {f.controlPath, &c.Control}} {
		if v.flag != "" {
			*v.to = v.flag
		}
	}
	return c, err
}

// notEmpty tells of arguments and flags that are given and say nothing, such as a variable of a shell that
// is not set: what they should have narrowed down would be everything.
func notEmpty(flags *pflag.FlagSet, args []string) (err error) {
	for _, arg := range args {
		if strings.TrimSpace(arg) == "" {
			return errors.New("an ID is empty; give one, or leave it out")
		}
	}
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && strings.TrimSpace(f.Value.String()) == "" {
			err = fmt.Errorf("--%s is empty; give it a value, or leave it out", f.Name)
		}
	})
	return err
}

// selection is what flags and arguments pick.
func (f *releaseFlags) selection(ids []string, now time.Time) (s release.Selection, err error) {
	if len(ids) == 0 && f.mailbox == "" && f.since == "" && f.until == "" && !f.all {
		return s, errors.New("nothing is picked: give an ID, --mailbox, --since or --until, or --all")
	}
	if f.format != "maildir" && f.format != "mbox" {
		return s, fmt.Errorf("--format %s: there are maildir and mbox", f.format)
	}
	s = release.Selection{IDs: ids, Again: f.again || f.to != "" || f.forget}
	if f.mailbox != "" {
		if s.Mailbox, err = release.OfMailbox(f.mailbox); err != nil {
			return s, fmt.Errorf("--mailbox %w", err)
		}
	}
	if s.Since, err = release.Moment(f.since, now); err != nil {
		return s, fmt.Errorf("--since: %w", err)
	}
	if s.Until, err = release.Moment(f.until, now); err != nil {
		return s, fmt.Errorf("--until: %w", err)
	}
	return s, nil
}

// whole has the daemon say which storms an incident has. A copy of one may have been held back by any.
func whole(ctx context.Context, daemon *control.Client, ids []string) ([]string, error) {
	// The ID of a copy and of a storm has three parts, that of an incident two.
	if !slices.ContainsFunc(ids, func(id string) bool { return strings.Count(id, "-") < 2 || incident.IsID(id) }) {
		return ids, nil
	}
	all, err := daemon.Incidents(ctx, time.Time{})
	return control.WithStorms(ids, all), err
}

// ofRecords are the storms of the recorded incidents among ids, which need no daemon.
func ofRecords(archiveDir string, ids []string) ([]string, error) {
	if !slices.ContainsFunc(ids, incident.IsID) {
		return nil, nil
	}
	all, err := incident.ReadAll(record.IncidentsDir(archiveDir))
	if err != nil && all == nil {
		return nil, exit{exitReport, err}
	}
	var storms []string
	for _, id := range ids {
		if !incident.IsID(id) {
			continue
		}
		i, err := incident.Named(all, id)
		if err != nil {
			return nil, exit{exitReport, err}
		}
		storms = append(storms, i.Storms...)
	}
	return storms, nil
}

// shownIDs is how many IDs are named that the beginning of one may mean.
const shownIDs = 5

// beginnings is an error if one of ids is but the beginning of others.
func beginnings(ctx context.Context, r *archive.Reader, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	meant, err := release.Meant(ctx, r, ids)
	if err != nil {
		return exit{exitReport, err}
	}
	for _, id := range ids {
		if whole := meant[id]; len(whole) > 0 {
			more := ""
			if len(whole) > shownIDs {
				more = fmt.Sprintf(", or one of %s more", show.Thousands(len(whole)-shownIDs))
			}
			return exit{exitUsage, fmt.Errorf("%q is only the beginning of an ID; give a whole one: %s%s", id, strings.Join(whole[:min(len(whole), shownIDs)], ", "), more)}
		}
	}
	return nil
}

func (f *releaseFlags) run(cmd *cobra.Command, ids []string) error {
	err := notEmpty(cmd.Flags(), ids)
	var s release.Selection
	if err == nil {
		s, err = f.selection(ids, time.Now())
	}
	if err != nil {
		return exit{exitUsage, err}
	}
	c, err := f.configuration()
	if err != nil {
		return exit{exitUsage, err}
	}
	if s.IDs, err = whole(cmd.Context(), control.NewClient(c.Control), ids); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "%v\nonly what has the ID itself is picked, not the other storms of an incident\n", err)
	}
	r, err := archive.OpenReadOnly(c.Archive)
	if err != nil {
		return exit{exitUsage, err}
	}
	recorded, err := ofRecords(c.Archive, ids)
	if err != nil {
		return err
	}
	s.IDs = append(s.IDs, recorded...)
	if err := beginnings(cmd.Context(), r, ids); err != nil {
		return err
	}
	n, err := release.Look(cmd.Context(), r, s)
	if err != nil {
		return exit{exitReport, err}
	}
	if f.forget && n.Copies > 0 {
		if err := erased(cmd, r, s); err != nil {
			return exit{exitReport, err}
		}
	}
	if n.Copies == 0 || f.dryRun || f.forget && !f.yes {
		return f.only(cmd, n)
	}
	if f.to == "" && !f.forget {
		warn(cmd.ErrOrStderr(), submission{"release.submit", c.Release.Submit})
	}
	job := releaseJob{flags: f, config: c, reader: r, selection: s, stdout: cmd.OutOrStdout()}
	action, verb := job.action()
	audit := []any{"copies", n.Copies, "deliveries", n.Deliveries, "ids", ids, "mailbox", f.mailbox, "to", f.to}
	for name, t := range map[string]time.Time{"since": s.Since, "until": s.Until} {
		if !t.IsZero() {
			audit = append(audit, name, t)
		}
	}
	if err := archive.Audit(c.Archive, verb, audit...); err != nil {
		return exit{exitReport, err}
	}
	bar := show.NewProgress(cmd.ErrOrStderr(), n.Deliveries)
	if f.to == "-" {
		bar = show.NewProgress(io.Discard, n.Deliveries) // it would be drawn into the messages
	}
	res, err := action(cmd.Context(), bar.Add)
	bar.Done()
	if aerr := archive.Audit(c.Archive, verb+" ended", "done", res.Deliveries, "refused", len(res.Refused)); aerr != nil {
		err = errors.Join(err, aerr)
	}
	return f.tell(cmd, verb, n, res, err)
}

// releaseJob is one run of `breakwater release`.
type releaseJob struct {
	flags     *releaseFlags
	config    config.Config
	reader    *archive.Reader
	selection release.Selection
	stdout    io.Writer
}

type releaseAction func(ctx context.Context, progress func(int)) (release.Result, error)

// action is what the flags ask for, and a word for it.
func (j *releaseJob) action() (releaseAction, string) {
	switch {
	case j.flags.forget:
		return j.forget, "erased"
	case j.flags.to != "":
		return j.export, "written"
	}
	return j.deliver, "released"
}

func (j *releaseJob) deliver(ctx context.Context, progress func(int)) (release.Result, error) {
	target, err := submit.Parse(j.config.Release.Submit)
	if err != nil {
		return release.Result{}, fmt.Errorf("release.submit: %w", err)
	}
	if _, err := os.Stat(j.config.Secret); err != nil {
		return release.Result{}, fmt.Errorf("the daemon's key, by which it knows what is released: %w; name it with --secret", err)
	}
	secret, err := host.ReadSecret(j.config.Secret)
	if err != nil {
		return release.Result{}, err
	}
	d := release.Deliverer{Dir: j.config.Archive, Reader: j.reader, Marks: mark.New(secret), Target: target, Wait: release.DefaultWait}
	if j.flags.again {
		d.Serial = fmt.Sprint("+", time.Now().Unix())
	}
	return d.Deliver(ctx, j.selection, progress)
}

func (j *releaseJob) export(ctx context.Context, progress func(int)) (res release.Result, err error) {
	var box interface {
		release.Box
		Close() error
	}
	switch {
	case j.flags.to == "-":
		box = mailfile.NewMbox(show.Terminal(j.stdout))
	case j.flags.format == "mbox":
		box, err = mailfile.CreateMbox(filepath.Join(j.flags.to, "released.mbox"))
	default:
		box, err = mailfile.CreateMaildir(j.flags.to)
	}
	if err != nil {
		return res, err
	}
	res, err = release.Export(ctx, box, j.reader, j.selection, progress)
	return res, errors.Join(err, box.Close())
}

// forget erases through the daemon, which has the archive open, or where there is none itself.
func (j *releaseJob) forget(ctx context.Context, progress func(int)) (release.Result, error) {
	res, err := release.Forget(ctx, j.config.Archive, j.reader, j.selection, progress)
	if err != nil {
		return res, err
	}
	daemonErr := control.NewClient(j.config.Control).Expire(ctx)
	if daemonErr == nil {
		return res, nil
	}
	a, err := archive.Open(j.config.Archive, archive.Options{MinFree: 1})
	if err != nil {
		return res, fmt.Errorf("it is hidden at once; the daemon frees its space within an hour: %w", daemonErr)
	}
	_, err = a.Expire(ctx, a.Now())
	return res, errors.Join(err, a.Close())
}

// shownParts is how many incidents are named before they are erased.
const shownParts = 20

// erased shows what is to be erased.
func erased(cmd *cobra.Command, r *archive.Reader, s release.Selection) error {
	parts, err := release.Parts(cmd.Context(), r, s)
	if err != nil {
		return err
	}
	t := show.NewTable(cmd.ErrOrStderr())
	for i, p := range parts {
		if i == shownParts {
			fmt.Fprintf(t, "and %s more\n", show.Number(len(parts)-i, "incident"))
			break
		}
		fmt.Fprintf(t, "to be erased:\t%s\t%s\t%s\t%s to %s\t%q\n", cmp.Or(p.Incident, "no storm"), show.Number(p.Deliveries, "copy"), show.Number(p.Mailboxes, "mailbox"),
			p.First.Local().Format(time.DateTime), p.Last.Local().Format(time.DateTime), show.Clip(p.Subject, 60))
	}
	return t.Flush()
}

// nothing says that nothing is picked.
func (f *releaseFlags) nothing() string {
	if f.forget {
		return "nothing to erase: what is picked is not in the archive; --forget wants the ID of a copy, a storm or an incident in full"
	}
	return "nothing to release: what is picked is not in the archive, or was released before (--again)"
}

// only tells what would be done.
func (f *releaseFlags) only(cmd *cobra.Command, n release.Count) error {
	w := cmd.OutOrStdout()
	if f.json {
		if err := show.JSON(w, map[string]any{"copies": n.Copies, "deliveries": n.Deliveries, "mailboxes": n.Mailboxes, "bytes": n.Bytes, "damaged": len(n.Damages)}); err != nil {
			return err
		}
	} else if n.Copies == 0 {
		fmt.Fprintln(w, f.nothing())
	} else {
		fmt.Fprintf(w, "%s for %s, in %s, %s\n", show.Number(n.Deliveries, "copy"), show.Number(n.Mailboxes, "mailbox"), show.Number(n.Copies, "message"), show.Bytes(n.Bytes))
	}
	damages(cmd.ErrOrStderr(), n.Damages)
	if f.forget && !f.yes && n.Copies > 0 {
		return exit{exitReport, errors.New("nothing is erased yet: what is erased cannot be brought back; add --yes to do it")}
	}
	if len(n.Damages) > 0 {
		return exit{exitReport, nil}
	}
	return nil
}

// tell says what was done.
func (f *releaseFlags) tell(cmd *cobra.Command, verb string, n release.Count, res release.Result, err error) error {
	refused := []map[string]string{}
	for _, r := range res.Refused {
		refused = append(refused, map[string]string{"copy": r.Copy, "to": r.Addr, "error": r.Err.Error()})
	}
	switch {
	case f.json && f.to != "-":
		out := map[string]any{verb: res.Deliveries, "of": n.Deliveries, "refused": refused, "damaged": len(res.Damages)}
		if err := show.JSON(cmd.OutOrStdout(), out); err != nil {
			return err
		}
	case f.to != "-":
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s of %s\n", verb, show.Thousands(res.Deliveries), show.Thousands(n.Deliveries))
	}
	for i, r := range res.Refused {
		if i == 10 {
			fmt.Fprintf(cmd.ErrOrStderr(), "and %d more\n", len(res.Refused)-i)
			break
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "not delivered: copy %s to %s: %s\n", r.Copy, show.Clip(r.Addr, 80), show.Clip(r.Err.Error(), 200))
	}
	damages(cmd.ErrOrStderr(), res.Damages)
	if err != nil {
		if verb != "written" && res.Deliveries > 0 {
			err = fmt.Errorf("%w\nwhat was %s so far is noted; the same command goes on from here", err, verb)
		}
		return exit{exitReport, err}
	}
	if len(res.Refused)+len(res.Damages) > 0 {
		return exit{exitReport, nil}
	}
	return nil
}

// damages prints the first of what cannot be read.
func damages(w io.Writer, all []error) {
	for i, err := range all {
		if i == 10 {
			fmt.Fprintf(w, "and %d more\n", len(all)-i)
			return
		}
		fmt.Fprintln(w, "damaged:", strings.TrimPrefix(err.Error(), "read archive "))
	}
}
