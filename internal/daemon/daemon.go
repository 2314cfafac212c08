// Package daemon is what runs: it opens store, archive, rules, keys and digests, serves mail servers, expires absorbed mail,
// and answers the other commands and whoever reads its metrics. Flags, printing and exit statuses are cmd/breakwater's.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"breakwater/internal/archive"
	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/digest"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/host"
	"breakwater/internal/mark"
	"breakwater/internal/milterd"
	"breakwater/internal/origin"
	"breakwater/internal/owned"
	"breakwater/internal/record"
	"breakwater/internal/rules"
	"breakwater/internal/sent"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/storm"
)

// Daemon is what `breakwater milter` runs: the milter, its store, archive and rules, and the work beside it.
type Daemon struct {
	cfg       config.Config
	log       *slog.Logger
	now       func() time.Time
	rules     atomic.Pointer[rules.Set]
	loaded    atomic.Pointer[loadedRules] // what they were read from
	reloading sync.Mutex                  // so that what was read last is in force
	store     *badgerdb.Store
	archive   *archive.Archive
	engine    *engine.Engine
	milter    *milterd.Server
	metrics   *metrics
	records   *record.Recorder

	notices    *archive.Notices
	expiring   sync.Mutex // of what follows
	announced  time.Time  // when notices were last noted that no digest gives
	leap       atomic.Pointer[leap]
	overdue    atomic.Int64                  // domains with mail that should be gone and nobody was told of
	digester   *digest.Digester              // nil where nobody is told
	readConfig func() (config.Config, error) // reads cfg again; nil: it comes from no file

	ring     atomic.Pointer[origin.Ring]
	missed   atomic.Uint64         // how often mail may have left that the index does not know
	pulse    atomic.Pointer[pulse] // at the end of the last minute; nil before the first
	counting sync.Mutex            // of the storms
	counted  time.Time
	storms   float64

	without sync.Map // sockets that could not be opened, to why
	senders sync.Map // domain to an address of it, where tags are wanted
	takes   sync.Map // tagged to whether the mail server takes mail to such addresses
}

// Options are the parts of a daemon that its configuration does not name.
type Options struct {
	Log   *slog.Logger
	Clock archive.HostClock // zero values mean the system's
}

// Open opens everything that a daemon needs, except sockets. The caller closes it.
func Open(cfg config.Config, o Options) (*Daemon, error) {
	d := &Daemon{cfg: cfg, log: o.Log, now: o.Clock.Now, metrics: newMetrics()}
	if d.now == nil {
		d.now = time.Now
	}
	if err := owned.Foreign(cfg.StoreFolder()); err != nil {
		return nil, err
	}
	loaded, err := d.loadRules()
	if err != nil {
		return nil, fmt.Errorf("rules in %s:\n%w", cfg.Rules, err)
	}
	d.rules.Store(loaded.set)
	d.loaded.Store(loaded)
	secret, err := host.ReadSecret(cfg.Secret)
	if err != nil {
		return nil, err
	}
	if err := d.readKeys(); err != nil {
		return nil, err
	}
	if d.store, err = badgerdb.Open(cfg.StoreFolder(), badgerdb.Options{MinFree: int64(cfg.Retention.MinFree) / 2, Log: o.Log}); err != nil {
		return nil, err
	}
	d.archive, err = archive.Open(cfg.Archive, archive.Options{
		MaxSize: int64(cfg.Retention.MaxSize), MinFree: int64(cfg.Retention.MinFree), Retention: d.retention, Erasable: d.erasable, Shares: d.shares(), Log: o.Log, Clock: o.Clock,
		Held: func(id string) bool { return d.records.Held(storm.IncidentOf(id)) },
	})
	if err != nil {
		return nil, errors.Join(err, d.store.Close())
	}
	if d.notices, err = archive.OpenNotices(cfg.Archive); err != nil {
		o.Log.Error("absorbed mail is kept longer", "err", err)
	}
	marks := mark.New(secret)
	if d.digester, err = d.openDigester(marks); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	hasher := fingerprint.New(secret)
	d.engine = &engine.Engine{
		Store:    d.store,
		Rules:    d.rules.Load,
		Hasher:   hasher,
		Sent:     &sent.Index{Store: d.store, Hasher: hasher, Life: time.Duration(cfg.Sent.Keep), Seeing: d.seeing},
		Marks:    marks,
		Site:     host.Site(cfg.Site),
		Ring:     d.ring.Load,
		TakesTag: d.takesTag,
	}
	d.milter = &milterd.Server{
		Judge:        d.engine.Judge,
		Absorb:       d.absorb,
		Refuse:       d.refuse,
		Done:         d.done,
		Counted:      countedAfter,
		OnError:      cfg.OnError,
		Log:          o.Log,
		MaxMessage:   int64(cfg.Milter.MaxMessage),
		MaxConns:     cfg.Milter.MaxConnections,
		JudgeTimeout: time.Duration(cfg.Milter.JudgeTimeout),
		IdleTimeout:  time.Duration(cfg.Milter.IdleTimeout),
	}
	d.records = record.Open(d.recordOptions(), d.now())
	d.gauges()
	d.metrics.registry.MustRegister(learningMetrics{d}, ruleMetrics{d})
	return d, nil
}

