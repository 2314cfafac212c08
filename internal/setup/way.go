package setup

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Way is where mail comes back to the mail server that breakwater held, and where digests come in: a port of
// loopback at which no filter looks at mail and nobody signs it. Released mail may be forged.
const Way = "127.0.0.1:8897"

// wayOptions are those of the service of Postfix that listens there. It takes mail for its own domains from this host,
// as it is. What main.cf says of filters, restrictions, TLS and logins is for other mail; what it says of addresses and
// aliases holds. EHLO offers DSN, whose envelope IDs are the marks of released mail.
var wayOptions = []string{
	"syslog_name=postfix/breakwater",
	"mynetworks=127.0.0.0/8,[::1]/128",
	"smtpd_client_restrictions=permit_mynetworks,reject",
	"smtpd_helo_restrictions=",
	"smtpd_sender_restrictions=",
	"smtpd_relay_restrictions=reject_unauth_destination",
	"smtpd_recipient_restrictions=reject_unauth_destination",
	"smtpd_data_restrictions=",
	"smtpd_end_of_data_restrictions=",
	"smtpd_milters=",
	"receive_override_options=no_milters,no_header_body_checks",
	"content_filter=",
	"smtpd_proxy_filter=",
	"smtpd_upstream_proxy_protocol=",
	"smtpd_tls_security_level=none",
	"smtpd_sasl_auth_enable=no",
	"smtpd_discard_ehlo_keywords=",
	"local_header_rewrite_clients=",
}

// way says what to set so that p takes mail at an address of this host, and nobody touches it.
func (p Postfix) way(addr string) (changes []Change, notes []string) {
	c := Change{Service: addr + "/inet", New: p.entry(addr), Why: "take released mail and digests from this host, unfiltered and unsigned"}
	through, known := p.Passes(addr)
	switch {
	case known && len(through) == 0:
		return nil, nil
	case known:
		advice := fmt.Sprintf("Write submit = \"smtp://%s\" under [release] and [digest] in breakwater.toml, or leave it out, and run this again", Way)
		if addr == Way {
			advice = "Set its options anew:\n  " + c.Line()
		}
		return nil, []string{fmt.Sprintf("mail that breakwater hands back at %s goes through %s: it may be signed as yours, even if it is forged. %s", addr, p.names(through), advice)}
	}
	if l := p.who("inet:" + addr); l.Listens { // Postfix would end, rather than do without the port
		return nil, []string{fmt.Sprintf("%s listens at %s, where breakwater hands mail back. If that is no mail server, choose another port: submit under [release] and [digest] in breakwater.toml", l, addr)}
	}
	return []Change{c}, nil
}

// entry is the line of master.cf for a service at an address, in a chroot if the one at port 25 is.
func (p Postfix) entry(addr string) string {
	chroot := "n"
	for _, s := range p.Services {
		if s.Command == "smtpd" && s.Chroot && (s.Type == "pass" || portOf(s) == "25") {
			chroot = "y"
		}
	}
	return fmt.Sprintf("%s inet n - %s - - smtpd -o %s", addr, chroot, strings.Join(wayOptions, " -o "))
}

// Passes is what mail goes through that comes in at an address of this host, HOST:PORT: addresses of milters, and
// filters. known is false where this Postfix does not listen there.
func (p Postfix) Passes(addr string) (through []string, known bool) {
	s, known := p.at(addr)
	if !known {
		return nil, false
	}
	value := func(name string) string {
		if v, own := s.Overrides[name]; own {
			return v
		}
		return p.Full[name]
	}
	if !strings.Contains(value("receive_override_options"), "no_milters") {
		for _, e := range elements(value("smtpd_milters")) {
			through = append(through, address(e))
		}
	}
	for _, name := range []string{"smtpd_proxy_filter", "content_filter"} {
		if v := value(name); v != "" {
			through = append(through, "the filter "+v)
		}
	}
	return through, true
}

// at is the service that takes mail at an address of this host.
func (p Postfix) at(addr string) (Service, bool) {
	host, port, _ := net.SplitHostPort(addr)
	for _, s := range p.Services {
		if s.Type != "inet" || portOf(s) != port {
			continue
		}
		if on := hostOf(s); on != "" && on != host && (!loopback(on) || !loopback(host) || strings.Contains(on, ":") != strings.Contains(host, ":")) {
			continue
		}
		if s.Command == "postscreen" {
			i := slices.IndexFunc(p.Services, func(s Service) bool { return s.Type == "pass" && s.Command == "smtpd" })
			return p.Services[max(i, 0)], i >= 0
		}
		return s, true
	}
	return Service{}, false
}

// hostOf and portOf are where a service of type inet listens: at an address, or "" for all, and a port, by number.
func hostOf(s Service) string {
	if i := strings.LastIndexByte(s.Name, ':'); i >= 0 {
		return strings.Trim(s.Name[:i], "[]")
	}
	return ""
}

func portOf(s Service) string {
	port := s.Name[strings.LastIndexByte(s.Name, ':')+1:]
	if n, known := map[string]string{"smtp": "25", "smtps": "465", "submissions": "465", "submission": "587"}[port]; known {
		return n
	}
	return port
}

func loopback(host string) bool {
	ip, _ := netip.ParseAddr(host)
	return host == "localhost" || ip.IsLoopback()
}

// names are what mail goes through, with who listens there.
func (p Postfix) names(through []string) string {
	var all []string
	for _, t := range through {
		if l := p.who(t); l.Program != "" {
			t += " (" + l.String() + ")"
		}
		all = append(all, t)
	}
	return strings.Join(all, ", ")
}

// Warning says what touches mail that a setting, such as release.submit, has come in at an address of this host; "" if
// nothing is known to.
func (p Postfix) Warning(setting, addr string) string {
	through, known := p.Passes(addr)
	if known && len(through) == 0 {
		return ""
	}
	_, port, _ := net.SplitHostPort(addr)
	harm := "released mail is filtered again, and signed as yours even if it is forged"
	if setting != "release.submit" {
		harm = "digests are filtered, and may be signed, like all mail"
	}
	instead := fmt.Sprintf("Better: %s = \"smtp://%s\", which `breakwater setup postfix --apply` makes, or `breakwater setup sendmail` says how", setting, Way)
	switch {
	case known:
		return fmt.Sprintf("%s: mail that comes in at %s goes through %s; %s. %s", setting, addr, p.names(through), harm, instead)
	case port == "25" || port == "465" || port == "587":
		return fmt.Sprintf("%s: mail servers filter and sign what comes in at port %s; %s. %s", setting, port, harm, instead)
	}
	return ""
}
