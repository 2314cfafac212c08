package daemon

import (
	"encoding/hex"
	"os"

	"breakwater/internal/config"
	"breakwater/internal/fingerprint"
	"breakwater/internal/incident"
	"breakwater/internal/message"
	"breakwater/internal/record"
	"breakwater/internal/storm"
)

// recordOptions are those of the records of incidents, and of the ledger, of a daemon.
func (d *Daemon) recordOptions() record.Options {
	site := d.engine.Site
	return record.Options{
		Archive: d.cfg.Archive,
		KeyFile: record.KeyFile(d.cfg.KeysFile()),
		Origin:  ledgerOrigin(d.cfg),
		Version: ReadVersion().Version,
		Source: func(m *message.Message) fingerprint.Source {
			return fingerprint.SourceOf(m, site.Relay, site.Hosts)
		},
		Name: func(mailbox string) string {
			owner := d.engine.Hasher.Key(mailbox, storm.Class, "").Owner
			return hex.EncodeToString(owner[:])
		},
		Log: d.log,
	}
}

// ledgerOrigin is the name in which this host signs its ledger.
func ledgerOrigin(c config.Config) string {
	name := ""
	if len(c.Site.Hosts) > 0 {
		name = c.Site.Hosts[0]
	} else if host, err := os.Hostname(); err == nil {
		name = host
	}
	return name + "/breakwater"
}

// Records are the records of incidents, and the ledger.
func (d *Daemon) Records() *record.Recorder { return d.records }

// order does what an operator orders.
func (d *Daemon) order(o incident.Order) error { return d.records.Do(d.now(), o) }
