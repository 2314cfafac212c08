package daemon

import (
	"context"
	"errors"
	"fmt"
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

	"breakwater/internal/config"
	"breakwater/internal/milterd"
	"breakwater/internal/socket"
)

// memoryLimit is what the garbage collector aims at, in bytes: a burst of new keys makes
// Badger's compaction ask for more than it needs.
const memoryLimit = 128 << 20

// LimitMemory has the garbage collector keep to the memory that breakwater may need. GOMEMLIMIT wins over it.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// Run runs the daemon until ctx ends. again reads its configuration anew, and dropped is how many lines
// of log were.
func Run(ctx context.Context, cfg config.Config, again func() (config.Config, error), log *slog.Logger, dropped func() uint64) (err error) {
	LimitMemory()
	hup := make(chan os.Signal, 1) // from the start, since a SIGHUP that nobody takes ends the process
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	d, err := Open(cfg, Options{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	d.readConfig = again
	d.metrics.counter("breakwater_log_lines_dropped_total", "Log lines that nobody read in time.", func() float64 { return float64(dropped()) })
	from, err := takeGiven(log)
	if err == nil && len(from.listeners) == 0 {
		from.listeners, err = listen(cfg, log)
	}
	if err != nil {
		return err
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
	busy.Go(func() { d.guarded("expiry of absorbed mail", func() { d.watchArchive(side) }) })
	busy.Go(func() { d.guarded("proofs of origin", func() { d.watchSent(side) }) })
	busy.Go(func() { d.guarded("tags of mail that leaves", func() { d.watchTags(side) }) })
	busy.Go(func() { d.guarded("evidence", func() { d.records.Run(side) }) })
	busy.Go(func() { d.guarded("digests", func() { d.sendDigests(side) }) })
	var next handover
	if os.Getenv("NOTIFY_SOCKET") != "" {
		d.milter.HandOver = next.add
	}
	if err := d.milter.Resume(from.conns); err != nil {
		log.Warn("connections of before the restart", "err", err)
	}
	if n := len(from.conns); n > 0 {
		log.Info("going on with connections of the daemon before", "connections", n)
	}
	notify(log, systemd.SdNotifyReady)
	context.AfterFunc(ctx, func() { notify(log, systemd.SdNotifyStopping) })
	err = d.Serve(ctx, from.listeners)
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
func (d *Daemon) beside(ctx context.Context, what string, listen func() (net.Listener, error), serve func(context.Context, net.Listener)) {
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
func (d *Daemon) guarded(what string, f func()) {
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
func (d *Daemon) web(ctx context.Context, ln net.Listener) {
	if err := socket.Serve(ctx, ln, d.pages(), time.Minute); err != nil {
		d.log.Error("web server ended", "err", err)
	}
}

func (d *Daemon) pages() http.Handler {
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
func (d *Daemon) watchdog(ctx context.Context) {
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
func (d *Daemon) alive(ctx context.Context) error {
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
