package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/rules"
	"breakwater/internal/store"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/storm"
	shipped "breakwater/rules"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func newEngine(t testing.TB, files map[string]string) *Engine {
	t.Helper()
	s, err := badgerdb.Open("", badgerdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	def, err := shipped.Files.ReadFile(rules.DefaultFile)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{rules.DefaultFile: {Data: def}}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := rules.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return &Engine{
		Store: s, Rules: func() *rules.Set { return set }, Hasher: fingerprint.New([]byte("0123456789abcdef")),
		Site: Site{SubmitDaemons: []string{"ORIGINATING"}, Relays: []netip.Prefix{netip.MustParsePrefix("192.0.2.25/32")}},
	}
}

// mail is a message that hop n relayed.
func mail(hop int, at time.Time, subject, id string, rcpts ...string) *message.Message {
	env := message.Envelope{QueueID: fmt.Sprint("Q", hop), Client: netip.MustParseAddr("192.0.2.1"), ReversePath: "ann@example.net"}
	for _, r := range rcpts {
		env.Recipients = append(env.Recipients, message.Recipient{Addr: r, Mailer: "smtp"})
	}
	raw := fmt.Sprintf("Received: from x by y id %d; Mon, 2 Mar 2026 08:00:00 +0000\r\nFrom: ann@example.net\r\nTo: all@example.net\r\n"+
		"Subject: %s\r\nDate: Mon, 2 Mar 2026 07:59:00 +0000\r\nMessage-ID: <%s@example.net>\r\n\r\nGood day.\r\n", hop, subject, id)
	return message.Parse(env, at, []byte(raw))
}

func actions(t *testing.T, e *Engine, m *message.Message) string {
	t.Helper()
	j, err := e.Judge(context.Background(), m)
	ds := j.Decisions
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, d := range ds {
		if d.Recipient != m.Recipients[i] || d.Reason == "" || d.Rule.File == "" {
			t.Errorf("decision %d: %+v", i, d)
		}
		got = append(got, string(d.Action))
	}
	return strings.Join(got, " ")
}

func TestJudgeStorm(t *testing.T) {
	e := newEngine(t, map[string]string{"watch.test.toml": "mode = \"observe\"\n"})
	for hop := range 10 {
		got := actions(t, e, mail(hop, start.Add(time.Duration(hop)*time.Second), "Offer", "1", "u1@example.test", "u2@watch.test"))
		want := "deliver deliver"
		if hop >= 3 {
			want = "absorb deliver"
		}
		if got != want {
			t.Errorf("copy %d: %s, want %s", hop+1, got, want)
		}
	}
	// A mailbox that had none yet gets its first copies in the middle of the storm.
	if got := actions(t, e, mail(11, start.Add(time.Minute), "Offer", "1", "u1@example.test", "new@example.test")); got != "absorb deliver" {
		t.Error(got)
	}
	// Another mail of the same sender is none of it.
	if got := actions(t, e, mail(12, start.Add(time.Minute), "Another", "2", "u1@example.test")); got != "deliver" {
		t.Error(got)
	}
}

func TestJudgeRetry(t *testing.T) {
	e := newEngine(t, nil)
	for i := range 50 {
		if got := actions(t, e, mail(1, start.Add(time.Duration(i)*time.Minute), "Offer", "1", "u1@example.test")); got != "deliver" {
			t.Fatalf("retry %d: %s", i, got)
		}
	}
}

func TestOneMailboxCountsOnce(t *testing.T) {
	e := newEngine(t, nil)
	m := mail(1, start, "Offer", "1", "u1@example.test", "U1@EXAMPLE.test", "u1@example.test", "u1@example.test", "u1@example.test")
	if got := actions(t, e, m); strings.Contains(got, "absorb") {
		t.Errorf("one message counts as a storm: %s", got)
	}
}

func TestDryRunCountsNothing(t *testing.T) {
	e := newEngine(t, nil)
	dry := *e
	dry.DryRun = true
	for hop := range 3 {
		actions(t, e, mail(hop, start, "Offer", "1", "u1@example.test"))
	}
	for hop := range 5 {
		if got := actions(t, &dry, mail(10+hop, start, "Offer", "1", "u1@example.test")); got != "absorb" {
			t.Errorf("dry run says %s", got)
		}
		if got := actions(t, &dry, mail(20+hop, start, "Offer", "1", "u2@example.test")); got != "deliver" {
			t.Errorf("dry run counted: %s", got)
		}
	}
}

func TestDirection(t *testing.T) {
	e := newEngine(t, map[string]string{"ours.test.toml": ""})
	e.Site.Domains = []string{"also.test"}
	tests := []struct {
		name   string
		change func(*message.Message)
		rcpt   string
		absorb bool
		sent   bool
	}{
		{"from outside", func(*message.Message) {}, "a@example.test", true, false},
		{"logged in, to others", func(m *message.Message) { m.AuthUser = "ann"; m.ReversePath = "ann@ours.test" }, "b@example.test", false, true},
		{"logged in, foreign sender, to others", func(m *message.Message) { m.AuthUser = "ann" }, "c@example.test", false, false},
		{"logged in, to ours", func(m *message.Message) { m.AuthUser = "ann"; m.ReversePath = "ann@ours.test" }, "d@ours.test", true, true},
		{"logged in, to ours by config", func(m *message.Message) { m.AuthUser = "ann"; m.ReversePath = "x@also.test" }, "d@also.test", true, true},
		{"logged in, to a mailbox here", func(m *message.Message) { m.AuthUser = "ann"; m.Recipients[0].Mailer = "lmtp" }, "e@example.test", true, false},
		{"submission daemon", func(m *message.Message) { m.DaemonName = "ORIGINATING"; m.ReversePath = "ann@OURS.test" }, "f@example.test", false, true},
		{"null reverse-path of ours", func(m *message.Message) { m.AuthUser = "ann"; m.ReversePath = ""; m.From = "ann@ours.test" }, "g@example.test", false, true},
		{"foreign reverse-path, From of ours", func(m *message.Message) { m.AuthUser = "ann"; m.From = "ann@ours.test" }, "i@example.test", false, true},
		{"forwarded, From of ours", func(m *message.Message) { m.Local = true; m.From = "ann@ours.test" }, "j@example.test", false, false},
		{"logged in on our relay", func(m *message.Message) { m.AuthUser = "ann"; m.Client = netip.MustParseAddr("192.0.2.25") }, "h@example.test", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var last string
			for hop := range 5 {
				m := mail(hop, start, "Offer", tt.name, tt.rcpt)
				tt.change(m)
				last = actions(t, e, m)
				if got := e.Site.SentByUs(m, e.Rules()); got != tt.sent {
					t.Errorf("sent by us: %v", got)
				}
			}
			if (last == "absorb") != tt.absorb {
				t.Errorf("fifth copy: %s", last)
			}
		})
	}
}

