package engine

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/mark"
	"breakwater/internal/message"
)

// TestRelease: a released copy passes in the middle of its storm, once at each mailbox, and a
// retry of the transfer passes, too. Copies that somebody makes of it are copies.
func TestRelease(t *testing.T) {
	e := newEngine(t, nil)
	e.Marks = mark.New([]byte("secret"))
	u1, u2 := "u1@example.test", "u2@example.test"
	for hop := range 10 {
		actions(t, e, mail(hop, start, "Offer", "1", u1, u2))
	}
	released := func(id string, hop int, rcpts ...string) *message.Message {
		m := mail(hop, start, "Offer", "1", rcpts...)
		raw := fmt.Appendf(nil, "%s: %s\r\n%s", mark.ReleaseField, e.Marks.Release(id, m), m.Raw)
		return message.Parse(m.Envelope, m.At, raw)
	}
	for _, tt := range []struct {
		name string
		m    *message.Message
		want string
	}{
		{"no mark", mail(11, start, "Offer", "1", u1), "absorb"},
		{"first", released("A", 5, u1), "deliver"},
		{"retry", released("A", 5, u1), "deliver"},
		{"copied by a server", released("A", 20, u1), "absorb"},
		{"the other mailbox", released("A", 5, u2), "deliver"},
		{"another copy, both", released("B", 6, u1, u2), "deliver deliver"},
		{"copied by a server, both", released("B", 21, u1, u2), "absorb absorb"},
		{"a year later", message.Parse(released("A", 5, u1).Envelope, start.Add(400*24*time.Hour), released("A", 5, u1).Raw), "deliver"},
	} {
		if got := actions(t, e, tt.m); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	forged := released("C", 7, u1)
	forged.Body = []byte("buy now")
	j, err := e.Judge(context.Background(), forged)
	ds := j.Decisions
	if err != nil || strings.HasPrefix(ds[0].Reason, "released") {
		t.Errorf("mark on another body: %+v, %v", ds, err)
	}
}

// TestDigest: digests are neither counted nor absorbed, however many there are, if they come
// from hosts of ours.
func TestDigest(t *testing.T) {
	e := newEngine(t, nil)
	e.Marks = mark.New([]byte("secret"))
	digest := func(client string) *message.Message {
		m := mail(1, start, "What was absorbed", "digest", "u1@example.test")
		value := e.Marks.Digest(m.MessageID, m.Header.Get("Date"), "u1@example.test")
		raw := strings.Replace(string(m.Raw), "Subject:", mark.DigestField+": "+value+"\r\nSubject:", 1)
		m.Envelope.Client, _ = netip.ParseAddr(client)
		return message.Parse(m.Envelope, m.At, []byte(raw))
	}
	for _, client := range []string{"127.0.0.1", "::1", "", "192.0.2.25"} {
		for range 10 {
			j, err := e.Judge(context.Background(), digest(client))
			ds := j.Decisions
			if err != nil || ds[0].Action != "deliver" || !ds[0].Own || ds[0].Reason != "digest of ours" {
				t.Fatalf("from %q: %+v, %v", client, ds, err)
			}
		}
	}
	foreign := digest("192.0.2.9")
	j, err := e.Judge(context.Background(), foreign)
	ds := j.Decisions
	if err != nil || ds[0].Own || ds[0].Class == "own" {
		t.Errorf("from elsewhere: %+v, %v", ds, err)
	}
	for tally, err := range e.Store.Tallies(context.Background(), time.Time{}) {
		if err != nil || tally.Seen != 1 {
			t.Errorf("counted: %+v, %v", tally, err)
		}
	}
}
