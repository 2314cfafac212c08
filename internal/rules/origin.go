package rules

import (
	"slices"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/origin"
	"breakwater/internal/tomlfile"
)

// Origin is how it is proved that a domain sent what a report is about.
type Origin struct {
	Proofs []origin.Method `toml:"proofs" doc:"Which proofs are tried."`
	Token  bool            `toml:"token" doc:"Whether mail that the domain sends gets a field with a token."`
	Learn  time.Duration   `toml:"learn" doc:"For so long after all_mail_leaves_here was set nothing is told to be forged."`
}

// BATV is how the reverse-path of mail that a domain sends is tagged.
type BATV struct {
	Form   origin.Form `toml:"form" doc:"subaddress: ann+prvs-1234abcdef@example.org; prvs: prvs=1234abcdef=ann@example.org, which the mail server must be told about; off: no tags."`
	Refuse bool        `toml:"refuse" doc:"Refuse reports to addresses without a tag of ours when the recipient is named. After learning, and never for postmaster and the like."`
	Exempt []string    `toml:"exempt" doc:"Addresses and domains, *.example.net for all sub-domains: mail to them is not tagged."`
	Accept []string    `toml:"accept" doc:"Local parts that get reports without a tag all the same."`
}

// AllMailLeavesHere reports whether no mail of the domain is sent past us.
func (d *Domain) AllMailLeavesHere() bool { return d.leaves }

// Origin is how it is proved what the domain sent.
func (d *Domain) Origin() Origin { return d.origin }

// BATV is how the domain's mail is tagged.
func (d *Domain) BATV() BATV { return d.batv }

// Exempts reports whether mail to addr is not tagged.
func (b *BATV) Exempts(addr string) bool {
	mailbox, domain := address.Mailbox(addr), address.DomainOf(addr)
	return slices.ContainsFunc(b.Exempt, func(e string) bool {
		name, _ := sender(e)
		if all, ok := strings.CutPrefix(name, "*"); ok {
			return strings.HasSuffix(domain, all)
		}
		return name == mailbox || name == domain
	})
}

// Accepts reports whether a mailbox gets reports without a tag.
func (b *BATV) Accepts(mailbox string) bool {
	local := address.Local(address.Base(mailbox))
	return origin.Role(mailbox) || slices.ContainsFunc(b.Accept, func(a string) bool { name, _ := localPart(a); return name == local })
}

// origin fills in what the domain has for proofs of origin.
func (f *loaded) origin() (wrong []*tomlfile.Error) {
	var all settings
	tomlfile.Assign(pick(f.all.tree, "all_mail_leaves_here", "origin", "batv"), &all)
	d := f.domain
	d.leaves, d.origin, d.batv = all.AllMailLeavesHere, all.Origin, all.BATV
	at := func(key, why string, args ...any) {
		if p, ok := f.all.from[key]; ok {
			wrong = append(wrong, p.doc.WrongValue(p.key, why, args...))
		}
	}
	if d.batv.Refuse && !d.leaves {
		at("batv.refuse", "refuse needs all_mail_leaves_here = true: mail that leaves elsewhere has no tag, and its reports would be refused")
	}
	if d.batv.Refuse && d.batv.Form == origin.NoTag {
		at("batv.refuse", "refuse needs form = \"subaddress\" or \"prvs\": without tags all reports would be refused")
	}
	if d.origin.Learn < 24*time.Hour || d.origin.Learn > origin.Life-origin.Margin {
		at("origin.learn", "%v is not between 1d and %v, from which the index still knows all", tomlfile.Duration(d.origin.Learn), tomlfile.Duration(origin.Life-origin.Margin))
	}
	for _, e := range d.batv.Exempt {
		if _, ok := sender(e); !ok {
			at("batv.exempt", "%q is no address or domain; write it like ann@example.net, example.net or *.example.net", e)
		}
	}
	for _, a := range d.batv.Accept {
		if _, ok := localPart(a); !ok {
			at("batv.accept", "%q is no local part; write it like news, without the domain", a)
		}
	}
	return wrong
}
