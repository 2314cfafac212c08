package fingerprint

import (
	"slices"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/message"
	"breakwater/internal/storm"
)

const longChain = 20 // Received fields; few mails have ten

// Signs are what m has of mail that is sent again and again. hosts are our own names, as they
// stand in Received fields.
func Signs(m *message.Message, hosts []string) storm.Signs {
	var signs storm.Signs
	if len(m.Received) > longChain {
		signs |= storm.LongChain
	}
	if connector(m) {
		signs |= storm.Connector
	}
	if Loops(m, hosts) > 0 {
		signs |= storm.Loop
	}
	if hopTwice(m.Received) {
		signs |= storm.HopTwice
	}
	if resent(m) {
		signs |= storm.Resent
	}
	return signs
}

// Loops is how many of hosts' Received fields m has already.
func Loops(m *message.Message, hosts []string) int {
	if len(hosts) == 0 {
		return 0
	}
	n := 0
	for _, field := range m.Received {
		if by := message.Clause(field, "by"); by != "" && slices.Contains(hosts, by) {
			n++
		}
	}
	return n
}

// connector reports whether a POP3 connector fetched m that puts addresses of its own making
// into what it sends on.
func connector(m *message.Message) bool {
	const mark = "mspop3connector."
	has := func(s string) bool { return strings.Contains(s, mark) || strings.Contains(strings.ToLower(s), mark) }
	if slices.ContainsFunc(m.Received, has) {
		return true
	}
	for _, f := range m.Header {
		switch strings.ToLower(f.Name) {
		case "to", "cc", "from", "return-path", "delivered-to", "x-original-to", "resent-to", "sender":
			if has(f.Value) {
				return true
			}
		}
	}
	return slices.ContainsFunc(m.Recipients, func(r message.Recipient) bool { return has(r.Addr) })
}

// hopTwice reports whether m was handed from one host to another twice.
func hopTwice(received []string) bool {
	if len(received) < 3 {
		return false
	}
	hops := map[[2]string]bool{}
	for _, field := range received {
		hop := [2]string{message.Clause(field, "from"), message.Clause(field, "by")}
		if hop[0] == "" || hop[0] == hop[1] || strings.HasPrefix(hop[0], "localhost") || !strings.Contains(hop[0], ".") {
			continue // within a host
		}
		if hops[hop] {
			return true
		}
		hops[hop] = true
	}
	return false
}

// resent reports whether m had arrived at one of those in To and Cc, and was sent from there
// to others of them.
func resent(m *message.Message) bool {
	var got []string
	for _, field := range m.Received {
		addr := strings.Trim(message.Clause(field, "for"), "<>")
		if address.In(addr) && !slices.ContainsFunc(m.Recipients, func(r message.Recipient) bool { return strings.EqualFold(r.Addr, addr) }) {
			got = append(got, addr)
		}
	}
	if len(got) == 0 || len(m.Recipients) == 0 {
		return false
	}
	to := named(m)
	among := func(addr string) bool { return slices.Contains(to, strings.ToLower(addr)) }
	return slices.ContainsFunc(got, among) && !slices.ContainsFunc(m.Recipients, func(r message.Recipient) bool { return !among(r.Addr) })
}
