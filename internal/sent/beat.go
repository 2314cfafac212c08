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
		hour, bit := origin.Slot(at.Add(-time.Minute))
		minute = []notes.Entry{{Key: x.hour(hour), Keep: x.Keeps(), Bits: bit}}
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
	type learner struct {
		key   storm.Key
		reset bool
		last  time.Time // zero: never
	}
	var learners []learner
	for _, d := range domains {
		learners = append(learners, learner{key: x.learned(d.Name)})
		if d.Tagged {
			learners = append(learners, learner{key: x.tagged(d.Name), reset: gap})
		}
	}
	self := x.Hasher.Key("", kindLearned, "") // the index itself is touched each time
	var before time.Time
	var look lookup
	look.ask(self, func(n notes.Note) { before = n.Last })
	for i := range learners {
		look.ask(learners[i].key, func(n notes.Note) { learners[i].last = n.Last })
	}
	if err := look.in(ctx, x.Store, at); err != nil {
		return err
	}
	entries := append(more, notes.Entry{Key: self, Keep: learning})
	for _, l := range learners {
		// Which was not touched the last time was not in the rules then.
		lapsed := l.last.IsZero() || l.last.Before(before)
		entries = append(entries, notes.Entry{Key: l.key, Keep: learning, Reset: lapsed || l.reset})
	}
	if err := x.note(ctx, at, entries); err != nil {
		return fmt.Errorf("note what domains have learned: %w", err)
	}
	return nil
}

// Learning returns what domains have learned, in their order.
func (x *Index) Learning(ctx context.Context, at time.Time, domains []Domain) ([]Learning, error) {
	all := make([]Learning, len(domains))
	var look lookup
	for i, d := range domains {
		all[i].Domain = d.Name
		look.ask(x.learned(d.Name), func(n notes.Note) {
			if n.Seen > 0 {
				all[i].Since, all[i].Until = n.First, n.First.Add(d.Learn)
			}
		})
		look.ask(x.excused(d.Name), func(n notes.Note) { all[i].Excused = n.Seen })
	}
	return all, look.in(ctx, x.Store, at)
}

// Assume has the index of a scratch store know what it would if all mail had been seen for as long as it
// remembers up to a time, and the domains had learned.
func (x *Index) Assume(ctx context.Context, at, until time.Time, domains []Domain) error {
	var entries []notes.Entry
	for _, d := range domains {
		entries = append(entries, notes.Entry{Key: x.learned(d.Name), Keep: learning}, notes.Entry{Key: x.tagged(d.Name), Keep: learning})
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
		entries = append(entries, notes.Entry{Key: x.hour(n), Keep: x.Keeps(), Bits: minutes})
	}
	return x.note(ctx, at, entries)
}
