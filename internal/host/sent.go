package host

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/config"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/sent"
	"breakwater/internal/store"
	"breakwater/internal/store/remote"
	"breakwater/internal/storm"
)

// daemonIndex is the daemon's index of sent mail, for other commands. Once the daemon stops answering, the index is
// empty, and no report is called forged.
type daemonIndex struct {
	store.Store
	lost atomic.Bool
	log  *slog.Logger
}

// Noted is store.Store's.
func (d *daemonIndex) Noted(ctx context.Context, at time.Time, keys []storm.Key) ([]notes.Note, error) {
	if d.lost.Load() {
		return make([]notes.Note, len(keys)), nil
	}
	found, err := d.Store.Noted(ctx, at, keys)
	if err == nil || ctx.Err() != nil {
		return found, err
	}
	if !d.lost.Swap(true) {
		d.log.Warn("what was sent is not known any more: the daemon does not answer", "err", err)
	}
	return make([]notes.Note, len(keys)), nil
}

// Note is store.Store's. It notes nothing: what other commands judge does not leave now.
func (d *daemonIndex) Note(_ context.Context, _ time.Time, entries []notes.Entry) ([]notes.Note, error) {
	return make([]notes.Note, len(entries)), nil
}

// KnowSent gives e the keys and the index of sent mail of this host's daemon, and reports whether it could. Without
// them e cannot tell the origin of reports.
func KnowSent(e *engine.Engine, cfg config.Config, log *slog.Logger) bool {
	if _, err := os.Stat(cfg.Control); err != nil {
		return false
	}
	ring, err := ReadKeys(cfg.KeysFile())
	if err != nil {
		return false
	}
	e.Ring = func() *origin.Ring { return ring }
	e.Sent = &sent.Index{
		Store: &daemonIndex{Store: remote.Open(cfg.Control), log: log}, Hasher: e.Hasher, Life: time.Duration(cfg.Sent.Keep), Now: time.Now(),
	}
	e.Site = Site(cfg.Site)
	return true
}

// Origins returns an engine that tells the origin of reports and does nothing else; nil if there is no daemon.
func Origins() *engine.Engine {
	cfg, err := config.Load("")
	if err != nil {
		return nil
	}
	set, err := rules.Load(os.DirFS(cfg.Rules))
	if err != nil {
		return nil
	}
	if _, err := os.Stat(cfg.Secret); err != nil {
		return nil
	}
	secret, err := ReadSecret(cfg.Secret)
	if err != nil {
		return nil
	}
	e := &engine.Engine{Rules: func() *rules.Set { return set }, Hasher: fingerprint.New(secret)}
	if !KnowSent(e, cfg, slog.New(slog.DiscardHandler)) {
		return nil
	}
	return e
}

// Site returns what the engine needs to know about the host.
func Site(c config.Site) engine.Site {
	return engine.Site{
		Domains: domains(c.Domains), SubmitNetworks: c.SubmitNetworks.Prefixes(), SubmitDaemons: c.SubmitDaemons,
		Relays: c.Relays.Prefixes(), Hosts: domains(c.Hosts), MaxLoops: c.MaxLoops,
	}
}

func domains(names []string) []string {
	var all []string
	for _, n := range names {
		all = append(all, address.Domain(n))
	}
	return all
}

// DryRun returns an engine that reads the counts of this host's daemon and changes none of them; nil if there is no
// daemon, or this user may not ask it.
func DryRun(ctx context.Context, cfg config.Config, set *rules.Set) *engine.Engine {
	if _, err := os.Stat(cfg.Secret); err != nil {
		return nil // it would be made
	}
	secret, err := ReadSecret(cfg.Secret)
	if err != nil {
		return nil
	}
	counts := remote.Open(cfg.Control)
	if _, err := counts.Lookup(ctx, time.Now(), nil); err != nil {
		return nil
	}
	e := &engine.Engine{
		Store: counts, Rules: func() *rules.Set { return set }, Hasher: fingerprint.New(secret), Site: Site(cfg.Site), DryRun: true,
	}
	KnowSent(e, cfg, slog.New(slog.DiscardHandler))
	return e
}
