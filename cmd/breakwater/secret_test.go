package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"breakwater/internal/config"
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

// TestForeignStore has root start the daemon by hand on the files of its user: it does not, since that
// user could not open them again.
func TestForeignStore(t *testing.T) {
	lab.Root(t)
	const uid = 5000
	dir := t.TempDir()
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Rules, cfg.Secret, cfg.Keys = "../../rules", filepath.Join(dir, "secret"), filepath.Join(dir, "keys")
	cfg.Store, cfg.Archive = "badger:"+filepath.Join(dir, "store"), filepath.Join(dir, "archive")
	d, err := openDaemon(cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		d.close()
		t.Fatal("it runs")
	}
	if want := "belongs to 5000"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v, not %q", err, want)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Errorf("it left %v, %v", left, err)
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
	if _, err := readSecret(name); err == nil {
		t.Fatal("made on a full disk")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	made, err := readSecret(name)
	if err != nil {
		t.Fatal(err)
	}
	again, err := readSecret(name)
	if err != nil || !bytes.Equal(made, again) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}
