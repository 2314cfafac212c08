package sweep

import (
	"context"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// TestExpungedBetween has another program that expunges all that is marked \Deleted when we have
// marked what is copied already: the copies are all that is left of it, and stay.
func TestExpungedBetween(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, start := range withoutMoving {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab.Need(t, "dovecot")
			b := start(t)
			b.fill("INBOX", copies(40))
			before := b.contents()
			s := b.sweep("")
			marked, expunged := false, false
			s.Server.Server = between(t, b.options.Server, func(said string) {
				marked = marked || strings.Contains(said, "UID STORE")
				if expunged || !marked || !strings.Contains(said, "UID FETCH") {
					return
				}
				expunged = true
				user := b.session()
				defer user.Close()
				if _, err := user.Select(ctx, "INBOX", false); err != nil {
					t.Error(err)
				}
				if err := user.Expunge(ctx, []uint32{10, 11, 12}); err != nil {
					t.Error(err)
				}
			})
			applied(t, s, "run1")
			got := b.contents()
			if !expunged || len(got["INBOX"]) != 3 || len(got[b.absorbed()]) != 37 {
				t.Errorf("INBOX has %d, %d are absorbed", len(got["INBOX"]), len(got[b.absorbed()]))
			}
			if u, err := s.Undo(ctx, "run1"); err != nil || u.Back != 37 {
				t.Errorf("%+v, %v", u, err)
			}
			b.same(before)
		})
	}
}

// TestWrongCopyUID has servers that say of other messages, of too few or of other places, that they
// were copied or moved: nothing is lost, and all goes back.
func TestWrongCopyUID(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile(`COPYUID (\d+) \S+ \S+\]`)
	for name, caps := range map[string]imap.CapSet{"MOVE": withMove, "without MOVE": withUIDPlus} {
		for lie, text := range map[string]string{
			"of others":  "COPYUID $1 1:37 1:37]",
			"of too few": "COPYUID $1 4:5 1:2]",
			"nonsense":   "COPYUID $1 4:40 1:5]",
			"nothing":    "ALERT]",
		} {
			t.Run(name+" "+lie, func(t *testing.T) {
				t.Parallel()
				b := memory(t, caps)
				b.fill("INBOX", copies(40))
				before := b.contents()
				s := b.sweep("")
				var lied atomic.Bool
				s.Server.Server = meddle(t, b.options.Server, nil, func(said string) string {
					lied.Store(lied.Load() || code.MatchString(said))
					return code.ReplaceAllString(said, text)
				})
				applied(t, s, "run1")
				got := b.contents()
				if !lied.Load() || len(got["INBOX"]) != 3 || len(got[b.absorbed()]) != 37 {
					t.Errorf("INBOX has %d, %d are absorbed", len(got["INBOX"]), len(got[b.absorbed()]))
				}
				if uids := b.uids("INBOX"); uids != "1:3" {
					t.Errorf("%s stay", uids)
				}
				if u, err := s.Undo(t.Context(), "run1"); err != nil || u.Back != 37 {
					t.Errorf("%+v, %v", u, err)
				}
				b.same(before)
			})
		}
	}
}

// TestOtherCopies has a server that says how long a message is only roughly, so that no copy is
// known: the run stops, and no original goes.
func TestOtherCopies(t *testing.T) {
	t.Parallel()
	b := memory(t, withUIDPlus)
	b.fill("INBOX", copies(40))
	s := b.sweep("")
	s.Batch = 10
	size := regexp.MustCompile(`RFC822.SIZE \d+`)
	var copied atomic.Bool
	s.Server.Server = meddle(t, b.options.Server, nil, func(said string) string {
		if strings.Contains(said, "COPYUID") {
			copied.Store(true)
		}
		if copied.Load() {
			return size.ReplaceAllString(said, "RFC822.SIZE 9")
		}
		return said
	})
	err := s.Run(t.Context(), "run1", func(*Plan) (bool, error) { return true, nil })
	got := b.contents()
	if err == nil || !strings.Contains(err.Error(), "none like them") || len(got["INBOX"]) != 40 || len(got[b.absorbed()]) != 10 {
		t.Errorf("INBOX has %d, %d are absorbed: %v", len(got["INBOX"]), len(got[b.absorbed()]), err)
	}
}

// TestNoMoveAnyMore has a server that had MOVE, and says in the middle of a session that it has not:
// nothing is moved by the library's own way.
func TestNoMoveAnyMore(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(3))
	before := b.contents()
	o := b.options
	var later atomic.Bool
	o.Server = meddle(t, o.Server, nil, func(said string) string {
		if later.Load() {
			said = "* CAPABILITY IMAP4rev1 UIDPLUS\r\n" + said
		}
		return said
	})
	s, err := session.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	later.Store(true)
	if _, err := s.Select(t.Context(), "INBOX", false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.MoveTo(t.Context(), []uint32{1, 2}, "Nowhere"); err == nil {
		t.Error("it was moved")
	}
	b.same(before)
}
