package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
