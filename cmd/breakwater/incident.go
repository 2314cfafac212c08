package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/archive"
	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/evidence"
	"breakwater/internal/incident"
	"breakwater/internal/ledger"
	"breakwater/internal/record"
	"breakwater/internal/show"
)

// incidentFlags are those of `breakwater incident` and what is below it.
type incidentFlags struct {
	config, control, archive, keys string
	json                           bool
}

func (f *incidentFlags) configuration() (config.Config, error) {
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
	if f.keys != "" {
		c.Keys = f.keys
	}
	return c, nil
}

// all are the incidents on disk, and in place of those that the daemon has in hand what it has counted until now.
func (f *incidentFlags) all(ctx context.Context, stderr io.Writer) ([]incident.Incident, error) {
	c, err := f.configuration()
	if err != nil {
		return nil, err
	}
	kept, err := incident.ReadAll(record.IncidentsDir(c.Archive))
	if err != nil && kept == nil {
		return nil, exit{exitReport, err}
	}
	if err != nil {
		fmt.Fprintln(stderr, "breakwater:", err)
	}
	live, err := control.NewClient(c.Control).Recorded(ctx)
	if err != nil {
		return kept, nil // as it was at most a minute before the daemon ended
	}
	of := map[string]bool{}
	for _, i := range live {
		of[i.ID] = true
		for _, p := range i.Parts {
			of[p.ID] = true
		}
	}
	kept = slices.DeleteFunc(kept, func(i incident.Incident) bool { return of[i.ID] })
	all := append(live, kept...)
	slices.SortStableFunc(all, func(a, b incident.Incident) int { return b.First.Compare(a.First) })
	return all, nil
}

func (f *incidentFlags) named(ctx context.Context, stderr io.Writer, id string) (incident.Incident, error) {
	all, err := f.all(ctx, stderr)
	if err != nil {
		return incident.Incident{}, err
	}
	i, err := incident.Named(all, id)
	if err != nil {
		return i, exit{exitReport, err}
	}
	return i, nil
}

func incidentCommand() *cobra.Command {
	f := &incidentFlags{}
	cmd := &cobra.Command{
		Use:   "incident",
		Short: "Show what is recorded of storms: who sent how many of what, and what became of it",
		Long: `An incident is the record of one event: a storm with its first copies, and with the bounces and
auto-replies that it caused. Its ID never changes. Each message is counted once for each recipient:
what came is what was delivered, absorbed, and all else. Incidents are kept for years.

Three kinds of statements are kept apart. Who handed us the mail is proof: breakwater saw the
connection, or your own relays did. What that server said of itself is its statement. All that the
messages say of their way before that is a claim, which anybody on the way can have invented.`,
		Example: `  breakwater incident list
  breakwater incident show I-20260302-0815-7f3a
  breakwater incident note I-20260302-0815-7f3a --notified 203.0.113.77 "called Mr Example, who pulled the plug"`,
	}
	flags := cmd.PersistentFlags()
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.StringVar(&f.config, "config", "", "configuration `file` (default "+config.DefaultFile+")")
	flags.StringVar(&f.control, "control", "", "the daemon's `socket`, if not the configured one")
	flags.StringVar(&f.archive, "archive", "", "`folder` of the archive, if not the configured one")
	flags.StringVar(&f.keys, "keys", "", "`file` of the keys, if not the configured one; ledger.key is beside it")
	cmd.AddCommand(f.listCommand(), f.showCommand(), f.noteCommand(), f.costCommand(), f.joinCommand(), f.splitCommand(), f.holdCommand(), f.exportCommand(), f.verifyCommand())
	return cmd
}

