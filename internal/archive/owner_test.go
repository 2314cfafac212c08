package archive

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestOwner has root work on the archive of a daemon that is not root: all files stay the daemon's.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("BREAKWATER_LAB") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	dir := t.TempDir()
	noError(t, os.Chown(dir, 12345, 23456))
	a := openTest(t, dir, Options{Retention: func(d string) Retention { return Retention{Keep: map[string]time.Duration{"a.test": day}[d]} }})
	stormAt(t, a, "a.test", 0, 3)
	stormAt(t, a, "b.test", 0, 3)
	k := must(NewMarker(dir))
	noError(t, k.Close())
	noError(t, Audit(dir, "looked"))
	expire(t, a, time.Now().Add(2*day))
	stormAt(t, a, "b.test", 3, 6)
	files := must(filepath.Glob(filepath.Join(dir, "*")))
	if len(files) != 7 { // segments, lock, marks, audit.log, FORMAT, clock
		t.Errorf("%v", files)
	}
	// What the daemon's user links there is not ours to give away.
	outside := filepath.Join(t.TempDir(), "shadow")
	noError(t, os.WriteFile(outside, []byte("root's"), 0o600))
	linked := t.TempDir()
	noError(t, os.Chown(linked, 12345, 23456))
	noError(t, os.Symlink(outside, filepath.Join(linked, AuditFile)))
	noError(t, os.Link(outside, filepath.Join(linked, marksFile)))
	_, markErr := NewMarker(linked)
	if err := Audit(linked, "looked"); err == nil || markErr == nil || string(must(os.ReadFile(outside))) != "root's" || must(os.Stat(outside)).Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("followed a link: %v, %v", err, markErr)
	}
	for _, f := range files {
		if st := must(os.Stat(f)).Sys().(*syscall.Stat_t); st.Uid != 12345 || st.Gid != 23456 {
			t.Errorf("%s is of %d:%d", f, st.Uid, st.Gid)
		}
	}
}
