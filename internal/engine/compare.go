package engine

import (
	"context"
	"net/netip"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/rules"
	"breakwater/internal/texts"
)

func (x *judging) print(context.Context) error {
	x.j.Signs = fingerprint.Signs(x.m, x.Site.Hosts)
	x.source = fingerprint.SourceOf(x.m, x.Site.Relay, x.Site.Hosts)
	x.network = x.Hasher.Network(x.source)
	p := x.Hasher.Prints(x.m, x.j.Verdict, x.network)
	x.j.Prints, x.says, x.near, x.numbered = p.Shared, p.Says, p.Near, p.Numbered
	if c := x.j.Verdict.Class; c == classify.Personal || c == classify.Bulk {
		x.gateway = x.numbered.Counts(x.network)
	}
	return nil
}

// compare looks up whether a gateway numbers the message, and what is nearly the same as it.
func (x *judging) compare(ctx context.Context) error {
	if x.numbered != nil {
		found, err := x.Store.Noted(ctx, x.m.At, x.numbered.Keys(x.network))
		if err != nil {
			return err
		}
		if folded, ok := x.numbered.Folded(found); ok {
			x.says.Versions = append(x.says.Versions, folded)
		}
	}
	if x.near == nil {
		return nil
	}
	x.memory = texts.Memory{Store: x.Store, Hasher: x.Hasher, DryRun: x.DryRun, Context: ctx, At: x.m.At, Server: x.source.Addr, HeldFromServer: rules.HeldFromServer}
	if x.source.Addr.IsLoopback() {
		x.memory.Server = netip.Addr{} // through it everybody's mail comes
	}
	copies, err := x.near.Compare(&x.memory, x.j.Signs)
	if err != nil {
		return err
	}
	x.text, x.j.Prints = copies.Text, append(x.j.Prints, copies.Prints...)
	return nil
}

// held remembers at which mailboxes copies of the text are held, and who sends them. Only
// what is held counts, that is copies of what was let through; and sub-addresses are one mailbox.
// For most messages that is nothing.
func (x *judging) held() error {
	if x.DryRun || x.near == nil {
		return nil
	}
	var boxes []string
	held := false
	for i, t := range x.tallies {
		if t.Storm == nil || t.Through || t.Key.Kind.Rate() {
			continue
		}
		held = true
		if t.Storm.Held == 1 || x.memory.Mailboxes == 0 { // or it began with copies that had no text to tell
			boxes = append(boxes, address.Base(x.counts.Counts[i].Mailbox))
		}
	}
	if !held {
		return nil
	}
	return x.memory.Held(x.text, boxes)
}
