// Package release brings absorbed mail back: into the mailboxes it was meant for, by way of
// a mail server, or into files.
package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/storm"
)

// Selection says which absorbed copies are meant. All of its conditions must hold; the zero
// Selection is all copies that nobody was given yet.
type Selection struct {
	IDs     []string               // of copies, storms or incidents, whole
	Mailbox func(addr string) bool // nil: all
	Since   time.Time              // when the message came, this time included; zero: no bound
	Until   time.Time              // this time not included
	Again   bool                   // also what was released before
}

// matches returns the recipients of a copy that are meant.
func (s Selection) matches(c archive.Copy) []archive.Recipient {
	if !s.Since.IsZero() && c.At.Before(s.Since) || !s.Until.IsZero() && !c.At.Before(s.Until) {
		return nil
	}
	var picked []archive.Recipient
	for _, r := range c.Recipients {
		if (s.Again || !r.Released) && (s.Mailbox == nil || s.Mailbox(r.Addr)) && s.named(c.ID, r.Storm) {
			picked = append(picked, r)
		}
	}
	return picked
}

func (s Selection) named(copyID, stormID string) bool {
	return len(s.IDs) == 0 || slices.ContainsFunc(s.IDs, func(id string) bool {
		return id != "" && (id == copyID || id == stormID || id == storm.IncidentOf(stormID))
	})
}

// Meant returns, for each of ids that is the ID of nothing in the archive but the beginning of some, what it begins, in
// order. Of an incident's storms none is listed beside it.
func Meant(ctx context.Context, r *archive.Reader, ids []string) (map[string][]string, error) {
	found, begun := map[string]bool{}, map[string]map[string]bool{}
	for m, err := range r.Outlines(ctx) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue // Look tells it
		}
		for _, rcpt := range m.Recipients {
			incident := storm.IncidentOf(rcpt.Storm)
			for _, id := range ids {
				if (Selection{IDs: []string{id}}).named(m.ID, rcpt.Storm) {
					found[id] = true
					continue
				}
				for _, whole := range []string{incident, rcpt.Storm, m.ID} {
					if whole != "" && id != "" && strings.HasPrefix(whole, id) {
						if begun[id] == nil {
							begun[id] = map[string]bool{}
						}
						begun[id][whole] = true
						break
					}
				}
			}
		}
	}
	meant := map[string][]string{}
	for id, wholes := range begun {
		if !found[id] {
			meant[id] = slices.Sorted(maps.Keys(wholes))
		}
	}
	return meant, nil
}

// Count is how much a selection is.
type Count struct {
	Copies, Mailboxes int
	Deliveries        int // copies, each as often as it has recipients
	Bytes             int64
	Damages           []error // of copies that cannot be read
}

// Look counts what a selection picks.
func Look(ctx context.Context, r *archive.Reader, s Selection) (Count, error) {
	var n Count
	mailboxes := map[string]bool{}
	for m, err := range r.Outlines(ctx) {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		if err != nil {
			n.Damages = append(n.Damages, err)
			continue
		}
		picked := s.matches(m.Copy)
		if len(picked) == 0 {
			continue
		}
		n.Copies++
		n.Deliveries += len(picked)
		n.Bytes += m.Size
		for _, p := range picked {
			mailboxes[strings.ToLower(p.Addr)] = true
		}
	}
	n.Mailboxes = len(mailboxes)
	return n, nil
}

// Part is what a selection picks of one incident.
type Part struct {
	Incident    string // "" is what no storm held back
	Subject     string // of its first copy
	Deliveries  int
	Mailboxes   int
	First, Last time.Time
}

// Parts are what a selection picks, the most first.
func Parts(ctx context.Context, r *archive.Reader, s Selection) ([]Part, error) {
	parts, mailboxes := map[string]*Part{}, map[[2]string]bool{}
	for c, err := range r.All(ctx) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue // Look tells it
		}
		for _, rcpt := range s.matches(c) {
			key := storm.IncidentOf(rcpt.Storm)
			p := parts[key]
			if p == nil {
				p = &Part{Incident: key, Subject: c.Subject, First: c.At}
				parts[key] = p
			}
			p.Deliveries++
			p.Last = c.At
			if who := [2]string{key, strings.ToLower(rcpt.Addr)}; !mailboxes[who] {
				mailboxes[who] = true
				p.Mailboxes++
			}
		}
	}
	var all []Part
	for _, p := range parts {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.Deliveries, a.Deliveries), strings.Compare(a.Incident, b.Incident))
	})
	return all, nil
}

// pick yields the copies of a selection in the order in which they were absorbed, with
// their bytes, for the recipients who are meant alone.
func pick(ctx context.Context, r *archive.Reader, s Selection) iter.Seq2[archive.Message, error] {
	return r.Select(ctx, func(c *archive.Copy) bool {
		c.Recipients = s.matches(*c)
		return len(c.Recipients) > 0
	})
}

func addrs(rs []archive.Recipient) []string {
	var all []string
	for _, r := range rs {
		all = append(all, r.Addr)
	}
	return all
}

// Result is what became of a selection.
type Result struct {
	Deliveries int // that the server took, or that were written or erased
	Refused    []Refusal
	Damages    []error
}

// Refusal is a recipient for whom the server did not take a copy.
type Refusal struct {
	Copy, Addr string
	Err        error
}

// Forget erases a selection. The bytes are gone after the archive's next Expire.
func Forget(ctx context.Context, dir string, r *archive.Reader, s Selection, progress func(n int)) (res Result, err error) {
	k, err := archive.NewMarker(dir)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	for m, err := range r.Outlines(ctx) {
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		if err != nil {
			res.Damages = append(res.Damages, err)
			continue
		}
		picked := s.matches(m.Copy)
		if len(picked) == 0 {
			continue
		}
		if err := k.Forget(m, addrs(picked)...); err != nil {
			return res, err
		}
		res.Deliveries += len(picked)
		progress(len(picked))
	}
	return res, nil
}

// Box is where copies are written to.
type Box interface {
	Add(name, sender string, at time.Time, raw []byte) error
}

// Export writes a selection to a box, one message for each recipient, with the envelope in
// Return-Path and Delivered-To as if it had been delivered.
func Export(ctx context.Context, box Box, r *archive.Reader, s Selection, progress func(n int)) (res Result, err error) {
	for m, err := range pick(ctx, r, s) {
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		if err != nil {
			res.Damages = append(res.Damages, err)
			continue
		}
		for i, rcpt := range m.Recipients {
			raw := fmt.Appendf(nil, "Return-Path: <%s>\r\nDelivered-To: %s\r\n", oneLine(m.ReversePath), oneLine(rcpt.Addr))
			name := fmt.Sprintf("%s.%d.breakwater", m.ID, i)
			if err := box.Add(name, m.ReversePath, m.At, append(raw, m.Raw...)); err != nil {
				return res, err
			}
			res.Deliveries++
		}
		progress(len(m.Recipients))
	}
	return res, nil
}

// oneLine keeps an address from being more than one field.
func oneLine(addr string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(addr) }
