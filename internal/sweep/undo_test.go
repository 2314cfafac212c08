package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// back undoes a run, and fails the test where not so many messages came back.
func back(t testing.TB, s *Sweep, run string, n int) {
	t.Helper()
	if u, err := s.Undo(context.Background(), run); err != nil || u.Back != n {
		t.Errorf("undo: %+v, %v; want %d back", u, err, n)
	}
}

// refusing is a proxy to a server that refuses, as long as busy says so, to select a folder that is
// there.
func refusing(t testing.TB, b *mailbox, folder string, busy *atomic.Bool) (server string) {
	return meddle(t, b.options.Server, func(said string) string {
		if busy.Load() && strings.Contains(said, "SELECT") {
			said = strings.Replace(said, folder, folder+"-locked", 1)
		}
		return said
	}, nil)
}

// TestBusy has a folder that the server refuses for a while: it is there all the same, and nothing
// is given up because of it.
func TestBusy(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *mailbox{
		"MOVE":         func(t testing.TB) *mailbox { return memory(t, withMove) },
		"without MOVE": func(t testing.TB) *mailbox { return memory(t, withUIDPlus) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.fill("INBOX", copies(40))
			before := b.contents()
			s := b.sweep("")
			applied(t, s, "run1")
			var busy atomic.Bool
			busy.Store(true)
			s.Server.Server = refusing(t, b, "Breakwater/Absorbed", &busy)
			if u, err := s.Undo(t.Context(), "run1"); err == nil {
				t.Errorf("undone though its folder was refused: %+v", u)
			}
			busy.Store(false)
			back(t, s, "run1", 37)
			b.same(before)
		})
	}
}

// TestRenamedBack has a user who gives the folder of what is absorbed another name, and takes that
// back when an undo has found nothing.
func TestRenamedBack(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	before := b.contents()
	s := b.sweep("")
	applied(t, s, "run1")
	b.rename("Breakwater/Absorbed", "Storm")
	back(t, s, "run1", 0)
	b.rename("Storm", "Breakwater/Absorbed")
	back(t, s, "run1", 37)
	b.same(before)
}

// TestBusyAfterCut has a server whose answer to a move is lost, and that then refuses the folder
// that it moved to: what was moved is not taken for what stayed.
func TestBusyAfterCut(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	before := b.contents()
	s := b.sweep("")
	var busy atomic.Bool
	s.Server.Server = meddle(t, refusing(t, b, "Breakwater/Absorbed", &busy), nil, func(said string) string {
		if !busy.Load() && strings.Contains(said, "COPYUID") {
			busy.Store(true)
			return "what no client can read\r\n"
		}
		return said
	})
	var incomplete *ErrIncomplete
	err := s.Run(t.Context(), "run1", func(*Plan) (bool, error) { return true, nil })
	if !errors.As(err, &incomplete) || !session.Refused(err) {
		t.Errorf("got %v", err)
	}
	s.Server = b.options
	back(t, s, "run1", 37)
	b.same(before)
}

// TestUndoCutOff has an undo that is cut off when a part is back: before it is brought to its end,
// neither a sweep nor a resumed run takes that part again.
func TestUndoCutOff(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	before := b.contents()
	s := b.sweep("")
	s.Batch = 10
	applied(t, s, "run2")
	ctx, cancel := context.WithCancel(t.Context())
	s.Progress = func(p Progress) {
		if p.Stage == "undo" {
			cancel()
		}
	}
	if u, err := s.Undo(ctx, "run2"); !errors.Is(err, context.Canceled) || u.Back == 0 || u.Back == 37 {
		t.Fatalf("%+v, %v", u, err)
	}
	if all, err := Journals(s.Dir); err != nil || len(all) != 1 || all[0].State != "undo cut off" {
		t.Errorf("%+v, %v", all, err)
	}
	var open *ErrUnfinished
	for what, do := range map[string]func() error{
		"sweep":  func() error { return s.Run(t.Context(), "run1", func(*Plan) (bool, error) { return true, nil }) },
		"resume": func() error { _, err := s.Resume(t.Context(), ""); return err },
	} {
		if err := do(); !errors.As(err, &open) || !open.Undo || open.Run != "run2" {
			t.Errorf("%s: %v", what, err)
		}
	}
	back(t, s, "run2", 37)
	b.same(before)
	if p := planned(t, s); p.Move() != 0 {
		t.Errorf("what came back would go again: %+v", p.Folders)
	}
}

