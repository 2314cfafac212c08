package sweep

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTrim removes the journals of runs that ended long ago, and no others.
func TestTrim(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	s := b.sweep("")
	s.defaults()
	now := time.Now()
	age := func(days int) string { return NewRun(now.AddDate(0, 0, -days)) }
	ended := `{"op":"run","at":"2026-03-02T08:00:00Z"}` + "\n" + `{"op":"planned"}` + "\n" + `{"op":"applied"}` + "\n"
	for run, text := range map[string]string{
		age(400): ended, age(200): strings.Replace(ended, "applied", "undone", 1), age(170): ended, age(1): ended, "by hand": ended,
		age(300): strings.TrimSuffix(ended, `{"op":"applied"}`+"\n"), age(301): ended + "nonsense",
	} {
		if err := os.MkdirAll(filepath.Dir(s.journalPath(run)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.journalPath(run), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Dir, runsFolder, age(200), "other.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.trim(); err != nil {
		t.Fatal(err)
	}
	left, err := s.Runs()
	if want := []string{age(301), age(300), age(170), age(1), "by hand"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %q, %v, want %q", left, err, want)
	}
	if folders, err := os.ReadDir(filepath.Join(s.Dir, runsFolder)); err != nil || len(folders) != 6 {
		t.Errorf("%d folders, %v", len(folders), err)
	}
}

// TestTrimAhead: the journal of a run while the clock was ahead stays as long as others, not until the clock is there again.
func TestTrimAhead(t *testing.T) {
	t.Parallel()
	b := memory(t, withMove)
	b.fill("INBOX", copies(40))
	s := b.sweep("")
	now := time.Now()
	run := NewRun(now.AddDate(10, 0, 0))
	applied(t, s, run)
	if err := os.Chtimes(s.journalPath(run), time.Time{}, now.AddDate(10, 0, 0)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ days, left int }{{0, 1}, {170, 1}, {190, 0}} {
		s.Now = func() time.Time { return now.AddDate(0, 0, tt.days) }
		if err := s.Run(t.Context(), "look", func(*Plan) (bool, error) { return false, nil }); err != nil {
			t.Fatal(err)
		}
		if left, err := s.Runs(); err != nil || len(left) != tt.left {
			t.Errorf("after %d days: %q, %v", tt.days, left, err)
		}
	}
}
