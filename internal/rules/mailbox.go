package rules

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/tomlfile"
)

// alias is a pattern of local parts that are all one mailbox.
type alias struct{ pattern, mailbox string }

// Mailbox is the mailbox under which an address of the domain is counted, in the form of
// address.Mailbox: the address itself, unless mailbox_alias says that it is another's.
func (d *Domain) Mailbox(mailbox string) string {
	if len(d.aliases) == 0 {
		return mailbox
	}
	local, base := address.Local(mailbox), address.Local(address.Base(mailbox))
	for _, a := range d.aliases {
		if matches(a.pattern, local) || matches(a.pattern, base) {
			if a.mailbox == base {
				return mailbox // it is that mailbox, whatever its sub-address
			}
			if address.In(a.mailbox) {
				return a.mailbox
			}
			return a.mailbox + mailbox[len(local):]
		}
	}
	return mailbox
}

// matches reports whether a pattern, in which one * is any text, is a local part's.
func matches(pattern, local string) bool {
	before, behind, any := strings.Cut(pattern, "*")
	if !any {
		return pattern == local
	}
	return len(local) >= len(before)+len(behind) && strings.HasPrefix(local, before) && strings.HasSuffix(local, behind)
}

// exemption is where mail of a sender comes from that no limit is for.
type exemption struct {
	networks []netip.Prefix
	logins   []string
}

const loginPrefix = "login:"

// Exempts reports whether no limit is for mail with a From address that comes from a client or
// login.
func (d *Domain) Exempts(from string, client netip.Addr, login string) bool {
	if len(d.exempt) == 0 {
		return false
	}
	for _, name := range senders(from) {
		e, ok := d.exempt[name]
		if !ok {
			continue
		}
		if login != "" {
			return slices.Contains(e.logins, strings.ToLower(login))
		}
		return client.IsValid() && slices.ContainsFunc(e.networks, func(p netip.Prefix) bool { return p.Contains(client.Unmap()) })
	}
	return false
}

// senders are the names under which a From address can stand in a rule file, the closest first.
func senders(from string) []string {
	domain := address.DomainOf(from)
	names := []string{address.Mailbox(from), domain}
	for _, up, ok := strings.Cut(domain, "."); ok; _, up, ok = strings.Cut(up, ".") {
		names = append(names, "*."+up)
	}
	return names
}

// counted fills in which mailboxes the domain has, and whose mail has no limit.
func (f *loaded) counted() (wrong []*tomlfile.Error) {
	var all settings
	tomlfile.Assign(pick(f.all.tree, "mailbox_alias", "sender"), &all)
	at := func(key, why string, args ...any) {
		if p, ok := f.all.from[key]; ok {
			wrong = append(wrong, p.doc.WrongValue(p.key, why, args...))
		}
	}
	d := f.domain
	for _, pattern := range slices.Sorted(maps.Keys(all.MailboxAlias)) {
		key, to := tomlfile.Join("mailbox_alias", pattern), all.MailboxAlias[pattern]
		if address.In(pattern) || pattern == "" || strings.Count(pattern, "*") > 1 {
			at(key, "%q is no local part; write it like sales, or with one * like sales-*", pattern)
		}
		if strings.Contains(to, "*") || to == "" || address.In(to) && !address.Is(to) {
			at(key, "%q is no mailbox; write it like office, or office@example.org for one of another domain", to)
		}
		if address.In(to) {
			to = address.Mailbox(to)
		}
		d.aliases = append(d.aliases, alias{strings.ToLower(pattern), strings.ToLower(to)})
	}
	// The closest decides: a local part itself, then the longest pattern.
	slices.SortFunc(d.aliases, func(a, b alias) int {
		wild := func(a alias) int { return strings.Count(a.pattern, "*") }
		return cmp.Or(cmp.Compare(wild(a), wild(b)), cmp.Compare(len(b.pattern), len(a.pattern)), cmp.Compare(a.pattern, b.pattern))
	})
	for name, s := range all.Sender {
		var e exemption
		for _, from := range s.Exempt {
			if login, ok := strings.CutPrefix(from, loginPrefix); ok && login != "" {
				e.logins = append(e.logins, strings.ToLower(login))
			} else if n, err := network(from); err == nil {
				e.networks = append(e.networks, n.Masked())
			} else {
				at(tomlfile.Join("sender", name)+".exempt", "%q is no network or login; write it like 192.0.2.10, 192.0.2.0/28 or login:nagios", from)
			}
		}
		if len(s.Exempt) > 0 {
			if d.exempt == nil {
				d.exempt = map[string]exemption{}
			}
			d.exempt[name] = e
		}
	}
	return wrong
}
