package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// outcome is what INBOX has after a sweep that nothing disturbs; it is undone again.
func (b *mailbox) outcome(t testing.TB, before map[string][]string) []string {
	t.Helper()
	s := b.sweep("")
	applied(t, s, "run0")
	after := b.contents()
	if _, err := s.Undo(context.Background(), "run0"); err != nil {
		t.Fatal(err)
	}
	b.same(before)
	return after["INBOX"]
}

// whole fails the test where messages are lost. A server may still be at the command of a sweep that
// was killed, and moves under our eyes: what is missing is looked for again.
func (b *mailbox) whole(before map[string][]string) {
	b.t.Helper()
	var lost []string
	for range 10 {
		if lost = b.lost(before); len(lost) == 0 {
			return
		}
	}
	b.t.Errorf("%d messages are lost:\n%s", len(lost), some(lost))
}

// lost are the messages that are there less often than before.
func (b *mailbox) lost(before map[string][]string) (lost []string) {
	b.t.Helper()
	got := map[string]int{}
	for _, list := range b.contents() {
		for _, line := range list {
			got[ident(line)]++
		}
	}
	for _, list := range before {
		for _, line := range list {
			if got[ident(line)]--; got[ident(line)] < 0 {
				lost = append(lost, line)
			}
		}
	}
	return lost
}

func ident(line string) string {
	return line[:strings.IndexByte(line, ' ')] + line[strings.LastIndexByte(line, ' '):]
}

// TestQuota sweeps a mailbox that is full, on a server that has to copy: nothing can go.
func TestQuota(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot")
	h := hitBy(halves, 1_000, 4)
	for name, caps := range map[string]string{"MOVE": "", "without MOVE": "IMAP4rev1 UIDPLUS CONDSTORE NAMESPACE SPECIAL-USE AUTH=PLAIN"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := lab.Dovecot(t, lab.Mailboxes{Capability: caps, Accounts: []lab.Account{{User: "u1@example.test", Password: "pw", Quota: "1M"}}})
			maildir(t, srv, "u1@example.test", h.mails)
			b := real(t, srv)
			before := b.contents()
			s := b.sweep("")
			err := s.Run(context.Background(), "run1", func(*Plan) (bool, error) { return true, nil })
			after := b.contents()
			if count(after) != count(before) {
				t.Errorf("%d messages became %d", count(before), count(after))
			}
			var incomplete *ErrIncomplete
			switch {
			case name == "MOVE" && err != nil:
				t.Error(err) // a move takes no room
			case name != "MOVE" && (!errors.As(err, &incomplete) || !strings.Contains(err.Error(), "OVERQUOTA")):
				t.Errorf("got %v", err)
			}
			if _, err := s.Undo(context.Background(), "run1"); err != nil {
				t.Error(err)
			}
			b.same(before)
		})
	}
}

// TestQuotaCyrus sweeps a mailbox that is over its quota on a Cyrus, which moves all the same.
func TestQuotaCyrus(t *testing.T) {
	t.Parallel()
	lab.Need(t, "cyrus")
	b := servers["Cyrus"](t)
	b.fill("INBOX", append(copies(100), plainMail(100)...))
	before := b.contents()
	b.manage("cyrus", "cyrus", func(c *imapclient.Client) error {
		return c.SetQuota("user/u1@example.test", map[imap.QuotaResourceType]int64{imap.QuotaResourceStorage: 10, imap.QuotaResourceMessage: 50}).Wait()
	})
	in := b.session()
	if err := in.Append(t.Context(), "INBOX", []byte(copies(1)[0].raw), monday); !session.Refused(err) {
		t.Errorf("the mailbox is not full: %v", err)
	}
	in.Close()
	s := b.sweep("")
	if p := applied(t, s, "run1"); p.Move() != 97 || len(b.contents()["INBOX"]) != 103 {
		t.Errorf("%+v", p.Folders)
	}
	if u, err := s.Undo(t.Context(), "run1"); err != nil || u.Back != 97 {
		t.Errorf("%+v, %v", u, err)
	}
	b.same(before)
}

