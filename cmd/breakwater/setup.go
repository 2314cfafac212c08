package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"breakwater/internal/setup"
	"breakwater/internal/show"
)

func setupCommand() *cobra.Command {
	var milter string
	var prvs []string
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Show what Postfix or Sendmail needs, or set it",
		Long: `Setup shows the exact lines that a mail server needs to ask breakwater, for mail from
others and for mail of your own users. It changes nothing unless told to.`,
		Example: `  breakwater setup postfix
  breakwater setup postfix --apply && postfix reload
  breakwater setup postfix --undo && postfix reload
  breakwater setup postfix --prvs example.org,example.net
  breakwater setup sendmail --milter unix:/run/breakwater/milter.sock`,
	}
	cmd.PersistentFlags().StringVar(&milter, "milter", "", "`socket` of breakwater, as the mail server sees it (default "+setup.PostfixSocket+", which Postfix looks for in its queue directory; of Sendmail "+setup.SendmailSocket+")")
	cmd.PersistentFlags().StringSliceVar(&prvs, "prvs", nil, "`domains` whose rule file says form = \"prvs\" under [batv]")
	cmd.AddCommand(setupPostfixCommand(&milter, &prvs), setupSendmailCommand(&milter, &prvs))
	return cmd
}

func setupSendmailCommand(milter *string, prvs *[]string) *cobra.Command {
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
			lines := setup.Sendmail(socket)
			if len(*prvs) > 0 {
				lines += setup.SendmailPrvs(*prvs)
			}
			fmt.Fprint(cmd.OutOrStdout(), lines)
			fmt.Fprint(cmd.ErrOrStderr(), warning(socket))
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

// warning is what an operator should know who gives the milter an internet address.
func warning(socket string) string {
	if !strings.HasPrefix(socket, "inet:") {
		return ""
	}
	return "# note: every account that can connect to " + socket + " can forge mail and proofs for all mailboxes; a unix socket keeps them out\n"
}

// postfixSetup is `breakwater setup postfix`.
type postfixSetup struct {
	dir                        string // Postfix's configuration
	wishes                     setup.Wishes
	apply, undo, force, asJSON bool
}

func setupPostfixCommand(milter *string, prvs *[]string) *cobra.Command {
	s := &postfixSetup{}
	cmd := &cobra.Command{
		Use:   "postfix",
		Short: "Show what Postfix needs, or set it by postconf",
		Long: `Postfix shows what main.cf and master.cf need. With --apply it sets that by postconf, and
keeps the files as they were; --undo puts them back, byte for byte. Neither reloads Postfix.

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
			s.wishes = setup.Wishes{Milter: socket, Prvs: *prvs, Table: filepath.Join(s.dir, "breakwater_prvs")}
			return s.run(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "config-dir", "/etc/postfix", "Postfix's configuration `folder`")
	f.BoolVar(&s.apply, "apply", false, "set it")
	f.BoolVar(&s.undo, "undo", false, "put main.cf and master.cf back as they were before --apply")
	f.BoolVar(&s.force, "force", false, "with --undo, even if the files were changed since")
	f.BoolVar(&s.asJSON, "json", false, "print a JSON object")
	return cmd
}

// postconf runs Postfix's own tool on the configuration.
func (s *postfixSetup) postconf(args ...string) (string, error) {
	cmd := exec.Command("postconf", append([]string{"-c", s.dir}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", exit{exitUsage, fmt.Errorf("run postconf: %w\n%s", err, bytes.TrimSpace(stderr.Bytes()))}
	}
	return string(out), nil
}

func (s *postfixSetup) read() (p setup.Postfix, err error) {
	var out [4]string
	for i, args := range [][]string{setup.Parameters, append([]string{"-x"}, setup.Parameters...), {"-M"}, {"-xP"}} {
		if out[i], err = s.postconf(args...); err != nil {
			return p, err
		}
	}
	return setup.ParsePostfix(out[0], out[1], out[2], out[3]), nil
}

func (s *postfixSetup) run(w io.Writer) error {
	p, err := s.read()
	if err != nil {
		return err
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
	if err := s.set(changes); err != nil {
		return err
	}
	if !s.asJSON {
		fmt.Fprintf(w, "\nDone. Now run: postfix -c %s reload\nThe way back:  breakwater setup postfix --config-dir %s --undo\n", s.dir, s.dir)
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

// The files that postconf changes, and the way back from it.
var postfixFiles = []string{"main.cf", "master.cf"}

const wayBack = "breakwater-undo.json"

// backup is what is needed to undo.
type backup struct {
	Before map[string][]byte   `json:"before"` // null: there was no such file
	After  map[string][32]byte `json:"after"`  // SHA-256

	Changes []setup.Change `json:"changes,omitempty"` // what was done
}

// set makes the changes. Whatever fails on the way, the files are put back.
func (s *postfixSetup) set(changes []setup.Change) error {
	undo := filepath.Join(s.dir, wayBack)
	if _, err := os.Stat(undo); !errors.Is(err, fs.ErrNotExist) {
		return exit{exitUsage, fmt.Errorf("%s is there from an earlier --apply; run --undo first, or remove it to keep those changes for good", undo)}
	}
	b := backup{map[string][]byte{}, map[string][32]byte{}, changes}
	for _, name := range postfixFiles {
		data, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return exit{exitUsage, err}
		}
		b.Before[name] = data
	}
	for _, c := range changes {
		if c.File == "" {
			continue
		}
		data, err := os.ReadFile(c.File)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return exit{exitUsage, err}
		}
		b.Before[filepath.Base(c.File)] = data
	}
	if err := b.write(undo); err != nil {
		return err
	}
	for _, c := range changes {
		if err := s.change(c); err != nil {
			return errors.Join(err, s.restore(b))
		}
	}
	for name := range b.Before {
		data, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return err
		}
		b.After[name] = sha256.Sum256(data)
	}
	return b.write(undo)
}

func (s *postfixSetup) change(c setup.Change) error {
	if c.File != "" {
		return os.WriteFile(c.File, []byte(c.New), 0o644)
	}
	_, err := s.postconf(c.Args()...)
	return err
}

func (b backup) write(name string) error {
	data, err := json.MarshalIndent(b, "", "  ")
	if err == nil {
		err = os.WriteFile(name, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the way back: %w", err)
	}
	return nil
}

func (s *postfixSetup) putBack(w io.Writer) error {
	undo := filepath.Join(s.dir, wayBack)
	data, err := os.ReadFile(undo)
	if err != nil {
		return exit{exitUsage, fmt.Errorf("nothing to undo: %w", err)}
	}
	var b backup
	if err := json.Unmarshal(data, &b); err != nil {
		return exit{exitUsage, fmt.Errorf("read %s: %w", undo, err)}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Before)) {
		now, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return exit{exitUsage, err}
		}
		if sha256.Sum256(now) != b.After[name] && !s.force {
			return exit{exitReport, s.byHand(name, b)}
		}
	}
	if s.force {
		if err := s.keepCopies(b); err != nil {
			return err
		}
	}
	if err := s.restore(b); err != nil {
		return err
	}
	fmt.Fprintf(w, "The configuration is as it was. Now run: postfix -c %s reload\n", s.dir)
	return nil
}

// byHand is the error of a file that was changed since --apply, with the commands that take breakwater out of it.
func (s *postfixSetup) byHand(name string, b backup) error {
	var lines strings.Builder
	if p, err := s.read(); err == nil {
		for _, c := range p.Undo(b.Changes) {
			fmt.Fprintf(&lines, "\n  %s", strings.Replace(c.Line(), "postconf ", "postconf -c "+s.dir+" ", 1))
		}
	}
	return fmt.Errorf("%s was changed since --apply. Take breakwater's lines out by hand:%s\n  rm %s\nor undo with --force and lose the other changes, of which a copy is kept",
		name, lines.String(), filepath.Join(s.dir, wayBack))
}

// keepCopies keeps the files as they are now beside them.
func (s *postfixSetup) keepCopies(b backup) error {
	for name := range b.Before {
		path := filepath.Join(s.dir, name)
		now, err := os.ReadFile(path)
		if err == nil && sha256.Sum256(now) != b.After[name] {
			err = os.WriteFile(path+".before-undo", now, 0o600)
		}
		if err != nil {
			return fmt.Errorf("keep a copy: %w", err)
		}
	}
	return nil
}

// restore writes the files as they were and forgets the way back.
func (s *postfixSetup) restore(b backup) error {
	for name, data := range b.Before {
		path := filepath.Join(s.dir, name)
		if err := putBack(path, data); err != nil {
			return fmt.Errorf("put %s back: %w", name, err)
		}
	}
	return os.Remove(filepath.Join(s.dir, wayBack))
}

// putBack makes a file be as it was; nil is not there.
func putBack(path string, data []byte) error {
	if data == nil {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp := path + ".breakwater"
	if err := os.WriteFile(tmp, data, now.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