func (f *incidentFlags) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the incidents, the newest first",
		Example: `  breakwater incident list
  breakwater incident list --json | jq '.[] | select(.state == "open") | .id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := f.all(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if f.json {
				return show.JSON(cmd.OutOrStdout(), append([]incident.Incident{}, all...))
			}
			return printRecorded(cmd.OutOrStdout(), all)
		},
	}
}

func printRecorded(w io.Writer, all []incident.Incident) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no incidents")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tCAME\tDELIVERED\tABSORBED\tOTHER\tREPORTS\tSERVERS\tLAST\tCLASS\tSUBJECT")
	for _, i := range all {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", i.ID, i.State, i.Copies.Came, i.Copies.Delivered, i.Copies.Absorbed, i.Copies.Other,
			i.Consequences.Came, len(i.Servers), show.Clock(i.Last), show.Clip(i.Class, 20), show.Clip(i.Subject, 40))
	}
	return t.Flush()
}

func (f *incidentFlags) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one incident: its servers with their counts, and what is claimed of the way before",
		Example: `  breakwater incident show I-20260302-0815-7f3a
  breakwater incident show I-20260302-0815-7f3a --json | jq '.servers[] | {client, came: .copies.came}'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := f.named(cmd.Context(), cmd.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			if f.json {
				return show.JSON(cmd.OutOrStdout(), i)
			}
			return printRecord(cmd.OutOrStdout(), i)
		},
	}
}

// Lines of what others say that are printed; --json has all of it.
const (
	maxStatements = 20
	maxClaims     = 12
)

