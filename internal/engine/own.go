package engine

import (
	"context"
	"fmt"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

// own decides about mail of our own, which is not judged: digests, and copies that an
// operator releases. ok is false for all other mail.
func (e *Engine) own(ctx context.Context, m *message.Message) (ds []rules.Decision, ok bool, err error) {
	if e.Marks == nil {
		return nil, false, nil
	}
	if e.Site.OurHost(m.Client) && e.Marks.IsDigest(m) {
		return passed(m, "digest of ours", true), true, nil
	}
	id, ok := e.Marks.Released(m)
	if !ok {
		return nil, false, nil
	}
	first, err := e.released(ctx, m, id)
	return passed(m, "released copy "+id, false), first || err != nil, err
}

// onceIn is the time in which a release passes once. Copies are not kept for longer.
const onceIn = 365 * 24 * time.Hour

// released counts a release at all its mailboxes, and reports whether it is the first time:
// its mark may be on copies that somebody makes of the message.
func (e *Engine) released(ctx context.Context, m *message.Message, id string) (bool, error) {
	limit := storm.Limit{Copies: 1, Window: onceIn, Calm: onceIn + time.Hour, Keep: onceIn}
	s := storm.Sighting{At: m.At, Transfer: fingerprint.Transfer(m), Client: m.Client, Subject: cut(m.Subject)}
	known := map[storm.Key]bool{}
	for _, r := range m.Recipients {
		mailbox := address.Mailbox(r.Addr)
		key := e.Hasher.Key(mailbox, storm.Release, id)
		if !known[key] {
			known[key] = true
			s.Counts = append(s.Counts, storm.Count{Key: key, Limit: limit, Mailbox: mailbox})
		}
	}
	tallies, err := e.add(ctx, s)
	if err != nil {
		return false, fmt.Errorf("count release %s: %w", id, err)
	}
	for _, t := range tallies {
		if !t.Through {
			return false, nil
		}
	}
	return true, nil
}

// passed lets m pass for all its recipients.
func passed(m *message.Message, reason string, own bool) []rules.Decision {
	ds := make([]rules.Decision, len(m.Recipients))
	for i, r := range m.Recipients {
		ds[i] = rules.Decision{Recipient: r, Action: rules.Deliver, Class: rules.OwnClass, Reason: reason, Rule: rules.Source{File: "mark"}, Own: own}
	}
	return ds
}
