package session

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Copied is where messages are now (RFC 4315, COPYUID). It is empty where the server does not
// say. Which of Source became which of Dest is certain only where the server copies in the order
// of UIDs: the library sorts both.
type Copied struct {
	UIDValidity  uint32
	Source, Dest []uint32 // in one order
}

var errNoMove = errors.New("the server has no MOVE")
var errNoUIDPlus = errors.New("the server has no UIDPLUS: a message cannot be expunged without expunging others")

// MoveTo moves messages of the selected folder in one step (RFC 6851). It fails where the
// server has no MOVE: see the package comment. uids must fit into a line: see Sets.
func (s *Session) MoveTo(ctx context.Context, uids []uint32, to string) (Copied, error) {
	// The library asks itself, too, and the server may have said something else since the login.
	if !s.Move || !s.c.Caps().Has(imap.CapMove) {
		return Copied{}, errNoMove
	}
	var c Copied
	err := s.do(ctx, func() error {
		d, err := s.c.Move(set(uids), to).Wait()
		if err != nil {
			return err
		}
		source, _ := d.SourceUIDs.(imap.UIDSet)
		dest, _ := d.DestUIDs.(imap.UIDSet)
		c = copied(d.UIDValidity, source, dest)
		return nil
	})
	return c, wrap("move to "+to, err)
}

// CopyTo copies messages of the selected folder. uids must fit into a line: see Sets.
func (s *Session) CopyTo(ctx context.Context, uids []uint32, to string) (Copied, error) {
	var c Copied
	err := s.do(ctx, func() error {
		d, err := s.c.Copy(set(uids), to).Wait()
		if err != nil {
			return err
		}
		c = copied(d.UIDValidity, d.SourceUIDs, d.DestUIDs)
		return nil
	})
	return c, wrap("copy to "+to, err)
}

func copied(validity uint32, source, dest imap.UIDSet) Copied {
	from, _ := source.Nums()
	to, _ := dest.Nums()
	if validity == 0 || len(from) != len(to) {
		return Copied{}
	}
	c := Copied{UIDValidity: validity}
	for i := range from {
		c.Source, c.Dest = append(c.Source, uint32(from[i])), append(c.Dest, uint32(to[i]))
	}
	return c
}

// Change says what to do with flags.
type Change int

// Changes.
const (
	Add Change = iota
	Remove
)

// Store changes flags of messages in the selected folder. With since, messages that were
// changed after that modification sequence are left alone (RFC 7162). Who wants to know which
// were looks at the flags afterwards.
func (s *Session) Store(ctx context.Context, uids []uint32, what Change, since uint64, flags ...string) error {
	op := map[Change]imap.StoreFlagsOp{Add: imap.StoreFlagsAdd, Remove: imap.StoreFlagsDel}[what]
	f := &imap.StoreFlags{Op: op, Silent: true}
	for _, flag := range flags {
		f.Flags = append(f.Flags, imap.Flag(flag))
	}
	var o *imap.StoreOptions
	if s.CondStore && since > 0 {
		o = &imap.StoreOptions{UnchangedSince: since}
	}
	for some := range Sets(uids) {
		if err := s.do(ctx, func() error { return s.c.Store(set(some), f, o).Close() }); err != nil {
			return wrap("store flags", err)
		}
	}
	return nil
}

// Expunge removes messages that are marked \Deleted, of uids and no others (RFC 4315).
func (s *Session) Expunge(ctx context.Context, uids []uint32) error {
	if !s.UIDPlus {
		return errNoUIDPlus
	}
	for some := range Sets(uids) {
		if err := s.do(ctx, func() error { return s.c.UIDExpunge(set(some)).Close() }); err != nil {
			return wrap("expunge", err)
		}
	}
	return nil
}

// Append adds a message to a folder.
func (s *Session) Append(ctx context.Context, folder string, raw []byte, at time.Time, flags ...string) error {
	o := &imap.AppendOptions{Time: at}
	for _, flag := range flags {
		o.Flags = append(o.Flags, imap.Flag(flag))
	}
	return wrap("append to "+folder, s.do(ctx, func() error {
		cmd := s.c.Append(folder, int64(len(raw)), o)
		_, werr := cmd.Write(raw)
		cerr := cmd.Close()
		_, err := cmd.Wait()
		return errors.Join(err, werr, cerr)
	}))
}
