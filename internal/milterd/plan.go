package milterd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-milter"

	"breakwater/internal/address"
	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// plan is what the MTA is told of a message.
type plan struct {
	verdict    rules.Action // Deliver, Absorb (of all: a discard), Reject or Tempfail
	remove     []string     // recipients who do not get it, or not at this address
	add        []string     // recipients without the tags that they came with
	from       string       // the new reverse-path; "" for none
	fields     []message.Field
	label      string // value of an X-Breakwater field; "" for none
	quarantine string // why; "" if it is not
	text       string // of Reject and Tempfail
	own        bool   // its marks stay, and are ours
}

// planFor turns settled decisions, one for each recipient, into a plan.
func planFor(ds []rules.Decision) plan {
	p := plan{verdict: rules.Deliver}
	for _, d := range ds {
		p.own = p.own || d.Own
		if d.Stamp != nil {
			p.from, p.fields = d.Stamp.ReversePath, d.Stamp.Fields
		}
		switch d.Action {
		case rules.Absorb:
			p.remove = append(p.remove, d.Recipient.Addr)
		case rules.Tag:
			p.label = label(d)
		case rules.Quarantine:
			p.quarantine = fmt.Sprintf("breakwater: %s (%s)", d.Reason, d.Rule)
		case rules.Reject, rules.Tempfail:
			p.verdict, p.text = d.Action, or(p.text, or(d.Text, d.Reason))
		}
	}
	if len(ds) > 0 && len(p.remove) == len(ds) {
		return plan{verdict: rules.Absorb}
	}
	if p.verdict == rules.Deliver {
		p.redirect(ds)
	}
	return p
}

// redirect takes the tags off recipients. Where the plain address was named, too, it stays and is
// not added: Postfix would deliver twice.
func (p *plan) redirect(ds []rules.Decision) {
	for _, d := range ds {
		if d.To == "" || d.Action == rules.Absorb {
			continue
		}
		plain := func(addr string) bool { return address.Same(addr, d.To) }
		p.remove = append(slices.DeleteFunc(p.remove, plain), d.Recipient.Addr)
		named := slices.ContainsFunc(ds, func(o rules.Decision) bool { return plain(o.Recipient.Addr) })
		if !named && !slices.ContainsFunc(p.add, plain) {
			p.add = append(p.add, d.To)
		}
	}
}

// label is the value of the X-Breakwater field.
func label(d rules.Decision) string {
	v := fmt.Sprintf("class=%s; action=%s; rule=%s", d.Class, d.Action, d.Rule)
	if d.Storm != "" {
		v += "; storm=" + d.Storm
	}
	return ascii(v, 500)
}

// untrusted is the value of the X-Breakwater field over more fields of ours than are removed. Such mail is
// delivered all the same: whoever can add fields to mail on its way must not have it held.
func untrusted(n int) string {
	return fmt.Sprintf("untrusted; %d fields whose names begin like this one came with the message", n)
}

// ascii makes a text fit a field or a reply: printable ASCII on one line, at most n bytes.
func ascii(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), n)]
}

// apply tells the MTA. k are fields of ours that came from outside, params those of MAIL
// that it forgets.
func (p plan) apply(m *milter.Modifier, k marks, params []string) (milter.Response, error) {
	switch p.verdict {
	case rules.Absorb:
		return keep{milter.RespDiscard}, nil
	case rules.Reject:
		return reply("550 5.7.1", p.text), nil
	case rules.Tempfail:
		return reply("451 4.7.1", p.text), nil
	}
	if p.own {
		k = marks{}
	}
	if k.count > maxMarks {
		p.fields = append(slices.Clip(p.fields), message.Field{Name: ours, Value: untrusted(k.count)})
	} else if err := unmark(m, k.names); err != nil {
		return nil, err
	}
	for _, r := range p.remove {
		if err := m.DeleteRecipient(r); err != nil {
			return nil, err
		}
	}
	for _, r := range p.add {
		// NOTIFY and ORCPT of the RCPT are lost (RFC 3461 §4). A report's have nothing to say.
		if err := m.AddRecipient(r); err != nil {
			return nil, err
		}
	}
	if p.from != "" {
		// Sendmail forgets the parameters of MAIL then, and is told them again, as a second string.
		from := "<" + p.from + ">\x00" + strings.Join(params, " ")
		if err := m.ChangeFrom(strings.TrimSuffix(from, "\x00")); err != nil {
			return nil, err
		}
	}
	if p.label != "" {
		p.fields = append(slices.Clip(p.fields), message.Field{Name: ours, Value: p.label})
	}
	for _, f := range slices.Backward(p.fields) {
		set := m.InsertHeader // 1 is behind the MTA's own Received
		if !isOurs(f.Name) {
			// Changed, since Sendmail writes a Date and a Message-ID of its own beside inserted
			// ones. What is missing or empty is there afterwards.
			set = m.ChangeHeader
		}
		// The blank is ours to write, since leading white space was negotiated.
		if err := set(1, f.Name, " "+f.Value); err != nil {
			return nil, err
		}
	}
	if p.quarantine != "" {
		if err := m.Quarantine(ascii(p.quarantine, 200)); err != nil {
			return nil, err
		}
	}
	return keep{milter.RespAccept}, nil
}

// reply is a response of our own words. MTAs take a single % for a macro: Postfix eats it,
// and Sendmail drops the whole reply.
func reply(code, text string) milter.Response {
	text = strings.ReplaceAll(ascii(text, 400), "%", "%%")
	return keep{milter.NewResponseStr('y', code+" "+or(text, "refused"))}
}

// unmark removes fields of ours that came from outside, the last of each name first, since
// each removal moves the rest up.
func unmark(m *milter.Modifier, names []string) error {
	left := map[string]int{}
	for _, name := range names {
		left[strings.ToLower(name)]++
	}
	for _, name := range slices.Backward(names) {
		key := strings.ToLower(name)
		if err := m.ChangeHeader(left[key], name, ""); err != nil {
			return err
		}
		left[key]--
	}
	return nil
}
