package sweep

import (
	"context"
	"errors"
	"slices"
	"time"

	"breakwater/internal/sweep/session"
)

// settle finds out what became of a command whose answer never came, and makes whole what is
// half: each message is then either where it was, or where it was to go. What is in both
// places stays where it was.
func (c *carrier) settle(ctx context.Context, s *session.Session, p *progress, l load) error {
	leg := p.leg(c.back)
	if leg.pending == nil {
		return nil
	}
	list, err := p.begun(leg.pending, c.back)
	if err != nil {
		return err
	}
	if l.list = list; s.Move || s.UIDPlus {
		if err := c.calm(ctx, s, p, l); err != nil {
			return err
		}
	}
	return c.reconcile(ctx, s, p, l, leg.pending)
}

// found looks once more, at the end, at a batch that was cut off: a server may have gone on
// with a command long after the connection was gone.
func (c *carrier) found(ctx context.Context, s *session.Session, p *progress) error {
	leg := p.leg(c.back)
	if p.Keyword != "" {
		return c.marked(p, leg)
	}
	l := load{from: p.Folder, to: p.To, list: p.all(c.back)}
	if c.back {
		l.from, l.to = l.to, l.from
	}
	if err := c.settle(ctx, s, p, l); err != nil || leg.cut == nil {
		return err
	}
	return c.reconcile(ctx, s, p, l, leg.cut)
}

// marked takes for marked what perhaps is: a mark can be taken away from what has none.
func (c *carrier) marked(p *progress, leg *leg) error {
	if leg.pending == nil {
		return nil
	}
	list, err := p.begun(leg.pending, c.back)
	if err != nil {
		return err
	}
	l := load{list: list}
	return c.settled(p, list, session.Copied{UIDValidity: p.UIDValidity, Source: l.uids(), Dest: l.uids()})
}