func TestRelayIsNoSource(t *testing.T) {
	e := newEngine(t, nil)
	for hop := range 10 {
		m := mail(hop, start, "Offer", "1", "u1@example.test")
		m.Client = netip.MustParseAddr("192.0.2.25")
		actions(t, e, m)
	}
	found := false
	for tally, err := range e.Store.Tallies(context.Background(), start.Add(-time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		if tally.Storm == nil {
			continue
		}
		found = true
		for _, s := range tally.Storm.Sources {
			if s.Client.IsValid() {
				t.Errorf("our relay is named: %v", s)
			}
		}
	}
	if !found {
		t.Error("no storm")
	}
}

// broken is a store that fails.
type broken struct{}

var errBroken = errors.New("broken")

func (broken) Lookup(context.Context, time.Time, []storm.Key) ([]storm.Tally, error) {
	return nil, errBroken
}
func (broken) Observe(context.Context, storm.Sighting) ([]storm.Tally, error) { return nil, errBroken }
func (broken) Noted(context.Context, time.Time, []storm.Key) ([]notes.Note, error) {
	return nil, errBroken
}
func (broken) Note(context.Context, time.Time, []notes.Entry) ([]notes.Note, error) {
	return nil, errBroken
}
func (broken) Tallies(context.Context, time.Time) iter.Seq2[storm.Tally, error] {
	return func(yield func(storm.Tally, error) bool) { yield(storm.Tally{}, errBroken) }
}
func (broken) Close() error { return nil }

var _ store.Store = broken{}

func TestStoreFails(t *testing.T) {
	for _, on := range []rules.Action{rules.Deliver, rules.Tempfail, ""} {
		e := newEngine(t, nil)
		e.Store = broken{}
		j, err := e.Judge(context.Background(), mail(1, start, "Offer", "1", "u1@example.test", "u2@example.test"))
		ds := j.Settle(on).Decisions
		want := on
		if on == "" {
			want = rules.Deliver
		}
		if !errors.Is(err, errBroken) || len(ds) != 2 || ds[0].Action != want || ds[1].Action != want {
			t.Errorf("%q: %v, %+v", on, err, ds)
		}
	}
}

func TestCut(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", maxSubject), strings.Repeat("ü", maxSubject)} {
		if got := cut(s); len(got) > maxSubject+len("…") || !strings.HasPrefix(s, strings.TrimSuffix(got, "…")) {
			t.Errorf("%q", got)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	b.Run("ordinary", func(b *testing.B) {
		e := newEngine(b, nil)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m := mail(i, start, "Offer", fmt.Sprint(i), "u1@example.test")
			if _, err := e.Judge(context.Background(), m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("letter", func(b *testing.B) {
		e := newEngine(b, nil)
		ms := make([]*message.Message, 10_000)
		for i := range ms {
			ms[i] = letter(i)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := e.Judge(context.Background(), ms[i%len(ms)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("storm", func(b *testing.B) {
		e := newEngine(b, nil)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m := mail(i, start, "Offer", "1", "u1@example.test")
			if _, err := e.Judge(context.Background(), m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// letter is a mail of some 200 words that no other number has.
func letter(n int) *message.Message {
	r := rand.New(rand.NewPCG(uint64(n), 9))
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from a by b with ESMTP id Q%08d; Mon, 2 Mar 2026 08:00:00 +0000\r\nFrom: ann@example.net\r\nTo: u1@example.test\r\nSubject: Letter %d\r\n"+
		"Date: Mon, 2 Mar 2026 07:59:00 +0000\r\nMessage-ID: <%d@example.net>\r\n\r\n", n, n, n)
	for i := range 200 {
		for range 2 + r.IntN(8) {
			b.WriteByte('a' + byte(r.IntN(26)))
		}
		b.WriteString([]string{" ", "\r\n"}[min(1, i%12/11)])
	}
	env := message.Envelope{QueueID: "Q", Client: netip.MustParseAddr("192.0.2.1"), ReversePath: "ann@example.net", Recipients: []message.Recipient{{Addr: "u1@example.test"}}}
	return message.Parse(env, start, []byte(b.String()))
}
