package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"breakwater/internal/sweep/session"
)

// carrier carries out the batches of a journal, forth or back.
type carrier struct {
	j       *journal
	back    bool   // it is an undo
	keyword string // ours
	log     *slog.Logger
	full    map[string]error         // folders that take no more, or no marks, and what the server said
	ends    map[string]session.State // folders that are there for certain, as far as they are known
	strays  map[string]index         // what is in folders, and not by what the journal knows
	again   map[int]int              // how often batches were tried again, since some of their messages were gone
	pause   time.Duration            // for a server to end what it was at when a connection was lost
}

// load is what is to be moved now, out of the selected folder.
type load struct {
	from, to string
	list     []entry
	flags    map[uint32][]string // by UIDs of now
	validity uint32              // the UIDVALIDITY of UIDs of now
	since    uint64              // the HIGHESTMODSEQ from before flags
}

// uids are those of now.
func (l *load) uids() []uint32 {
	all := make([]uint32, len(l.list))
	for i, e := range l.list {
		all[i] = e.now
	}
	return all
}

// tries is how often a batch is tried again.
const tries = 5

// errAway is that the folder a batch is for is not what it was.
var errAway = errors.New("is gone, or another one has its name")

// carry brings a batch to its end. It can be called again after an error: what a lost
// connection left open is settled first.
func (c *carrier) carry(ctx context.Context, s *session.Session, p *progress) (err error) {
	defer func() {
		if err != nil {
			clear(c.strays)
		}
	}()
	leg := p.leg(c.back)
	if leg.closed && !c.back { // what somebody took away may have come back, to be undone after all
		return nil
	}
	if p.Keyword != "" {
		return c.mark(ctx, s, p, leg)
	}
	l := load{from: p.Folder, to: p.To}
	if c.back {
		l.from, l.to = l.to, l.from
	}
	if err := c.settle(ctx, s, p, l); err != nil {
		return err
	}
	err = c.take(ctx, s, p, &l)
	if errors.Is(err, errAway) {
		c.log.Warn("messages stay where they are", "folder", l.from, "why", err)
		return c.j.write(record{Op: opLeft, N: p.N, Back: c.back, Why: fmt.Sprintf("folder %s %v", l.from, err)})
	}
	if err != nil || len(l.list) == 0 || c.full[l.to] != nil {
		return err
	}
	for uids := range session.Sets(l.uids()) { // one in general: what is planned fits
		part := l
		part.list, l.list = l.list[:len(uids)], l.list[len(uids):]
		err := c.move(ctx, s, p, part)
		if session.Expunged(err) && c.again[p.N] < tries { // somebody was quicker: the others still go
			c.again[p.N]++
			return c.carry(ctx, s, p)
		}
		if session.Refused(err) {
			c.full[l.to] = err
			delete(c.ends, l.to) // it may be gone
			c.log.Error("the server refuses", "folder", l.to, "err", err)
			return c.settle(ctx, s, p, part) // it may have moved some
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take selects the folder, and finds what is still to be moved: forth, what nobody has touched
// since it was planned; back, all that went.
func (c *carrier) take(ctx context.Context, s *session.Session, p *progress, l *load) error {
	l.list = p.rest(c.back)
	if len(l.list) == 0 {
		return nil
	}
	st, err := s.Enter(ctx, l.from, false)
	if errors.Is(err, session.ErrNoFolder) {
		return errAway
	}
	if err != nil {
		return err
	}
	l.validity, l.since = st.UIDValidity, st.HighestModSeq
	if st.UIDValidity != p.validity(c.back) {
		if !c.back {
			return errAway
		}
		for i := range l.list {
			l.list[i].now = 0
		}
	}
	if l.flags, err = flagsOf(ctx, s, l.uids()); err != nil {
		return err
	}
	if c.back {
		if err := c.find(ctx, s, l); err != nil {
			return err
		}
	}
	if p.leg(c.back).cut != nil && !s.Move {
		if err := unmark(ctx, s, l.list, l.flags); err != nil {
			return err
		}
	}
	l.list = slices.DeleteFunc(l.list, func(e entry) bool {
		flags, there := l.flags[e.now]
		return !there || !c.back && protected(flags, c.keyword) != ""
	})
	return nil
}

// rest is what of a batch is not moved yet, in one direction.
func (p *progress) rest(back bool) []entry {
	moved := map[uint32]bool{}
	for _, m := range p.leg(back).moved {
		moved[m.of] = true
	}
	return slices.DeleteFunc(p.all(back), func(e entry) bool { return moved[e.UID] })
}

// all is what of a batch is moved in a direction, with the UIDs of before: back, what went.
func (p *progress) all(back bool) []entry {
	now := map[uint32]uint32{}
	for _, m := range p.forth.moved {
		now[m.of] = m.uid
	}
	var list []entry
	for _, e := range p.Messages {
		uid, went := now[e.UID]
		switch {
		case !back:
			e.now = e.UID
		case went:
			e.now = uid
		default:
			continue
		}
		list = append(list, e)
	}
	return list
}

// validity is that of the UIDs in all; 0 where there are none.
func (p *progress) validity(back bool) uint32 {
	switch {
	case !back:
		return p.UIDValidity
	case len(p.forth.moved) == 0:
		return 0
	}
	return p.forth.moved[0].validity
}

// find looks in the selected folder for messages that do not have the UIDs of the journal, by how
// they begin: these were never known, or the folder is a new one, or somebody has moved them about.
func (c *carrier) find(ctx context.Context, s *session.Session, l *load) error {
	var found []uint32
	for i, e := range l.list {
		if _, there := l.flags[e.now]; there {
			continue
		}
		if c.strays[l.from] == nil {
			all, err := newIndex(ctx, s, 0)
			if err != nil {
				return err
			}
			c.strays[l.from] = all.without(c.j.accounted(false, l.from, l.validity))
		}
		if uid := c.strays[l.from].take(e); uid != 0 {
			l.list[i].now = uid
			found = append(found, uid)
		}
	}
	flags, err := flagsOf(ctx, s, found)
	maps.Copy(l.flags, flags)
	return err
}

// move takes what is in l to another folder, by MOVE or by what replaces it.
func (c *carrier) move(ctx context.Context, s *session.Session, p *progress, l load) error {
	if !s.Move && !s.UIDPlus {
		return errors.New("the server has neither MOVE nor UIDPLUS: messages can not be moved one by one; plan again to mark them instead")
	}
	st, err := c.end(ctx, s, l.to)
	if err != nil {
		return err
	}
	if err := l.enter(ctx, s); err != nil {
		return err
	}
	begin := record{Op: opBegin, N: p.N, Back: c.back, Of: of(l.list), UIDs: session.FormatUIDs(l.uids()), UIDValidity: st.UIDValidity, UIDNext: st.UIDNext}
	if err := c.j.write(begin); err != nil {
		return err
	}
	var at session.Copied
	if s.Move {
		at, err = s.MoveTo(ctx, l.uids(), l.to)
	} else {
		at, err = c.copyAndExpunge(ctx, s, l, st.UIDNext)
	}
	if err != nil {
		return err
	}
	if s.Move && !slices.Equal(at.Source, slices.Sorted(slices.Values(l.uids()))) {
		delete(c.ends, l.to)
		return c.reconcile(ctx, s, p, l, &begin) // the server tells of none, of others, or not of all
	}
	if n := len(at.Dest); n > 0 {
		c.ends[l.to] = session.State{UIDValidity: at.UIDValidity, UIDNext: slices.Max(at.Dest) + 1}
	}
	if err := c.flags(ctx, s, l, at); err != nil {
		return err
	}
	return c.done(p, l.list, at)
}

// enter selects the folder that l is moved from, if it is still the one that l was found in.
func (l *load) enter(ctx context.Context, s *session.Session) error {
	if st, err := s.Enter(ctx, l.from, false); err != nil || st.UIDValidity != l.validity {
		return cmp.Or(err, fmt.Errorf("folder %s %w", l.from, errAway))
	}
	return nil
}

// end is the state of a folder that messages go to, which is made if it is missing. What is
// moved there gets its UIDNEXT or a later UID.
func (c *carrier) end(ctx context.Context, s *session.Session, folder string) (session.State, error) {
	if st, ok := c.ends[folder]; ok {
		return st, nil
	}
	if err := s.Create(ctx, folder); err != nil {
		return session.State{}, err
	}
	st, err := s.Status(ctx, folder)
	if err == nil {
		c.ends[folder] = st
	}
	return st, err
}

// of are the UIDs that entries have in their batch.
func of(list []entry) string { return session.FormatUIDs(uidsOf(list)) }

func (c *carrier) done(p *progress, list []entry, at session.Copied) error {
	return c.j.write(c.record(p, list, at))
}

// settled is done for what was found out later.
func (c *carrier) settled(p *progress, list []entry, at session.Copied) error {
	r := c.record(p, list, at)
	r.Settled = true
	return c.j.write(r)
}

func (c *carrier) record(p *progress, list []entry, at session.Copied) record {
	batch := map[uint32]uint32{}
	for _, e := range list {
		batch[e.now] = e.UID
	}
	ours := make([]uint32, len(at.Source))
	for i, uid := range at.Source {
		ours[i] = batch[uid]
	}
	return record{Op: opDone, N: p.N, Back: c.back, Of: session.FormatUIDs(ours), UIDs: session.FormatUIDs(at.Dest), UIDValidity: at.UIDValidity}
}

// mark adds our keyword, or takes it away again. Twice does no harm, so that there is nothing
// to settle.
func (c *carrier) mark(ctx context.Context, s *session.Session, p *progress, leg *leg) error {
	list := p.rest(c.back)
	if len(list) == 0 || len(leg.moved) > 0 {
		return nil
	}
	l := load{from: p.Folder, list: list}
	st, err := s.Enter(ctx, p.Folder, false)
	if errors.Is(err, session.ErrNoFolder) || err == nil && st.UIDValidity != p.UIDValidity {
		return c.j.write(record{Op: opLeft, N: p.N, Back: c.back, Why: fmt.Sprintf("folder %s %v", p.Folder, errAway)})
	}
	if err != nil {
		return err
	}
	if err := c.j.write(record{Op: opBegin, N: p.N, Back: c.back, Of: of(list), UIDs: session.FormatUIDs(l.uids())}); err != nil {
		return err
	}
	change := session.Add
	if c.back {
		change = session.Remove
	}
	if err := s.Store(ctx, l.uids(), change, 0, p.Keyword); session.Refused(err) {
		c.full[p.Folder] = err
		return c.left(p, list)
	} else if err != nil {
		return err
	}
	return c.done(p, list, session.Copied{UIDValidity: st.UIDValidity, Source: l.uids(), Dest: l.uids()})
}

// flagsOf are the flags of messages of the selected folder, of those that there are. 0 is the UID
// of none.
func flagsOf(ctx context.Context, s *session.Session, of []uint32) (map[uint32][]string, error) {
	flags := map[uint32][]string{}
	of = slices.DeleteFunc(slices.Clone(of), func(uid uint32) bool { return uid == 0 })
	err := s.Fetch(ctx, of, session.Nothing, 0, func(m session.Message) error {
		flags[m.UID] = m.Flags
		return nil
	})
	return flags, err
}
