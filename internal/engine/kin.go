package engine

import (
	"context"
	"net/netip"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/storm"
)

// widespread is how many storms of one incident there are when a further key of it may have
// one copy instead of several.
const widespread = 20

// outbreakLife is how long storms of a text are remembered after the last one.
const outbreakLife = 48 * time.Hour

// partaking is how many copies of a text that one server sent were held within an hour, when it
// takes part in a storm. A few are no storm: an alert to five addresses that are all forwarded to
// one mailbox comes five times whenever it comes, and four of them may be held.
const partaking = 60

// kin is what a message shares with others, and what is known of those of nearly its text.
type kin struct {
	prints  []fingerprint.Print
	signs   storm.Signs
	near    *fingerprint.Near // nil: the text is too short to tell, as for all that follows
	cluster [8]byte           // the text that they have in common
	storms  uint64            // how many of the text began
	stormy  bool              // the server that sent the message takes part in them
}

// kin is what m shares with others.
func (e *Engine) kin(ctx context.Context, m *message.Message, v classify.Verdict) (kin, error) {
	k := kin{signs: fingerprint.Signs(m, e.Site.Hosts)}
	k.prints, k.near = e.Hasher.Prints(m, v)
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
	of := func(client netip.Addr) (uint64, error) {
		ts, err := e.Store.Lookup(ctx, m.At, []storm.Key{e.outbreakOf(k.cluster, client, m.At)})
		if err != nil {
			return 0, err
		}
		return ts[0].Seen, nil
	}
	var err error
	if k.storms, err = of(netip.Addr{}); err != nil || k.storms == 0 || !m.Client.IsValid() {
		return err
	}
	held, err := of(m.Client)
	k.stormy = held >= partaking
	return err
}

// at returns the tallies at those places that were counted, and what agrees in each.
func (k *kin) at(tallies []storm.Tally, places []int) (of []storm.Tally, evidence []string) {
	of, evidence = make([]storm.Tally, 0, len(places)), make([]string, 0, len(places))
	for i, p := range places {
		if p != uncounted {
			of, evidence = append(of, tallies[p]), append(evidence, k.prints[i].Evidence)
		}
	}
	return of, evidence
}

// outbreakOf is the key of the storms of a text, or of what a server sent in them in the hour of at.
func (e *Engine) outbreakOf(cluster [8]byte, client netip.Addr, at time.Time) storm.Key {
	return storm.Key{Owner: e.Hasher.Client(client, at), Kind: storm.Outbreak, Hash: cluster}
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
	if held && k.storms == 0 {
		begun = max(begun, 1) // it began with copies that had no text to tell
	}
	for range begun {
		if err := count(e.outbreakOf(k.cluster, netip.Addr{}, s.At)); err != nil {
			return err
		}
	}
	if held && !k.stormy && s.Client.IsValid() {
		return count(e.outbreakOf(k.cluster, s.Client, s.At))
	}
	return nil
}
