package setup

import (
	"fmt"
	"net"
	"strings"
)

// Sendmail returns the lines of sendmail.mc for a milter at a socket such as SendmailSocket, one that
// CheckMilter has seen.
func Sendmail(milter string) string {
	socket := milter
	if addr, ok := strings.CutPrefix(milter, "inet:"); ok {
		host, port, _ := net.SplitHostPort(addr)
		family := "inet:"
		if strings.Contains(host, ":") {
			family = "inet6:"
		}
		socket = family + port + "@" + host
	}
	// No F=T and no F=R: mail flows on when the milter is away.
	return fmt.Sprintf("INPUT_MAIL_FILTER(`breakwater', `S=%s, F=, T=C:10s;S:30s;R:30s;E:2m')dnl\n", socket) +
		"define(`confMILTER_MACROS_CONNECT', `j, _, {daemon_name}, {if_name}, {if_addr}, {client_addr}, {client_name}')dnl\n" +
		"define(`confMILTER_MACROS_ENVFROM', `i, {auth_type}, {auth_authen}, {auth_ssf}, {auth_author}, {mail_mailer}, {mail_host}, {mail_addr}')dnl\n" +
		"define(`confMILTER_MACROS_ENVRCPT', `{rcpt_mailer}, {rcpt_host}, {rcpt_addr}')dnl\n"
}

// SendmailWays returns the lines of sendmail.mc by which Sendmail takes mail at addresses of this host, such as Way, that
// no milter looks at.
func SendmailWays(addrs []string) string {
	var b strings.Builder
	for i, addr := range addrs {
		host, port, _ := net.SplitHostPort(addr)
		family := "inet"
		if strings.Contains(host, ":") {
			family = "inet6"
		}
		name := "breakwater"
		if i > 0 {
			name += fmt.Sprint(i + 1)
		}
		fmt.Fprintf(&b, "DAEMON_OPTIONS(`Name=%s, Family=%s, Addr=%s, Port=%s, M=E, InputMailFilters=')dnl\n", name, family, host, port)
	}
	return b.String()
}