// gauges registers the metrics that show the daemon's state.
func (d *Daemon) gauges() {
	d.metrics.gauge("breakwater_connections", "Mail servers that are connected now.", func() float64 { return float64(d.milter.Connections()) })
	d.metrics.counter("breakwater_connections_refused_total", "Connections over max_connections.", func() float64 { return float64(d.milter.Refused()) })
	d.metrics.gauge("breakwater_store_ok", "1 while counts are written to disk.", func() float64 { return ok(d.store.Err()) })
	d.metrics.gauge("breakwater_archive_bytes", "Size of the archive.", func() float64 { return float64(d.archive.Used()) })
	d.metrics.gauge("breakwater_archive_max_bytes", "Size beyond which the archive takes nothing.", func() float64 { return float64(d.cfg.Retention.MaxSize) })
	if d.digester != nil {
		d.metrics.counter("breakwater_digests_sent_total", "Digests that the mail server took.", func() float64 { return float64(d.digester.Stats().Sent) })
		d.metrics.counter("breakwater_digests_failed_total", "Attempts to send a digest that failed.", func() float64 { return float64(d.digester.Stats().Failed) })
		d.metrics.gauge("breakwater_digests_waiting", "Digests that are still to be sent.", func() float64 { return float64(d.digester.Stats().Waiting) })
	}
	d.metrics.gauge("breakwater_archive_full_shares", "Domains, storms and networks that have their whole share of the archive.", func() float64 { return float64(len(d.archive.FullShares())) })
	d.metrics.gauge("breakwater_archive_overdue_domains", "Domains whose mail is kept longer since its owners were not told yet that it ends.", func() float64 { return float64(d.overdue.Load()) })
	d.metrics.gauge("breakwater_archive_clock_offset_seconds", "How far the host's clock is ahead of the archive's, which goes on by what really passes.", func() float64 {
		now := d.archive.Now()
		return d.archive.OnHostClock(now).Sub(now).Seconds()
	})
	d.metrics.gauge("breakwater_archive_free_bytes", "Free space on the disk of the archive.", func() float64 { return free(d.cfg.Archive) })
	d.metrics.gauge("breakwater_archive_min_free_bytes", "Free space below which the archive takes nothing.", func() float64 { return float64(d.cfg.Retention.MinFree) })
	d.metrics.gauge("breakwater_incidents_active", "Storms that are going on now, one for all mailboxes that one hits.", d.active)
	version := ReadVersion()
	d.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "breakwater_build_info", Help: "1, for the version that runs.", ConstLabels: prometheus.Labels{"version": version.Version, "revision": version.Revision, "go": version.Go},
	}, func() float64 { return 1 }))
	d.metrics.gauge("breakwater_archive_ok", "1 while the archive takes mail.", func() float64 { return ok(d.archive.Err()) })
	d.metrics.gauge("breakwater_rules_domains", "Domains with a rule file of their own.", func() float64 { return float64(d.rules.Load().Len()) })
}

// activeEvery is how often storms are counted for metrics: it reads the store.
const activeEvery = 30 * time.Second

// active returns the number of active incidents.
func (d *Daemon) active() float64 {
	d.counting.Lock()
	defer d.counting.Unlock()
	now := d.now()
	if now.Sub(d.counted) < activeEvery {
		return d.storms
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all, err := d.Incidents(ctx, now.Add(-7*24*time.Hour))
	if err != nil {
		return d.storms
	}
	d.counted, d.storms = now, 0
	for _, i := range all {
		if i.Active {
			d.storms++
		}
	}
	return d.storms
}

// free returns the free bytes on the disk of a folder; -1 if it cannot find out.
func free(folder string) float64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return -1
	}
	return float64(fs.Bavail) * float64(fs.Bsize)
}

func ok(err error) float64 {
	if err != nil {
		return 0
	}
	return 1
}

// Close flushes and closes what Open opened.
func (d *Daemon) Close() error {
	var err error
	if d.records != nil {
		err = d.records.Close(d.now())
	}
	return errors.Join(err, d.store.Close(), d.archive.Close())
}

