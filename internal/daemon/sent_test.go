package daemon

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"breakwater/internal/host"
	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/rules"
)

func TestPulse(t *testing.T) {
	p := pulse{}
	minute := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		at     time.Duration
		missed uint64
		want   bool
	}{
		{"the first, of which we saw no more than a part", 0, 3, false},
		{"a whole one", time.Minute, 3, true},
		{"noticed a little late", 2*time.Minute + time.Second, 3, true},
		{"noticed too late", 3*time.Minute + late, 3, false},
		{"behind that", 4 * time.Minute, 3, true},
		{"something went wrong", 5 * time.Minute, 4, false},
		{"nothing more", 6 * time.Minute, 4, true},
		{"one was slept through", 8 * time.Minute, 4, false},
		{"the clock was put back", 7 * time.Minute, 4, false},
		{"and goes on", 8 * time.Minute, 4, true},
	} {
		if got := p.saw(minute.Add(tt.at), tt.missed); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestSees asks about a minute before it has ended.
func TestSees(t *testing.T) {
	minute := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	p := pulse{last: minute, missed: 3}
	for _, tt := range []struct {
		name       string
		pulse      pulse
		since, now time.Duration
		missed     uint64
		want       bool
	}{
		{"in it", p, 0, 30 * time.Second, 3, true},
		{"its beat is due", p, 0, time.Minute, 3, true},
		{"its beat is late", p, 0, time.Minute + late, 3, false},
		{"something went wrong", p, 0, 30 * time.Second, 4, false},
		{"the one before, which no beat has ended", p, -time.Minute, 30 * time.Second, 3, false},
		{"we began in it", pulse{missed: 3}, 0, 30 * time.Second, 3, false},
		{"the clock was put back", p, -time.Hour, -time.Hour, 3, false},
	} {
		if got := tt.pulse.sees(minute.Add(tt.since), minute.Add(tt.now), tt.missed); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLearning has a daemon's domain learn, and tells it in all ways.
func TestLearning(t *testing.T) {
	d := testDaemon(t)
	ctx := context.Background()
	write(t, d.cfg.Rules+"/example.org.toml", "all_mail_leaves_here = true\n")
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	all, err := d.learners(ctx)
	if err != nil || len(all) != 1 || all[0].Domain != "example.org" || all[0].Until.Sub(all[0].Since) != 7*24*time.Hour {
		t.Errorf("%+v, %v", all, err)
	}
	_, page := get(t, d.pages(), "/metrics")
	for _, want := range []string{`breakwater_learning_until_seconds{domain="example.org"} 1`, `breakwater_spared_total{domain="example.org"} 0`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	before := d.ring.Load().Keys()
	if err := host.WriteKeys(d.cfg.KeysFile(), d.ring.Load().With(host.NewKey(), time.Now(), time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := d.readKeys(); err != nil || len(d.ring.Load().Keys()) != len(before)+1 {
		t.Errorf("%v, %v", d.ring.Load().Keys(), err)
	}
	if err := host.WriteKeys(d.cfg.KeysFile(), d.ring.Load().With(host.NewKey(), time.Now(), time.Now())); err != nil { // as copied from another host
		t.Fatal(err)
	}
	if d.reread(); len(d.ring.Load().Keys()) != len(before)+2 {
		t.Errorf("SIGHUP: %v", d.ring.Load().Keys())
	}
	before = d.ring.Load().Keys()[1:]
	write(t, d.cfg.KeysFile(), "nonsense")
	if err := d.readKeys(); err == nil || len(d.ring.Load().Keys()) != len(before)+1 {
		t.Errorf("%v, %v", d.ring.Load().Keys(), err)
	}
}

// TestTell has a rule say who is told of what it absorbs; that goes into the archive with the copy.
func TestTell(t *testing.T) {
	d := testDaemon(t)
	write(t, d.cfg.Rules+"/example.org.toml", "[[rule]]\nname = \"quiet\"\nwhen = 'subject == \"Offer\"'\naction = \"absorb\"\ndigest = \"nobody\"\n")
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	m := message.Parse(message.Envelope{ReversePath: "x@example.net", Recipients: []message.Recipient{{Addr: "ann@example.org"}}}, time.Now(), []byte("Received: x\r\nFrom: x@example.net\r\nSubject: Offer\r\n\r\nBuy.\r\n"))
	j, err := d.engine.Judge(t.Context(), m)
	ds := j.Decisions
	if err != nil || ds[0].Action != rules.Absorb || ds[0].Tell != rules.TellNobody {
		t.Fatalf("%+v, %v", ds, err)
	}
	if err := d.absorb(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	n := 0
	for c, err := range d.archive.Since(t.Context(), "") {
		if n++; err != nil || c.Recipients[0].Tell != "nobody" {
			t.Errorf("%+v, %v", c.Recipients, err)
		}
	}
	if n != 1 {
		t.Errorf("%d copies", n)
	}
}

// TestSeesNothingWhileDraining: a daemon that ends takes no more mail, so that it does not see all of
// the minute.
func TestSeesNothingWhileDraining(t *testing.T) {
	d := testDaemon(t)
	now := time.Now()
	d.pulse.Store(&pulse{last: now.Truncate(time.Minute), missed: d.unseen()})
	if !d.seeing(now) {
		t.Fatal("sees nothing")
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := d.Serve(ctx, nil); err != nil || d.seeing(now) {
		t.Errorf("it still sees all mail, %v", err)
	}
}

// TestSeesNothingWithoutDisk: a store that cannot write forgets when its memory is full.
func TestSeesNothingWithoutDisk(t *testing.T) {
	d := testDaemon(t)
	if err := os.RemoveAll(d.cfg.StoreFolder()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); d.store.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if err := d.engine.Beat(t.Context(), time.Now(), true); err != nil || time.Now().After(deadline) {
			t.Fatal("it writes all the same", err)
		}
	}
	now := time.Now()
	d.pulse.Store(&pulse{last: now.Truncate(time.Minute), missed: d.unseen()})
	if d.seeing(now) {
		t.Error("it still sees all mail")
	}
}

// TestRefusesNothingAfterStart: mail may have left without tags before the daemon began.
func TestRefusesNothingAfterStart(t *testing.T) {
	d := testDaemon(t)
	write(t, d.cfg.Rules+"/example.org.toml", "all_mail_leaves_here = true\n[batv]\nform = \"subaddress\"\nrefuse = true\n")
	set, err := rules.Load(os.DirFS(d.cfg.Rules))
	if err != nil {
		t.Fatal(err)
	}
	d.rules.Store(set)
	if err := d.engine.AssumeIndex(t.Context(), time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	refused := func() bool {
		_, no := d.refuse(t.Context(), message.Envelope{Client: netip.MustParseAddr("203.0.113.5")}, message.Recipient{Addr: "ann@example.org"})
		return no
	}
	if !refused() {
		t.Fatal("not refused")
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := d.Serve(ctx, nil); err != nil || refused() {
		t.Errorf("refused, %v", err)
	}
}

// TestSomeone: the mail server is asked about an address that there is.
func TestSomeone(t *testing.T) {
	d := testDaemon(t)
	write(t, d.cfg.Rules+"/example.org.toml", "[batv]\nform = \"prvs\"\n")
	write(t, d.cfg.Rules+"/example.net.toml", "")
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	if got := d.someone("example.org"); got != "postmaster@example.org" {
		t.Error(got)
	}
	for _, from := range []string{"ann@example.org", "bob@example.net"} {
		m := message.Parse(message.Envelope{AuthUser: "x", ReversePath: from}, time.Now(), []byte("Subject: x\r\n\r\n"))
		d.done(milterd.Outcome{Judgement: rules.Judgement{Message: m}})
	}
	if got := d.someone("example.org") + " " + d.someone("example.net"); got != "ann@example.org postmaster@example.net" {
		t.Error(got)
	}
}

// TestAbsorbedWithTag: a copy that came to a tag is its mailbox's, in digests and for release --mailbox.
func TestAbsorbedWithTag(t *testing.T) {
	all := copies(rules.Judgement{Message: &message.Message{}, Decisions: []rules.Decision{
		{Recipient: message.Recipient{Addr: "prvs=0123abcdef=ann@example.org"}, To: "ann@example.org", Action: rules.Absorb},
		{Recipient: message.Recipient{Addr: "prvs=0123abcdef=bob@example.org"}, Action: rules.Absorb}, // not ours
	}})
	if len(all) != 1 || len(all[0].Recipients) != 2 || all[0].Recipients[0].Addr != "ann@example.org" || all[0].Recipients[1].Addr != "prvs=0123abcdef=bob@example.org" {
		t.Errorf("%+v", all)
	}
}

// TestUntilMinute waits for a minute's end, and notices nothing where nothing stands still.
func TestUntilMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Daemon{}
		time.Sleep(7 * time.Second)
		if !d.untilMinute(t.Context()) || time.Now().Second() != 0 || d.missed.Load() != 0 {
			t.Errorf("%s, missed %d", time.Now(), d.missed.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Second, cancel)
		if d.untilMinute(ctx) {
			t.Error("it went on")
		}
	})
}
