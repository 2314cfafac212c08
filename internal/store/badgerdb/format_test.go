package badgerdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"breakwater/internal/format"
	"breakwater/internal/format/formattest"
)

// TestFormat: a folder of a newer version is refused and left as it is. One without a note was written before there
// were notes: it keeps its counts, and gets a note.
func TestFormat(t *testing.T) {
	dir := t.TempDir()
	note := filepath.Join(dir, format.File)
	s := openTest(t, dir, Options{})
	mustCount(t, s, 1, key(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, note string }{{"new", "breakwater store 3\n"}, {"older", ""}, {"one version before", "breakwater store 2\n"}} {
		if err := os.WriteFile(note, []byte(tt.note), 0o600); err != nil {
			t.Fatal(err)
		}
		if tt.note == "" {
			if err := os.Remove(note); err != nil {
				t.Fatal(err)
			}
		}
		s := openTest(t, dir, Options{})
		if got := seen(t, s, key(1)); got != 1 {
			t.Errorf("%s: seen %d times, want 1", tt.name, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(note); err != nil || string(got) != "breakwater store 3\n" {
			t.Errorf("%s: note %q, %v", tt.name, got, err)
		}
	}
	formattest.Newer(t, dir, layout, func() error { _, err := Open(dir, Options{}); return err })
}

// TestFormatFirst: the note is there before anything that an older version could misread.
func TestFormatFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.MkdirAll(filepath.Join(dir, "MANIFEST"), 0o700); err != nil { // Badger can write nothing
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, format.File)); err != nil {
		t.Error(err)
	}
}
