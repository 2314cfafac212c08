package mailfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWriteAndRead writes to both kinds of boxes and reads it back; a second run adds nothing twice.
func TestWriteAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "box")
	for range 2 {
		m, err := CreateMaildir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Add("1.0.breakwater", "s@example.net", time.Time{}, []byte(one)); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := CreateMbox(filepath.Join(dir+".d", "released.mbox"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add("", "s@example.net", time.Time{}, []byte(one)); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for f, err := range Walk([]string{dir, dir + ".d"}, nil) {
		if err != nil || !strings.Contains(string(f.Raw), "Subject: one") {
			t.Errorf("%s: %q, %v", f.Path, f.Raw, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d messages", n)
	}
}

// TestLinks: where others have laid a link, or could lay one, nothing is written.
func TestLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("BREAKWATER_LAB") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	const theirs, text = 12345, "root's own"
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		lay  func(box, target string)
	}{
		{"their folder", func(box, target string) {
			do(os.MkdirAll(filepath.Join(box, "tmp"), 0o755))
			do(os.MkdirAll(filepath.Join(box, "new"), 0o755))
			do(os.Symlink(target, filepath.Join(box, "tmp", "1.0.breakwater")))
			do(os.Symlink(target, filepath.Join(box, "released.mbox")))
			do(os.Chown(box, theirs, theirs))
		}},
		{"a folder in theirs", func(box, target string) {
			do(os.Chown(filepath.Dir(box), theirs, theirs))
		}},
		{"a folder that others may write to", func(box, target string) {
			do(os.Mkdir(box, 0o777))
			do(os.Chmod(box, 0o777))
		}},
		{"a link to a folder of ours", func(box, target string) {
			do(os.Symlink(filepath.Dir(target), box))
		}},
		{"a file", func(box, target string) { do(os.WriteFile(box, nil, 0o600)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(t.TempDir(), "authorized_keys")
			do(os.WriteFile(target, []byte(text), 0o600))
			above := filepath.Join(dir, "above")
			do(os.Mkdir(above, 0o755))
			box := filepath.Join(above, "box")
			tt.lay(box, target)
			if m, err := CreateMaildir(box); err == nil {
				t.Error("a Maildir was made", m.Add("1.0.breakwater", "", time.Time{}, []byte(one)))
			}
			if b, err := CreateMbox(filepath.Join(box, "released.mbox")); err == nil {
				t.Error("an mbox was made", b.Add("", "", time.Time{}, []byte(one)))
			}
			if got, err := os.ReadFile(target); err != nil || string(got) != text {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	// A link in our own folder is replaced, not followed.
	box, target := filepath.Join(t.TempDir(), "box"), filepath.Join(t.TempDir(), "target")
	do(os.WriteFile(target, []byte(text), 0o600))
	m, err := CreateMaildir(box)
	do(err)
	do(os.Symlink(target, filepath.Join(box, "tmp", "1.0.breakwater")))
	do(m.Add("1.0.breakwater", "", time.Time{}, []byte(one)))
	if got, err := os.ReadFile(target); err != nil || string(got) != text {
		t.Errorf("%q, %v", got, err)
	}
}
