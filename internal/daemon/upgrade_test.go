package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/format"
	"breakwater/internal/format/formattest"
	"breakwater/internal/host"
	"breakwater/internal/storm"
)

// TestUpgrade opens what a daemon has written that noted no formats, and keeps all of it. Every folder with files has a
// note then, and is refused and left as it is where the note is of a newer version.
func TestUpgrade(t *testing.T) {
	folder := t.TempDir()
	cfg, err := host.InFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	open := func() (*Daemon, error) { return Open(cfg, Options{Log: slog.New(slog.DiscardHandler)}) }
	d, err := open()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	key := storm.Key{Kind: storm.ID, Hash: [8]byte{1}}
	sighting := storm.Sighting{At: time.Now(), Counts: []storm.Count{{Key: key, Limit: storm.Limit{Copies: 3, Window: time.Hour, Calm: 2 * time.Hour, Keep: 2 * time.Hour}}}}
	if _, err := d.store.Observe(ctx, sighting); err != nil {
		t.Fatal(err)
	}
	if _, err := d.archive.Put(ctx, archive.Copy{Domain: "example.test"}, []byte("Subject: Offer\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if err := d.digester.Run(ended); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	ring, last := d.ring.Load().String(), len(d.loaded.Load().last)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	notes := 0
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == format.File {
			notes++
			err = os.Remove(path)
		}
		return err
	})
	if err != nil || notes != 6 { // store, archive, its digests, incidents and ledger, rules.kept
		t.Fatalf("%d notes, %v", notes, err)
	}
	_, older, _ := strings.Cut(ring, "\n")
	if err := os.WriteFile(cfg.KeysFile(), []byte(older), 0o600); err != nil {
		t.Fatal(err)
	}

	if d, err = open(); err != nil {
		t.Fatal(err)
	}
	if known, err := d.store.Lookup(ctx, time.Now(), []storm.Key{key}); err != nil || known[0].Seen != 1 {
		t.Errorf("%+v, %v", known, err)
	}
	copies := 0
	for _, err := range d.archive.All(ctx) {
		if copies++; err != nil {
			t.Error(err)
		}
	}
	if copies != 1 || d.ring.Load().String() != ring || len(d.loaded.Load().last) != last {
		t.Errorf("%d copies, %d kept rules, keys\n%s", copies, len(d.loaded.Load().last), d.ring.Load())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	for dir, instead := range map[string]string{cfg.StoreFolder(): "counts are lost", cfg.Archive: "name another folder"} {
		data, err := os.ReadFile(filepath.Join(dir, format.File))
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimRight(string(data), "0123456789\n ")
		formattest.Newer(t, dir, format.Format{Name: name, Version: 3, Instead: instead}, func() error { _, err := open(); return err })
		if err := os.WriteFile(filepath.Join(dir, format.File), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newer := strings.Replace(ring, "keys 1\n", "keys 2\n", 1)
	if err := os.WriteFile(cfg.KeysFile(), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "install the newer version again") {
		t.Errorf("newer keys: %v", err)
	}
	if _, err := host.OpenKeys(cfg.KeysFile(), time.Now()); err == nil {
		t.Error("newer keys would be rotated")
	}
	if data, err := os.ReadFile(cfg.KeysFile()); err != nil || string(data) != newer {
		t.Errorf("%q, %v", data, err)
	}
}
