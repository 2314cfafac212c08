package texts

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"breakwater/internal/fingerprint"
	"breakwater/internal/store/badgerdb"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// TestOutbreak has copies of one text held at more and more mailboxes, and asks who knows of it.
func TestOutbreak(t *testing.T) {
	s, err := badgerdb.Open("", badgerdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	hasher := fingerprint.New([]byte("0123456789abcdef"))
	text, other := [8]byte{1}, [8]byte{2}
	server, another := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	memory := func(at time.Time, from netip.Addr) *Memory {
		return &Memory{Store: s, Hasher: hasher, Context: context.Background(), At: at, Server: from, HeldFromServer: 30}
	}
	for n := range 30 {
		m := memory(start, server)
		if stormy, err := m.InOutbreak(text); stormy || err != nil {
			t.Fatalf("after %d copies: %v, %v", n, stormy, err)
		}
		if err := m.Held(text, []string{fmt.Sprintf("u%d@example.test", n)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		after  time.Duration
		server netip.Addr
		text   [8]byte
		stormy bool
		boxes  bool
	}{
		{"the server of the storm", 0, server, text, true, true},
		{"another one", 0, another, text, false, true},
		{"a host of ours", 0, netip.Addr{}, text, false, true},
		{"another text", 0, server, other, false, false},
		{"in the next hour", time.Hour, server, text, false, true},
		{"two days later", 48*time.Hour + 1, server, text, false, false},
	} {
		m := memory(start.Add(tt.after), tt.server)
		stormy, err := m.InOutbreak(tt.text)
		if err != nil || stormy != tt.stormy || m.Stormy != tt.stormy || (m.Mailboxes >= 15 && m.Mailboxes <= 30) != tt.boxes || (m.Mailboxes > 0) != tt.boxes {
			t.Errorf("%s: %v, %d mailboxes, %v", tt.name, stormy, m.Mailboxes, err)
		}
	}
}

// TestDryRun: a dry run looks, and leaves nothing behind.
func TestDryRun(t *testing.T) {
	s, err := badgerdb.Open("", badgerdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	m := &Memory{Store: s, Hasher: fingerprint.New([]byte("0123456789abcdef")), Context: context.Background(), At: start, DryRun: true}
	if err := m.Held([8]byte{1}, []string{"u1@example.test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.InOutbreak([8]byte{1}); err != nil || m.Mailboxes != 0 {
		t.Errorf("%d mailboxes, %v", m.Mailboxes, err)
	}
}
