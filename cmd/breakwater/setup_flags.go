package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/setup"
	"breakwater/internal/show"
	"breakwater/internal/submit"
)

func setupCommand() *cobra.Command {
	var milter, file, to string
	var prvs []string
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Show what Postfix or Sendmail needs, or set it",
		Long: `Setup shows the exact lines that a mail server needs to ask breakwater, for mail from
others and for mail of your own users, and to take released mail and digests. It changes
nothing unless told to.`,
		Example: `  breakwater setup postfix
  breakwater setup postfix --apply && postfix reload
  breakwater setup postfix --undo && postfix reload
  breakwater setup postfix --prvs example.org,example.net
  breakwater setup sendmail --milter unix:/run/breakwater/milter.sock`,
	}
	cmd.PersistentFlags().StringVar(&milter, "milter", "", "`socket` of breakwater, as the mail server sees it (default "+setup.PostfixSocket+", which Postfix looks for in its queue directory; of Sendmail "+setup.SendmailSocket+")")
	cmd.PersistentFlags().StringSliceVar(&prvs, "prvs", nil, "`domains` whose rule file says form = \"prvs\" under [batv]")
	cmd.PersistentFlags().StringVar(&to, "submit", "", "where breakwater hands released mail and digests to the mail server, if not where breakwater.toml says: smtp://HOST:PORT")
	cmd.PersistentFlags().StringVar(&file, "config", "", "configuration `file` (default "+config.DefaultFile+")")
	handed := func() ([]string, error) {
		c, err := config.Load(file)
		if err != nil {
			return nil, exit{exitUsage, err}
		}
		if to == "" {
			return addresses(ways(c)), nil
		}
		if _, err := submit.Parse(to); err != nil {
			return nil, exit{exitUsage, fmt.Errorf("--submit: %w", err)}
		}
		return addresses([]way{{"--submit", to}}), nil
	}
	cmd.AddCommand(setupPostfixCommand(&milter, &prvs, handed), setupSendmailCommand(&milter, &prvs, handed))
	return cmd
}

func setupSendmailCommand(milter *string, prvs *[]string, handed func() ([]string, error)) *cobra.Command {
	return &cobra.Command{
		Use:     "sendmail",
		Short:   "Show what sendmail.mc needs",
		Example: "  breakwater setup sendmail --milter unix:/run/breakwater/milter.sock",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			socket := cmp.Or(*milter, setup.SendmailSocket)
			if err := errors.Join(setup.CheckMilter(socket, false), setup.CheckDomains(*prvs)); err != nil {
				return exit{exitUsage, err}
			}
			ways, err := handed()
			if err != nil {
				return err
			}
			lines := setup.Sendmail(socket) + setup.SendmailWays(ways)
			if len(*prvs) > 0 {
				lines += setup.SendmailPrvs(*prvs)
			}
			fmt.Fprint(cmd.OutOrStdout(), lines)
			fmt.Fprint(cmd.ErrOrStderr(), warning(socket))
			if len(ways) > 0 {
				fmt.Fprint(cmd.ErrOrStderr(), sendmailWay)
			}
			if socket == setup.SendmailSocket {
				fmt.Fprintf(cmd.ErrOrStderr(), `
The socket is one that systemd opens. As shipped it is where Postfix looks for it; run
  systemctl edit breakwater.socket
and write
  [Socket]
  ListenStream=
  ListenStream=%s
  SocketGroup=root
`, strings.TrimPrefix(socket, "unix:"))
			}
			fmt.Fprintln(cmd.ErrOrStderr(), `
Put these lines into /etc/mail/sendmail.mc, before MAILER lines, then run
  make -C /etc/mail && systemctl restart sendmail
Listeners for your own users must be named MSA (as in DAEMON_OPTIONS(`+"`"+`Name=MSA, Port=587')),
or be listed under submit_daemons in breakwater.toml. Undo: take the lines out again.

Mail that programs of this host send by sendmail(1), such as cron and PHP, is asked about when
submit.cf hands it to the daemon on port 25, as shipped. If a rule file is to say
all_mail_leaves_here = true, 127.0.0.1 has to be in submit_networks of breakwater.toml, too.
Sendmail asks nobody about bounces that it makes itself.`)
			return nil
		},
	}
}

// sendmailWay is what an operator should know of setup.SendmailWays.
const sendmailWay = `
By the daemon named breakwater, released mail and digests come back from this host: no milter filters
or signs them. If sendmail.mc has no other DAEMON_OPTIONS line, Sendmail stops listening on port 25
once it has this one. Add DAEMON_OPTIONS(` + "`Name=MTA'" + `)dnl then.
`

// warning is what an operator should know who gives the milter an internet address.
func warning(socket string) string {
	if !strings.HasPrefix(socket, "inet:") {
		return ""
	}
	return "# note: every account that can connect to " + socket + " can forge mail and proofs for all mailboxes; a unix socket keeps them out\n"
}

