package sweep

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"breakwater/internal/format"
	"breakwater/internal/format/formattest"
)

// TestFormat: a folder without a note was written before there were notes. It is read, goes on where it was, and gets
// a note with the first run that changes anything; looking does not note it.
func TestFormat(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	s := b.sweep("")
	note := filepath.Join(s.Dir, format.File)
	look := func(what string) *Plan {
		t.Helper()
		var plan *Plan
		if err := s.Run(t.Context(), "look", func(p *Plan) (bool, error) { plan = p; return false, nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := Journals(s.Dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(note); err == nil {
			t.Errorf("%s: a look was noted", what)
		}
		return plan
	}
	noted := func(what string) {
		t.Helper()
		if data, err := os.ReadFile(note); err != nil || string(data) != "breakwater sweep 1\n" {
			t.Errorf("%s: %q, %v", what, data, err)
		}
		if err := os.Remove(note); err != nil {
			t.Fatal(err)
		}
	}
	look("new")
	first := applied(t, s, "run1")
	if first.Move() == 0 {
		t.Fatal("nothing was moved")
	}
	noted("new")
	if again := look("older"); again.Move() != 0 || again.Folders[0].Looked != 0 {
		t.Errorf("looked at %d messages again", again.Folders[0].Looked)
	}
	b.fill("INBOX", copies(45)[40:])
	if more := applied(t, s, "run2"); more.Move() != 5 {
		t.Errorf("moved %d, want 5", more.Move())
	}
	noted("older")
	back(t, s, "run1", first.Move())
	noted("undone")
	if _, err := s.Resume(t.Context(), "run1"); err != nil {
		t.Fatal(err)
	}
	noted("resumed")
}

// TestNewerFolder is refused by all that opens one, and is left as it is.
func TestNewerFolder(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	s := b.sweep("")
	old := NewRun(time.Now().AddDate(0, 0, -200))
	applied(t, s, old)
	applied(t, s, "run1")
	mails := b.contents()
	for name, open := range map[string]func() error{
		"look":   func() error { return s.Run(t.Context(), "run2", func(*Plan) (bool, error) { return false, nil }) },
		"apply":  func() error { return s.Run(t.Context(), "run2", func(*Plan) (bool, error) { return true, nil }) },
		"resume": func() error { _, err := s.Resume(t.Context(), ""); return err },
		"undo":   func() error { _, err := s.Undo(t.Context(), old); return err },
		"list":   func() error { _, err := Journals(s.Dir); return err },
	} {
		t.Run(name, func(t *testing.T) { formattest.Newer(t, s.Dir, layout, open) })
	}
	b.same(mails)
}