// notMoving is a proxy to a server that does not understand MOVE as long as deaf says so.
func notMoving(t testing.TB, b *mailbox, deaf *atomic.Bool) (server string) {
	deaf.Store(true)
	return meddle(t, b.options.Server, func(said string) string {
		if deaf.Load() {
			said = strings.Replace(said, "UID MOVE", "UID NOTHING", 1)
		}
		return said
	}, nil)
}

// TestClockSetBack has a run that was cut off, and whose name is not the last, since the clock was
// set back before it.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	s := b.sweep("")
	applied(t, s, "run2")
	b.fill("INBOX", copies(45)[40:])
	var deaf atomic.Bool
	s.Server.Server = notMoving(t, b, &deaf)
	if err := s.Run(t.Context(), "run1", func(*Plan) (bool, error) { return true, nil }); err == nil {
		t.Fatal("it was not cut off")
	}
	deaf.Store(false)
	var open *ErrUnfinished
	err := s.Run(t.Context(), "run3", func(*Plan) (bool, error) { return true, nil })
	if !errors.As(err, &open) || open.Run != "run1" || open.Undo {
		t.Errorf("got %v", err)
	}
	if done, err := s.Resume(t.Context(), ""); !done || err != nil {
		t.Errorf("resumed %v, %v", done, err)
	}
	if n := len(b.contents()[b.absorbed()]); n != 42 {
		t.Errorf("%d are absorbed", n)
	}
}

// TestMovedByHand has a user who takes messages out of the folder of what is absorbed: what he put
// back there comes back, and what he put back himself stays where it is.
func TestMovedByHand(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *mailbox{
		"MOVE":         func(t testing.TB) *mailbox { return memory(t, withMove) },
		"Cyrus":        servers["Cyrus"],
		"without MOVE": servers["Dovecot without MOVE"],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab.Need(t, "dovecot", "cyrus")
			b := start(t)
			b.fill("INBOX", copies(40))
			b.fill("Desk", nil)
			before := b.contents()
			s := b.sweep("")
			s.Batch = 10
			applied(t, s, "run1")
			user := b.session()
			absorbed := b.absorbed()
			hand := func(from, to, uids string) {
				t.Helper()
				if _, err := user.Select(t.Context(), from, false); err != nil {
					t.Fatal(err)
				}
				list, err := session.ParseUIDs(uids)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := user.CopyTo(t.Context(), list, to); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(user.Store(t.Context(), list, session.Add, 0, `\Deleted`), user.Expunge(t.Context(), list)); err != nil {
					t.Fatal(err)
				}
			}
			hand(absorbed, "Desk", "8:12") // out and in again, to where they have other UIDs
			hand("Desk", absorbed, "1:5")
			hand(absorbed, "INBOX", "20:22")
			user.Close()
			back(t, s, "run1", 34)
			b.same(before)
		})
	}
}

