package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/archive"
	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/release"
	"breakwater/internal/show"
	"breakwater/internal/storm"
	"breakwater/internal/tomlfile"
)

// stormsFlags are those of `breakwater storms` and what is below it.
type stormsFlags struct {
	json                            bool
	since, config, control, archive string
}

// configuration is the host's, with the flags over it.
func (f *stormsFlags) configuration() (config.Config, error) {
	c, err := config.Load(f.config)
	if err != nil {
		return c, exit{exitUsage, err}
	}
	if f.control != "" {
		c.Control = f.control
	}
	if f.archive != "" {
		c.Archive = f.archive
	}
	return c, nil
}

// reader opens the archive.
func (f *stormsFlags) reader() (*archive.Reader, error) {
	c, err := f.configuration()
	if err != nil {
		return nil, err
	}
	r, err := archive.OpenReadOnly(c.Archive)
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	return r, nil
}

// incidents asks the daemon for those whose ID begins with prefix.
func (f *stormsFlags) incidents(ctx context.Context, prefix string) ([]control.Incident, error) {
	var span tomlfile.Duration
	if err := span.UnmarshalText([]byte(f.since)); err != nil {
		return nil, exit{exitUsage, fmt.Errorf("--since: %w", err)}
	}
	c, err := f.configuration()
	if err != nil {
		return nil, err
	}
	all, err := control.NewClient(c.Control).Incidents(ctx, time.Now().Add(-time.Duration(span)))
	if err != nil {
		return nil, exit{exitReport, err}
	}
	return control.Named(all, prefix), nil
}

func stormsCommand() *cobra.Command {
	f := &stormsFlags{since: "7d"}
	cmd := &cobra.Command{
		Use:   "storms",
		Short: "Show the storms that the daemon knows",
		Long: `Storms shows what the daemon holds back now and held back before: an incident on each
line, which is all storms with one cause, over all mailboxes. Below are the domains that have
all their mail leave here, and how long they still learn what that is.`,
		Example: `  breakwater storms
  breakwater storms --since 24h --json | jq '.[] | select(.active)'
  breakwater storms show id-5b3c88e01f`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			is, err := f.incidents(cmd.Context(), "")
			if err != nil {
				return err
			}
			if !f.json {
				if err := printIncidents(cmd.OutOrStdout(), is); err != nil {
					return err
				}
				learners, err := f.learners(cmd.Context())
				if err != nil || len(learners) == 0 {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout())
				return printLearners(cmd.OutOrStdout(), learners, time.Now())
			}
			for i := range is {
				is[i].Storms = nil // `storms show` has them
			}
			return show.JSON(cmd.OutOrStdout(), is)
		},
	}
	flags := cmd.PersistentFlags()
	flags.BoolVar(&f.json, "json", false, "print a JSON array")
	flags.StringVar(&f.since, "since", f.since, "show what was touched in this time")
	flags.StringVar(&f.config, "config", "", "configuration `file` (default "+config.DefaultFile+")")
	flags.StringVar(&f.control, "control", "", "the daemon's `socket`, if not the configured one")
	flags.StringVar(&f.archive, "archive", "", "`folder` of the archive, if not the configured one")
	cmd.AddCommand(stormsShowCommand(f), stormsLearningCommand(f), stormsVerifyCommand(f))
	return cmd
}

// learners asks the daemon for the domains of which all mail leaves here.
func (f *stormsFlags) learners(ctx context.Context) ([]control.Learner, error) {
	c, err := f.configuration()
	if err != nil {
		return nil, err
	}
	all, err := control.NewClient(c.Control).Learning(ctx)
	if err != nil {
		return nil, exit{exitReport, err}
	}
	return all, nil
}

func stormsLearningCommand(f *stormsFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "learning",
		Short: "Show how long domains still learn what they send",
		Long: `A domain whose file says all_mail_leaves_here = true learns for a while (learn in [origin])
before reports on mail that was not seen leaving are taken for forged. Learning shows until
when, and how many reports would have been absorbed already. It begins anew when a report with
a good token shows that mail left by a way that breakwater does not see, such as another host.

Floods whose [limit] says learn are only observed for so long after the host began to count floods.`,
		Example: `  breakwater storms learning
  breakwater storms learning --json | jq '.[] | select(.excused > 0)'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := f.learners(cmd.Context())
			if err != nil {
				return err
			}
			if f.json {
				return show.JSON(cmd.OutOrStdout(), all)
			}
			if len(all) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "no domain has all its mail leave here")
				return err
			}
			return printLearners(cmd.OutOrStdout(), all, time.Now())
		},
	}
}

func printLearners(w io.Writer, all []control.Learner, at time.Time) error {
	for _, l := range all {
		state := "learned since " + show.Clock(l.Since)
		name := l.Domain
		if l.Limit != "" {
			name = "[limit." + l.Limit + "]"
		}
		switch {
		case l.Limit != "" && !l.Since.IsZero():
			state = "only observed until " + show.Clock(l.Until)
		case l.Since.IsZero():
			state = "not learning yet"
		case at.Before(l.Until):
			state = "learning until " + show.Clock(l.Until)
		}
		excused := ""
		if l.Excused > 0 {
			excused = fmt.Sprintf(", would have absorbed %d", l.Excused)
		}
		if _, err := fmt.Fprintf(w, "%s: %s%s\n", name, state, excused); err != nil {
			return err
		}
	}
	return nil
}

func stormsShowCommand(f *stormsFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one incident: its mailboxes, the servers that sent it, and what is in the archive",
		Long: `Show tells all about one incident: at which mailboxes it happens, since when, how fast it
came, which servers sent the copies, as they connected to us, and which lines of the rule
files absorbed them. ID is one that storms shows, or the beginning of one. What is in the
archive is shown even if the daemon is down or has forgotten the incident.`,
		Example: `  breakwater storms show id-5b3c88e01f
  breakwater storms show id-5b3c88e01f --json | jq '.[].archive.rate'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.show(cmd, args[0]) },
	}
}

