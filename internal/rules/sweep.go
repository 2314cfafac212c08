package rules

import (
	"slices"
	"strings"
	"time"

	"breakwater/internal/tomlfile"
)

// Sweep is what a sweep over IMAP does at the mailboxes of a domain.
type Sweep struct {
	Absorb     string        // folder for what is absorbed, "/" between its parts
	Quarantine string        // folder for what is quarantined
	Keyword    string        // for what is tagged; ours alone
	MinAge     time.Duration // younger messages are left for the next time
	MaxShare   float64       // of a folder that may be moved without being told so
	Exempt     []string      // names of folders, besides those of a special use
	Digest     bool          // append one to INBOX
}

type fileSweep struct {
	Absorb     *string            `toml:"absorb"`
	Quarantine *string            `toml:"quarantine"`
	Keyword    *string            `toml:"keyword"`
	MinAge     *tomlfile.Duration `toml:"min_age"`
	MaxShare   *float64           `toml:"max_share"`
	Exempt     []string           `toml:"exempt"`
	Digest     *bool              `toml:"digest"`
}

// shippedSweep is what holds where no file says otherwise.
var shippedSweep = Sweep{
	Absorb: "Breakwater/Absorbed", Quarantine: "Breakwater/Quarantine", Keyword: "$Breakwater",
	MinAge: time.Hour, MaxShare: 0.5,
}

// Sweep is what a sweep does.
func (d *Domain) Sweep() Sweep { return d.sweep }

// applySweep lays the values of f over s.
func (f *file) applySweep(s *Sweep) error {
	v := f.Sweep
	for _, folder := range []struct {
		key  string
		from *string
		to   *string
	}{{"absorb", v.Absorb, &s.Absorb}, {"quarantine", v.Quarantine, &s.Quarantine}} {
		if folder.from == nil {
			continue
		}
		*folder.to = *folder.from
		if strings.EqualFold(*folder.to, "INBOX") || slices.Contains(strings.Split(*folder.to, "/"), "") {
			return f.wrong("sweep."+folder.key, "%q is no folder of its own, as in \"Breakwater/Absorbed\"", *folder.to)
		}
	}
	if v.Keyword != nil {
		if s.Keyword = *v.Keyword; !isKeyword(s.Keyword) {
			return f.wrong("sweep.keyword", "%q is no IMAP keyword, as in \"$Breakwater\"", s.Keyword)
		}
	}
	if v.MinAge != nil {
		s.MinAge = time.Duration(*v.MinAge)
	}
	if v.MaxShare != nil {
		if s.MaxShare = *v.MaxShare; s.MaxShare < 0 || s.MaxShare > 1 {
			return f.wrong("sweep.max_share", "%v is not between 0 and 1", s.MaxShare)
		}
	}
	if v.Exempt != nil {
		s.Exempt = v.Exempt
	}
	if v.Digest != nil {
		s.Digest = *v.Digest
	}
	return nil
}

// isKeyword reports whether s is an atom that no user's program sets (RFC 3501 §9, flag-keyword).
func isKeyword(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r) {
			return false
		}
	}
	return s != ""
}
