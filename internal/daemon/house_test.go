package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/config"
	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// mailFrom is a message that does not compress, and the decision to absorb it for its recipients.
func mailFrom(t *testing.T, client string, to ...string) rules.Judgement {
	t.Helper()
	raw := make([]byte, 20_000)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	m := &message.Message{Envelope: message.Envelope{Client: netip.MustParseAddr(client)}, At: time.Now(), Raw: raw}
	var ds []rules.Decision
	for _, addr := range to {
		ds = append(ds, rules.Decision{Recipient: message.Recipient{Addr: addr}, Action: rules.Absorb, Class: "personal"})
	}
	return rules.Judgement{Message: m, Decisions: ds}
}

// TestShareIsTold: one network fills its share. Others have room, and it is said in the log, in /healthz,
// in metrics and, once, to the postmaster.
func TestShareIsTold(t *testing.T) {
	var log strings.Builder
	d := daemonWith(t, &log, func(c *config.Config) { c.Retention.MaxSize, c.Retention.MinFree = 4<<20, 1 })
	var told []string
	d.digester.Send = func(_ context.Context, to string, raw []byte) error {
		told = append(told, to+" "+string(raw))
		return nil
	}
	absorb := func(client string, to ...string) error {
		return d.absorb(context.Background(), mailFrom(t, client, to...))
	}
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = absorb("192.0.2.1", "ann@example.test", "bob@example.org")
	}
	if !errors.Is(err, archive.ErrFull) || d.archive.Used() > 1<<20 {
		t.Errorf("%v with %d bytes", err, d.archive.Used())
	}
	for _, client := range []string{"198.51.100.1", "2001:db8::25"} {
		if err := absorb(client, "ann@example.test"); err != nil {
			t.Errorf("another network, %s: %v", client, err)
		}
	}
	var room roomState
	for range 3 {
		d.sayRoom(context.Background(), &room)
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], "postmaster@") || !strings.Contains(told[0], "network 192.0.2.0/24") || strings.Count(log.String(), "whole share") != 1 {
		t.Errorf("told %q, logged %s", told, &log)
	}
	for err = nil; err == nil; { // another one within the hour
		err = absorb("203.0.113.1", "ann@example.test")
	}
	d.sayRoom(context.Background(), &room)
	if len(told) != 1 {
		t.Errorf("told %d times within the hour", len(told))
	}
	room.sharesTold = room.sharesTold.Add(-alarmEvery)
	d.sayRoom(context.Background(), &room)
	if len(told) != 2 || !strings.Contains(told[1], "203.0.113.0/24") || strings.Contains(told[1], "192.0.2.0/24") {
		t.Errorf("told %q", told)
	}
	if code, page := get(t, d.pages(), "/healthz"); code != 200 || page != "ok\nwarning: 2 shares of the archive full; the log says whose\n" {
		t.Error(code, page)
	}
	if _, page := get(t, d.pages(), "/metrics"); !strings.Contains(page, "breakwater_archive_full_shares 2\n") {
		t.Error("no metric of it")
	}
}

// TestLeapIsTold: /healthz tells for a day that the host's clock was set.
func TestLeapIsTold(t *testing.T) {
	d := testDaemon(t)
	d.sayLeap()
	if code, page := get(t, d.pages(), "/healthz"); code != 200 || page != "ok\n" {
		t.Error(code, page)
	}
	for age, want := range map[time.Duration]bool{time.Hour: true, 25 * time.Hour: false} {
		d.leap.Store(&leap{-40 * 24 * time.Hour, d.archive.Now().Add(-age)})
		if code, page := get(t, d.pages(), "/healthz"); code != 200 || strings.Contains(page, "warning: the host's clock was set by -960h0m0s") != want {
			t.Error(age, code, page)
		}
	}
}

// TestWhoIsCharged: strangers have a share by network, our own hosts and users have none.
func TestWhoIsCharged(t *testing.T) {
	d := &Daemon{}
	if err := errors.Join(addNetwork(&d.cfg.Site.Relays, "203.0.113.25"), addNetwork(&d.cfg.Site.SubmitNetworks, "2001:db8:5::/48")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ client, user, want string }{
		{"192.0.2.77", "", "192.0.2.0/24"}, {"::ffff:192.0.2.77", "", "192.0.2.0/24"}, {"2001:db8:1:2::3", "", "2001:db8:1::/48"}, {"fe80::1%eth0", "", "fe80::/48"},
		{"", "", ""}, {"127.0.0.1", "", ""}, {"192.0.2.77", "ann", ""}, {"203.0.113.25", "", ""}, {"203.0.113.26", "", "203.0.113.0/24"}, {"2001:db8:5::1", "", ""},
	} {
		c := archive.Copy{AuthUser: tt.user}
		if tt.client != "" {
			c.Client = netip.MustParseAddr(tt.client)
		}
		if got := strings.Join(d.network(&c), " "); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.client, tt.user, got, tt.want)
		}
	}
	c := archive.Copy{Recipients: []archive.Recipient{{Storm: "id-1-2"}, {Storm: "id-1-3"}, {}, {Storm: "text-4-5"}}}
	if got := incidents(&c); !slices.Equal(got, []string{"id-1", "text-4"}) {
		t.Error(got)
	}
}

