package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"breakwater/internal/lab"
)

// TestSecretOwner makes the secret as root, as an operator who sweeps before the daemon ever ran:
// it belongs to the daemon, whose folder it is in.
func TestSecretOwner(t *testing.T) {
	lab.Root(t)
	const uid = 5000
	dir := t.TempDir()
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "secret")
	made, err := readSecret(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != uid || st.Gid != uid || info.Mode().Perm() != 0o600 {
		t.Errorf("%s is of %d, %v", name, st.Uid, info.Mode())
	}
	if again, err := readSecret(name); err != nil || !bytes.Equal(again, made) {
		t.Errorf("read %x, not %x: %v", again, made, err)
	}
}
