package owned

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReplace: a file is there whole, for its owner alone, and nothing else is left. A link in its place is
// replaced and not followed, nor is one in the place of what is written first.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	name, victim := filepath.Join(dir, "state"), filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{name, name + ".new"} {
		if err := os.Symlink(victim, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"first", "second"} {
		if err := Replace(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		info, serr := os.Lstat(name)
		if err != nil || serr != nil || string(got) != text || info.Mode() != 0o600 {
			t.Errorf("%q, %v, %v, %v", got, info.Mode(), err, serr)
		}
	}
	if got, err := os.ReadFile(victim); err != nil || string(got) != "mine" {
		t.Errorf("the link was followed: %q, %v", got, err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
}

// TestReplaceFails: the old content stays, and nothing is left beside it.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "state")
	if err := os.MkdirAll(filepath.Join(name, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(name, []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// TestRewrite: a file keeps its mode and its owner, whoever the folder belongs to.
func TestRewrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "main.cf")
	if err := Rewrite(name, []byte("made")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Error(info, err)
	}
	uid := os.Geteuid()
	if uid == 0 {
		uid = 5000
		if err := os.Chown(name, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := Rewrite(name, []byte("changed")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	info, serr := os.Stat(name)
	if err != nil || serr != nil || string(got) != "changed" || info.Mode() != 0o640 || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("%q, %v, %v, %v", got, info, err, serr)
	}
}

// TestReplaceLeft has what a process that died, or the folder's owner, left where the new file is made: it is neither written
// to nor followed, and nothing is left beside the file.
func TestReplaceLeft(t *testing.T) {
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