// shown is one incident with what the archive holds of it.
type shown struct {
	control.Incident
	Archive *release.Held `json:"archive"`
}

func (f *stormsFlags) show(cmd *cobra.Command, name string) error {
	is, daemonErr := f.incidents(cmd.Context(), name)
	r, err := f.reader()
	if err != nil {
		return errors.Join(daemonErr, err)
	}
	var all []shown
	for _, i := range is {
		of := map[string]bool{}
		for _, s := range i.Storms {
			of[s.ID] = true
		}
		a, err := release.HeldOf(cmd.Context(), r, func(id string) bool { return of[id] || storm.IncidentOf(id) == i.ID })
		if err != nil {
			return exit{exitReport, err}
		}
		all = append(all, shown{i, a})
	}
	if len(is) == 0 {
		a, err := release.HeldOf(cmd.Context(), r, func(id string) bool { return storm.Named(id, name) })
		if err != nil {
			return exit{exitReport, err}
		}
		if a.Copies == 0 {
			return f.unknown(name, daemonErr)
		}
		all = append(all, shown{control.Incident{ID: name, Kinds: []string{}, Sources: []control.Source{}}, a})
		fmt.Fprintln(cmd.ErrOrStderr(), "only the archive knows it")
	}
	return f.print(cmd.OutOrStdout(), all)
}

func (f *stormsFlags) unknown(name string, daemonErr error) error {
	if daemonErr != nil {
		return daemonErr
	}
	return exit{exitReport, fmt.Errorf("no storm %s in the last %s, nor in the archive; `breakwater storms --since 30d` lists older ones", name, f.since)}
}

func (f *stormsFlags) print(w io.Writer, all []shown) error {
	if f.json {
		return show.JSON(w, all)
	}
	for _, s := range all {
		if len(s.Storms) == 0 {
			fmt.Fprintf(w, "%s\n", s.ID)
		} else if err := printIncident(w, s.Incident); err != nil {
			return err
		}
		if err := printHeld(w, s.Archive); err != nil {
			return err
		}
	}
	return nil
}

func printIncidents(w io.Writer, is []control.Incident) error {
	if len(is) == 0 {
		_, err := fmt.Fprintln(w, "no storms")
		return err
	}
	t := show.NewTable(w, "ID", "STATE", "COPIES", "MAILBOXES", "SINCE", "LAST", "CLASS", "FROM", "SUBJECT")
	for _, i := range is {
		t.Row(eventID(i), state(i.Active), i.Copies, i.Mailboxes,
			show.Clock(i.Since), show.Clock(i.Last), i.Class, busiest(i), show.Clip(i.Subject, 40))
	}
	return t.Flush()
}

// eventID is the ID of the record of an incident, or of its first storm where nothing is recorded.
func eventID(i control.Incident) string {
	if i.Recorded != nil {
		return i.Recorded.ID
	}
	return i.ID
}

func printIncident(w io.Writer, i control.Incident) error {
	fmt.Fprintf(w, "%s: %s\n", i.ID, state(i.Active))
	t := show.NewTable(w)
	fmt.Fprintf(t, "  subject\t%s\n  class\t%s\n  recognised by\t%s\n", show.Clip(i.Subject, 100), i.Class, strings.Join(i.Kinds, ", "))
	if len(i.Signs) > 0 {
		fmt.Fprintf(t, "  signs\t%s\n", strings.Join(i.Signs, ", "))
	}
	fmt.Fprintf(t, "  since\t%s\n  last copy\t%s\n", i.Since.Local().Format(time.DateTime), i.Last.Local().Format(time.DateTime))
	if r := i.Recorded; r != nil {
		fmt.Fprintf(t, "  recorded as\t%s\n  copies\t%s: %s delivered, %s absorbed, %s other; storms at %s\n  bounces and replies\t%s\n\n", r.ID,
			show.Thousands(int(r.Copies.Came)), show.Thousands(int(r.Copies.Delivered)), show.Thousands(int(r.Copies.Absorbed)), show.Thousands(int(r.Copies.Other)),
			show.Number(i.Mailboxes, "mailbox"), show.Thousands(int(r.Consequences.Came)))
	} else {
		fmt.Fprintf(t, "  copies\t%s at %s, beyond those that may arrive\n\n", show.Thousands(int(i.Copies)), show.Number(i.Mailboxes, "mailbox"))
	}
	fmt.Fprintln(t, "  SENT BY\tCOPIES")
	for _, s := range i.Sources {
		fmt.Fprintf(t, "  %s\t%d\n", s.Client, s.Copies)
	}
	if i.Others > 0 {
		fmt.Fprintf(t, "  others\t%d\n", i.Others)
	}
	fmt.Fprintln(t, "\n  MAILBOX\tBY\tSTATE\tCOPIES\tSINCE\tLAST\tSTORM")
	for _, s := range i.Storms {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d\t%s\t%s\t%s\n", show.Clip(s.Mailbox, 50), s.Kind, state(s.Active), s.Copies, show.Clock(s.Since), show.Clock(s.Last), s.ID)
	}
	fmt.Fprintln(t)
	return t.Flush()
}

func state(active bool) string {
	if active {
		return "active"
	}
	return "over"
}

func busiest(i control.Incident) string {
	switch {
	case len(i.Sources) == 0:
		return "-"
	case len(i.Sources) == 1 && i.Others == 0:
		return i.Sources[0].Client
	}
	return fmt.Sprintf("%s +%d", i.Sources[0].Client, len(i.Sources)-1)
}
