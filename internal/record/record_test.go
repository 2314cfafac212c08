package record

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/incident"
	"breakwater/internal/ledger"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

var morning = time.Date(2026, 3, 2, 8, 15, 0, 0, time.UTC)

// relay is a host of ours.
var relay = netip.MustParseAddr("192.0.2.10")

func options(dir string) Options {
	return Options{
		Archive: filepath.Join(dir, "archive"), KeyFile: filepath.Join(dir, "ledger.key"), Origin: "mx.example.org/breakwater", Log: slog.New(slog.DiscardHandler),
		Source: func(m *message.Message) fingerprint.Source {
			return fingerprint.SourceOf(m, func(a netip.Addr) bool { return a == relay }, []string{"mx.example.org"})
		},
		Name: func(mailbox string) string { return "keyed" },
	}
}

// leaves are those of a ledger of a kind.
func leaves(t *testing.T, o Options, kind string) (all []string) {
	t.Helper()
	for leaf, err := range ledger.Leaves(t.Context(), LedgerDir(o.Archive), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Kind == kind {
			all = append(all, string(leaf.Line))
		}
	}
	return all
}

// Each line of audit.log becomes a leaf, once, over restarts; and a log that has become shorter is told.
func TestAudit(t *testing.T) {
	o := options(t.TempDir())
	if err := os.MkdirAll(o.Archive, 0o700); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := archive.Audit(o.Archive, "release", "number", n); err != nil {
			t.Fatal(err)
		}
		if err := Open(o, morning).Close(morning); err != nil {
			t.Fatal(err)
		}
		if got := leaves(t, o, "audit"); len(got) != n+1 || !strings.Contains(got[n], `\"number\":`+string(rune('0'+n))) {
			t.Errorf("after %d lines the leaves are %q", n+1, got)
		}
	}
	if err := os.Truncate(filepath.Join(o.Archive, archive.AuditFile), 10); err != nil {
		t.Fatal(err)
	}
	if err := Open(o, morning).Close(morning); err != nil {
		t.Fatal(err)
	}
	if got := leaves(t, o, "audit"); len(got) != 4 || !strings.Contains(got[3], `"shorter":10`) {
		t.Errorf("of a log that was cut the leaves are %q", got)
	}
}

// What can not be recorded keeps no mail from being judged.
func TestFailsAlone(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	for _, name := range []string{IncidentsDir(o.Archive), LedgerDir(o.Archive)} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*Recorder{Open(o, morning), nil} {
		if (r.Err() == nil) != (r == nil) {
			t.Errorf("Err says %v", r.Err())
		}
		r.Message(judgement(1, 5, relay), 1)
		r.Leaf(morning, "rules", nil)
		if r.Held("id-1") {
			t.Error("nothing is on hold")
		}
		if r != nil {
			if err := r.Do(morning, incident.Order{Verb: "note", ID: "I-1", Text: "x"}); err == nil {
				t.Error("a note was kept nowhere")
			}
			if err := r.Close(morning); err != nil {
				t.Error(err)
			}
		}
	}
}

// judgement is one on the nth copy of a mailing, which a client sends.
func judgement(mailing, n int, client netip.Addr, received ...string) rules.Judgement {
	var raw strings.Builder
	for _, f := range received {
		raw.WriteString("Received: " + f + "\r\n")
	}
	raw.WriteString("Message-ID: <offer@example.net>\r\nFrom: ann@example.net\r\nSubject: Offer\r\n\r\nHere it is.\r\n")
	env := message.Envelope{Client: client, Helo: "client.example.net", Recipients: []message.Recipient{{Addr: "bob@example.org"}}}
	j := rules.Judgement{
		Message: message.Parse(env, morning.Add(time.Duration(n)*time.Second), []byte(raw.String())), Verdict: classify.Verdict{Class: classify.Personal},
		Prints: []storm.Print{{Kind: storm.Text, Hash: [8]byte{byte(mailing)}}}, Facts: make([]rules.Facts, 1),
		Decisions: []rules.Decision{{Recipient: env.Recipients[0], Action: rules.Deliver, Class: classify.Personal}},
	}
	if n >= 3 {
		j.Decisions[0].Action, j.Decisions[0].Storm = rules.Absorb, "text-0100000000-11223344"
	}
	return j
}

// Behind a relay of ours the source is the client outside, and never a name or address that somebody else wrote into the message.
func TestSource(t *testing.T) {
	o := options(t.TempDir())
	r := Open(o, morning)
	defer r.Close(morning)
	forged := "from mx.example.org (mx.example.org [192.0.2.99]) by mx.example.org with ESMTP; Mon, 2 Mar 2026 08:00:00 +0000"
	ours := "from outer.example.com (outer.example.com [198.51.100.23]) by backup.example.org with ESMTP; Mon, 2 Mar 2026 08:12:00 +0000"
	for n := range 5 {
		r.Message(judgement(1, n, relay, ours, forged), 0)
	}
	for n := range 5 {
		r.Message(judgement(1, n, netip.MustParseAddr("203.0.113.77"), forged, ours), 0)
	}
	all := r.Incidents()
	if len(all) != 1 {
		t.Fatalf("there are %d incidents", len(all))
	}
	got := map[string]int64{}
	for _, s := range all[0].Servers {
		got[s.Client.String()] = s.Copies.Came
	}
	if len(got) != 2 || got["198.51.100.23"] != 5 || got["203.0.113.77"] != 5 {
		t.Errorf("under proof are %v", got)
	}
}

// Mail of our own and mail that could not be judged is in no incident.
func TestNotJudged(t *testing.T) {
	r := Open(options(t.TempDir()), morning)
	defer r.Close(morning)
	for n := range 5 {
		j := judgement(1, n, relay)
		j.Facts = nil
		r.Message(j, 0)
	}
	if all := r.Incidents(); len(all) > 0 {
		t.Errorf("there are %v", all)
	}
}

func TestBackscatter(t *testing.T) {
	flood := []storm.Tally{{Key: storm.Key{Kind: storm.Class}, Storm: &storm.Storm{}}}
	for _, tt := range []struct {
		name string
		f    rules.Facts
		of   origin.Origin
		want bool
	}{
		{"forged", rules.Facts{}, origin.Forged, true},
		{"not known", rules.Facts{}, origin.Unknown, false},
		{"not known, in a flood", rules.Facts{Tallies: flood}, origin.Unknown, true},
		{"genuine, in a flood", rules.Facts{Tallies: flood}, origin.Genuine, false},
		{"we send it", rules.Facts{Tallies: flood, Outbound: true}, origin.Forged, false},
	} {
		if got := backscatter(tt.f, rules.Decision{Origin: tt.of}); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
