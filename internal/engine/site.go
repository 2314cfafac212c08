package engine

import (
	"net/netip"
	"slices"

	"breakwater/internal/address"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// Site is what a host says of itself, to answer where mail comes from and whom it is for.
type Site struct {
	Domains        []string       // ours, besides those with a rule file
	SubmitNetworks []netip.Prefix // clients that send our mail without logging in
	SubmitDaemons  []string       // {daemon_name} of listeners for our own mail, such as ORIGINATING or MSA
	Relays         []netip.Prefix // our own hosts that hand on mail: backup MX, filters
	Hosts          []string       // our own names in Received fields, in lower case
	MaxLoops       int            // mail that went through us more often is absorbed; 0: it is not
}

// loops is how often m went through us before, if that is more than is allowed; else 0.
func (s *Site) loops(m *message.Message) int {
	if n := fingerprint.Loops(m, s.Hosts); s.MaxLoops > 0 && n > s.MaxLoops {
		return n
	}
	return 0
}

// Submitted reports whether m comes from a user of ours: logged in, by a program of this host,
// on a listener for submission, or from a network for it, and by no relay of ours.
func (s *Site) Submitted(m *message.Message) bool {
	if s.Relay(m.Client) {
		return false
	}
	return m.AuthUser != "" || m.Local || slices.Contains(s.SubmitDaemons, m.DaemonName) || within(s.SubmitNetworks, m.Client)
}

// SentByUs reports whether m is mail that we send: submitted, with a sender in a domain of
// ours.
func (s *Site) SentByUs(m *message.Message, set *rules.Set) bool { return s.sending(m, set) != "" }

// sending is the domain of ours that sends m: that of the reverse-path, or else of From, where automatic
// answers go; or that of the login, if it is another customer's: no mail server checks From. "" if none
// does. What users forward comes from a program of the host, with whatever From it had.
func (s *Site) sending(m *message.Message, set *rules.Set) string {
	if !s.Submitted(m) {
		return ""
	}
	if d := address.DomainOf(m.ReversePath); s.our(d, set) {
		return d
	}
	from, login := address.DomainOf(m.From), address.DomainOf(m.AuthUser)
	forwarded := m.Local && m.ReversePath != ""
	switch {
	case forwarded || !s.our(from, set):
		return ""
	case s.our(login, set) && set.Customer(login) != set.Customer(from):
		return login
	}
	return from
}

// Relay reports whether client is a relay of ours.
func (s *Site) Relay(client netip.Addr) bool { return within(s.Relays, client) }

// OurHost reports whether client is this host or one of ours that hand on or send our mail.
func (s *Site) OurHost(client netip.Addr) bool {
	return !client.IsValid() || client.IsLoopback() || s.Relay(client) || within(s.SubmitNetworks, client)
}

// mailboxMailers are the names that MTAs give to what delivers into mailboxes. "relay" is
// none of them: it is Sendmail's way to a smart host.
var mailboxMailers = []string{"local", "virtual", "lmtp", "dovecot", "cyrus", "cyrusv2", "maildrop", "procmail"}

// ours reports whether a recipient is a mailbox of ours. It is asked only of submitted
// mail: the MTA has refused any other mail that is not for us.
func (s *Site) ours(r message.Recipient, set *rules.Set) bool {
	return s.our(address.DomainOf(r.Addr), set) || slices.Contains(mailboxMailers, r.Mailer)
}

func (s *Site) our(domain string, set *rules.Set) bool {
	return domain != "" && (slices.Contains(s.Domains, domain) || set.Has(domain))
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}
