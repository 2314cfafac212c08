package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/milterd"
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
		lines := newLogQueue(cmd.ErrOrStderr())
		defer lines.Close() // nobody can be told
		log := newLog(cfg.Log, lines)
		slog.SetDefault(log) // go-milter writes to the standard logger
		return runDaemon(cmd.Context(), cfg, read, log, lines.Dropped)
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

func newLog(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // Check has seen it
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// memoryLimit is what the garbage collector aims at, in bytes: a burst of new keys makes
// Badger's compaction ask for more than it needs. GOMEMLIMIT wins over it.
const memoryLimit = 128 << 20

// runDaemon runs the daemon until ctx ends. again reads its configuration anew, and dropped is how many lines
// of log were.
func runDaemon(ctx context.Context, cfg config.Config, again func() (config.Config, error), log *slog.Logger, dropped func() uint64) (err error) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	hup := make(chan os.Signal, 1) // from the start, since a SIGHUP that nobody takes ends the process
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	d, err := openDaemon(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	d.readConfig = again
	d.metrics.counter("breakwater_log_lines_dropped_total", "Log lines that nobody read in time.", func() float64 { return float64(dropped()) })
	from, err := takeGiven(log)
	if err == nil && len(from.listeners) == 0 {
		from.listeners, err = listen(cfg, log)
	}
	if err != nil {
		return exit{exitUsage, err}
	}
	side, stop := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx until mail has drained
	var busy sync.WaitGroup                                      // with store and archive
	defer func() { stop(); busy.Wait() }()
	if cfg.Control != "" {
		d.beside(side, "control", func() (net.Listener, error) {
			return milterd.Listen("unix:"+cfg.Control, milterd.ListenOptions{Mode: 0o600})
		}, d.control)
	}
	if cfg.Web != "" {
		d.beside(side, "web", func() (net.Listener, error) { return net.Listen("tcp", cfg.Web) }, d.web)
	}
	go func() {
		for {
			select {
			case <-hup:
				d.reread()
			case <-side.Done():
				return
			}
		}
	}()
	busy.Go(func() { d.watchdog(side) })
	busy.Go(func() { d.guarded("expiry of absorbed mail", func() { d.keepHouse(side) }) })
	busy.Go(func() { d.guarded("proofs of origin", func() { d.watchSent(side) }) })
	busy.Go(func() { d.guarded("tags of mail that leaves", func() { d.watchTags(side) }) })
	busy.Go(func() { d.guarded("evidence", func() { d.records.Run(side) }) })
	busy.Go(func() { d.guarded("digests", func() { d.tell(side) }) })
	var next handover
	if os.Getenv("NOTIFY_SOCKET") != "" {
		d.milter.HandOver = next.add
	}
	if err := d.milter.Resume(from.handed); err != nil {
		log.Warn("connections of before the restart", "err", err)
	}
	if n := len(from.handed); n > 0 {
		log.Info("going on with connections of the daemon before", "connections", n)
	}
	notify(log, systemd.SdNotifyReady)
	context.AfterFunc(ctx, func() { notify(log, systemd.SdNotifyStopping) })
	err = d.serve(ctx, from.listeners)
	n, storeErr := next.store()
	if storeErr != nil {
		log.Warn("sessions of the mail server go on unfiltered", "err", storeErr)
	}
	if n > 0 {
		log.Info("connections are left for the next daemon", "connections", n)
	}
	return err
}

// besideAgain is how long it takes until what cannot listen tries again.
const besideAgain = 30 * time.Second

// beside listens and then serves what mail can do without, until ctx ends. Where it cannot listen, it says so,
// and goes on trying.
func (d *daemon) beside(ctx context.Context, what string, listen func() (net.Listener, error), serve func(context.Context, net.Listener)) {
	ln, err := listen()
	if err != nil {
		d.without.Store(what, err.Error())
		d.log.Error("mail is filtered, but without this socket; trying again", "socket", what, "again in", besideAgain, "err", err)
	}
	go func() {
		again := time.NewTicker(besideAgain)
		defer again.Stop()
		for ; err != nil; ln, err = listen() {
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
		}
		d.without.Delete(what)
		serve(ctx, ln)
	}()
}

// guarded runs what mail can do without: a panic in it ends it alone.
func (d *daemon) guarded(what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			d.log.Error("panic: this does not work any more until the daemon is restarted", "what", what, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// listen opens the configured sockets.
func listen(cfg config.Config, log *slog.Logger) (listeners []net.Listener, err error) {
	mode, err := cfg.Milter.Mode()
	if err != nil {
		return nil, err
	}
	for _, spec := range cfg.Listen {
		ln, err := open(spec, milterd.ListenOptions{Mode: mode, Group: cfg.Milter.SocketGroup, Public: cfg.Milter.Public}, log)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, fmt.Errorf("listen on %s: %w", spec, err)
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}

// open opens one milter socket, and warns of who may connect to it.
func open(spec string, o milterd.ListenOptions, log *slog.Logger) (net.Listener, error) {
	if o.Group != "" || !strings.HasPrefix(spec, "unix:") {
		ln, err := milterd.Listen(spec, o)
		if err == nil && ln.Addr().Network() != "unix" {
			log.Warn("every account of this host can connect to the milter, and forge mail and proofs for all mailboxes; a unix socket keeps them out", "listen", spec)
		}
		return ln, err
	}
	o.Group = milterd.MTAGroup()
	ln, err := milterd.Listen(spec, o)
	if o.Group == "" || !errors.Is(err, fs.ErrPermission) {
		return ln, err
	}
	log.Warn("the mail server may not be able to connect", "listen", spec, "err", err)
	o.Group = ""
	return milterd.Listen(spec, o)
}

// web serves /metrics and /healthz until ctx ends.
func (d *daemon) web(ctx context.Context, ln net.Listener) {
	h := control.HTTPServer(d.pages())
	h.WriteTimeout = time.Minute
	defer context.AfterFunc(ctx, func() { h.Close() })()
	if err := h.Serve(control.Limit(ln)); !errors.Is(err, http.ErrServerClosed) {
		d.log.Error("web server ended", "err", err)
	}
}

func (d *daemon) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := d.health(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
		for _, text := range d.warnings() {
			fmt.Fprintln(w, "warning:", text)
		}
	})
	return mux
}

// maxInHand is how long a message may wait for its answer, far beyond all time limits, until the daemon is
// taken for hung.
const maxInHand = 5 * time.Minute

// watchdog tells systemd that the daemon lives, as long as it does.
func (d *daemon) watchdog(ctx context.Context) {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	tick := time.NewTicker(interval / 3)
	defer tick.Stop()
	for {
		look, cancel := context.WithTimeout(ctx, interval/3)
		err := d.alive(look)
		cancel()
		if err == nil {
			notify(d.log, systemd.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			d.log.Error("the daemon hangs, and will be restarted if that lasts", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// alive looks up a key in each part of the store, and at the messages in hand.
func (d *daemon) alive(ctx context.Context) error {
	if oldest := d.milter.Oldest(time.Now()); oldest > maxInHand {
		return fmt.Errorf("a message has been waiting for its answer for %v", oldest.Round(time.Second))
	}
	return d.store.Probe(ctx)
}

func notify(log *slog.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.Warn("notify systemd", "state", state, "err", err)
	}
}