func addNetwork(to *config.Networks, text string) error {
	var n config.Network
	err := n.UnmarshalText([]byte(text))
	*to = append(*to, n)
	return err
}

// TestKeptOnce: a message for many domains is one copy, whose recipients know their domains.
func TestKeptOnce(t *testing.T) {
	j := mailFrom(t, "192.0.2.1", "ann@example.test", "bob@EXAMPLE.org", "cy@example.test")
	j.Decisions[1].Storm = "id-1-2"
	all := copies(j)
	if len(all) != 1 || all[0].Family != "id-1" || !slices.Equal(all[0].Domains(), []string{"example.org", "example.test"}) || len(all[0].Recipients) != 3 {
		t.Errorf("%+v", all)
	}
}

// TestUntoldErasure: where no digest goes out, mail is erased a day after it has become too old, so that
// no rule file that is away for an hour and no clock erases anything.
func TestUntoldErasure(t *testing.T) {
	d := daemonWith(t, io.Discard, func(c *config.Config) { c.Digest.Submit, c.Retention.MinFree = "", 1 })
	if err := d.absorb(context.Background(), mailFrom(t, "192.0.2.1", "ann@example.test")); err != nil {
		t.Fatal(err)
	}
	keep := d.retention("example.test").Keep
	for range 2 { // the second look knows the domain
		if err := d.expire(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	now := d.archive.Now()
	if keep < 7*24*time.Hour || !d.erasable("example.test").IsZero() {
		t.Errorf("kept %v; erasable up to %v", keep, d.erasable("example.test"))
	}
	if upto := d.notices.Upto("example.test", now.Add(25*time.Hour)); upto.Sub(now.Add(2*graceUntold-keep)).Abs() > time.Minute {
		t.Errorf("in a day it is %v", upto)
	}
}

// TestShorterUntold: where no digest goes out, mail that was to be kept for long goes a week after its
// retention was shortened.
func TestShorterUntold(t *testing.T) {
	d := daemonWith(t, io.Discard, func(c *config.Config) {
		c.Digest.Submit, c.Retention.MinFree = "", 1
		passed := time.Duration(0)
		a, err := archive.Open(c.Archive, archive.Options{MinFree: 1, Clock: archive.HostClock{Passed: func() time.Duration { return passed }}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Put(context.Background(), archive.Copy{Recipients: []archive.Recipient{{Addr: "ann@example.test", Domain: "example.test"}}}, []byte("x"))
		passed = 100 * 24 * time.Hour
		if err := errors.Join(err, a.Close()); err != nil {
			t.Fatal(err)
		}
	})
	for range 2 {
		if err := d.expire(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	now := d.archive.Now()
	if d.overdue.Load() != 1 || !d.notices.Upto("example.test", now.Add(7*24*time.Hour)).IsZero() || d.notices.Upto("example.test", now.Add(8*24*time.Hour)).IsZero() {
		t.Errorf("%d domains are overdue; in a week it may be erased up to %v", d.overdue.Load(), d.notices.Upto("example.test", now.Add(7*24*time.Hour)))
	}
}

// TestUnwritableAtStart: the daemon starts, and its health says at once that nothing can be absorbed.
func TestUnwritableAtStart(t *testing.T) {
	var block string
	d := daemonWith(t, io.Discard, func(c *config.Config) {
		block = filepath.Join(c.Archive, "probe", "in the way")
		if err := os.MkdirAll(block, 0o700); err != nil {
			t.Fatal(err)
		}
	})
	if code, page := get(t, d.pages(), "/healthz"); code != 503 || !strings.Contains(page, "write to the archive") {
		t.Error(code, page)
	}
	if err := os.RemoveAll(filepath.Dir(block)); err != nil {
		t.Fatal(err)
	}
	_ = d.archive.Probe(context.Background())
	if code, page := get(t, d.pages(), "/healthz"); code != 200 {
		t.Error(code, page)
	}
}

// TestFullIsSeen: mail that the archive has no room for is no gap in what is known of mail that was sent.
func TestFullIsSeen(t *testing.T) {
	full := fmt.Errorf("absorb: %w", archive.ErrFull)
	for _, tt := range []struct {
		err  error
		want bool
	}{{nil, false}, {io.EOF, true}, {full, false}, {archive.ErrStalled, false}, {errors.Join(nil, full), false}, {errors.Join(io.EOF, full), true}} {
		if countedAfter(tt.err) == tt.want {
			t.Errorf("%v", tt.err)
		}
	}
}