func printRecord(w io.Writer, i incident.Incident) error {
	fmt.Fprintf(w, "%s: %s\n", i.ID, i.State)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  subject\t%s\n  class\t%s\n  recognised by\t%s\n", show.Clip(i.Subject, 100), show.Clip(i.Class, 20), strings.Join(i.Kinds, ", "))
	if i.Domain != "" {
		fmt.Fprintf(t, "  backscatter of\t%s\n", show.Clip(i.Domain, 100))
	}
	if len(i.Signs) > 0 {
		fmt.Fprintf(t, "  signs\t%s\n", strings.Join(i.Signs, ", "))
	}
	fmt.Fprintf(t, "  first\t%s\n  last copy\t%s\n", i.First.Local().Format(time.DateTime), i.Last.Local().Format(time.DateTime))
	if i.Hold {
		fmt.Fprintf(t, "  on hold\tits copies do not expire\n")
	}
	for _, g := range i.Gaps {
		fmt.Fprintf(t, "  not complete\t%s to %s: %s\n", g.From.Local().Format(time.DateTime), g.To.Local().Format(time.TimeOnly), show.Clip(g.Why, 100))
	}
	if i.Damaged > 0 {
		fmt.Fprintf(t, "  DAMAGED\t%s of the record\n", show.Number(i.Damaged, "line"))
	}
	fmt.Fprintln(t, "\n  \tCAME\tDELIVERED\tABSORBED\tOTHER")
	for _, s := range []struct {
		name string
		incident.Sum
	}{{"copies", i.Copies}, {"bounces and replies", i.Consequences}} {
		fmt.Fprintf(t, "  %s\t%d\t%d\t%d\t%d\n", s.name, s.Came, s.Delivered, s.Absorbed, s.Other)
	}
	fmt.Fprintln(t, "\n  PROOF: HANDED TO US BY\tCOPIES\tDELIVERED\tABSORBED\tOTHER\tREPORTS")
	for _, s := range i.Servers {
		most := ""
		if s.Uncertain > 0 {
			most = fmt.Sprintf(" to %d", s.Copies.Came+s.Uncertain)
		}
		fmt.Fprintf(t, "  %s\t%d%s\t%d\t%d\t%d\t%d\n", show.Clip(s.Client.String(), 60), s.Copies.Came, most, s.Copies.Delivered, s.Copies.Absorbed, s.Copies.Other, s.Consequences.Came)
	}
	if len(i.Statements) > 0 {
		fmt.Fprintln(t, "\n  STATEMENT: THIS SERVER\tCALLS ITSELF\tWRITES\tMESSAGES")
		for _, s := range i.Statements[:min(len(i.Statements), maxStatements)] {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%d\n", show.Clip(s.Client.String(), 60), show.Clip(s.Helo, 60), show.Clip(s.By, 60), s.Messages)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	printClaims(w, i.Claims)
	printDossier(w, i)
	_, err := fmt.Fprintln(w)
	return err
}

// printClaims prints what only the messages say.
func printClaims(w io.Writer, c incident.Claimed) {
	if len(c.Hops) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\n  CLAIM: FROM\tTO\tMESSAGES\tSAID BY\tNAMES FIT\tTIMES RISE")
	for _, h := range c.Hops[:min(len(c.Hops), maxClaims)] {
		fmt.Fprintf(t, "  %s\t%s\t%d\t%s\t%d\t%d\n", show.Clip(h.From, 50), show.Clip(h.By, 50), h.Messages, show.Number(len(h.Clients), "server"), h.Fits, h.Rises)
	}
	t.Flush()
	for _, g := range c.Generations {
		again, passes := 0, []string{}
		for n := range 33 {
			if copies := g.Passes[n]; copies > 0 {
				passes = append(passes, fmt.Sprintf("%d× %d", n, copies))
				if n > 1 {
					again++
				}
			}
		}
		if again > 0 {
			fmt.Fprintf(w, "  claimed loop through %s: %s messages\n", show.Clip(g.By, 60), strings.Join(passes, ", "))
		}
	}
}

// printDossier prints what the operator has added, and what was joined.
func printDossier(w io.Writer, i incident.Incident) {
	for _, n := range i.Notes {
		told := ""
		if n.Notified != "" {
			told = " told the operator of " + show.Clip(n.Notified, 60)
		}
		fmt.Fprintf(w, "  note %s by %s:%s %s\n", n.At.Local().Format(time.DateTime), show.Clip(n.By, 40), told, show.Clip(n.Text, 500))
	}
	for _, c := range i.Costs {
		fmt.Fprintf(w, "  cost %s by %s: %g h at %g %s, %.2f %s %s\n", c.At.Local().Format(time.DateTime), show.Clip(c.By, 40), c.Hours, c.Rate, show.Clip(c.Currency, 10), c.Hours*c.Rate, show.Clip(c.Currency, 10), show.Clip(c.Text, 200))
	}
	for _, p := range i.Parts {
		fmt.Fprintf(w, "  part %s, joined for %s\n", p.ID, show.Clip(p.Why, 100))
	}
}

// order has the daemon do something to an incident, in the name of who runs this.
func (f *incidentFlags) order(cmd *cobra.Command, o incident.Order) error {
	c, err := f.configuration()
	if err != nil {
		return err
	}
	for _, id := range []*string{&o.ID, &o.Other} {
		if *id == "" {
			continue
		}
		i, err := f.named(cmd.Context(), cmd.ErrOrStderr(), *id)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(i.Parts, func(p incident.Joined) bool { return p.ID == *id }) {
			*id = i.ID
		}
	}
	o.By = archive.User()
	if err := control.NewClient(c.Control).Order(cmd.Context(), o); err != nil {
		return exit{exitReport, err}
	}
	i, err := f.named(cmd.Context(), cmd.ErrOrStderr(), o.ID)
	if err != nil {
		return err
	}
	if f.json {
		return show.JSON(cmd.OutOrStdout(), i)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", o.Verb, i.ID)
	return err
}

func (f *incidentFlags) noteCommand() *cobra.Command {
	var notified string
	cmd := &cobra.Command{
		Use:   "note ID [TEXT]",
		Short: "Write something down; with --notified, that a server's operator was told",
		Long: `Note adds a line to the record, with your name and the time. With --notified it says that the operator of
a server was told just now. What that server sends afterwards is what a claim can rest on.`,
		Example: `  breakwater incident note I-20260302-0815-7f3a "the backup MX was off until 9:00"
  breakwater incident note I-20260302-0815-7f3a --notified 203.0.113.77 "by telephone"`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := incident.Order{Verb: "note", ID: args[0], Notified: notified}
			if len(args) > 1 {
				o.Text = args[1]
			}
			if o.Text == "" && o.Notified == "" {
				return exit{exitUsage, errors.New("write a text, or --notified and a server")}
			}
			return f.order(cmd, o)
		},
	}
	cmd.Flags().StringVar(&notified, "notified", "", "the `server` whose operator was told")
	return cmd
}

func (f *incidentFlags) costCommand() *cobra.Command {
	o := incident.Order{Verb: "cost", Currency: "EUR"}
	cmd := &cobra.Command{
		Use:     "cost ID [TEXT]",
		Short:   "Add work that the incident has caused: hours, and what an hour costs",
		Example: `  breakwater incident cost I-20260302-0815-7f3a --hours 15 --rate 80 "three people from 9 to 14"`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if len(args) > 1 {
				o.Text = args[1]
			}
			return f.order(cmd, o)
		},
	}
	cmd.Flags().Float64Var(&o.Hours, "hours", 0, "`hours` of work")
	cmd.Flags().Float64Var(&o.Rate, "rate", 0, "what an hour costs")
	cmd.Flags().StringVar(&o.Currency, "currency", o.Currency, "in which `currency`")
	_ = cmd.MarkFlagRequired("hours")
	return cmd
}

func (f *incidentFlags) joinCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "join ID OTHER",
		Short: "Make one incident of two; the older one's ID stays",
		Args:  cobra.ExactArgs(2),
		Example: `  breakwater incident join I-20260302-0815-7f3a I-20260302-0911-03be
  breakwater incident split I-20260302-0911-03be    undoes it`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.order(cmd, incident.Order{Verb: "join", ID: args[0], Other: args[1]})
		},
	}
}

