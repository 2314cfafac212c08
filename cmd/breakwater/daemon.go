package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/digest"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/mark"
	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/origin"
	"breakwater/internal/owned"
	"breakwater/internal/rules"
	"breakwater/internal/store/badgerdb"
)

// daemon is `breakwater milter` with all that belongs to it.
type daemon struct {
	cfg       config.Config
	log       *slog.Logger
	rules     atomic.Pointer[rules.Set]
	reloading sync.Mutex // so that what was read last is in force
	store     *badgerdb.Store
	archive   *archive.Archive
	engine    *engine.Engine
	milter    *milterd.Server
	metrics   *metrics

	digester  *digest.Digester // nil where nobody is told
	notices   *archive.Notices
	expiring  sync.Mutex // of what follows
	announced time.Time  // when notices were last noted that no digest gives
	leap      atomic.Pointer[leap]
	overdue   atomic.Int64 // domains with mail that should be gone and nobody was told of

	ring    atomic.Pointer[origin.Ring]
	missed  atomic.Uint64         // how often mail may have left that the index does not know
	pulse   atomic.Pointer[pulse] // at the end of the last minute; nil before the first
	senders sync.Map              // domain to an address of it, where tags are wanted
	takes   sync.Map              // tagged to whether the mail server takes mail to such addresses
}

// openDaemon opens everything that a daemon needs, but no socket. The caller closes it.
func openDaemon(cfg config.Config, log *slog.Logger) (*daemon, error) {
	d := &daemon{cfg: cfg, log: log, metrics: newMetrics()}
	set, err := rules.Load(os.DirFS(cfg.Rules))
	if err != nil {
		return nil, exit{exitUsage, fmt.Errorf("rules in %s:\n%w", cfg.Rules, err)}
	}
	d.rules.Store(set)
	if err := owned.Foreign(cfg.StoreFolder()); err != nil {
		return nil, exit{exitUsage, err}
	}
	secret, err := readSecret(cfg.Secret)
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	if err := d.readKeys(); err != nil {
		return nil, exit{exitUsage, err}
	}
	if d.store, err = badgerdb.Open(cfg.StoreFolder(), badgerdb.Options{MinFree: int64(cfg.Retention.MinFree) / 2, Log: log}); err != nil {
		return nil, exit{exitUsage, err}
	}
	d.archive, err = archive.Open(cfg.Archive, archive.Options{
		MaxSize: int64(cfg.Retention.MaxSize), MinFree: int64(cfg.Retention.MinFree), Retention: d.retention, Erasable: d.erasable, Shares: d.shares(), Log: log,
	})
	if err != nil {
		return nil, exit{exitUsage, errors.Join(err, d.store.Close())}
	}
	if d.notices, err = archive.OpenNotices(cfg.Archive); err != nil {
		log.Error("absorbed mail is kept longer", "err", err)
	}
	marks := mark.New(secret)
	if d.digester, err = d.openDigester(marks); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.engine = &engine.Engine{
		Store:    d.store,
		Rules:    d.rules.Load,
		Hasher:   fingerprint.New(secret),
		Marks:    marks,
		Site:     site(cfg.Site),
		OnError:  cfg.OnError,
		Ring:     d.ring.Load,
		Life:     time.Duration(cfg.Sent.Keep),
		Seeing:   d.seeing,
		TakesTag: d.takesTag,
	}
	d.milter = &milterd.Server{
		Judge:        d.engine.Judge,
		Absorb:       d.absorb,
		Refuse:       d.refuse,
		Done:         d.done,
		OnError:      cfg.OnError,
		Log:          log,
		MaxMessage:   int64(cfg.Milter.MaxMessage),
		MaxConns:     cfg.Milter.MaxConnections,
		JudgeTimeout: time.Duration(cfg.Milter.JudgeTimeout),
		IdleTimeout:  time.Duration(cfg.Milter.IdleTimeout),
	}
	d.gauges()
	d.metrics.registry.MustRegister(learningMetrics{d})
	return d, nil
}

