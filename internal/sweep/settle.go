package sweep

import (
	"context"
	"slices"

	"breakwater/internal/sweep/session"
)

// settle finds out what became of a command whose answer never came, and makes whole what is
// half: each message is then either where it was, or where it was to go. What is in both
// places stays where it was.
func (c *carrier) settle(ctx context.Context, s *session.Session, p *progress, l load) error {
	begun := p.leg(c.back).pending
	if begun == nil {
		return nil
	}
	list, err := p.begun(begun, c.back)
	if err != nil {
		return err
	}
	l.list = list
	here, err := c.present(ctx, s, p, l)
	if err != nil {
		return err
	}
	st, err := s.Enter(ctx, l.to, false)
	if session.Refused(err) { // it was not even made
		return c.j.write(record{Op: opLeft, N: p.N, Back: c.back, Of: begun.Of, Why: "cut off before it began"})
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
	at := session.Copied{UIDValidity: st.UIDValidity}
	var left []entry
	for _, e := range list { // what is not here any more has the first claim to what is there
		if _, stays := here[e.now]; stays {
			continue
		}
		if uid := there.take(e); uid != 0 {
			at.Source, at.Dest = append(at.Source, e.now), append(at.Dest, uid)
		} else {
			left = append(left, e) // somebody else took it away
		}
	}
	var twice, marked []uint32
	for _, e := range list {
		flags, stays := here[e.now]
		if !stays {
			continue
		}
		left = append(left, e)
		if uid := there.take(e); uid != 0 && first != 0 {
			twice = append(twice, uid)
		}
		if has(flags, `\Deleted`) && !has(e.Flags, `\Deleted`) && !s.Move {
			marked = append(marked, e.now)
		}
	}
	if err := whole(ctx, s, l, twice, marked); err != nil {
		return err
	}
	c.log.Info("settled what was cut off", "folder", l.from, "moved", len(at.Source), "stay", len(left))
	if len(at.Source) > 0 {
		if err := c.done(p, list, at); err != nil {
			return err
		}
	}
	if len(left) == 0 {
		return nil
	}
	return c.j.write(record{Op: opLeft, N: p.N, Back: c.back, Of: of(left), Why: "cut off"})
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
	var list []entry
	for _, e := range p.all(back) {
		if i := slices.Index(ours, e.UID); i >= 0 && i < len(then) {
			e.now = then[i]
			list = append(list, e)
		}
	}
	return list, nil
}

// whole takes away the copies of what is still where it was, and the marks that were to let
// it be expunged.
func whole(ctx context.Context, s *session.Session, l load, twice, marked []uint32) error {
	if len(twice) > 0 && s.UIDPlus {
		if err := removeCopies(ctx, s, l.to, twice); err != nil {
			return err
		}
	}
	if len(marked) == 0 {
		return nil
	}
	if _, err := s.Enter(ctx, l.from, false); err != nil {
		return err
	}
	return s.Store(ctx, marked, session.Remove, 0, `\Deleted`)
}

// present returns the flags of what is still in the folder that it was to leave.
func (c *carrier) present(ctx context.Context, s *session.Session, p *progress, l load) (map[uint32][]string, error) {
	st, err := s.Enter(ctx, l.from, false)
	if session.Refused(err) || err == nil && st.UIDValidity != p.validity(c.back) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return flagsOf(ctx, s, l.uids())
}

// index is the messages of a folder by their headers.
type index map[identity][]uint32

type identity struct {
	hash hash
	size int64
}

// newIndex reads the headers of the selected folder from a UID on.
func newIndex(ctx context.Context, s *session.Session, first uint32) (index, error) {
	x := index{}
	err := s.FetchFrom(ctx, first, session.Whole, hashed, func(m session.Message) error {
		id := identity{headerHash(m.Raw), m.Size}
		x[id] = append(x[id], m.UID)
		return nil
	})
	return x, err
}

// take returns the UID of a message that is like e, and takes it out; 0 if there is none.
func (x index) take(e entry) uint32 {
	id := identity{e.Hash, e.Size}
	if len(x[id]) == 0 {
		return 0
	}
	uid := x[id][0]
	x[id] = x[id][1:]
	return uid
}
