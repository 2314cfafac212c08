package host

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"breakwater/internal/config"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/store"
	"breakwater/internal/store/remote"
	"breakwater/internal/storm"
)

// daemonIndex is the daemon's index of what was sent, for other commands. Once the daemon does not
// answer, it knows nothing more, and nothing is forged.
type daemonIndex struct {
	store.Store
	lost atomic.Bool
	log  *slog.Logger
}

// Lookup is store.Store's.
func (d *daemonIndex) Lookup(ctx context.Context, at time.Time, keys []storm.Key) ([]storm.Tally, error) {
	if d.lost.Load() {
		return make([]storm.Tally, len(keys)), nil
	}
	found, err := d.Store.Lookup(ctx, at, keys)
	if err == nil || ctx.Err() != nil {
		return found, err
	}
	if !d.lost.Swap(true) {
		d.log.Warn("what was sent is not known any more: the daemon does not answer", "err", err)
	}
	return make([]storm.Tally, len(keys)), nil
}

// KnowSent gives e the keys and the index of the daemon of this host, if there is one and we
// may read them; without them e tells the origin of nothing.
func KnowSent(e *engine.Engine, cfg config.Config, log *slog.Logger) bool {
	if _, err := os.Stat(cfg.Control); err != nil {
		return false
	}
	ring, err := ReadKeys(cfg.KeysFile())
	if err != nil {
		return false
	}
	e.Ring = func() *origin.Ring { return ring }
	e.Sent = &daemonIndex{Store: remote.Open(cfg.Control), log: log}
	e.Asked, e.Life = time.Now(), time.Duration(cfg.Sent.Keep)
	e.Site = Site(cfg.Site)
	return true
}

// Origins is an engine that tells of which origin reports are, for a command that does nothing else; nil where there
// is no daemon.
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

// Site is what the engine has to know of the host.
func Site(c config.Site) engine.Site {
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

// DryRun is an engine that sees what the daemon of this host has counted, and counts nothing; nil if there is none
// that we may ask.
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