// Serve answers on listeners until ctx ends, then lets messages in hand finish.
func (d *Daemon) Serve(ctx context.Context, listeners []net.Listener) error {
	// Before any mail is looked at: what left without us has no tag, and its reports must not be refused.
	if err := d.engine.Beat(context.WithoutCancel(ctx), d.now(), false); err != nil {
		d.missed.Add(1)
		d.log.Error("index of sent mail", "err", err)
	}
	ended := make(chan error, len(listeners))
	for _, ln := range listeners {
		d.log.Info("listening", "address", ln.Addr().Network()+":"+ln.Addr().String())
		go func() { ended <- d.milter.Serve(ln) }()
	}
	var err error
	select {
	case <-ctx.Done():
		d.log.Info("draining", "timeout", time.Duration(d.cfg.DrainTimeout))
	case err = <-ended:
	}
	d.missed.Add(1) // from now on mail leaves past us, and the minute may end while this one drains
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(d.cfg.DrainTimeout))
	defer cancel()
	if derr := d.milter.Shutdown(drain); derr != nil {
		d.log.Warn("messages were cut off; their senders try again", "err", derr)
	}
	return err
}

// reload reads the rule files again. Of a file with an error the last good version stays in force.
// Messages in hand are finished by the rules with which they began.
func (d *Daemon) reload() error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	loaded, err := d.loadRules()
	if err != nil {
		d.metrics.reloads.WithLabelValues("error").Inc()
		d.log.Error("rules not reloaded, the old ones stay in force", "folder", d.cfg.Rules, "err", err)
		return fmt.Errorf("rules not reloaded, the old ones stay in force; in %s:\n%w", d.cfg.Rules, err)
	}
	before := d.loaded.Swap(loaded)
	if broken := loaded.broken(); broken == nil || !loaded.same(before) {
		d.rules.Store(loaded.set)
		if err := d.engine.RulesChanged(context.Background(), d.now()); err != nil {
			d.log.Error("domains that are new to all_mail_leaves_here are not noted before the minute ends", "err", err)
		}
	}
	if err := loaded.broken(); err != nil {
		d.metrics.reloads.WithLabelValues("error").Inc()
		return fmt.Errorf("rules not reloaded, the old ones stay in force; in %s:\n%w\nall other files are in force", d.cfg.Rules, err)
	}
	d.metrics.reloads.WithLabelValues("ok").Inc()
	d.records.Leaf(d.now(), "rules", map[string]any{"files": loaded.set.Len()})
	d.log.Info("rules reloaded", "folder", d.cfg.Rules, "domains", loaded.set.Len())
	return nil
}

// needsRestart are the keys of the configuration that have changed since the start. The error is that of a
// configuration with which the daemon would not start.
func (d *Daemon) needsRestart() ([]string, error) {
	if d.readConfig == nil {
		return nil, nil
	}
	now, err := d.readConfig()
	if err != nil {
		return nil, fmt.Errorf("with this configuration the daemon would not start again: %w", err)
	}
	return config.Changed(d.cfg, now), nil
}

// reread reads what another program may have changed: the rules, and the keys, which may come from another host.
func (d *Daemon) reread() {
	_ = d.reload() // it has been logged
	if keys, err := d.needsRestart(); err != nil {
		d.log.Error("configuration", "err", err)
	} else if len(keys) > 0 {
		d.log.Warn("the configuration has changed; it takes effect after a restart", "settings", strings.Join(keys, " "))
	}
	if err := d.readKeys(); err != nil {
		d.log.Error("keys not read again, the old ones stay in force", "err", err)
	}
}

// health is what /healthz says: nil while mail can be counted and absorbed, and its owners can be told.
func (d *Daemon) health() error {
	err := errors.Join(d.store.Err(), d.archive.Err())
	if d.digester != nil {
		err = errors.Join(err, d.digester.Err())
	}
	return err
}

// warnings are what /healthz says besides, of what does not keep mail from being counted and absorbed.
func (d *Daemon) warnings() []string { return append(d.lacks(), d.archiveWarnings()...) }

// lacks are the sockets that could not be opened, and the rule files that are broken.
func (d *Daemon) lacks() (all []string) {
	d.without.Range(func(socket, why any) bool {
		all = append(all, fmt.Sprintf("%s: %s", socket, why))
		return true
	})
	if err := d.records.Err(); err != nil {
		all = append(all, fmt.Sprintf("evidence: %v", err))
	}
	for _, f := range d.loaded.Load().files {
		if f.Broken != nil {
			all = append(all, fmt.Sprintf("rules: %s is broken, in force is %s", f.Name, f.InForce()))
		}
	}
	return all
}

// Incidents returns the incidents that were last touched since a time.
func (d *Daemon) Incidents(ctx context.Context, since time.Time) ([]control.Incident, error) {
	list, err := control.Incidents(ctx, d.store, since, d.now())
	return control.WithRecords(list, d.records.Incidents()), err
}

// control answers the other commands until ctx ends.
func (d *Daemon) control(ctx context.Context, ln net.Listener) {
	s := control.Server{Store: d.store, Expire: d.expire, Reload: d.reload, Keys: d.readKeys, Changed: d.needsRestart, Learn: d.learners, Log: d.log, Recorded: d.records.Incidents, Order: d.order}
	if err := s.Serve(ctx, ln); err != nil {
		d.log.Error("control socket closed", "err", err)
	}
}
