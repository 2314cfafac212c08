package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"breakwater/internal/config"
	"breakwater/internal/daemon"
	"breakwater/internal/rules"
)

func milterCommand() *cobra.Command {
	var configF string
	cmd := &cobra.Command{
		Use:   "milter",
		Short: "Run the daemon that Postfix or Sendmail asks about each message",
		Long: `Milter runs the daemon. It stays in the foreground and logs to standard error. SIGHUP
reloads the rule files and the keys, and says what has changed in the configuration file that needs
a restart; SIGTERM lets messages in hand finish and then ends.

Flags win over the configuration file, and both over the defaults. Sockets that systemd
hands over (breakwater.socket) are used instead of those of --listen.`,
		Example: `  breakwater milter
  breakwater milter --config /etc/breakwater/breakwater.toml --log-level debug
  breakwater milter --listen unix:/run/breakwater/milter.sock --store badger:/tmp/store \
      --archive /tmp/archive --rules ./rules --secret /tmp/secret --web "" --control /tmp/control.sock`,
		Args: cobra.NoArgs,
	}
	flags := settings(cmd.Flags())
	cmd.Flags().StringVar(&configF, "config", "", "configuration `file` (default "+config.DefaultFile+", if it is there)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		read := func() (config.Config, error) {
			cfg, err := config.Load(configF)
			if err == nil {
				err = flags(&cfg)
			}
			if err == nil {
				err = cfg.Check()
			}
			return cfg, err
		}
		cfg, err := read()
		if err != nil {
			return exit{exitUsage, err}
		}
		lines := daemon.NewLogQueue(cmd.ErrOrStderr())
		defer lines.Close() // nobody can be told
		log := daemon.NewLog(cfg.Log, lines)
		slog.SetDefault(log) // go-milter writes to the standard logger
		return daemon.Run(cmd.Context(), cfg, read, log, lines.Dropped)
	}
	return cmd
}

// settings defines the flags for a Config, and returns what lays those that were given over one.
func settings(f *pflag.FlagSet) func(*config.Config) error {
	d := config.Default()
	listen := f.StringArray("listen", d.Listen, "`address` for the mail server: inet:HOST:PORT, inet6:[HOST]:PORT or unix:/PATH; may be repeated")
	text := map[string]*string{}
	for _, v := range []struct{ name, value, usage string }{
		{"store", d.Store, "where counts are kept: badger:`FOLDER`"},
		{"archive", d.Archive, "`folder` for absorbed mail"},
		{"rules", d.Rules, "`folder` of the rule files"},
		{"secret", d.Secret, "`file` with the key of all fingerprints; made if missing"},
		{"keys", d.Keys, "`file` with the keys that prove what was sent; made if missing (default keys, beside the secret)"},
		{"web", d.Web, "`HOST:PORT` for /metrics and /healthz; \"\" for none"},
		{"control", d.Control, "unix `socket` for the other commands; \"\" for none"},
		{"on-error", string(d.OnError), "what to do when breakwater itself fails: deliver or tempfail"},
		{"drain-timeout", time.Duration(d.DrainTimeout).String(), "`time` that messages in hand get at SIGTERM"},
		{"log-level", d.Log.Level, "debug, info, warn or error"},
		{"log-format", d.Log.Format, "text or json"},
	} {
		text[v.name] = f.String(v.name, v.value, v.usage)
	}
	return func(c *config.Config) error {
		if f.Changed("listen") {
			c.Listen = *listen
		}
		var err error
		set := map[string]func(string){
			"store":         func(s string) { c.Store = s },
			"archive":       func(s string) { c.Archive = s },
			"rules":         func(s string) { c.Rules = s },
			"secret":        func(s string) { c.Secret = s },
			"keys":          func(s string) { c.Keys = s },
			"web":           func(s string) { c.Web = s },
			"control":       func(s string) { c.Control = s },
			"on-error":      func(s string) { c.OnError = rules.Action(s) },
			"log-level":     func(s string) { c.Log.Level = s },
			"log-format":    func(s string) { c.Log.Format = s },
			"drain-timeout": func(s string) { err = c.DrainTimeout.UnmarshalText([]byte(s)) },
		}
		for name, value := range text {
			if f.Changed(name) {
				set[name](*value)
			}
		}
		if err != nil {
			return fmt.Errorf("--drain-timeout: %w", err)
		}
		return nil
	}
}
