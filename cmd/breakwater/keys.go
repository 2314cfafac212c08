package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/host"
	"breakwater/internal/origin"
	"breakwater/internal/show"
	"breakwater/internal/tomlfile"
)

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
			r, err := host.ReadKeys(c.KeysFile())
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
			r, err := host.OpenKeys(c.KeysFile(), now)
			if err != nil {
				return exit{exitUsage, err}
			}
			r = r.With(host.NewKey(), now.Add(time.Duration(wait)), now)
			if err := host.WriteKeys(c.KeysFile(), r); err != nil {
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
		return show.JSON(w, all)
	}
	t := show.NewTable(w, "KEY", "NUMBER", "SIGNS FROM", "STATE")
	for _, k := range all {
		t.Row(k.ID, k.Number, k.From.Local().Format(time.DateTime), k.State)
	}
	return t.Flush()
}
