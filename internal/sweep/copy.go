package sweep

import (
	"context"
	"errors"
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

// copyAndExpunge is MOVE for servers without it: COPY; when the server has said where the
// copies are, mark the originals, save those that were changed meanwhile; expunge exactly
// those; and of those that stay, take the copies away again.
func (c *carrier) copyAndExpunge(ctx context.Context, s *session.Session, l load) (moved session.Copied, err error) {
	at, err := s.CopyTo(ctx, l.uids(), l.to)
	if err != nil {
		return moved, err
	}
	if at.UIDValidity == 0 {
		return moved, errors.New("the server says that it has UIDPLUS, but not where copies are: nothing is expunged")
	}
	if err := s.Store(ctx, at.Source, session.Add, l.since, `\Deleted`); err != nil {
		return moved, err
	}
	after, err := flagsOf(ctx, s, at.Source)
	if err != nil {
		return moved, err
	}
	var copies, unmark []uint32
	moved.UIDValidity = at.UIDValidity
	for i, uid := range at.Source {
		marked := has(after[uid], `\Deleted`)
		if marked && unchanged(after[uid], l.flags[uid]) {
			moved.Source, moved.Dest = append(moved.Source, uid), append(moved.Dest, at.Dest[i])
			continue
		}
		copies = append(copies, at.Dest[i])
		if marked {
			unmark = append(unmark, uid)
		}
	}
	if len(unmark) > 0 {
		if err := s.Store(ctx, unmark, session.Remove, 0, `\Deleted`); err != nil {
			return moved, err
		}
	}
	if len(moved.Source) > 0 {
		if err := s.Expunge(ctx, moved.Source); err != nil {
			return moved, err
		}
	}
	if len(copies) == 0 {
		return moved, nil
	}
	c.log.Info("messages that were changed meanwhile stay", "folder", l.from, "messages", len(copies))
	return moved, removeCopies(ctx, s, l.to, copies)
}

// unchanged reports whether nothing was set but \Deleted.
func unchanged(after, before []string) bool {
	return !slices.ContainsFunc(after, func(f string) bool { return f != `\Deleted` && f != `\Recent` && !has(before, f) })
}

// removeCopies takes copies away of messages that are where they were.
func removeCopies(ctx context.Context, s *session.Session, folder string, copies []uint32) error {
	if _, err := s.Enter(ctx, folder, false); err != nil {
		return err
	}
	if err := s.Store(ctx, copies, session.Add, 0, `\Deleted`); err != nil {
		return err
	}
	return s.Expunge(ctx, copies)
}

// flags gives messages that came back the flags that they had, where the server lost some.
func (c *carrier) flags(ctx context.Context, s *session.Session, l load, at session.Copied) error {
	if len(at.Dest) == 0 {
		return nil
	}
	if _, err := s.Enter(ctx, l.to, false); err != nil {
		return err
	}
	now, err := flagsOf(ctx, s, at.Dest)
	if err != nil {
		return err
	}
	was := map[uint32][]string{}
	for _, e := range l.list {
		was[e.now] = e.Flags
	}
	for i, uid := range at.Dest {
		lost := slices.DeleteFunc(slices.Clone(was[at.Source[i]]), func(f string) bool { return has(now[uid], f) })
		if len(lost) == 0 {
			continue
		}
		if err := s.Store(ctx, []uint32{uid}, session.Add, 0, lost...); err != nil {
			return err
		}
	}
	return nil
}
