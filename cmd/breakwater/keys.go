package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/origin"
	"breakwater/internal/owned"
	"breakwater/internal/tomlfile"
)

// readKeys reads the keys that prove what was sent. While the daemon runs, a file that is missing is an
// error, and the old keys stay in force: with new ones, nothing would prove what was sent before.
func (d *daemon) readKeys() error {
	open := readRing
	if d.ring.Load() == nil {
		open = func(name string) (*origin.Ring, error) { return openKeys(name, time.Now()) }
	}
	r, err := open(d.cfg.KeysFile())
	if err != nil {
		return err
	}
	d.ring.Store(r)
	d.log.Info("keys read", "file", d.cfg.KeysFile(), "signing", r.Signing(time.Now()).ID(), "keys", len(r.Keys()))
	return nil
}

// openKeys reads a file of keys. Where there is none, it is made: no key is shipped that all
// hosts would share.
func openKeys(name string, at time.Time) (*origin.Ring, error) {
	r, err := readRing(name)
	if errors.Is(err, fs.ErrNotExist) {
		r = (&origin.Ring{}).With(newKey(), at, at)
		return r, writeKeys(name, r)
	}
	return r, err
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func readRing(name string) (*origin.Ring, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if err := private(name); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	r, err := origin.ParseRing(string(b))
	if err != nil {
		return nil, fmt.Errorf("read keys %s: %w; restore it from a backup, or remove it to begin with a new key (proofs of mail under way are then lost)", name, err)
	}
	return r, nil
}

// private tells what is wrong where others than the owner may read a file.
func private(name string) error {
	if st, err := os.Stat(name); err == nil && st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("other users may read %s; run chmod 600 %s", name, name)
	}
	return nil
}

// writeKeys replaces the file of keys in one step. Its owner stays.
func writeKeys(name string, r *origin.Ring) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write keys: %w", err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".keys-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.WriteString(f, r.String())
	if err := errors.Join(err, sameOwner(f, name), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// sameOwner gives f to whom the file belongs that it replaces, or else its folder: root may
// rotate the keys of a daemon that runs as another user.
func sameOwner(f *os.File, name string) error {
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return owned.Give(f)
	}
	if err != nil {
		return err
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// keysFlags are those of `breakwater keys` and what is below it.
type keysFlags struct {
	config, keys, control string
	json                  bool
}

func (f *keysFlags) configuration() (config.Config, error) {
	c, err := config.Load(f.config)
	if err != nil {
		return c, exit{exitUsage, err}
	}
	if f.keys != "" {
		c.Keys = f.keys
	}
	if f.control != "" {
		c.Control = f.control
	}
	return c, nil
}

func keysCommand() *cobra.Command {
	f := &keysFlags{}
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Show and rotate the keys that prove what was sent",
		Long: `Mail that your users send gets a token, and a tag if the domain wants one, by which reports on
it are known. Keys shows the keys that make them, and never their secrets.

Hosts that send mail of the same domains need the same file of keys: copy it, mode 0600 and
owned by the daemon's user, before a new key begins to sign (see rotate --in), and have the
daemon there read it: systemctl reload breakwater.`,
		Example: `  breakwater keys
  breakwater keys rotate
  breakwater keys rotate --in 1h && scp -p /var/lib/breakwater/keys mx2:/var/lib/breakwater/keys`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.configuration()
			if err != nil {
				return err
			}
			r, err := readRing(c.KeysFile())
			if err != nil {
				return exit{exitUsage, err}
			}
			return f.print(cmd.OutOrStdout(), r, time.Now())
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.config, "config", "", "configuration `file` (default "+config.DefaultFile+")")
	flags.StringVar(&f.keys, "keys", "", "`file` of the keys, if not the configured one")
	flags.StringVar(&f.control, "control", "", "the daemon's `socket`, if not the configured one")
	flags.BoolVar(&f.json, "json", false, "print a JSON array")
	cmd.AddCommand(keysRotateCommand(f))
	return cmd
}

func keysRotateCommand(f *keysFlags) *cobra.Command {
	var in string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key that signs from now on",
		Long: `Rotate makes a new key and has the daemon, if it runs, read it. What older keys signed is
good until it expires; then they are dropped from the file at the next rotation.`,
		Example: `  breakwater keys rotate
  breakwater keys rotate --in 1h    # time to copy the file to the other hosts`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var wait tomlfile.Duration
			if in != "" {
				if err := wait.UnmarshalText([]byte(in)); err != nil {
					return exit{exitUsage, fmt.Errorf("--in: %w", err)}
				}
			}
			c, err := f.configuration()
			if err != nil {
				return err
			}
			now := time.Now()
			r, err := openKeys(c.KeysFile(), now)
			if err != nil {
				return exit{exitUsage, err}
			}
			r = r.With(newKey(), now.Add(time.Duration(wait)), now)
			if err := writeKeys(c.KeysFile(), r); err != nil {
				return exit{exitReport, err}
			}
			if err := f.print(cmd.OutOrStdout(), r, now); err != nil {
				return err
			}
			if err := control.NewClient(c.Control).ReloadKeys(cmd.Context()); err != nil {
				return exit{exitReport, fmt.Errorf("the new key is in %s, but the daemon has not read it (it does so when it starts): %w", c.KeysFile(), err)}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&in, "in", "", "let it sign after this `time` only")
	return cmd
}

// shownKey is what is told of a key.
type shownKey struct {
	ID     string    `json:"id"`
	Number int       `json:"number"`
	From   time.Time `json:"from"`
	State  string    `json:"state"` // waiting, signing, checking or expired
}

func (f *keysFlags) print(w io.Writer, r *origin.Ring, at time.Time) error {
	var all []shownKey
	for _, k := range r.Keys() {
		state := "checking"
		switch {
		case k.Number == r.Signing(at).Number:
			state = "signing"
		case k.From.After(at):
			state = "waiting"
		case r.Retired(k, at):
			state = "expired"
		}
		all = append(all, shownKey{k.ID(), k.Number, k.From, state})
	}
	if f.json {
		return printJSON(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tNUMBER\tSIGNS FROM\tSTATE")
	for _, k := range all {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", k.ID, k.Number, k.From.Local().Format(time.DateTime), k.State)
	}
	return t.Flush()
}
