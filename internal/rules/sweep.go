package rules

import (
	"slices"
	"strings"
	"time"

	"breakwater/internal/tomlfile"
)

// Sweep is what a sweep over IMAP does at the mailboxes of a domain.
type Sweep struct {
	Absorb     string        `toml:"absorb" doc:"Folder for what is absorbed, with / between its parts."`
	Quarantine string        `toml:"quarantine" doc:"Folder for what is quarantined."`
	Keyword    string        `toml:"keyword" doc:"IMAP keyword for what is tagged; ours alone."`
	MinAge     time.Duration `toml:"min_age" doc:"Younger messages are left for the next time."`
	MaxShare   float64       `toml:"max_share" doc:"Share of a folder that may be moved without being told so, 0 to 1."`
	Exempt     []string      `toml:"exempt" doc:"Names of folders to leave alone, besides those of a special use."`
	Digest     bool          `toml:"digest" doc:"Append a summary to INBOX."`
}

// Sweep is what a sweep does.
func (d *Domain) Sweep() Sweep { return d.sweep }

// sweep fills in what the domain has for sweeps.
func (f *loaded) sweep() (wrong []*tomlfile.Error) {
	var all settings
	tomlfile.Assign(pick(f.all.tree, "sweep"), &all)
	s := all.Sweep
	f.domain.sweep = s
	check := func(key string, ok bool, why string, value any) {
		if p, found := f.all.from["sweep."+key]; found && !ok {
			wrong = append(wrong, p.doc.WrongValue(p.key, why, value))
		}
	}
	check("absorb", isFolder(s.Absorb), "%q is no folder of its own, as in \"Breakwater/Absorbed\"", s.Absorb)
	check("quarantine", isFolder(s.Quarantine), "%q is no folder of its own, as in \"Breakwater/Quarantine\"", s.Quarantine)
	check("keyword", isKeyword(s.Keyword), "%q is no IMAP keyword, as in \"$Breakwater\"", s.Keyword)
	check("max_share", s.MaxShare >= 0 && s.MaxShare <= 1, "%v is not between 0 and 1", s.MaxShare)
	return wrong
}

func isFolder(name string) bool {
	return !strings.EqualFold(name, "INBOX") && !slices.Contains(strings.Split(name, "/"), "")
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