// calm waits until a server changes nothing any more where a command was cut off.
func (c *carrier) calm(ctx context.Context, s *session.Session, p *progress, l load) error {
	for before := -1; ; {
		if c.pause > 0 {
			select {
			case <-time.After(c.pause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		here, err := c.present(ctx, s, p, l)
		if err != nil {
			return err
		}
		now := 0
		for _, flags := range here {
			now += 1 + len(flags)
		}
		if now == before {
			return nil
		}
		before = now
	}
}

// reconcile compares what the journal has of the messages in l with what is here and there,
// since a command was begun, and puts right what differs. A server may still be at a command of
// a lost connection: so what is in both places is brought to where it was to go, which is what
// that command wants, too; and no copy is removed unless another one is there to stay.
func (c *carrier) reconcile(ctx context.Context, s *session.Session, p *progress, l load, begun *record) error {
	here, err := c.present(ctx, s, p, l)
	if err != nil {
		return err
	}
	st, err := s.Enter(ctx, l.to, false)
	if errors.Is(err, session.ErrNoFolder) { // it was not even made
		return c.left(p, l.list)
	}
	if err != nil {
		return err
	}
	first := begun.UIDNext
	if st.UIDValidity != begun.UIDValidity {
		first = 0
	}
	there, err := newIndex(ctx, s, first)
	if err != nil {
		return err
	}
	f := p.compare(c, l, here, there, st.UIDValidity)
	if first == 0 || !s.UIDPlus { // what is in both places stays in both
		f.extra, f.stay, f.both = nil, append(f.stay, f.both...), nil
	}
	if len(f.extra) > 0 {
		if err := removeCopies(ctx, s, l.to, st.UIDValidity, f.extra); err != nil {
			return err
		}
	}
	if err := c.finish(ctx, s, p, l, &f, here); err != nil {
		return err
	}
	if len(f.moved)+len(f.extra) > 0 || p.leg(c.back).pending != nil {
		c.log.Info("settled what was cut off", "folder", l.from, "moved", len(f.moved), "stay", len(f.stay), "twice", len(f.extra))
	}
	if len(f.moved) > 0 {
		at := session.Copied{UIDValidity: st.UIDValidity}
		for _, e := range f.moved {
			at.Source, at.Dest = append(at.Source, e.now), append(at.Dest, f.uid[e.UID])
		}
		if err := c.flags(ctx, s, load{to: l.to, list: f.moved}, at); err != nil {
			return err
		}
		if err := c.settled(p, f.moved, at); err != nil {
			return err
		}
	}
	return c.left(p, f.stay)
}

// findings is where the messages of a batch are.
type findings struct {
	moved []entry           // there, and not known to be
	both  []entry           // here and there
	stay  []entry           // here alone
	uid   map[uint32]uint32 // of moved and both, there, by the UID in the batch
	extra []uint32          // copies there that are one too many
}

// compare finds out where the messages of l are. What is not here any more has the first
// claim to what is there.
func (p *progress) compare(c *carrier, l load, here map[uint32][]string, there index, validity uint32) findings {
	f := findings{uid: map[uint32]uint32{}}
	known := c.j.accounted(c.back, l.to, validity)
	free := there.without(known)
	done := map[uint32]uint32{}
	for _, m := range p.leg(c.back).moved {
		done[m.of] = m.uid
	}
	for _, stays := range []bool{false, true} {
		for _, e := range l.list {
			_, is := here[e.now]
			if _, ok := done[e.UID]; ok || is != stays {
				continue
			}
			uid := free.take(e)
			switch {
			case uid != 0:
				f.uid[e.UID] = uid
				if stays {
					f.both = append(f.both, e)
				} else {
					f.moved = append(f.moved, e)
				}
			case stays:
				f.stay = append(f.stay, e)
			}
		}
	}
	for _, e := range l.list {
		_, stays := here[e.now]
		if uid, ok := done[e.UID]; f.uid[e.UID] != 0 || ok && there.has(uid) || stays && !ok {
			f.extra = append(f.extra, free.rest(e)...)
		}
	}
	return f
}

// finish takes away here what is there already, and the marks from what is not.
func (c *carrier) finish(ctx context.Context, s *session.Session, p *progress, l load, f *findings, here map[uint32][]string) error {
	if len(f.both) == 0 && (s.Move || len(f.stay) == 0) {
		return nil
	}
	l.validity = p.validity(c.back)
	if err := l.enter(ctx, s); err != nil {
		return err
	}
	if len(f.both) > 0 {
		both := load{list: f.both}
		if err := s.Store(ctx, both.uids(), session.Add, 0, `\Deleted`); err != nil {
			return err
		}
		if err := s.Expunge(ctx, both.uids()); err != nil {
			return err
		}
		f.moved = append(f.moved, f.both...)
	}
	if s.Move {
		return nil
	}
	return unmark(ctx, s, f.stay, here)
}

// left ends what is pending, of which these messages are still where they were.
func (c *carrier) left(p *progress, list []entry) error {
	leg := p.leg(c.back)
	if leg.pending == nil {
		return nil
	}
	which := of(list)
	if which == "" {
		which = leg.pending.Of // none is here, and none there: somebody else took them away
	}
	return c.j.write(record{Op: opLeft, N: p.N, Back: c.back, Of: which, Why: "cut off", Settled: true})
}

// accounted are the UIDs that the journal knows in a folder, of all that went there.
func (j *journal) accounted(back bool, folder string, validity uint32) map[uint32]bool {
	known := map[uint32]bool{}
	for _, p := range j.batches {
		to := p.To
		if back {
			to = p.Folder
		}
		if to != folder {
			continue
		}
		for _, m := range p.leg(back).moved {
			if m.validity == validity {
				known[m.uid] = true
			}
		}
	}
	return known
}

// begun is the messages that a command was for, with their UIDs of then.
func (p *progress) begun(r *record, back bool) ([]entry, error) {
	ours, err := session.ParseUIDs(r.Of)
	if err != nil {
		return nil, err
	}
	then, err := session.ParseUIDs(r.UIDs)
	if err != nil {
		return nil, err
	}
	now := map[uint32]uint32{}
	for i, uid := range ours[:min(len(ours), len(then))] {
		now[uid] = then[i]
	}
	var list []entry
	for _, e := range p.all(back) {
		if uid, ok := now[e.UID]; ok {
			e.now = uid
			list = append(list, e)
		}
	}
	return list, nil
}

// present returns the flags of what is still in the folder that it was to leave.
func (c *carrier) present(ctx context.Context, s *session.Session, p *progress, l load) (map[uint32][]string, error) {
	st, err := s.Enter(ctx, l.from, false)
	if errors.Is(err, session.ErrNoFolder) || err == nil && st.UIDValidity != p.validity(c.back) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return flagsOf(ctx, s, l.uids())
}

// index is the messages of a folder by how they begin.
type index map[identity][]copied

type identity struct {
	hash hash
	size int64
}

// copied is a message that may be a copy.
type copied struct {
	uid     uint32
	deleted bool // it is marked to be expunged, perhaps at this moment
}

// newIndex reads how the messages of the selected folder begin, from a UID on.
func newIndex(ctx context.Context, s *session.Session, first uint32) (index, error) {
	x := index{}
	err := s.FetchFrom(ctx, first, session.Whole, hashed, func(m session.Message) error {
		id := identity{beginning(m.Raw), m.Size}
		x[id] = append(x[id], copied{m.UID, has(m.Flags, `\Deleted`)})
		return nil
	})
	return x, err
}

// take returns the UID of a message that is like e, and that is to stay, and takes it out; 0 if
// there is none.
func (x index) take(e entry) uint32 {
	id := identity{e.Hash, e.Size}
	for i, m := range x[id] {
		if !m.deleted {
			x[id] = slices.Delete(x[id], i, i+1)
			return m.uid
		}
	}
	return 0
}

// rest takes out all that are like e.
func (x index) rest(e entry) (uids []uint32) {
	id := identity{e.Hash, e.Size}
	for _, m := range x[id] {
		uids = append(uids, m.uid)
	}
	delete(x, id)
	return uids
}

// has reports whether a message is there, and is to stay.
func (x index) has(uid uint32) bool {
	for _, list := range x {
		if slices.Contains(list, copied{uid, false}) {
			return true
		}
	}
	return false
}

// without is x without some UIDs.
func (x index) without(uids map[uint32]bool) index {
	y := index{}
	for id, list := range x {
		y[id] = slices.DeleteFunc(slices.Clone(list), func(m copied) bool { return uids[m.uid] })
	}
	return y
}
