package submit

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Target is a server to hand mail to.
type Target struct {
	LMTP    bool   // else SMTP
	Network string // "tcp" or "unix"
	Address string // HOST:PORT, or the path of the socket
}

// Parse reads a target: smtp://HOST:PORT or lmtp://HOST:PORT, whose ports are 25 and 24
// where none is given, or smtp:///PATH or lmtp:///PATH for a unix socket.
func Parse(target string) (Target, error) {
	t, err := parse(target)
	if err != nil {
		return Target{}, fmt.Errorf("%q is no place to hand mail to: %w; write it like smtp://127.0.0.1:10026 or lmtp:///run/dovecot/lmtp", target, err)
	}
	return t, nil
}

func parse(target string) (Target, error) {
	u, err := url.Parse(target)
	if err != nil {
		return Target{}, errors.Unwrap(err) // without the text, which Parse gives
	}
	t := Target{LMTP: u.Scheme == "lmtp", Network: "tcp"}
	port := u.Port()
	switch {
	case u.Scheme != "smtp" && u.Scheme != "lmtp":
		return Target{}, errors.New("it begins neither with smtp:// nor with lmtp://")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return Target{}, errors.New("there is more than an address")
	case u.Host == "" && len(u.Path) > 1:
		return Target{LMTP: t.LMTP, Network: "unix", Address: u.Path}, nil
	case u.Hostname() == "" || strings.Trim(u.Path, "/") != "":
		return Target{}, errors.New("it has no host, or a path behind it")
	case port == "" && t.LMTP:
		port = "24"
	case port == "":
		port = "25"
	}
	t.Address = net.JoinHostPort(u.Hostname(), port)
	return t, nil
}

// String is the target as Parse reads it.
func (t Target) String() string {
	scheme := "smtp"
	if t.LMTP {
		scheme = "lmtp"
	}
	return (&url.URL{Scheme: scheme, Host: t.host(), Path: t.path()}).String()
}

func (t Target) host() string {
	if t.Network == "unix" {
		return ""
	}
	return t.Address
}

func (t Target) path() string {
	if t.Network == "unix" {
		return t.Address
	}
	return ""
}

// Loopback is where on this host mail is handed on by SMTP, HOST:PORT; ok is false for LMTP, unix sockets and other
// hosts.
func (t Target) Loopback() (addr string, ok bool) {
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil || t.LMTP || t.Network != "tcp" {
		return "", false
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	return net.JoinHostPort(host, port), err == nil && ip.IsLoopback()
}
