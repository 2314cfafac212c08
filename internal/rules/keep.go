package rules

import (
	"time"

	"breakwater/internal/tomlfile"
)

// Teller says who is told of absorbed mail.
type Teller string

// Who is told.
const (
	TellMailbox    Teller = "mailbox"
	TellPostmaster Teller = "postmaster"
	TellNobody     Teller = "nobody"
)

// Tellers lists all of them.
var Tellers = []Teller{TellMailbox, TellPostmaster, TellNobody}

// Values are the tellers.
func (Teller) Values() []string { return texts(Tellers) }

// Digest is how the mailboxes of a domain are told of what was absorbed.
type Digest struct {
	To         Teller        `toml:"to" doc:"Who is told."`
	Language   Language      `toml:"language" doc:"Of the digests."`
	Postmaster string        `toml:"postmaster" doc:"Address, if not postmaster at the domain itself."`
	Wait       time.Duration `toml:"wait" doc:"From the first absorbed copy to the first digest."`
	Interval   time.Duration `toml:"interval" doc:"Between digests."`
	Lists      []string      `toml:"lists" doc:"Local parts that are lists or catch-alls: the postmaster is told instead."`
}

// Language is one in which digests can be written.
type Language string

// Languages lists all of them.
var Languages = []string{"en", "de"}

// Values are the languages.
func (Language) Values() []string { return Languages }

// Retention is how long absorbed mail of a domain is kept.
type Retention struct {
	Keep    time.Duration
	MaxSize int64 // bytes on disk; 0: only the whole archive's bound
}

type fileRetention struct {
	Keep    time.Duration `toml:"keep" doc:"For so long."`
	MaxSize tomlfile.Size `toml:"max_size" doc:"So much of one domain at most, on disk."`
}

// Digest is how a domain is told.
func (d *Domain) Digest() Digest { return d.digest }

// Retention is how long a domain's absorbed mail is kept.
func (d *Domain) Retention() Retention { return d.retention }

// keep fills in what the domain has for digests and retention.
func (f *loaded) keep() []*tomlfile.Error {
	var all settings
	tomlfile.Assign(pick(f.all.tree, "digest", "retention"), &all)
	f.domain.digest = all.Digest
	f.domain.retention = Retention{Keep: all.Retention.Keep, MaxSize: int64(all.Retention.MaxSize)}
	if keep := f.domain.retention.Keep; keep > 0 && keep < 24*time.Hour {
		p := f.all.from["retention.keep"]
		return []*tomlfile.Error{p.doc.WrongValue(p.key, "%v is less than a day, too short for anybody to ask for a copy", tomlfile.Duration(keep))}
	}
	return nil
}
