package sent

import (
	"context"
	"fmt"
	"time"

	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/storm"
)

// Domain is one of which all mail leaves here.
type Domain struct {
	Name   string
	Tagged bool          // with a tag
	Learn  time.Duration // before anything is taken for forged
}

// Learning is what a domain has learned of the mail that it sends.
type Learning struct {
	Domain  string
	Since   time.Time // when all its mail began to be seen; zero: not yet
	Until   time.Time // when its reports on mail that nobody saw are forged
	Excused uint64    // reports that would have been, had it not been learning
}

// Beat ends a minute: saw says that all mail of it was seen. Domains learn as long as they are named
// at each beat.
func (x *Index) Beat(ctx context.Context, at time.Time, saw bool, domains []Domain) error {
	var minute []notes.Entry
	if saw {
		n, bit := origin.Slot(at.Add(-time.Minute))
		minute = []notes.Entry{{Key: x.key(hourOf(n)), Keep: x.Keeps(), Bits: bit}}
	}
	return x.touch(ctx, at, !saw, domains, minute)
}

// Changed says that these are the domains now, so that those that are none of them any more are known
// to have been away when they come back.
func (x *Index) Changed(ctx context.Context, at time.Time, domains []Domain) error {
	return x.touch(ctx, at, false, domains, nil)
}

// touch goes on with what domains learn, and notes more. gap says that mail may have left without
// a tag.
func (x *Index) touch(ctx context.Context, at time.Time, gap bool, domains []Domain, more []notes.Entry) error {
	for i := range more {
		was, err := x.Store.Noted(ctx, at, []storm.Key{more[i].Key})
		if err != nil {
			return fmt.Errorf("look into the index of sent mail: %w", err)
		}
		more[i].Reset = was[0].Last.After(at) // minutes that are still to come were not seen
	}
	self := thing{about: aboutIndex}
	all := []thing{self}
	for _, d := range domains {
		all = append(all, thing{aboutLearned, d.Name, ""})
		if d.Tagged {
			all = append(all, thing{aboutTagged, d.Name, ""})
		}
	}
	before, err := x.look(ctx, at, all)
	if err != nil {
		return err
	}
	entries := more
	for _, t := range all {
		// All are touched at once. What was not, the last time, was not in the rules then.
		was := before[t]
		lapsed := was.Seen == 0 || was.Last.Before(before[self].Last) || isAhead(before[self], at)
		entries = append(entries, notes.Entry{Key: x.key(t), Keep: learning, Reset: t != self && (lapsed || t.about == aboutTagged && gap)})
	}
	if err := x.note(ctx, at, entries); err != nil {
		return fmt.Errorf("note what domains have learned: %w", err)
	}
	return nil
}

// Learning returns what domains have learned, in their order.
func (x *Index) Learning(ctx context.Context, at time.Time, domains []Domain) ([]Learning, error) {
	var asked []thing
	for _, d := range domains {
		asked = append(asked, thing{aboutLearned, d.Name, ""}, thing{aboutExcused, d.Name, ""})
	}
	known, err := x.look(ctx, at, asked)
	if err != nil {
		return nil, err
	}
	all := make([]Learning, len(domains))
	for i, d := range domains {
		all[i] = Learning{Domain: d.Name, Since: learnedSince(known[thing{aboutLearned, d.Name, ""}], at), Excused: known[thing{aboutExcused, d.Name, ""}].Seen}
		if !all[i].Since.IsZero() {
			all[i].Until = all[i].Since.Add(d.Learn)
		}
	}
	return all, nil
}

// Assume has the index of a scratch store know what it would if all mail had been seen for as long as it
// remembers up to a time, and the domains had learned.
func (x *Index) Assume(ctx context.Context, at, until time.Time, domains []Domain) error {
	var entries []notes.Entry
	for _, d := range domains {
		entries = append(entries, notes.Entry{Key: x.key(thing{aboutLearned, d.Name, ""}), Keep: learning}, notes.Entry{Key: x.key(thing{aboutTagged, d.Name, ""}), Keep: learning})
	}
	for _, when := range []time.Time{at.Add(-origin.Life), at} {
		if err := x.note(ctx, when, entries); err != nil {
			return err
		}
	}
	first, _ := origin.Slot(at.Add(-origin.Life))
	last, bit := origin.Slot(until)
	entries = nil
	for n := first; n <= last; n++ {
		minutes := ^uint64(0)
		if n == last {
			minutes = bit - 1
		}
		entries = append(entries, notes.Entry{Key: x.key(hourOf(n)), Keep: x.Keeps(), Bits: minutes})
	}
	return x.note(ctx, at, entries)
}
