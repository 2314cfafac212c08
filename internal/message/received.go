package message

import (
	"net/netip"
	"strings"
)

// Clause is the word behind another one in a Received field, RFC 5321 §4.4, such as "by", in
// lower case; "" where there is none.
func Clause(field, name string) string {
	stamp, _, _ := strings.Cut(field, ";")
	for {
		i := strings.Index(stamp, name)
		if i < 0 {
			return ""
		}
		before, after := stamp[:i], stamp[i+len(name):]
		stamp = after
		value := strings.TrimLeft(after, " \t")
		if before != "" && !strings.HasSuffix(before, " ") && !strings.HasSuffix(before, "\t") || len(value) == len(after) {
			continue
		}
		if end := strings.IndexAny(value, " \t()"); end >= 0 {
			value = value[:end]
		}
		return strings.ToLower(strings.TrimRight(value, "."))
	}
}

// ClientOf is the address of the client that a Received field is about, as the server that
// wrote the field saw it, and never what the client said of itself in HELO; the zero Addr where
// the field tells none. It reads what Postfix, Sendmail, Courier and OpenSMTPD write
// ("from helo (name [192.0.2.1])"), Exim ("from name ([192.0.2.1] helo=x)", "from [192.0.2.1]
// (helo=x)"), Exchange ("from name (192.0.2.1)") and qmail ("from name (HELO x) (192.0.2.1)").
func ClientOf(field string) netip.Addr {
	rest, ok := strings.CutPrefix(strings.TrimLeft(field, " \t"), "from ")
	if !ok {
		return netip.Addr{}
	}
	helo, rest, _ := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
	said := false // HELO is in a comment, so that the name before it is what the server saw
	for {
		rest = strings.TrimLeft(rest, " \t")
		comment, behind, ok := comment(rest)
		if !ok {
			break
		}
		rest = behind
		if a, ok := clientIn(comment); ok {
			return a
		}
		said = said || strings.Contains(comment, "helo=")
	}
	if said || strings.HasPrefix(rest, "by ") && !strings.Contains(field, "(") {
		return literal(helo)
	}
	return netip.Addr{}
}

// comment takes a comment off the beginning of s, RFC 5322 §3.2.2.
func comment(s string) (inside, behind string, ok bool) {
	if !strings.HasPrefix(s, "(") {
		return "", s, false
	}
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], true
			}
		}
	}
	return "", s, false
}

// clientIn is the address in a comment behind a name, which is the last one: what is before it is
// a name, which the client's own servers can choose.
func clientIn(comment string) (a netip.Addr, ok bool) {
	if strings.HasPrefix(comment, "HELO ") || strings.HasPrefix(comment, "EHLO ") {
		return netip.Addr{}, false
	}
	words := strings.Fields(comment)
	for _, word := range words {
		if b := literal(word); b.IsValid() && (strings.HasPrefix(word, "[") || len(words) == 1) {
			a = b
		}
	}
	return a, a.IsValid()
}

// literal reads an address, with or without the brackets of RFC 5321 §4.1.3 and a port behind
// them.
func literal(s string) netip.Addr {
	if inside, ok := strings.CutPrefix(s, "["); ok {
		s, _, _ = strings.Cut(inside, "]")
		if len(s) > 5 && strings.EqualFold(s[:5], "IPv6:") {
			s = s[5:]
		}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
