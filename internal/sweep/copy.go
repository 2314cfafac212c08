package sweep

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"breakwater/internal/sweep/session"
)

// unmark takes away the marks that were to let messages be expunged, and changes flags so.
func unmark(ctx context.Context, s *session.Session, list []entry, flags map[uint32][]string) error {
	var marked []uint32
	for _, e := range list {
		if has(flags[e.now], `\Deleted`) && !has(e.Flags, `\Deleted`) {
			marked = append(marked, e.now)
			flags[e.now] = slices.DeleteFunc(flags[e.now], func(f string) bool { return strings.EqualFold(f, `\Deleted`) })
		}
	}
	if len(marked) == 0 {
		return nil
	}
	return s.Store(ctx, marked, session.Remove, 0, `\Deleted`)
}

// copyAndExpunge is MOVE for servers without it: COPY; look at the copies, which have the UID
// first or a later one; mark the originals that have one, save those that were changed meanwhile;
// expunge exactly those; and of those that stay, take the copies away again. It returns what is
// in the other folder alone.
func (c *carrier) copyAndExpunge(ctx context.Context, s *session.Session, l load, first uint32) (moved session.Copied, err error) {
	told, err := s.CopyTo(ctx, l.uids(), l.to)
	if err != nil {
		return moved, err
	}
	copies, validity, err := c.copies(ctx, s, l, first)
	if err != nil {
		return moved, err
	}
	if len(copies) == 0 && len(told.Dest) > 0 {
		return moved, fmt.Errorf("the server says that it has copied %d messages to %s, where none like them is: they stay", len(told.Dest), l.to)
	}
	if err := l.enter(ctx, s); err != nil {
		return moved, err
	}
	here := slices.Sorted(maps.Keys(copies))
	if err := s.Store(ctx, here, session.Add, l.since, `\Deleted`); err != nil {
		return moved, err
	}
	stay, err := c.changed(ctx, s, l, here)
	if err != nil {
		return moved, err
	}
	moved.UIDValidity = validity
	var extra []uint32
	for _, uid := range here {
		if slices.Contains(stay, uid) {
			extra = append(extra, copies[uid])
		} else {
			moved.Source, moved.Dest = append(moved.Source, uid), append(moved.Dest, copies[uid])
		}
	}
	if err := s.Expunge(ctx, moved.Source); err != nil || len(extra) == 0 {
		return moved, err
	}
	c.log.Info("messages that were changed meanwhile stay", "folder", l.from, "messages", len(extra))
	return moved, removeCopies(ctx, s, l.to, validity, extra)
}

// copies finds the copies of what is in l, by the UIDs of the originals. What the server says of
// them is not enough: an original goes because its copy was seen.
func (c *carrier) copies(ctx context.Context, s *session.Session, l load, first uint32) (of map[uint32]uint32, validity uint32, err error) {
	st, err := s.Enter(ctx, l.to, false)
	if err != nil {
		return nil, 0, err
	}
	there, err := newIndex(ctx, s, first)
	if err != nil {
		return nil, 0, err
	}
	there = there.without(c.j.accounted(c.back, l.to, st.UIDValidity))
	of = map[uint32]uint32{}
	for _, e := range l.list {
		if uid := there.take(e); uid != 0 {
			of[e.now] = uid
		}
	}
	return of, st.UIDValidity, nil
}

// changed returns which of the messages that were to be marked \Deleted stay, since somebody
// changed their flags meanwhile, and takes their marks away. What is gone stays nowhere: another
// program has expunged all that was marked, and its copy is all that is left of it.
func (c *carrier) changed(ctx context.Context, s *session.Session, l load, uids []uint32) (stay []uint32, err error) {
	after, err := flagsOf(ctx, s, uids)
	if err != nil {
		return nil, err
	}
	var marked []uint32
	for uid, flags := range after {
		ours := has(flags, `\Deleted`)
		if ours && unchanged(flags, l.flags[uid]) {
			continue
		}
		stay = append(stay, uid)
		if ours {
			marked = append(marked, uid)
		}
	}
	if len(stay) == 0 {
		return nil, nil
	}
	if err := s.Store(ctx, marked, session.Remove, 0, `\Deleted`); err != nil {
		return nil, err
	}
	after, err = flagsOf(ctx, s, stay)
	return slices.Sorted(maps.Keys(after)), err
}

// unchanged reports whether nothing was set but \Deleted.
func unchanged(after, before []string) bool {
	return !slices.ContainsFunc(after, func(f string) bool { return f != `\Deleted` && f != `\Recent` && !has(before, f) })
}

// removeCopies takes copies away of messages that are where they were, if the folder is still the
// one that they were seen in.
func removeCopies(ctx context.Context, s *session.Session, folder string, validity uint32, copies []uint32) error {
	if st, err := s.Enter(ctx, folder, false); err != nil || st.UIDValidity != validity {
		return err
	}
	if err := s.Store(ctx, copies, session.Add, 0, `\Deleted`); err != nil {
		return err
	}
	return s.Expunge(ctx, copies)
}

// flags gives messages that came back the flags that they had, where the server lost some.
func (c *carrier) flags(ctx context.Context, s *session.Session, l load, at session.Copied) error {
	if !c.back || len(at.Dest) == 0 {
		return nil
	}
	if _, err := s.Enter(ctx, l.to, false); err != nil {
		return err
	}
	was := map[uint32]entry{}
	for _, e := range l.list {
		was[e.now] = e
	}
	source := map[uint32]uint32{}
	for i, uid := range at.Dest {
		source[uid] = at.Source[i]
	}
	lost := map[uint32][]string{}
	err := s.Fetch(ctx, at.Dest, session.Nothing, 0, func(m session.Message) error {
		if e := was[source[m.UID]]; e.Size == m.Size { // the server may have told of another
			lost[m.UID] = slices.DeleteFunc(slices.Clone(e.Flags), func(f string) bool { return has(m.Flags, f) })
		}
		return nil
	})
	if err != nil {
		return err
	}
	for uid, flags := range lost {
		if len(flags) == 0 {
			continue
		}
		err := s.Store(ctx, []uint32{uid}, session.Add, 0, flags...)
		if session.Refused(err) { // it came back all the same
			c.log.Warn("flags are lost", "folder", l.to, "uid", uid, "flags", flags, "err", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}
