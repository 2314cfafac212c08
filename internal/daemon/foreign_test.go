package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"breakwater/internal/config"
	"breakwater/internal/lab"
)

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
	d, err := Open(cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		d.Close()
		t.Fatal("it runs")
	}
	if want := "belongs to 5000"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v, not %q", err, want)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Errorf("it left %v, %v", left, err)
	}
}
