package sweep

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// TestQuicker has a user who expunges messages while they are looked at, and others when these are
// about to be moved: the rest is looked at, and goes.
func TestQuicker(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.fill("INBOX", copies(40))
			user := b.session()
			defer user.Close()
			if _, err := user.Select(t.Context(), "INBOX", false); err != nil {
				t.Fatal(err)
			}
			done := map[string]bool{}
			s := b.sweep("")
			s.Batch = 15
			s.Server.Server = between(t, b.options.Server, func(said string) {
				for command, uids := range map[string][]uint32{"BODY.PEEK": {15, 16}, "UID MOVE": {20}, "UID COPY": {21}} {
					if !strings.Contains(said, command) || done[command] {
						continue
					}
					done[command] = true
					if err := errors.Join(user.Store(t.Context(), uids, session.Add, 0, `\Deleted`), user.Expunge(t.Context(), uids)); err != nil {
						t.Error(err)
					}
				}
			})
			applied(t, s, "run1")
			got := b.contents()
			if len(done) != 2 || len(got["INBOX"]) != 3 || len(got[b.absorbed()]) != 34 {
				t.Errorf("%v: INBOX has %d, %d are absorbed", done, len(got["INBOX"]), len(got[b.absorbed()]))
			}
			back(t, s, "run1", 34)
			if n := len(b.contents()["INBOX"]); n != 37 {
				t.Errorf("undone: %d in INBOX", n)
			}
		})
	}
}

// TestTwoAtOnce has two sweeps of one mailbox at the same time that do not know of each other, as from
// two hosts: nothing is lost, whatever is there twice where both had copied it.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	boxes := map[string]func(testing.TB) *mailbox{
		"Dovecot": servers["Dovecot"], "Dovecot without MOVE": servers["Dovecot without MOVE"], "Cyrus": servers["Cyrus"],
	}
	for name, caps := range map[string]imap.CapSet{"MOVE": withMove, "UIDPLUS": withUIDPlus, "MOVE alone": withMoveOnly} {
		boxes[name] = func(t testing.TB) *mailbox { return memory(t, caps) }
	}
	for name, start := range boxes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.fill("INBOX", copies(60))
			before := b.contents()
			both := []*Sweep{b.sweep(""), b.sweep("")}
			var planned, ended sync.WaitGroup
			var hindered atomic.Bool
			planned.Add(2)
			for i, s := range both {
				s.Batch = 10 + 3*i
				s.Pause = time.Millisecond
				ended.Go(func() {
					err := s.Run(context.Background(), "run1", func(*Plan) (bool, error) {
						planned.Done()
						planned.Wait()
						return true, nil
					})
					// Without MOVE one may take the other's copies for its own; then that one stops.
					var part *ErrIncomplete
					if errors.As(err, &part) && (name == "UIDPLUS" || name == "Dovecot without MOVE") {
						hindered.Store(true)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			ended.Wait()
			b.whole(before)
			got := b.contents()
			if n := len(got["INBOX"]); n < 3 || n > 3 && !hindered.Load() {
				t.Errorf("%d in INBOX", len(got["INBOX"]))
			}
			t.Logf("%d are absorbed", len(got[b.absorbed()]))
			for _, s := range both {
				if _, err := s.Undo(t.Context(), "run1"); err != nil {
					t.Error(err)
				}
			}
			b.whole(before)
			t.Logf("%d in all", count(b.contents()))
		})
	}
}
