package rules

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/storm"
)

// Facts is what is known of a message and one of its recipients.
type Facts struct {
	Context   context.Context // when it ends, no more rules are tried; nil: it does not
	Message   *message.Message
	Verdict   classify.Verdict
	Recipient message.Recipient
	Outbound  bool          // we send it to a mailbox that is not ours: it is counted, and goes
	Tallies   []storm.Tally // of its keys, this sighting included
	Evidence  []string      // by tally, what agrees where the kind leaves that open; may be shorter
	Signs     storm.Signs
	Proof     origin.Proof // of a report: whether we sent what it is about; the zero Proof of other mail
	Loops     int          // how often the message went through us before, if that is too often; else 0
}

// Fact is one thing that conditions can ask for.
type Fact struct {
	Name   string
	Doc    string
	Values []string // all that it can be; nil: anything
	lower  bool     // always in lower case
	zero   any      // a value of its type
	of     func(*Policy, *Facts) any
}

// AllFacts lists the facts in the order of their documentation. A new one needs a line here,
// and nothing else.
var AllFacts = []*Fact{
	text("class", "what the message is", func(_ *Policy, f *Facts) string { return string(f.Verdict.Class) }).oneOf(className("").Values()...),
	text("from", "address in From, in lower case", func(_ *Policy, f *Facts) string { return strings.ToLower(f.Message.From) }).inLower(),
	text("from_domain", "its domain, as A-label", func(_ *Policy, f *Facts) string { return address.DomainOf(f.Message.From) }).inLower(),
	text("reverse_path", "envelope sender; \"\" is that of bounces", func(_ *Policy, f *Facts) string { return strings.ToLower(f.Message.ReversePath) }).inLower(),
	text("to", "the mailbox, in lower case", func(_ *Policy, f *Facts) string { return address.Mailbox(f.Recipient.Addr) }).inLower(),
	text("to_domain", "its domain, as A-label", func(_ *Policy, f *Facts) string { return address.DomainOf(f.Recipient.Addr) }).inLower(),
	text("subject", "decoded", func(_ *Policy, f *Facts) string { return f.Message.Subject }),
	text("message_id", "without angle brackets", func(_ *Policy, f *Facts) string { return f.Message.MessageID }),
	number("size", "of the message, in bytes", func(_ *Policy, f *Facts) int { return len(f.Message.Raw) }),
	number("recipients", "of this transaction", func(_ *Policy, f *Facts) int { return len(f.Message.Recipients) }),
	number("hops", "Received fields", func(_ *Policy, f *Facts) int { return len(f.Message.Received) }),
	text("client", "IP address of the server that sent it", client),
	text("helo", "what it said in HELO", func(_ *Policy, f *Facts) string { return f.Message.Helo }),
	text("auth", "who logged in; \"\" if nobody did", func(_ *Policy, f *Facts) string { return f.Message.AuthUser }),
	number("copies", "how often the mailbox was sent this message, this one included", func(_ *Policy, f *Facts) int { return copies(f.Tallies) }),
	text("storm", "the kind of storm that holds it back; \"\" if none does", heldBy).oneOf(append([]string{""}, kindName("").Values()...)...),
	text("dsn_action", "of a delivery report: what happened", dsnAction).oneOf("", "failed", "delayed", "delivered", "relayed", "expanded"),
	text("dsn_status", "of its first recipient, such as 5.1.1", func(_ *Policy, f *Facts) string { _, status := reported(f); return status }),
	text("dsn_recipient", "its first recipient, in lower case", func(_ *Policy, f *Facts) string { rcpt, _ := reported(f); return rcpt }).inLower(),
	text("original_id", "Message-ID of what a report is about", func(_ *Policy, f *Facts) string { id, _ := original(f); return id }),
	text("original_from", "its From address, in lower case", func(_ *Policy, f *Facts) string { _, from := original(f); return from }).inLower(),
	text("origin", "of a report: whether we sent what it is about; \"\" of other mail", func(_ *Policy, f *Facts) string { return string(f.Proof.Origin) }).oneOf(append([]string{""}, texts(origin.Origins)...)...),
	{Name: "header", Doc: `header("List-Id"): the first field of a name, unfolded, of at most 8 KiB; "" if there is none`, zero: func(string) string { return "" },
		of: func(_ *Policy, f *Facts) any {
			return func(name string) string { return cut(f.Message.Header.Get(name)) }
		}},
	{Name: "client_in", Doc: `client_in("192.0.2.0/24"): whether client is in a network`, zero: func(string) bool { return false },
		of: func(_ *Policy, f *Facts) any { return clientIn(f.Message.Client) }},
}

func text(name, doc string, of func(*Policy, *Facts) string) *Fact {
	return &Fact{Name: name, Doc: doc, zero: "", of: func(p *Policy, f *Facts) any { return cut(of(p, f)) }}
}

// maxFact bounds the texts that conditions see, in bytes. A header field of a stranger may be far longer.
const maxFact = 8 << 10

// cut is the beginning of a text, of at most maxFact bytes of whole characters.
func cut(s string) string {
	if len(s) <= maxFact {
		return s
	}
	end := maxFact
	for end > maxFact-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

func number(name, doc string, of func(*Policy, *Facts) int) *Fact {
	return &Fact{Name: name, Doc: doc, zero: 0, of: func(p *Policy, f *Facts) any { return of(p, f) }}
}

func (f *Fact) oneOf(values ...string) *Fact { f.Values = values; return f }
func (f *Fact) inLower() *Fact               { f.lower = true; return f }

// Type is the type of a fact, as conditions have it.
func (f *Fact) Type() string { return fmt.Sprintf("%T", f.zero) }

func client(_ *Policy, f *Facts) string {
	if !f.Message.Client.IsValid() {
		return ""
	}
	return f.Message.Client.Unmap().String()
}

// network reads a network, or an address as the network of it alone.
func network(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

func clientIn(client netip.Addr) func(string) bool {
	return func(s string) bool {
		n, err := network(s)
		return err == nil && n.Contains(client.Unmap())
	}
}

// copies is the highest count of an identity.
func copies(tallies []storm.Tally) int {
	var most uint64 = 1
	for _, t := range tallies {
		if !t.Key.Kind.Rate() {
			most = max(most, t.Seen)
		}
	}
	return int(most)
}

func heldBy(p *Policy, f *Facts) string {
	if _, i, ok := p.raging(f); ok {
		return f.Tallies[i].Key.Kind.String()
	}
	return ""
}

func dsnAction(_ *Policy, f *Facts) string {
	if f.Verdict.Class != classify.DSN || f.Verdict.Report == nil {
		return ""
	}
	return string(f.Verdict.Report.Action())
}

func reported(f *Facts) (rcpt, status string) {
	r := f.Verdict.Report
	if f.Verdict.Class != classify.DSN || r == nil || len(r.Recipients) == 0 {
		return "", ""
	}
	return strings.ToLower(r.Recipients[0].Final), r.Recipients[0].Status
}

func original(f *Facts) (id, from string) {
	if f.Verdict.Report == nil {
		return "", ""
	}
	return f.Verdict.Report.Original.MessageID, strings.ToLower(f.Verdict.Report.Original.From)
}