func (f *incidentFlags) splitCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "split PART",
		Short:   "Take a part out of its incident, under the part's own ID",
		Args:    cobra.ExactArgs(1),
		Example: "  breakwater incident split I-20260302-0911-03be    show lists the parts",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.order(cmd, incident.Order{Verb: "split", ID: args[0]})
		},
	}
}

func (f *incidentFlags) holdCommand() *cobra.Command {
	var off bool
	cmd := &cobra.Command{
		Use:   "hold ID",
		Short: "Keep the incident's absorbed copies from expiry",
		Long: `Hold keeps the absorbed copies of an incident longer than retention says, until --off. Neither their age nor
want of room erases them; only breakwater release --forget does.`,
		Example: "  breakwater incident hold I-20260302-0815-7f3a",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			verb := "hold"
			if off {
				verb = "unhold"
			}
			return f.order(cmd, incident.Order{Verb: verb, ID: args[0]})
		},
	}
	cmd.Flags().BoolVar(&off, "off", false, "hold it no longer")
	return cmd
}

func (f *incidentFlags) exportCommand() *cobra.Command {
	var out, forWhom string
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Write one file of an incident that a solicitor or an insurer can check",
		Long: `Export writes a zip archive with a report to be printed (English and German), all figures as CSV and JSON, the record
itself, and proof by the signed ledger. No text of a message and no recipient is in it. VERIFY.txt in it says how to check
it with sha256sum and openssl. While the daemon runs, it signs the ledger first, so that all that was counted is in.`,
		Example: `  breakwater incident export I-20260302-0815-7f3a --for "North Example Ltd." --out north.zip
  breakwater incident verify north.zip`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.configuration()
			if err != nil {
				return err
			}
			i, err := f.named(cmd.Context(), cmd.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			if err := control.NewClient(c.Control).Order(cmd.Context(), incident.Order{Verb: "seal", ID: i.ID, By: archive.User()}); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "breakwater: what was counted since the last checkpoint is not in it:", err)
			}
			if out == "" {
				out = i.ID + ".zip"
			}
			return f.export(cmd, c, i, forWhom, out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`file` to be written (default ID.zip); none may be there")
	cmd.Flags().StringVar(&forWhom, "for", "", "for `whom` it is, which stands in it")
	return cmd
}

func (f *incidentFlags) export(cmd *cobra.Command, c config.Config, i incident.Incident, forWhom, out string) (err error) {
	key, err := ledger.ReadVerifierKey(record.KeyFile(c.KeysFile()))
	if err != nil {
		return exit{exitUsage, err}
	}
	w, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return exit{exitUsage, fmt.Errorf("write bundle: %w", err)}
	}
	err = evidence.Export(cmd.Context(), w, evidence.Folders{Incidents: record.IncidentsDir(c.Archive), Ledger: record.LedgerDir(c.Archive)}, i, key, forWhom)
	if err := errors.Join(err, w.Sync(), w.Close()); err != nil {
		return exit{exitReport, errors.Join(err, os.Remove(out))}
	}
	if err := archive.Audit(c.Archive, "incident export", "incident", i.ID, "for", forWhom, "file", out); err != nil {
		return exit{exitReport, err}
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), out)
	return err
}