// TestRestart has a server that is stopped while a mailbox is looked at, again while messages
// are moved, and again in the undo: the sweep waits for it, and goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	h := hitBy(halves, 1_000, 4)
	for name, start := range map[string]func(testing.TB, lab.Mailboxes) *lab.Server{"Dovecot": lab.Dovecot, "Cyrus": lab.Cyrus} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := start(t, lab.Mailboxes{})
			b := real(t, srv)
			b.fill("INBOX", h.mails)
			before := b.contents()
			expected := b.outcome(t, before)
			s := b.sweep("")
			s.Batch, s.Backoff = 100, 200*time.Millisecond
			restarted := map[string]bool{}
			s.Progress = func(p Progress) {
				if p.Done < p.Of && !restarted[p.Stage] {
					restarted[p.Stage] = true
					srv.Restart(t, 500*time.Millisecond)
				}
			}
			applied(t, s, "run1")
			if got := b.contents(); !slices.Equal(got["INBOX"], expected) || count(got) != count(before) {
				t.Errorf("%d in INBOX, not %d; %d in all, not %d", len(got["INBOX"]), len(expected), count(got), count(before))
			}
			if u, err := s.Undo(t.Context(), "run1"); err != nil || u.Missing != 0 {
				t.Errorf("%+v, %v", u, err)
			}
			b.same(before)
			if len(restarted) != 3 {
				t.Errorf("restarted in %v", restarted)
			}
		})
	}
}

// TestMeanwhile has a user at work between the plan and its end.
func TestMeanwhile(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	lab.Need(t, "dovecot", "cyrus")
	for _, name := range []string{"Dovecot", "Dovecot without MOVE", "Cyrus"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := servers[name](t)
			b.fill("INBOX", copies(40))
			b.fill("Work", copies(40))
			b.fill("Old", copies(40))
			s := b.sweep("")
			err := s.Run(ctx, "run1", func(p *Plan) (bool, error) {
				if p.Move() != 3*37 {
					t.Errorf("plan moves %d", p.Move())
				}
				user := b.session()
				defer user.Close()
				// One is flagged, one is expunged.
				if _, err := user.Select(ctx, "INBOX", false); err != nil {
					t.Error(err)
				}
				if err := errors.Join(user.Store(ctx, []uint32{20}, session.Add, 0, `\Flagged`), user.Store(ctx, []uint32{21}, session.Add, 0, `\Deleted`), user.Expunge(ctx, []uint32{21})); err != nil {
					t.Error(err)
				}
				// A folder gets another name; and a new one has that of an old one.
				b.rename("Work", "Labour")
				b.rename("Old", "Older")
				b.fill("Old", copies(40))
				return true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			got := b.contents()
			if len(got["INBOX"]) != 4 || len(got["Labour"]) != 40 || len(got["Old"]) != 40 || len(got["Older"]) != 40 || len(got[b.absorbed()]) != 35 {
				t.Errorf("INBOX %d, Labour %d, Old %d, Older %d, absorbed %d", len(got["INBOX"]), len(got["Labour"]), len(got["Old"]), len(got["Older"]), len(got[b.absorbed()]))
			}
			if !strings.Contains(strings.Join(got["INBOX"], "\n"), `\Flagged`) {
				t.Error("the flagged message went")
			}
			if u, err := s.Undo(ctx, "run1"); err != nil || u.Back != 35 {
				t.Errorf("%+v, %v", u, err)
			}
			if got := b.contents(); len(got["INBOX"]) != 39 || len(got[b.absorbed()]) != 0 {
				t.Errorf("undone: INBOX %d, absorbed %d", len(got["INBOX"]), len(got[b.absorbed()]))
			}
		})
	}
}

// withoutMoving are servers without MOVE, of which the last cannot leave alone what was changed.
var withoutMoving = map[string]func(testing.TB) *mailbox{
	"Dovecot":      servers["Dovecot without MOVE"],
	"no CONDSTORE": func(t testing.TB) *mailbox { return memory(t, withUIDPlus) },
}

