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

	"breakwater/internal/incident"
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
	if i.ID != "id-0700000000" || i.Copies != 34 || i.Mailboxes != 2 || !i.Active || !i.Raging || i.Subject != "Offer" || len(i.Storms) != 2 ||
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

// Live storms that are recorded as one event are one line, with its true totals and all its servers. What is not recorded stays as it is.
func TestWithRecords(t *testing.T) {
	at := time.Date(2026, 3, 2, 8, 15, 0, 0, time.UTC)
	live := []Incident{
		{ID: "id-0000000001", Kinds: []string{"id"}, Copies: 10, Since: at.Add(time.Minute), Last: at, Signs: []string{}, Sources: []Source{{"192.0.2.1", 10}}, Others: 7,
			Storms: []Storm{{ID: "id-0000000001-aa", Mailbox: "ann@example.org"}}},
		{ID: "dsn-0000000009", Kinds: []string{"dsn"}, Copies: 5, Since: at, Last: at},
		{ID: "text-0000000002", Kinds: []string{"text"}, Copies: 4, Since: at, Last: at.Add(time.Hour), Active: true,
			Storms: []Storm{{ID: "text-0000000002-aa", Mailbox: "ann@example.org"}, {ID: "text-0000000002-bb", Mailbox: "bob@example.org"}}},
	}
	servers := []incident.Server{{Client: incident.Host(netip.MustParseAddr("192.0.2.1")), Copies: incident.Sum{Came: 30, Absorbed: 30}}, {Client: incident.Host(netip.MustParseAddr("192.0.2.2")), Copies: incident.Sum{Came: 20}, Consequences: incident.Sum{Came: 1}}}
	records := []incident.Incident{{ID: "I-20260302-0815-7f3a", Copies: incident.Sum{Came: 50}, Consequences: incident.Sum{Came: 1}, Servers: servers, Storms: []string{"id-0000000001", "text-0000000002"}}}
	got := WithRecords(live, records)
	if len(got) != 2 || got[1].ID != "dsn-0000000009" || got[1].Recorded != nil {
		t.Fatalf("%+v", got)
	}
	one := got[0]
	if one.ID != "id-0000000001" || one.Recorded.ID != "I-20260302-0815-7f3a" || one.Copies != 51 || one.Others != 0 || one.Mailboxes != 2 || !one.Raging ||
		!one.Since.Equal(at) || !one.Last.Equal(at.Add(time.Hour)) || len(one.Storms) != 3 || strings.Join(one.Kinds, " ") != "id text" {
		t.Errorf("%+v", one)
	}
	if len(one.Sources) != 2 || one.Sources[0] != (Source{"192.0.2.1", 30}) || one.Sources[1] != (Source{"192.0.2.2", 21}) {
		t.Errorf("%+v", one.Sources)
	}
	if len(Named(got, "I-20260302")) != 1 || len(WithStorms([]string{"I-20260302-0815-7f3a"}, got)) != 4 {
		t.Error("it is not found by the ID of its record")
	}
}

// Orders get to the daemon, and what is wrong with them back.
func TestOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var got incident.Order
	go (&Server{Order: func(o incident.Order) error { got = o; return errors.New("no such incident") }, Log: slog.New(slog.DiscardHandler)}).Serve(t.Context(), ln)
	want := incident.Order{Verb: "cost", ID: "I-1", Hours: 1.5, Rate: 80, Currency: "EUR", By: "ann", Text: "three people"}
	if err := NewClient(path).Order(t.Context(), want); err == nil || !strings.Contains(err.Error(), "no such incident") || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if err := NewClient(path).Order(t.Context(), incident.Order{Text: strings.Repeat("x", maxOrder)}); err == nil {
		t.Error("an order without end was read")
	}
}