// gauges shows the state of the daemon in its metrics.
func (d *daemon) gauges() {
	d.metrics.gauge("breakwater_connections", "Mail servers that are connected now.", func() float64 { return float64(d.milter.Connections()) })
	d.metrics.gauge("breakwater_connections_refused_total", "Connections over max_connections.", func() float64 { return float64(d.milter.Refused()) })
	d.metrics.gauge("breakwater_store_ok", "1 while counts are written to disk.", func() float64 { return ok(d.store.Err()) })
	d.metrics.gauge("breakwater_archive_bytes", "Size of the archive.", func() float64 { return float64(d.archive.Used()) })
	d.metrics.gauge("breakwater_archive_max_bytes", "Size beyond which the archive takes nothing.", func() float64 { return float64(d.cfg.Retention.MaxSize) })
	if d.digester != nil {
		d.metrics.gauge("breakwater_digests_sent_total", "Digests that the mail server took.", func() float64 { return float64(d.digester.Stats().Sent) })
		d.metrics.gauge("breakwater_digests_failed_total", "Attempts to send a digest that failed.", func() float64 { return float64(d.digester.Stats().Failed) })
		d.metrics.gauge("breakwater_digests_waiting", "Digests that are still to be sent.", func() float64 { return float64(d.digester.Stats().Waiting) })
	}
	d.metrics.gauge("breakwater_archive_full_shares", "Domains, storms and networks that have their whole share of the archive.", func() float64 { return float64(len(d.archive.FullShares())) })
	d.metrics.gauge("breakwater_archive_overdue_domains", "Domains whose mail is kept longer since its owners were not told yet that it ends.", func() float64 { return float64(d.overdue.Load()) })
	d.metrics.gauge("breakwater_archive_clock_offset_seconds", "How far the host's clock is ahead of the archive's, which goes on by what really passes.", func() float64 {
		now := d.archive.Now()
		return d.archive.OnHostClock(now).Sub(now).Seconds()
	})
	d.metrics.gauge("breakwater_archive_ok", "1 while the archive takes mail.", func() float64 { return ok(d.archive.Err()) })
	d.metrics.gauge("breakwater_rules_domains", "Domains with a rule file of their own.", func() float64 { return float64(d.rules.Load().Len()) })
}

func ok(err error) float64 {
	if err != nil {
		return 0
	}
	return 1
}

// site is what the engine has to know of the host.
func site(c config.Site) engine.Site {
	return engine.Site{
		Domains: domains(c.Domains), SubmitNetworks: c.SubmitNetworks.Prefixes(), SubmitDaemons: c.SubmitDaemons,
		Relays: c.Relays.Prefixes(), Hosts: domains(c.Hosts), MaxLoops: c.MaxLoops,
	}
}

func domains(names []string) []string {
	var all []string
	for _, n := range names {
		all = append(all, fingerprint.Domain(n))
	}
	return all
}

// close flushes and closes what openDaemon opened.
func (d *daemon) close() error { return errors.Join(d.store.Close(), d.archive.Close()) }