// TestFlaggedBetween has a user who flags a message when it is copied already, and is about to
// be marked: it stays, and its copy goes.
func TestFlaggedBetween(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, start := range withoutMoving {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab.Need(t, "dovecot")
			b := start(t)
			b.fill("INBOX", copies(40))
			flagged := false
			s := b.sweep("")
			s.Server.Server = between(t, b.options.Server, func(said string) {
				if flagged || !strings.Contains(said, "UID STORE") {
					return
				}
				flagged = true
				user := b.session()
				defer user.Close()
				if _, err := user.Select(ctx, "INBOX", false); err != nil {
					t.Error(err)
				}
				if err := user.Store(ctx, []uint32{20}, session.Add, 0, `\Flagged`); err != nil {
					t.Error(err)
				}
			})
			applied(t, s, "run1")
			got := b.contents()
			if inbox := got["INBOX"]; !flagged || len(inbox) != 4 || !strings.Contains(strings.Join(inbox, "\n"), `\Flagged`) {
				t.Errorf("INBOX has %d\n%s", len(inbox), some(inbox))
			}
			if n := len(got[b.absorbed()]); n != 36 {
				t.Errorf("%d are absorbed", n)
			}
		})
	}
}

// TestLong leaves alone what is too long to be looked at whole.
func TestLong(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	long := copies(10)
	for i := range long {
		long[i].raw += strings.Repeat("More of the offer.\r\n", 1000)
	}
	b.fill("INBOX", long)
	s := b.sweep("")
	s.MaxMessage = 10_000
	if p := planned(t, s); p.Move() != 0 {
		t.Errorf("cut off: %+v", p.Folders)
	}
	s.MaxMessage = 100_000
	if p := planned(t, s); p.Move() != 7 {
		t.Errorf("whole: %+v", p.Folders)
	}
}

// TestTooMuch has a server that sends far more than was asked for: no more than that is kept.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	const sent = 5 << 20
	server := script(t, func(line string) string {
		tag, command, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(command, "CAPABILITY"):
			return "* CAPABILITY IMAP4rev1\r\n" + tag + " OK done\r\n"
		case strings.HasPrefix(command, "UID FETCH"):
			return fmt.Sprintf("* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 99 BODY[]<0> {%d}\r\n%s)\r\n%s OK done\r\n", sent, strings.Repeat("x", sent), tag)
		}
		return tag + " OK done\r\n"
	})
	s, err := session.Dial(t.Context(), session.Options{Server: server, User: "u", Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Select(t.Context(), "INBOX", true); err != nil {
		t.Fatal(err)
	}
	got := 0
	err = s.Fetch(t.Context(), []uint32{1}, session.Whole, 1000, func(m session.Message) error {
		if got++; len(m.Raw) != 1000 || cap(m.Raw) > 4000 || !m.Truncated {
			t.Errorf("%d bytes in room for %d, cut off %v", len(m.Raw), cap(m.Raw), m.Truncated)
		}
		return nil
	})
	if err != nil || got != 1 {
		t.Errorf("%d messages, %v", got, err)
	}
}

// TestNoRoom has no room for the journal: nothing is begun, and nothing is said to have been.
func TestNoRoom(t *testing.T) {
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	before := b.contents()
	s := b.sweep("")
	if err := os.MkdirAll(s.nextPath("run1"), 0o700); err != nil { // it is to be a file
		t.Fatal(err)
	}
	var plan *Plan
	err := s.Run(t.Context(), "run1", func(p *Plan) (bool, error) {
		plan = p
		return true, nil
	})
	if err == nil || plan.Run != "" {
		t.Errorf("run %q, %v", plan.Run, err)
	}
	b.same(before)
}

// TestOwner sweeps as root in a folder of another user: all there is his.
func TestOwner(t *testing.T) {
	lab.Root(t)
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	s := b.sweep("")
	const uid = 5000
	home := s.Dir
	if err := os.Chown(home, uid, uid); err != nil {
		t.Fatal(err)
	}
	s.Dir = filepath.Join(home, "lib", "sweep")
	applied(t, s, "run1")
	if _, err := s.Undo(t.Context(), "run1"); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(home, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		files++
		info, err := d.Info()
		if st := info.Sys().(*syscall.Stat_t); err == nil && (st.Uid != uid || st.Gid != uid) {
			t.Errorf("%s is of %d", name, st.Uid)
		}
		return err
	})
	if err != nil || files < 8 {
		t.Errorf("%d files, %v", files, err)
	}
	if err := os.Remove(s.path("lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", s.path("lock")); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), "run2", nil); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link of his is followed: %v", err)
	}
}
