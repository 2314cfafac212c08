package daemon

import (
	"log/slog"
	"strings"
	"testing"

	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/rules"
)

func TestDecisionLog(t *testing.T) {
	d := testDaemon(t)
	var log strings.Builder
	d.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	d.done(milterd.Outcome{Judgement: rules.Judgement{
		Message: &message.Message{Envelope: message.Envelope{QueueID: "Q1", ReversePath: "a@example.net"}},
		Decisions: []rules.Decision{
			{Recipient: message.Recipient{Addr: "b@example.test"}, Action: rules.Deliver, Wanted: rules.Absorb, Class: "dsn", Reason: "dsn storm, copy 4; observe", Rule: rules.Source{File: "default.toml", Line: 6}, Storm: "dsn-1-2"},
		},
	}})
	want := `level=INFO msg=decision qid=Q1 client=unknown from=a@example.net to=b@example.test class=dsn action=deliver rule=default.toml:6 reason="dsn storm, copy 4; observe" storm=dsn-1-2 wanted=absorb` + "\n"
	if log.String() != want {
		t.Errorf("got  %swant %s", log.String(), want)
	}
}

// TestDecisionLogIsBounded: one message to a thousand is not a thousand lines.
func TestDecisionLogIsBounded(t *testing.T) {
	d := testDaemon(t)
	var log strings.Builder
	d.log = slog.New(slog.NewTextHandler(&log, nil))
	o := milterd.Outcome{Judgement: rules.Judgement{Message: &message.Message{Envelope: message.Envelope{QueueID: "Q1", ReversePath: "a@example.net"}}}}
	for i := range 1000 {
		action := []rules.Action{rules.Deliver, rules.Absorb, rules.Absorb}[i%3]
		o.Decisions = append(o.Decisions, rules.Decision{Recipient: message.Recipient{Addr: "b@example.test"}, Action: action, Class: "dsn"})
	}
	d.done(o)
	if n := strings.Count(log.String(), "msg=decision "); n != 20 {
		t.Errorf("%d lines", n)
	}
	if want := `msg="decisions for more recipients" qid=Q1 recipients=980 deliver=327 absorb=653` + "\n"; !strings.HasSuffix(log.String(), want) {
		t.Errorf("no %s", want)
	}
}

// TestProofInLog: where the log hides addresses, it does so in proofs, too.
func TestProofInLog(t *testing.T) {
	d := testDaemon(t)
	for how, want := range map[string]string{
		"full":   "the recipient wrote to Dr.X@clinic.example; we sent Message-ID <ann=1@example.org>",
		"domain": "the recipient wrote to *@clinic.example; we sent Message-ID <...>",
	} {
		d.cfg.Log.Addresses = how
		if got := d.hidden("the recipient wrote to Dr.X@clinic.example; we sent Message-ID <ann=1@example.org>"); got != want {
			t.Errorf("%s: %s", how, got)
		}
	}
	d.cfg.Log.Addresses = "hash"
	if got := d.hidden("the recipient wrote to dr.x@clinic.example"); got != "the recipient wrote to "+d.address("dr.x@clinic.example") || strings.Contains(got, "dr.x") {
		t.Error(got)
	}
}

func TestAddressesInLog(t *testing.T) {
	d := testDaemon(t)
	for how, want := range map[string]string{"full": "Ann@example.test", "domain": "*@example.test"} {
		d.cfg.Log.Addresses = how
		if got := d.address("Ann@example.test"); got != want || d.address("") != "" {
			t.Errorf("%s: %s", how, got)
		}
	}
	d.cfg.Log.Addresses = "hash"
	got := d.address("Ann@example.test")
	if strings.Contains(strings.ToLower(got), "ann") || !strings.HasSuffix(got, "@example.test") || got != d.address("ann@example.test") || got == d.address("bob@example.test") {
		t.Errorf("hash: %s", got)
	}
}
