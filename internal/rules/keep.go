package rules

import (
	"errors"
	"slices"
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

// Digest is how the mailboxes of a domain are told of what was absorbed.
type Digest struct {
	To         Teller
	Language   string        // one of Languages
	Postmaster string        // address; "" is postmaster at the domain itself
	Wait       time.Duration // from the first absorbed copy to the first digest
	Interval   time.Duration // between digests
	Lists      []string      // local parts that are lists or catch-alls: the postmaster is told instead
}

// Languages lists those in which digests can be written.
var Languages = []string{"en", "de"}

// Retention is how long absorbed mail of a domain is kept.
type Retention struct {
	Keep    time.Duration
	MaxSize int64 // bytes on disk; 0: only the whole archive's bound
}

// Digest is how a domain is told.
func (d *Domain) Digest() Digest { return d.digest }

// Retention is how long a domain's absorbed mail is kept.
func (d *Domain) Retention() Retention { return d.retention }

type fileDigest struct {
	To         *Teller            `toml:"to"`
	Language   *string            `toml:"language"`
	Postmaster *string            `toml:"postmaster"`
	Wait       *tomlfile.Duration `toml:"wait"`
	Interval   *tomlfile.Duration `toml:"interval"`
	Lists      []string           `toml:"lists"`
}

type fileRetention struct {
	Keep    *tomlfile.Duration `toml:"keep"`
	MaxSize *tomlfile.Size     `toml:"max_size"`
}

// They hold where default.toml says nothing.
var (
	digestDefault    = Digest{To: TellMailbox, Language: "en", Wait: 15 * time.Minute, Interval: 6 * time.Hour}
	retentionDefault = Retention{Keep: 30 * 24 * time.Hour}
)

func over[T any](v *T, to T) T {
	if v != nil {
		return *v
	}
	return to
}

// applyKeep lays what f says of digests and retention over d.
func (f *file) applyKeep(d *Domain) error {
	g, r := f.Digest, f.Retention
	d.digest = Digest{
		To: over(g.To, d.digest.To), Language: over(g.Language, d.digest.Language), Postmaster: over(g.Postmaster, d.digest.Postmaster),
		Wait: time.Duration(over(g.Wait, tomlfile.Duration(d.digest.Wait))), Interval: time.Duration(over(g.Interval, tomlfile.Duration(d.digest.Interval))),
		Lists: d.digest.Lists,
	}
	if g.Lists != nil {
		d.digest.Lists = g.Lists
	}
	d.retention = Retention{
		Keep:    time.Duration(over(r.Keep, tomlfile.Duration(d.retention.Keep))),
		MaxSize: int64(over(r.MaxSize, tomlfile.Size(d.retention.MaxSize))),
	}
	return f.checkKeep(d)
}

func (f *file) checkKeep(d *Domain) error {
	var wrong []error
	if to := d.digest.To; !slices.Contains(Tellers, to) {
		wrong = append(wrong, f.wrong("digest.to", "%q is nobody to be told; there are %s", to, list(Tellers)))
	}
	if l := d.digest.Language; !slices.Contains(Languages, l) {
		wrong = append(wrong, f.wrong("digest.language", "%q is no language of digests; there are %s", l, list(Languages)))
	}
	if d.retention.Keep < 24*time.Hour {
		wrong = append(wrong, f.wrong("retention.keep", "%v is less than a day, too short for anybody to ask for a copy", d.retention.Keep))
	}
	return errors.Join(wrong...)
}
