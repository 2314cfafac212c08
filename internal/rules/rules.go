// Package rules reads per-domain rule files and decides by them.
//
// A folder of rules holds default.toml, which applies to every domain, and one
// <domain>.toml for each domain that differs, of which each value stands over the
// default's. Within a file, exceptions for a mailbox or a sender stand over the rest of it.
// Every decision names the file and the line of the value that made it.
//
// What decides, in this order: the first [[rule]] that matches, those of the domain before
// those of the default; a storm that holds the message back; the action for its class.
package rules

import (
	"strings"

	"breakwater/internal/address"
)

// DefaultFile is the file of a folder that applies to every domain.
const DefaultFile = "default.toml"

// Mode says whether decisions are carried out.
type Mode string

// Modes.
const (
	Enforce Mode = "enforce"
	Observe Mode = "observe" // decide, log and count, but deliver everything
)

// Values are the modes.
func (Mode) Values() []string { return texts([]Mode{Enforce, Observe}) }

// Domain is the rules of one file, the default's included.
type Domain struct {
	Name  string   // the first of its names; "" for the default
	Names []string // domains, and *.domain for all sub-domains of one
	File  string

	policy    *Policy
	mailboxes map[string]*Policy   // exceptions, by local part
	senders   map[string]*Policy   // by address, domain, or *.domain
	rules     []*Rule              // its own, then those of the default that have other names
	aliases   []alias              // the closest first
	exempt    map[string]exemption // by sender, as in senders

	leaves    bool // all mail of the domain leaves here
	origin    Origin
	batv      BATV
	digest    Digest
	retention Retention
	sweep     Sweep
}

// Rules are those of the domain, in the order in which they are tried.
func (d *Domain) Rules() []*Rule { return d.rules }

// Set is the rules of a host.
type Set struct {
	def     *Domain
	domains map[string]*Domain // by name
	files   int
}

// For returns the rules of a domain, a lower-case A-label.
func (s *Set) For(domain string) *Domain {
	if d, ok := s.domains[domain]; ok {
		return d
	}
	if d, ok := wildcard(s.domains, domain); ok {
		return d
	}
	return s.def
}

// wildcard looks for the *.domain that is closest above a domain.
func wildcard[V any](in map[string]V, domain string) (v V, ok bool) {
	for !ok && len(in) > 0 {
		var found bool
		if _, domain, found = strings.Cut(domain, "."); !found {
			break
		}
		v, ok = in["*."+domain]
	}
	return v, ok
}

// Has reports whether a file names a domain.
func (s *Set) Has(domain string) bool { return s.For(domain) != s.def }

// Customer names who has a domain, a lower-case A-label: the domains of one rule file belong together, and
// any other domain is by itself. What mail of one customer proves, it proves for all domains of
// that customer, and for nobody else.
func (s *Set) Customer(domain string) string {
	if d := s.For(domain); d != s.def {
		return d.Name
	}
	return domain
}

// Len is the number of domains with a file of their own.
func (s *Set) Len() int { return s.files }

// Domains yields the default and then each file's domain, in no order.
func (s *Set) Domains(yield func(*Domain) bool) {
	if !yield(s.def) {
		return
	}
	for name, d := range s.domains {
		if name == d.Name && !yield(d) {
			return
		}
	}
}

// For returns what holds for one mailbox of the domain, in the form of address.Mailbox,
// and the sender in From. At most one exception applies: that for the mailbox, or else that
// for the sender, the closest first.
func (d *Domain) For(mailbox, from string) *Policy {
	if len(d.mailboxes) > 0 {
		if p, ok := d.mailboxes[address.Local(mailbox)]; ok {
			return p
		}
		if p, ok := d.mailboxes[address.Local(address.Base(mailbox))]; ok {
			return p
		}
	}
	if len(d.senders) > 0 {
		for _, name := range senders(from) {
			if p, ok := d.senders[name]; ok {
				return p
			}
		}
	}
	return d.policy
}

// Enforced is s as if every file said enforce; exceptions with a mode of their own keep it.
func (s *Set) Enforced() *Set {
	e := &Set{files: s.files, domains: make(map[string]*Domain, len(s.domains))}
	done := map[*Domain]*Domain{}
	enforce := func(d *Domain) *Domain {
		if done[d] == nil {
			done[d] = d.enforced()
		}
		return done[d]
	}
	e.def = enforce(s.def)
	for name, d := range s.domains {
		e.domains[name] = enforce(d)
	}
	return e
}

func (d *Domain) enforced() *Domain {
	e := *d
	change := func(p *Policy) *Policy {
		c := *p
		c.domain = &e
		if !p.ownMode {
			c.mode.value = Enforce
		}
		return &c
	}
	e.policy = change(d.policy)
	e.mailboxes, e.senders = make(map[string]*Policy, len(d.mailboxes)), make(map[string]*Policy, len(d.senders))
	for name, p := range d.mailboxes {
		e.mailboxes[name] = change(p)
	}
	for name, p := range d.senders {
		e.senders[name] = change(p)
	}
	return &e
}
