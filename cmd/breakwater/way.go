package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"breakwater/internal/config"
	"breakwater/internal/milterd"
	"breakwater/internal/setup"
	"breakwater/internal/submit"
)

// way is where a setting has mail handed to the mail server.
type way struct{ setting, target string }

func ways(c config.Config) []way {
	return []way{{"release.submit", c.Release.Submit}, {"digest.submit", c.Digest.Submit}}
}

// addresses are the ports of this host among ways.
func addresses(all []way) (addrs []string) {
	for _, w := range all {
		t, err := submit.Parse(w.target)
		if err != nil {
			continue // whoever uses it says so
		}
		if addr, ok := t.Loopback(); ok && !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// warn says what touches mail on ways, as far as this can be known. Where there is no Postfix, little is.
func warn(w io.Writer, all ...way) {
	p, err := postfix("")
	if err != nil {
		p = setup.Postfix{}
	}
	for _, one := range all {
		for _, addr := range addresses([]way{one}) {
			if text := p.Warning(one.setting, addr); text != "" {
				fmt.Fprintln(w, "warning:", text)
			}
		}
	}
}

// warnAway names the ways at which nobody takes mail.
func warnAway(ctx context.Context, w io.Writer, all ...way) {
	byPort := false
	for _, one := range all {
		t, err := submit.Parse(one.target)
		if err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		conn, err := (&net.Dialer{}).DialContext(ctx, t.Network, t.Address)
		cancel()
		if err == nil {
			conn.Close()
			continue
		}
		fmt.Fprintf(w, "warning: %s: %v\n", one.setting, err)
		_, loopback := t.Loopback()
		byPort = byPort || loopback
	}
	if byPort {
		fmt.Fprintln(w, "`breakwater setup postfix --apply` has Postfix listen there; `breakwater setup sendmail` prints what Sendmail needs")
	}
}

// postfix reads Postfix's configuration, which can tell who listens at milters' addresses.
func postfix(f setup.Folder) (setup.Postfix, error) {
	p, err := f.Read()
	if err == nil {
		p.Who = scout(p.Full["queue_directory"])
	}
	return p, err
}

// scout tells who listens at milters' addresses, of which it remembers each.
func scout(queue string) func(address string) setup.Listener {
	of, steps := milterd.Asks()
	s := setup.Scout{Queue: queue, Actions: uint32(of), Steps: uint32(steps)}
	known := map[string]setup.Listener{}
	return func(address string) setup.Listener {
		l, ok := known[address]
		if !ok {
			l = s.Who(address)
			known[address] = l
		}
		return l
	}
}
