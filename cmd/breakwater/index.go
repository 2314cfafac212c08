package main

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"breakwater/internal/config"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/sent"
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

// knowSent gives e the keys and the index of the daemon of this host, if there is one and we
// may read them; without them e tells the origin of nothing.
func knowSent(e *engine.Engine, cfg config.Config, log *slog.Logger) bool {
	if _, err := os.Stat(cfg.Control); err != nil {
		return false
	}
	ring, err := readRing(cfg.KeysFile())
	if err != nil {
		return false
	}
	e.Ring = func() *origin.Ring { return ring }
	e.Sent = &sent.Index{
		Store: &daemonIndex{Store: remote.Open(cfg.Control), log: log}, Hasher: e.Hasher, Life: time.Duration(cfg.Sent.Keep), Now: time.Now(),
	}
	e.Site = site(cfg.Site)
	return true
}

// teller tells of which origin reports are, for a command that does nothing else; nil where there
// is no daemon.
func teller() *engine.Engine {
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
	secret, err := readSecret(cfg.Secret)
	if err != nil {
		return nil
	}
	e := &engine.Engine{Rules: func() *rules.Set { return set }, Hasher: fingerprint.New(secret)}
	if !knowSent(e, cfg, slog.New(slog.DiscardHandler)) {
		return nil
	}
	return e
}

// addressee is m with the first address of To as its recipient, where it does not say whom it came
// to.
func addressee(m *message.Message) *message.Message {
	to := message.Addresses(m.Header.Get("To"))
	if len(m.Recipients) > 0 || len(to) == 0 {
		return m
	}
	m.Recipients = []message.Recipient{{Addr: to[0]}}
	return m
}
