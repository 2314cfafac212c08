package daemon

import (
	"breakwater/internal/host"
	"breakwater/internal/origin"
)

// readKeys reads the keys that prove what was sent. While the daemon runs, a file that is missing is an
// error, and the old keys stay in force: with new ones, nothing would prove what was sent before.
func (d *Daemon) readKeys() error {
	open := host.ReadKeys
	if d.ring.Load() == nil {
		open = func(name string) (*origin.Ring, error) { return host.OpenKeys(name, d.now()) }
	}
	r, err := open(d.cfg.KeysFile())
	if err != nil {
		return err
	}
	d.ring.Store(r)
	d.log.Info("keys read", "file", d.cfg.KeysFile(), "signing", r.Signing(d.now()).ID(), "keys", len(r.Keys()))
	return nil
}
