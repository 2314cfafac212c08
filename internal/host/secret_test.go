package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

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
	made, err := ReadSecret(name)
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
	if again, err := ReadSecret(name); err != nil || !bytes.Equal(again, made) {
		t.Errorf("read %x, not %x: %v", again, made, err)
	}
}

func TestSecret(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state", "secret")
	a, err := ReadSecret(name)
	if err != nil || len(a) != 32 {
		t.Fatal(a, err)
	}
	if st, err := os.Stat(name); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st, err)
	}
	if b, err := ReadSecret(name); err != nil || string(b) != string(a) {
		t.Error("another secret the second time", err)
	}
	os.Chmod(name, 0o640)
	if _, err := ReadSecret(name); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Error(err)
	}
	os.Chmod(name, 0o600)
	os.WriteFile(name, []byte("short"), 0o600)
	if _, err := ReadSecret(name); err == nil || !strings.Contains(err.Error(), "64 hexadecimal digits") {
		t.Error(err)
	}
}

// TestSecretOnFullDisk: what cannot be written is not there, and is made when there is room.
func TestSecretOnFullDisk(t *testing.T) {
	lab.Root(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal("mount a small disk:", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	filler, name := filepath.Join(dir, "filler"), filepath.Join(dir, "secret")
	if err := os.WriteFile(filler, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret(name); err == nil {
		t.Fatal("made on a full disk")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	made, err := ReadSecret(name)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadSecret(name)
	if err != nil || !bytes.Equal(made, again) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}
