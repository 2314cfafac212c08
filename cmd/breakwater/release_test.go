package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/control"
	"breakwater/internal/release"
	"breakwater/internal/storm"
)

// TestOneFigure: storms and release count one message for two mailboxes alike.
func TestOneFigure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	a, err := archive.Open(dir, archive.Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte("Subject: offer\r\n\r\nHere it is.\r\n")
	to := []archive.Recipient{{Addr: "ann@example.org", Storm: "id-00"}, {Addr: "bob@example.org", Storm: "id-00"}}
	if _, err := a.Put(context.Background(), archive.Copy{At: time.Now(), Recipients: to}, raw); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := archive.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := release.HeldOf(context.Background(), r, func(id string) bool { return storm.Named(id, "id-00") })
	if err != nil {
		t.Fatal(err)
	}
	n, err := release.Look(context.Background(), r, release.Selection{IDs: []string{"id-00"}})
	if err != nil || kept.Copies != 2 || kept.Messages != 1 || kept.Bytes != int64(len(raw)) || n.Deliveries != kept.Copies || n.Copies != kept.Messages || n.Bytes != kept.Bytes {
		t.Errorf("%+v, %+v, %v", kept, n, err)
	}
}

// TestWithStorms: an incident is released with all of its storms, and one storm alone.
func TestWithStorms(t *testing.T) {
	all := []control.Incident{
		{ID: "id-01", Storms: []control.Storm{{ID: "id-01-aa"}, {ID: "text-02-aa"}}},
		{ID: "id-03", Storms: []control.Storm{{ID: "id-03-aa"}, {ID: "repeat-04-aa"}}},
	}
	for _, tt := range []struct{ id, want string }{
		{"id-01", "id-01 id-01-aa text-02-aa"}, {"id-01-aa", "id-01-aa"}, {"text-02", "text-02"}, {"id-0", "id-0"},
		{"20260302-080000-000000123", "20260302-080000-000000123"},
	} {
		if got := strings.Join(control.WithStorms([]string{tt.id}, all), " "); got != tt.want {
			t.Errorf("%s: %s, not %s", tt.id, got, tt.want)
		}
		// Nobody is asked, and nothing said, where the ID is no incident's.
		if _, err := whole(context.Background(), control.NewClient("none"), []string{tt.id}); (err == nil) != (strings.Count(tt.id, "-") == 2) {
			t.Errorf("%s: %v", tt.id, err)
		}
	}
}
