package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sys/unix"
)

// death ends a sweep at a command: before the server has it, or when it has carried it out and the
// answer is on its way. What the sweep had written into its journal is all that is left of it.
type death struct {
	mu       sync.Mutex
	commands int // until then, LOGOUT aside; 0: it is over, or never comes
	executed bool
	cancel   context.CancelFunc
	tag      string // of the last command, when that is to be carried out
}

// at arms d, and returns the context of what is to die.
func (d *death) at(parent context.Context, commands int, executed bool) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, cancel := context.WithCancel(parent)
	d.commands, d.executed, d.cancel, d.tag = commands, executed, cancel, ""
	return ctx
}

func (d *death) ask(said string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.commands == 0 || strings.Contains(said, "LOGOUT") {
		return said
	}
	if d.commands--; d.commands > 0 {
		return said
	}
	if d.executed {
		d.tag, _, _ = strings.Cut(said, " ")
		return said
	}
	d.cancel()
	return ""
}

func (d *death) answer(said string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tag == "" {
		return said
	}
	if strings.Contains("\n"+said, "\n"+d.tag+" ") {
		d.tag = ""
		d.cancel()
	}
	return ""
}

// TestEveryDeath ends a sweep at each of its commands in turn, and then resumes it or takes it back;
// the undo, too, dies at each of its commands, and is run again.
func TestEveryDeath(t *testing.T) {
	t.Parallel()
	for name, caps := range map[string]imap.CapSet{"MOVE": withMove, "UIDPLUS": withUIDPlus, "MOVE alone": withMoveOnly, "neither": withNothing} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory(t, caps)
			mails := append(copies(9), plainMail(2)...)
			for i := range mails {
				mails[i].flags = [][]string{nil, {`\Seen`}, {`$NotJunk`}}[i%3]
			}
			b.fill("INBOX", mails)
			before := b.contents()
			expected := b.outcome(t, before)
			for _, then := range []string{"resume", "undo", "undo twice"} {
				for _, executed := range []bool{false, true} {
					deaths := 0
					for died := true; died; {
						deaths++
						t.Run(fmt.Sprint(then, deaths, executed), func(t *testing.T) {
							b.t = t
							died = b.die(before, expected, deaths, executed, then)
						})
						if t.Failed() {
							return
						}
					}
					if deaths < 4 {
						t.Errorf("%s: only %d commands", then, deaths)
					}
				}
			}
		})
	}
}

// die ends a sweep of a mailbox at a command, and reports whether there was one. Undone, the mailbox
// is as it was before.
func (b *mailbox) die(before map[string][]string, expected []string, at int, executed bool, then string) bool {
	t, d := b.t, &death{}
	s := b.sweep("")
	s.Batch, s.Pause = 4, time.Millisecond
	s.Server.Server = meddle(t, b.options.Server, d.ask, d.answer)
	ctx := d.at(t.Context(), 0, executed)
	err := s.Run(ctx, "run1", func(*Plan) (bool, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.commands = at
		return true, nil
	})
	died := err != nil
	if died && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	d.at(t.Context(), 0, false)
	b.whole(before)
	if then == "resume" {
		if _, err := s.Resume(t.Context(), ""); err != nil {
			t.Fatal("resume:", err)
		}
		if got := b.contents(); !slices.Equal(got["INBOX"], expected) || count(got) != count(before) {
			t.Errorf("resumed: %d in INBOX, not %d; %d in all\n%s", len(got["INBOX"]), len(expected), count(got), strings.Join(got["INBOX"], "\n"))
		}
	}
	if then == "undo twice" {
		if _, err := s.Undo(d.at(t.Context(), at, executed), "run1"); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal("undo:", err)
		}
		d.at(t.Context(), 0, false)
		b.whole(before)
	}
	if _, err := s.Undo(t.Context(), "run1"); err != nil {
		t.Fatal("undo:", err)
	}
	b.same(before)
	return died
}

// fill puts a full disk in the place of a file that this process has open.
func fill(t testing.TB, name string) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != name {
			continue
		}
		fd, err := strconv.Atoi(filepath.Base(link))
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(int(full.Fd()), fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not open", name)
}

// TestFullDisk has a disk that is full when the journal is to say that a command comes, or how it
// ended: the first does not come, the second is found out about.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		command string
		moved   int
	}{{"CREATE", 0}, {"UID MOVE", 10}} {
		t.Run(tt.command, func(t *testing.T) {
			t.Parallel()
			b := memory(t, withMove)
			b.fill("INBOX", copies(40))
			before := b.contents()
			s := b.sweep("[sweep]\nmax_share = 0.9")
			s.Batch = 10
			var once sync.Once
			s.Server.Server = between(t, b.options.Server, func(said string) {
				if strings.Contains(said, tt.command) {
					once.Do(func() { fill(t, s.journalPath("run1")) })
				}
			})
			err := s.Run(t.Context(), "run1", func(*Plan) (bool, error) { return true, nil })
			if !errors.Is(err, unix.ENOSPC) {
				t.Errorf("got %v", err)
			}
			got := b.contents()
			if len(got[b.absorbed()]) != tt.moved || count(got) != 40 {
				t.Errorf("%d are absorbed, %d in all", len(got[b.absorbed()]), count(got))
			}
			if done, err := s.Resume(t.Context(), ""); !done || err != nil {
				t.Errorf("resumed %v, %v", done, err)
			}
			if n := len(b.contents()[b.absorbed()]); n != 37 {
				t.Errorf("%d are absorbed", n)
			}
			back(t, s, "run1", 37)
			b.same(before)
		})
	}
}
