package format

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var sample = Format{Name: "breakwater sample", Version: 4, Oldest: 3, Instead: "move the folder away to begin anew"}

// TestCheck has notes and what is said of them. Check writes nothing, Write notes the version of what is read.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		note string // "": none
		is   error
		says []string
	}{
		{note: ""},
		{note: "breakwater sample 3\n"},
		{note: "breakwater sample 4\n"},
		{note: "breakwater sample 4"},
		{"breakwater sample 5\n", ErrNewer, []string{"has format 5, this breakwater reads up to 4", "install the newer version again, or move the folder away to begin anew"}},
		{"breakwater sample 10", ErrNewer, []string{"has format 10"}},
		{"breakwater sample 2\n", nil, []string{"has format 2, this breakwater reads from 3 on", "run the version before"}},
		{"breakwater sample\n", ErrDamaged, []string{"remove that file"}},
		{"breakwater sample 0\n", ErrDamaged, nil},
		{"breakwater sample 4 5\n", ErrDamaged, nil},
		{"breakwater archive 4\n", ErrDamaged, []string{`"breakwater archive 4\n"`, `"breakwater sample 4\n"`}},
		{"\n", ErrDamaged, nil},
		{"\x00\x00\x00\x00", ErrDamaged, []string{`\x00`}},
		{strings.Repeat("x", 1<<20), ErrDamaged, nil},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, File)
		if tt.note != "" {
			noError(t, os.WriteFile(path, []byte(tt.note), 0o600))
		}
		err := sample.Check(dir)
		if (err == nil) != (tt.is == nil && tt.says == nil) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%.40q: %v", tt.note, err)
		}
		if err != nil {
			for _, want := range append(tt.says, dir) {
				if !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
					t.Errorf("%.40q: %v, want %q", tt.note, err, want)
				}
			}
		}
		if now, err := os.ReadFile(path); string(now) != tt.note || (err == nil) != (tt.note != "") {
			t.Errorf("%.40q became %q, %v", tt.note, now, err)
		}
		if err != nil {
			continue
		}
		noError(t, sample.Write(dir))
		if now, err := os.ReadFile(path); err != nil || string(now) != "breakwater sample 4\n" {
			t.Errorf("%q became %q, %v", tt.note, now, err)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
			t.Errorf("%v, %v", all, err)
		}
	}
}

// TestNoFolder: a folder that is not there is no other version's, and is not made.
func TestNoFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	noError(t, sample.Check(dir))
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := sample.Write(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Error(err)
	}
}

// TestWriteOnce: what is noted is not written again, so that a folder that cannot be written to can be opened.
func TestWriteOnce(t *testing.T) {
	dir := t.TempDir()
	noError(t, sample.Write(dir))
	before, err := os.Stat(filepath.Join(dir, File))
	noError(t, err)
	noError(t, sample.Write(dir))
	after, err := os.Stat(filepath.Join(dir, File))
	noError(t, err)
	if !os.SameFile(before, after) {
		t.Error("written again")
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
