package main

import (
	"encoding/hex"
	"os"

	"breakwater/internal/config"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/record"
	"breakwater/internal/storm"
)

// recordOptions are those of the records of incidents, and of the ledger, of a daemon.
func (d *daemon) recordOptions() record.Options {
	site := d.engine.Site
	return record.Options{
		Archive: d.cfg.Archive,
		KeyFile: record.KeyFile(d.cfg.KeysFile()),
		Origin:  ledgerOrigin(d.cfg),
		Version: readVersion().Version,
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
