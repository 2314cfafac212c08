package fingerprint

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"breakwater/internal/message"
	"breakwater/internal/storm"
)

// Source is where a message comes from, as we saw it ourselves or our own relays did.
type Source struct {
	Login string     // who logged in; "" if nobody did
	Addr  netip.Addr // the client; the zero Addr where it is not known
	Local string     // the sender of what was made on the mail server's own host, "" else
}

// SourceOf returns where m comes from. Behind a relay of ours it is the first host that is none, by
// the Received fields that our hosts wrote; so it is for what a program of this host hands on, and
// for mail in a mailbox, whose newest fields are those of its own servers. Older fields are the
// senders' own. hosts are our names in them, in lower case.
func SourceOf(m *message.Message, relay func(netip.Addr) bool, hosts []string) Source {
	inside := func(a netip.Addr) bool { return a.IsLoopback() || relay(a) }
	switch {
	case m.AuthUser != "" && !relay(m.Client):
		return Source{Login: m.AuthUser}
	case m.Local:
		return Source{Local: "local " + m.Sender()}
	}
	at := m.Client.Unmap()
	if at.IsValid() && !inside(at) {
		return Source{Addr: at}
	}
	wrote := m.Rebuilt || at.IsValid() && relay(at) // one of ours wrote the field
	for _, field := range m.Received {
		by := message.Clause(field, "by")
		if !wrote && by != "localhost" && by != strings.ToLower(m.Host) && !slices.Contains(hosts, by) {
			break
		}
		hop := message.ClientOf(field)
		if hop.IsValid() && !inside(hop) && !(m.Rebuilt && hop.IsPrivate()) {
			return Source{Addr: hop}
		}
		if !hop.IsValid() && !m.Rebuilt {
			break
		}
		at, wrote = hop, m.Rebuilt || hop.IsValid() && relay(hop)
	}
	if at.IsLoopback() && len(m.Received) == 0 {
		return Source{Local: "local " + m.Sender()}
	}
	return Source{Addr: at}
}

// NetworkOf returns the network that counts as one sender: whoever has an address has those beside it, in IPv4 a /24, in
// IPv6 a /48. addr is valid.
func NetworkOf(addr netip.Addr) netip.Prefix {
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	p, _ := addr.Prefix(bits)
	return p
}

// Network returns the print of the network or login that mail comes from.
func (h *Hasher) Network(s Source) uint64 {
	text := s.Local
	switch {
	case s.Login != "":
		text = "login " + strings.ToLower(s.Login)
	case s.Addr.IsValid():
		text = NetworkOf(s.Addr).String()
	}
	sum := h.hash(storm.Network, []string{text})
	return binary.BigEndian.Uint64(sum[:])
}