// TestHoles has a user who deletes every other of what is absorbed, so that the UIDs of the rest do
// not fit into one line: an undo writes none that a server could not read.
func TestHoles(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot")
	srv := lab.Dovecot(t, lab.Mailboxes{})
	maildir(t, srv, "u1@example.test", copies(3_500))
	b := real(t, srv)
	s := b.sweep("")
	s.Batch = 4_000
	applied(t, s, "run1")
	user := b.session()
	defer user.Close()
	if _, err := user.Select(t.Context(), b.absorbed(), false); err != nil {
		t.Fatal(err)
	}
	var others []uint32
	for uid := uint32(1); uid <= 3_497; uid += 2 {
		others = append(others, uid)
	}
	if err := errors.Join(user.Store(t.Context(), others, session.Add, 0, `\Deleted`), user.Expunge(t.Context(), others)); err != nil {
		t.Fatal(err)
	}
	var longest, line atomic.Int64
	s.Server.Server = between(t, b.options.Server, func(said string) {
		for part := range strings.Lines(said) {
			longest.Store(max(longest.Load(), line.Add(int64(len(part)))))
			if strings.HasSuffix(part, "\n") {
				line.Store(0)
			}
		}
	})
	back(t, s, "run1", 1_748)
	if n := longest.Load(); n > 8_000 || n < 6_000 {
		t.Errorf("the longest line has %d bytes", n)
	}
	if n := len(b.contents()["INBOX"]); n != 1_751 {
		t.Errorf("%d in INBOX", n)
	}
}

// TestPutBack has a user who takes three of the absorbed messages back by hand: no sweep takes them
// again, though new copies go.
func TestPutBack(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", append(copies(20), plainMail(20)...))
	s := b.sweep("[sweep]\nmax_share = 0.9")
	applied(t, s, "run1")
	user := b.session()
	defer user.Close()
	if _, err := user.Select(t.Context(), b.absorbed(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := user.MoveTo(t.Context(), []uint32{5, 6, 7}, "INBOX"); err != nil {
		t.Fatal(err)
	}
	b.fill("INBOX", copies(30)[25:])
	for i, full := range []bool{false, false, true} {
		s.Full = full
		p := applied(t, s, fmt.Sprint("run", 2+i))
		if f := p.Folders[slicesIndex(p.Folders, "INBOX")]; i == 0 && (f.Move != 5 || f.Restored != 3) || i > 0 && f.Move != 0 {
			t.Errorf("sweep %d: %+v", i, f)
		}
	}
	if n := len(b.contents()["INBOX"]); n != 26 {
		t.Errorf("%d in INBOX", n)
	}
}

// TestUndoWhileCutOff undoes a run while a later one is cut off: when that is resumed it is not
// forgotten what came back. It is resumed only where it was.
func TestUndoWhileCutOff(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(20))
	s := b.sweep("")
	applied(t, s, "run1")
	b.fill("INBOX", copies(30)[25:])
	var deaf atomic.Bool
	s.Server.Server = notMoving(t, b, &deaf)
	if err := s.Run(t.Context(), "run2", func(*Plan) (bool, error) { return true, nil }); err == nil {
		t.Fatal("it was not cut off")
	}
	deaf.Store(false)
	here := s.Server
	s.Server = b.options
	back(t, s, "run1", 17)
	if _, err := s.Resume(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "not resumed elsewhere") {
		t.Errorf("resumed at another server: %v", err)
	}
	s.Server = here
	if done, err := s.Resume(t.Context(), ""); !done || err != nil {
		t.Errorf("resumed %v, %v", done, err)
	}
	st, err := readState(s.statePath())
	if err != nil || st["INBOX"].Restored != "26:42" {
		t.Errorf("%q was brought back, %v", st["INBOX"].Restored, err)
	}
}

// TestDamagedJournal: a damaged line keeps no later sweep from moving anything, and what can be read counts.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	s := b.sweep("")
	applied(t, s, "run1")
	text, err := os.ReadFile(s.journalPath("run1"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(text), `{"op":"done"`, `{"op:"done"`, 1)
	if damaged == string(text) {
		t.Fatal("nothing was damaged")
	}
	if err := os.WriteFile(s.journalPath("run1"), []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := s.taken(); err != nil {
		t.Error(len(all), err)
	}
	b.fill("INBOX", copies(40))
	if p := applied(t, s, "run2"); p.Move() == 0 {
		t.Errorf("%+v", p)
	}
}
