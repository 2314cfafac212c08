package control

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/store"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/storm"
)

// serve answers for a store on a socket, and returns a client of it.
func serve(t *testing.T, s store.Store) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- (&Server{Store: s, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return NewClient(path)
}

func TestIncidents(t *testing.T) {
	s, err := badgerdb.Open("", badgerdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	limit := storm.Limit{Copies: 3, Window: 24 * time.Hour, Calm: 48 * time.Hour, Keep: 48 * time.Hour}
	now := time.Now().UTC()
	for i := range 20 {
		sighting := storm.Sighting{At: now, Transfer: uint64(i), Client: netip.MustParseAddr("192.0.2.1"), Class: "personal", Subject: "Offer"}
		for owner := range 2 {
			key := storm.Key{Owner: [8]byte{byte(owner)}, Kind: storm.ID, Hash: [8]byte{7}}
			sighting.Counts = append(sighting.Counts, storm.Count{Key: key, Limit: limit, Mailbox: "u@example.test"})
		}
		if _, err := s.Observe(context.Background(), sighting); err != nil {
			t.Fatal(err)
		}
	}
	c := serve(t, s)
	is, err := c.Incidents(context.Background(), now.Add(-time.Hour))
	if err != nil || len(is) != 1 {
		t.Fatal(is, err)
	}
	i := is[0]
	if i.ID != "id-0700000000" || i.Copies != 34 || i.Mailboxes != 2 || !i.Raging || i.Subject != "Offer" || len(i.Storms) != 2 ||
		len(i.Sources) != 1 || i.Sources[0] != (Source{"192.0.2.1", 34}) || i.Storms[0].Mailbox != "u@example.test" || i.Storms[0].Seen != 20 {
		t.Errorf("%+v", i)
	}
	if is, err := c.Incidents(context.Background(), now.Add(time.Hour)); err != nil || is == nil || len(is) != 0 {
		t.Errorf("later: %+v, %v", is, err)
	}
}

func TestReload(t *testing.T) {
	var wrong error
	path := filepath.Join(t.TempDir(), "sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go (&Server{Reload: func() error { return wrong }, Log: slog.New(slog.DiscardHandler)}).Serve(t.Context(), ln)
	c := NewClient(path)
	if err := c.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	wrong = errors.New("a.toml:1:1: unknown key x")
	if err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "a.toml:1:1: unknown key x") {
		t.Error(err)
	}
}

func TestNeedsRestart(t *testing.T) {
	var wrong error
	path := filepath.Join(t.TempDir(), "sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Changed: func() ([]string, error) { return []string{"web", "site.hosts"}, wrong }, Log: slog.New(slog.DiscardHandler)}
	go s.Serve(t.Context(), ln)
	c := NewClient(path)
	if keys, err := c.NeedsRestart(t.Context()); err != nil || strings.Join(keys, " ") != "web site.hosts" {
		t.Error(keys, err)
	}
	wrong = errors.New("breakwater.toml:1:1: unknown key x")
	if _, err := c.NeedsRestart(t.Context()); err == nil || !strings.Contains(err.Error(), "unknown key x") {
		t.Error(err)
	}
}

// broken fails to list.
type broken struct{ store.Store }

func (broken) Tallies(context.Context, time.Time) iter.Seq2[storm.Tally, error] {
	return func(yield func(storm.Tally, error) bool) { yield(storm.Tally{}, errors.New("disk on fire")) }
}

func TestErrors(t *testing.T) {
	c := serve(t, broken{})
	if _, err := c.Incidents(context.Background(), time.Now()); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Error(err)
	}
	if err := c.get(context.Background(), "/incidents?since=yesterday", nil); err == nil || !strings.Contains(err.Error(), "not a time") {
		t.Error(err)
	}
	if err := c.get(context.Background(), "/nonsense", nil); err == nil {
		t.Error("no such page, and no error")
	}
	if _, err := NewClient("/nonexistent/sock").Incidents(context.Background(), time.Now()); err == nil || !strings.Contains(err.Error(), "is `breakwater milter` running") || strings.Contains(err.Error(), "http:") {
		t.Error(err)
	}
}
