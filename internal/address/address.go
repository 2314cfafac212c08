// Package address takes mail addresses apart and puts them together (RFC 5321 §4.1.2, RFC 5322 §3.4.1).
// Nobody else looks for the "@" that parts them: a quoted local part may have one, too.
package address

import (
	"strings"

	"golang.org/x/net/idna"
)

// Split parts an address at its last "@". ok is false where there is none; then local is all of it.
func Split(addr string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(addr, '@')
	if at < 0 {
		return addr, "", false
	}
	return addr[:at], addr[at+1:], true
}

// Join is the address of a local part and a domain.
func Join(local, domain string) string { return local + "@" + domain }

// Is reports whether s has something on both sides of an "@".
func Is(s string) bool {
	local, domain, _ := Split(s)
	return local != "" && domain != ""
}

// In reports whether there may be an address in a text.
func In(text string) bool { return strings.IndexByte(text, '@') >= 0 }

// Local is the local part of an address; all of it where there is no domain.
func Local(addr string) string {
	local, _, _ := Split(addr)
	return local
}

// DomainOf is the domain of an address as lower-case A-label; "" if it has none.
func DomainOf(addr string) string {
	_, domain, _ := Split(addr)
	return Domain(domain)
}

// Domain is a domain as lower-case A-label (RFC 5890 §2.3.2.1); as it is, in lower case, if it has none.
func Domain(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	if a, err := idna.Lookup.ToASCII(domain); err == nil {
		return a
	}
	return strings.ToLower(domain)
}

// LowerDomain is an address with its domain in lower case, and nothing else changed.
func LowerDomain(addr string) string {
	local, domain, ok := Split(addr)
	if !ok {
		return addr
	}
	return Join(local, strings.ToLower(domain))
}

// Mailbox is the form of an address under which it is counted: domain as lower-case A-label, local part
// in lower case and without quotes that it does not need.
func Mailbox(addr string) string {
	local, domain, ok := Split(addr)
	if !ok {
		return strings.ToLower(addr)
	}
	return Join(strings.ToLower(unquote(local)), Domain(domain))
}

// unquote takes quotes off a local part that needs none: "ann" is ann (RFC 5321 §4.1.2).
func unquote(local string) string {
	if len(local) < 3 || local[0] != '"' || local[len(local)-1] != '"' {
		return local
	}
	plain := local[1 : len(local)-1]
	for _, r := range plain {
		if !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r) && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') {
			return local
		}
	}
	if plain[0] == '.' || plain[len(plain)-1] == '.' || strings.Contains(plain, "..") {
		return local
	}
	return plain
}

// Base is a mailbox without its sub-address (RFC 5233 §1).
func Base(mailbox string) string {
	local, domain, ok := Split(mailbox)
	if plus := strings.IndexByte(local, '+'); ok && plus > 0 {
		return Join(local[:plus], domain)
	}
	return mailbox
}

// Same reports whether mail to a gets where mail to b does, for all that is known: local parts may
// differ in case alone (RFC 5321 §2.4).
func Same(a, b string) bool {
	la, da, oka := Split(a)
	lb, db, okb := Split(b)
	return oka && okb && la == lb && strings.EqualFold(da, db)
}

// WithoutRoute is the mailbox of a path. A source route before it, as in @relay.test:ann@example.test,
// means nothing (RFC 5321 §4.1.1.3), and Postfix takes no recipient off that is named with one.
func WithoutRoute(path string) string {
	if !strings.HasPrefix(path, "@") {
		return path
	}
	route, mailbox, _ := strings.Cut(path, ":")
	if mailbox == "" || strings.Contains(route, "[") {
		return path
	}
	return mailbox
}
