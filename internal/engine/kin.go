package engine

import (
	"context"
	"math/bits"
	"net/netip"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/storm"
)

// widespread is at how many mailboxes copies of a text are held when a further one may have one
// copy of it instead of several.
const widespread = 20

// outbreakLife is how long storms of a text are remembered after the last one.
const outbreakLife = 48 * time.Hour

// partaking is how many copies of a text that one server sent were held within an hour, when it
// takes part in a storm. A few are no storm: an alert to five addresses that are all forwarded to
// one mailbox comes five times whenever it comes, and four of them may be held.
const partaking = 60

// kin is what a message shares with others, and what is known of those of nearly its text.
type kin struct {
	prints   []fingerprint.Print
	signs    storm.Signs
	source   fingerprint.Source // where the message comes from
	network  uint64             // its print
	says     storm.Saying       // what it says
	numbered []storm.Count      // what is to be counted of the numbers of gateways
	near     *fingerprint.Near  // nil: the text is too short to tell, as for all that follows
	cluster  [8]byte            // the text that they have in common
	storms   int                // at how many mailboxes copies of the text were held, at least
	stormy   bool               // the server that sent the message takes part in them
}

// server is the one that sent the message; the zero Addr where it is one of our own hosts, through which
// everybody's mail comes.
func (k *kin) server() netip.Addr {
	if k.source.Addr.IsLoopback() {
		return netip.Addr{}
	}
	return k.source.Addr
}

// kin is what m shares with others.
func (e *Engine) kin(ctx context.Context, m *message.Message, v classify.Verdict) (kin, error) {
	k := kin{signs: fingerprint.Signs(m, e.Site.Hosts), source: fingerprint.SourceOf(m, e.Site.Relay, e.Site.Hosts)}
	k.network = e.Hasher.Network(k.source)
	p := e.Hasher.Prints(m, v, k.network)
	k.prints, k.says, k.near = p.Shared, p.Says, p.Near
	if v.Class == classify.Personal || v.Class == classify.Bulk {
		k.numbered = p.Numbered.Counts(k.network)
	}
	if p.Numbered != nil {
		tallies, err := e.Store.Lookup(ctx, m.At, p.Numbered.Keys(k.network))
		if err != nil {
			return k, err
		}
		if folded, ok := p.Numbered.Folded(tallies); ok {
			k.says.Versions = append(k.says.Versions, folded)
		}
	}
	if k.near == nil {
		return k, nil
	}
	return k, e.meet(ctx, m, &k)
}

// meet looks up what is known of messages that are near to m, and counts its text. Most texts
// are near to none, and take one call, and one that counts.
func (e *Engine) meet(ctx context.Context, m *message.Message, k *kin) error {
	for keys := k.near.Ask(); len(keys) > 0; keys = k.near.Ask() {
		tallies, err := e.Store.Lookup(ctx, m.At, keys)
		if err != nil {
			return err
		}
		k.near.Tell(tallies)
	}
	if err := e.storms(ctx, m, k); err != nil {
		return err
	}
	if counts := k.near.Counts(k.cluster); len(counts) > 0 && !e.DryRun {
		tallies, err := e.Store.Observe(ctx, storm.Sighting{At: m.At, Counts: counts})
		if err != nil {
			return err
		}
		k.near.Counted(tallies)
		k.cluster, _ = k.near.Cluster()
	}
	k.prints = append(k.prints, k.near.Prints(k.signs, k.stormy)...)
	return nil
}

// storms looks up the storms of k's text, and what the server that sent m has to do with them.
// Where the text has had none no server takes part in one.
func (e *Engine) storms(ctx context.Context, m *message.Message, k *kin) error {
	var known bool
	if k.cluster, known = k.near.Cluster(); !known {
		return nil
	}
	of := func(client netip.Addr) (storm.Tally, error) {
		ts, err := e.Store.Lookup(ctx, m.At, []storm.Key{e.outbreakOf(k.cluster, client, m.At)})
		if err != nil {
			return storm.Tally{}, err
		}
		return ts[0], nil
	}
	all, err := of(netip.Addr{})
	if k.storms = bits.OnesCount64(all.Marks); err != nil || k.storms == 0 || !k.server().IsValid() {
		return err
	}
	held, err := of(k.server())
	k.stormy = held.Seen >= partaking
	return err
}

// outbreakOf is the key of the storms of a text, or of what a server sent in them in the hour of at.
func (e *Engine) outbreakOf(cluster [8]byte, client netip.Addr, at time.Time) storm.Key {
	return storm.Key{Owner: e.Hasher.Client(client, at), Kind: storm.Outbreak, Hash: cluster}
}

// outbreak remembers at which mailboxes copies of the text of s are held, and who sends them. Only
// what is held counts, that is copies of what was let through; and sub-addresses are one mailbox.
// For most messages that is nothing.
func (e *Engine) outbreak(ctx context.Context, s storm.Sighting, k kin, tallies []storm.Tally) error {
	if e.DryRun || k.cluster == [8]byte{} {
		return nil
	}
	var marks uint64
	held := false
	for i, t := range tallies {
		if t.Storm == nil || t.Through || t.Key.Kind.Rate() {
			continue
		}
		held = true
		if t.Storm.Held == 1 || k.storms == 0 { // or it began with copies that had no text to tell
			marks |= e.Hasher.Mark(address.Base(s.Counts[i].Mailbox))
		}
	}
	if !held {
		return nil
	}
	keep := storm.Limit{Keep: outbreakLife}
	seen := storm.Sighting{At: s.At, Transfer: s.Transfer}
	if marks != 0 {
		seen.Counts = append(seen.Counts, storm.Count{Key: e.outbreakOf(k.cluster, netip.Addr{}, s.At), Limit: keep, Marks: marks})
	}
	if server := k.server(); !k.stormy && server.IsValid() {
		seen.Counts = append(seen.Counts, storm.Count{Key: e.outbreakOf(k.cluster, server, s.At), Limit: keep})
	}
	if len(seen.Counts) == 0 {
		return nil
	}
	_, err := e.Store.Observe(ctx, seen)
	return err
}
