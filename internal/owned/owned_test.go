package owned

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReplace has what a process that died, or the folder's owner, left where the new file is made: it is neither written
// to nor followed, and nothing is left beside the file.
func TestReplace(t *testing.T) {
	for name, leave := range map[string]func(temp, other string) error{
		"nothing":   func(string, string) error { return nil },
		"half":      func(temp, _ string) error { return os.WriteFile(temp, []byte("ha"), 0o644) },
		"a link":    func(temp, other string) error { return os.Link(other, temp) },
		"a symlink": func(temp, other string) error { return os.Symlink(other, temp) },
	} {
		dir := t.TempDir()
		file, other := filepath.Join(dir, "file"), filepath.Join(t.TempDir(), "other")
		err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.WriteFile(other, []byte("other"), 0o644), leave(file+".new", other))
		if err != nil {
			t.Fatal(err)
		}
		if err := Replace(file, []byte("new")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for path, want := range map[string]string{file: "new", other: "other"} {
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s: %s is %q, want %q, %v", name, path, got, want, err)
			}
		}
		if info, err := os.Lstat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
			t.Errorf("%s: left %v, %v", name, all, err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.MkdirAll(filepath.Join(file+".new", "full"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, []byte("new")); err == nil {
		t.Error("no error")
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
}