// verifyBundle checks a bundle, which needs no daemon and no configuration.
func (f *incidentFlags) verifyBundle(cmd *cobra.Command, name, key string) error {
	in, err := os.Open(name)
	if err != nil {
		return exit{exitUsage, fmt.Errorf("read bundle: %w", err)}
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return exit{exitUsage, fmt.Errorf("read bundle: %w", err)}
	}
	v, err := evidence.Verify(in, st.Size(), key)
	if err != nil {
		return exit{exitReport, err}
	}
	faults := append([]string{}, v.Faults...)
	if f.json {
		if err := show.JSON(cmd.OutOrStdout(), map[string]any{"id": v.ID, "for": v.For, "leaves": v.Leaves, "signed": v.Signed, "key": v.Key, "trusted": key != "", "faults": faults}); err != nil {
			return err
		}
	} else {
		state := "nothing was altered"
		if len(faults) > 0 {
			state = "NOT what was made"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s; %d of %d entries of the ledger\n", show.Clip(v.ID, 60), state, v.Leaves, v.Signed)
		if key == "" {
			fmt.Fprintf(cmd.OutOrStdout(), "signed with the key %s; ask its owner whether it is his, or name the right one with --key\n", show.Clip(v.Key, 200))
		}
		for _, fault := range faults {
			fmt.Fprintln(cmd.ErrOrStderr(), show.Clip(fault, 300))
		}
	}
	if len(faults) > 0 {
		return exit{exitReport, nil}
	}
	return nil
}

func (f *incidentFlags) verifyCommand() *cobra.Command {
	var key string
	var kept []string
	cmd := &cobra.Command{
		Use:   "verify [BUNDLE]",
		Short: "Check a bundle, or the ledger: that nothing was altered, moved or taken away",
		Long: `With a bundle, verify checks that; it needs no daemon. Which file is not what it should be, it says. Without --key it trusts the
key in the bundle.

Without, verify reads the whole ledger and checks it against its signed checkpoints. Each hour the daemon writes a
checkpoint into its log. With --checkpoint and one that was kept elsewhere verify also tells where
somebody has cut off the end of the ledger. The exit status is 1 when something is wrong. The daemon may
run meanwhile.`,
		Example: `  breakwater incident verify north.zip --key 'mx.example.org/breakwater+1234abcd+AQ…'
  breakwater incident verify
  breakwater incident verify --key 'mx.example.org/breakwater+1234abcd+AQ…' --checkpoint kept.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return f.verifyBundle(cmd, args[0], key)
			}
			c, err := f.configuration()
			if err != nil {
				return err
			}
			if key == "" {
				if key, err = ledger.ReadVerifierKey(record.KeyFile(c.KeysFile())); err != nil {
					return exit{exitUsage, fmt.Errorf("%w; or name the public key with --key", err)}
				}
			}
			var notes []string
			for _, name := range kept {
				b, err := os.ReadFile(name)
				if err != nil {
					return exit{exitUsage, fmt.Errorf("read checkpoint: %w", err)}
				}
				notes = append(notes, string(b))
			}
			v, err := ledger.Verify(cmd.Context(), record.LedgerDir(c.Archive), key, notes...)
			if err != nil {
				return exit{exitReport, err}
			}
			return f.printVerified(cmd, v)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "public `key`, if not that of this host")
	cmd.Flags().StringArrayVar(&kept, "checkpoint", nil, "`file` with a checkpoint that was kept elsewhere; may be repeated")
	return cmd
}

func (f *incidentFlags) printVerified(cmd *cobra.Command, v ledger.Verified) error {
	faults := []string{}
	for _, fault := range v.Faults {
		faults = append(faults, fault.String())
	}
	if f.json {
		out := map[string]any{"leaves": v.Leaves, "first": v.First, "erased": v.Erased, "checkpoints": v.Checkpoints, "unchecked": v.Unchecked, "faults": faults}
		if err := show.JSON(cmd.OutOrStdout(), out); err != nil {
			return err
		}
	} else {
		state := "nothing was altered"
		if len(faults) > 0 {
			state = "NOT what was written"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d leaves under %s: %s\n", v.Leaves, show.Number(v.Checkpoints, "checkpoint"), state)
		if v.First > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "leaves before %d are not there any more, and %s with them\n", v.First, show.Number(v.Unchecked, "checkpoint"))
		}
		for _, fault := range faults {
			fmt.Fprintln(cmd.ErrOrStderr(), show.Clip(fault, 300))
		}
	}
	if len(faults) > 0 {
		return exit{exitReport, nil}
	}
	return nil
}