// postfixSetup is `breakwater setup postfix`.
type postfixSetup struct {
	folder                     setup.Folder // Postfix's configuration
	wishes                     setup.Wishes
	apply, undo, force, asJSON bool
}

func setupPostfixCommand(milter *string, prvs *[]string, handed func() ([]string, error)) *cobra.Command {
	s := &postfixSetup{}
	cmd := &cobra.Command{
		Use:   "postfix",
		Short: "Show what Postfix needs, or set it by postconf",
		Long: `Postfix shows what main.cf and master.cf need. With --apply it sets that by postconf, and
keeps the files as they were; --undo puts them back, byte for byte. Neither reloads Postfix.

Released mail and digests come back at a port of loopback of their own, by a service without
milters: released mail may be forged, and OpenDKIM would sign it. The port is that of
release.submit and digest.submit in breakwater.toml.

Where a rule file says form = "prvs" under [batv], --prvs names its domains: Postfix then takes
mail to prvs=1234abcdef=ann@example.org, too. Mail leaves with such tags once it does.

The exit status is 1 if something is left to be set.`,
		Example: `  breakwater setup postfix
  breakwater setup postfix --apply && postfix reload
  breakwater setup postfix --undo && postfix reload`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.apply && s.undo {
				return exit{exitUsage, errors.New("--apply and --undo exclude each other")}
			}
			if s.undo {
				return s.putBack(cmd.OutOrStdout())
			}
			socket := cmp.Or(*milter, setup.PostfixSocket)
			if err := errors.Join(setup.CheckMilter(socket, true), setup.CheckDomains(*prvs)); err != nil {
				return exit{exitUsage, err}
			}
			ways, err := handed()
			if err != nil {
				return err
			}
			s.wishes = setup.Wishes{Milter: socket, Prvs: *prvs, Table: filepath.Join(string(s.folder), "breakwater_prvs"), Ways: ways}
			return s.run(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar((*string)(&s.folder), "config-dir", "/etc/postfix", "Postfix's configuration `folder`")
	f.BoolVar(&s.apply, "apply", false, "set it")
	f.BoolVar(&s.undo, "undo", false, "put main.cf and master.cf back as they were before --apply")
	f.BoolVar(&s.force, "force", false, "with --undo, even if the files were changed since")
	f.BoolVar(&s.asJSON, "json", false, "print a JSON object")
	return cmd
}

func (s *postfixSetup) run(w io.Writer) error {
	p, err := postfix(s.folder)
	if err != nil {
		return err
	}
	if err := p.Taken(s.wishes.Milter); err != nil {
		return exit{exitUsage, err}
	}
	now, err := os.ReadFile(s.wishes.Table)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return exit{exitUsage, err}
	}
	s.wishes.Now = string(now)
	changes, notes := p.Plan(s.wishes)
	if w := strings.TrimPrefix(strings.TrimSpace(warning(s.wishes.Milter)), "# note: "); w != "" {
		notes = append(notes, w)
	}
	if s.asJSON {
		if err := show.JSON(w, map[string]any{"changes": changes, "notes": notes}); err != nil {
			return err
		}
	} else {
		printPlan(w, changes, notes)
	}
	if len(changes) == 0 {
		return nil
	}
	if !s.apply {
		return exit{status: exitReport}
	}
	if err := s.folder.Set(changes); err != nil {
		return err
	}
	if !s.asJSON {
		fmt.Fprintf(w, "\nDone. Now run: postfix -c %s reload\nThe way back:  breakwater setup postfix --config-dir %s --undo\n", s.folder, s.folder)
	}
	return nil
}

func printPlan(w io.Writer, changes []setup.Change, notes []string) {
	if len(changes) == 0 {
		fmt.Fprintln(w, "Postfix asks breakwater already; nothing is to be set.")
	}
	for _, c := range changes {
		fmt.Fprintf(w, "# %s\n", c.Why)
		if c.Old != "" {
			fmt.Fprintf(w, "# before: %s\n", c.Old)
		}
		fmt.Fprintf(w, "%s\n\n", c.Line())
	}
	for _, n := range notes {
		fmt.Fprintf(w, "# note: %s\n", strings.ReplaceAll(n, "\n", "\n# "))
	}
}

func (s *postfixSetup) putBack(w io.Writer) error {
	err := s.folder.Undo(s.force)
	if changed := (setup.ChangedError{}); errors.As(err, &changed) {
		return exit{exitReport, err}
	}
	if err != nil {
		return exit{exitUsage, err}
	}
	_, err = fmt.Fprintf(w, "The configuration is as it was. Now run: postfix -c %s reload\n", s.folder)
	return err
}