// serve answers on listeners until ctx ends, then lets messages in hand finish.
func (d *daemon) serve(ctx context.Context, listeners []net.Listener) error {
	// Before any mail is looked at: what left without us has no tag, and its reports must not be refused.
	if err := d.engine.Beat(context.WithoutCancel(ctx), time.Now(), false); err != nil {
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

// done writes the log lines of a message, one for each recipient, and counts it.
func (d *daemon) done(o milterd.Outcome) {
	d.metrics.record(o)
	m := o.Message
	if o.Err != nil {
		if unseen(o.Err) {
			d.missed.Add(1)
		}
		d.log.Error("on_error", "qid", m.QueueID, "err", o.Err)
	}
	sent := d.engine.Site.SentByUs(m, d.rules.Load())
	if sent {
		d.noteSender(m)
	}
	for _, dec := range o.Decisions {
		if dec.Unseen {
			d.log.Warn("a good token proves mail that the index does not know, so its domain learns anew; if another host with the same keys sends its mail, remove all_mail_leaves_here from its rule file",
				"qid", m.QueueID, "domain", fingerprint.DomainOf(dec.Recipient.Addr), "proof", dec.Proof)
		}
		attrs := []slog.Attr{
			slog.String("qid", m.QueueID), slog.String("client", clientName(m)), slog.String("from", d.address(m.ReversePath)),
			slog.String("to", d.address(dec.Recipient.Addr)), slog.String("class", string(dec.Class)), slog.String("action", string(dec.Action)),
			slog.String("rule", dec.Rule.String()), slog.String("reason", dec.Reason),
		}
		if dec.Storm != "" {
			attrs = append(attrs, slog.String("storm", dec.Storm))
		}
		if dec.Origin != "" {
			attrs = append(attrs, slog.String("origin", string(dec.Origin)), slog.String("proof", dec.Proof))
		}
		if dec.Wanted != "" {
			attrs = append(attrs, slog.String("wanted", string(dec.Wanted)))
		}
		if sent {
			attrs = append(attrs, slog.Bool("sent", true))
		}
		d.log.LogAttrs(context.Background(), slog.LevelInfo, "decision", attrs...)
	}
}

// unseen reports whether a message that failed may be missing in the index of what was sent. One that the
// archive had no room for was judged, or whoever fills the archive would have nothing be forged.
func unseen(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.ContainsFunc(joined.Unwrap(), unseen)
	}
	return err != nil && !errors.Is(err, archive.ErrFull) && !errors.Is(err, archive.ErrStalled)
}

// address is an address as the log shows it.
func (d *daemon) address(addr string) string {
	local, domain, ok := strings.Cut(addr, "@")
	switch {
	case !ok || local == "" || d.cfg.Log.Addresses == "full":
		return addr
	case d.cfg.Log.Addresses == "domain":
		return "*@" + domain
	}
	owner := d.engine.Hasher.Key(fingerprint.Mailbox(addr), 0, "").Owner
	return fmt.Sprintf("%x@%s", owner[:4], domain)
}

func clientName(m *message.Message) string {
	if !m.Client.IsValid() {
		return "unknown"
	}
	return m.Client.String()
}

// reload reads the rule files again. With an error the old rules stay in force. Messages in
// hand are finished by the rules with which they began.
func (d *daemon) reload() error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	set, err := rules.Load(os.DirFS(d.cfg.Rules))
	if err != nil {
		d.metrics.reloads.WithLabelValues("error").Inc()
		d.log.Error("rules not reloaded, the old ones stay in force", "folder", d.cfg.Rules, "err", err)
		return fmt.Errorf("rules not reloaded, the old ones stay in force; in %s:\n%w", d.cfg.Rules, err)
	}
	d.rules.Store(set)
	d.metrics.reloads.WithLabelValues("ok").Inc()
	if err := d.engine.RulesChanged(context.Background(), time.Now()); err != nil {
		d.log.Error("domains that are new to all_mail_leaves_here are not noted before the minute ends", "err", err)
	}
	d.log.Info("rules reloaded", "folder", d.cfg.Rules, "domains", set.Len())
	return nil
}

// reread reads what another program may have changed: the rules, and the keys, which may come from another host.
func (d *daemon) reread() {
	_ = d.reload() // it has been logged
	if err := d.readKeys(); err != nil {
		d.log.Error("keys not read again, the old ones stay in force", "err", err)
	}
}

// health is what /healthz says: nil while mail can be counted and absorbed, and its owners can be told.
func (d *daemon) health() error {
	err := errors.Join(d.store.Err(), d.archive.Err())
	if d.digester != nil {
		err = errors.Join(err, d.digester.Err())
	}
	return err
}

// control answers the other commands until ctx ends.
func (d *daemon) control(ctx context.Context, ln net.Listener) {
	s := control.Server{Store: d.store, Expire: d.expire, Reload: d.reload, Keys: d.readKeys, Learn: d.learners, Log: d.log}
	if err := s.Serve(ctx, ln); err != nil {
		d.log.Error("control socket closed", "err", err)
	}
}
