package engine

import (
	"context"
	"net/netip"
	"time"

	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/storm"
)

// widespread is how many storms of one incident there are when a further key of it may have
// one copy instead of several.
const widespread = 20

// outbreakLife is how long storms of a text are remembered after the last one.
const outbreakLife = 48 * time.Hour

// kin is what is known of messages of nearly the same text as one at hand. The zero value is
// that of a text too short to tell.
type kin struct {
	cluster [8]byte // the text that they have in common
	prints  []fingerprint.Print
	counts  []storm.Count // that tell of the text, and of no mailbox
	tight   bool          // storms of the text are widespread
	takes   bool          // the server that sent the message takes part in them
}

// kin looks up what is known of messages that are near to m. Most messages are near to none:
// that takes one call.
func (e *Engine) kin(ctx context.Context, m *message.Message, near *fingerprint.Near, signs storm.Signs) (k kin, err error) {
	if near == nil {
		return k, nil
	}
	for keys := near.Ask(); len(keys) > 0; keys = near.Ask() {
		tallies, err := e.Store.Lookup(ctx, m.At, keys)
		if err != nil {
			return k, err
		}
		near.Tell(tallies)
	}
	var known bool
	if k.cluster, known = near.Cluster(); known {
		ts, err := e.Store.Lookup(ctx, m.At, []storm.Key{e.outbreakOf(k.cluster, netip.Addr{}), e.outbreakOf(k.cluster, m.Client)})
		if err != nil {
			return k, err
		}
		k.tight, k.takes = ts[0].Seen >= widespread, m.Client.IsValid() && ts[1].Seen > 0
	}
	k.prints = near.Prints(signs, k.takes)
	k.counts = near.Counts(k.cluster)
	return k, nil
}

// outbreakOf is the key of the storms of a text, or of those in which a server takes part.
func (e *Engine) outbreakOf(cluster [8]byte, client netip.Addr) storm.Key {
	return storm.Key{Owner: e.Hasher.Client(client), Kind: storm.Outbreak, Hash: cluster}
}

// outbreak remembers the storms that s began, and who takes part in one. For most messages
// that is nothing.
func (e *Engine) outbreak(ctx context.Context, s storm.Sighting, k kin, tallies []storm.Tally) error {
	if e.DryRun || k.cluster == [8]byte{} {
		return nil
	}
	begun, held := 0, false
	for _, t := range tallies {
		if t.Storm == nil || t.Key.Kind.Rate() {
			continue
		}
		held = held || !t.Through
		if t.Storm.Copies == 1 {
			begun++
		}
	}
	count := func(key storm.Key) error {
		seen := storm.Sighting{At: s.At, Transfer: s.Transfer, Counts: []storm.Count{{Key: key, Limit: storm.Limit{Keep: outbreakLife}}}}
		_, err := e.Store.Observe(ctx, seen)
		return err
	}
	for range begun {
		if err := count(e.outbreakOf(k.cluster, netip.Addr{})); err != nil {
			return err
		}
	}
	if held && !k.takes && s.Client.IsValid() {
		return count(e.outbreakOf(k.cluster, s.Client))
	}
	return nil
}
