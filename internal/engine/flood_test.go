package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

// arriving is a message that comes to an address from a client.
func arriving(at time.Time, client, to, raw string) *message.Message {
	env := message.Envelope{QueueID: "F1", Client: netip.MustParseAddr(client), ReversePath: "x@example.net", Recipients: []message.Recipient{{Addr: to, Mailer: "virtual"}}}
	raw = fmt.Sprintf("Received: from a by mx.example.org id %d\n", at.UnixNano()) + raw
	return message.Parse(env, at, []byte(strings.ReplaceAll(raw, "\n", "\r\n")))
}

const plea = "From: p%[1]d@example.net\nMessage-ID: <p%[1]d@example.net>\nList-Id: <all.example.org>\nSubject: Re: test\n\nPlease remove me from this list. %[1]d\n"

// TestFloodLearns: what is to be learned first is only observed until the host has counted floods for so long, and
// counts from its first beat on.
func TestFloodLearns(t *testing.T) {
	e := newOriginEngine(t, "")
	play := func(at time.Time) (last rules.Decision) {
		for i := range 20 {
			last = judged(t, e, arriving(at.Add(time.Duration(i)*time.Second), "203.0.113.5", "ann@example.org", fmt.Sprintf(plea, i)))
		}
		return last
	}
	if d := play(start); d.Action != rules.Deliver || !d.Observed || d.Wanted != rules.Absorb || !strings.Contains(d.Reason, "plea storm") || !strings.Contains(d.Reason, "learning") {
		t.Errorf("never counted: %+v", d)
	}
	for d := range 30 {
		if err := e.Beat(t.Context(), start.Add(time.Duration(d)*day), true); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := e.FloodsLearning(t.Context(), start.Add(13*day)); err != nil || len(all) != 2 || all[0].Limit != "bomb" || all[1].Limit != "plea" || !all[0].Until.Equal(start.Add(14*day)) {
		t.Errorf("what is learned: %v, %v", all, err)
	}
	if all, err := e.FloodsLearning(t.Context(), start.Add(15*day)); err != nil || len(all) != 0 {
		t.Errorf("what is learned after 15 days: %v, %v", all, err)
	}
	if d := play(start.Add(13 * day)); d.Action != rules.Deliver || !d.Observed {
		t.Errorf("after 13 days: %+v", d)
	}
	if d := play(start.Add(15 * day)); d.Action != rules.Absorb || d.Observed {
		t.Errorf("after 15 days: %+v", d)
	}
}

// TestFloodRetry: what was let through is let through again when another filter put it off, and counts once.
func TestFloodRetry(t *testing.T) {
	e := newOriginEngine(t, "")
	if err := e.AssumeIndex(t.Context(), start, start.Add(30*day)); err != nil {
		t.Fatal(err)
	}
	var last *message.Message
	for i := range 10 {
		last = arriving(start.Add(time.Duration(i)*time.Second), "203.0.113.5", "ann@example.org", fmt.Sprintf(plea, i))
		if d := judged(t, e, last); d.Action != rules.Deliver {
			t.Fatalf("plea %d: %+v", i+1, d)
		}
	}
	if d := judged(t, e, arriving(start.Add(11*time.Second), "203.0.113.5", "ann@example.org", fmt.Sprintf(plea, 11))); d.Action != rules.Absorb || !strings.HasPrefix(d.Storm, storm.Plea.String()) {
		t.Fatalf("plea 11: %+v", d)
	}
	for range 5 {
		if d := judged(t, e, last); d.Action != rules.Deliver {
			t.Errorf("a retry: %+v", d)
		}
	}
}

// TestFloodExempt: no flood is told of a sender whom the rules exempt, and what a mailbox or a sender has of its own
// goes before.
func TestFloodExempt(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want rules.Action
	}{
		"as shipped":          {"", rules.Absorb},
		"exempt":              {"[sender.'a@example.net']\nexempt = ['203.0.113.0/24']\n", rules.Deliver},
		"of the mailbox":      {"[mailbox.ann.limit.echo]\naction = 'deliver'\n", rules.Deliver},
		"of another mailbox":  {"[mailbox.bob.limit.echo]\naction = 'deliver'\n", rules.Absorb},
		"more for the sender": {"[sender.'a@example.net'.limit.echo]\ncopies = 90\n", rules.Deliver},
		"of the domain":       {"[limit.echo]\ncopies = 90\n", rules.Deliver},
	} {
		e := newOriginEngine(t, tt.text)
		var last rules.Decision
		for i := range 80 {
			last = judged(t, e, arriving(start.Add(time.Duration(i)*time.Second), "203.0.113.5", "ann@example.org", fmt.Sprintf("From: a@example.net\nAuto-Submitted: auto-replied\nSubject: Ticket %d\n\nIt is here.\n", i)))
		}
		if last.Action != tt.want {
			t.Errorf("%s: %+v", name, last)
		}
	}
}

// BenchmarkFlood is what floods cost an ordinary message, with the real store.
func BenchmarkFlood(b *testing.B) {
	e := newEngine(b, nil)
	if err := e.CountFloods(b.Context(), start); err != nil {
		b.Fatal(err)
	}
	var ms []*message.Message
	for i := range 400 {
		m := arriving(start.Add(time.Duration(i)*2*time.Hour), "203.0.113.5", "ann@example.org", fmt.Sprintf("From: Bob <bob@known%[1]d.example>\nTo: ann@example.org\nMessage-ID: <%[2]d@known%[1]d.example>\nSubject: Minutes of day %[2]d\n\n", i%20, i)+strings.Repeat("We have talked about the roof, and who is to mend it: https://known.example/roof\n", 40))
		if _, err := e.Judge(b.Context(), m); err != nil {
			b.Fatal(err)
		}
		ms = append(ms, m)
	}
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var all []*judging
	for _, m := range ms[200:] {
		x := e.begin(m)
		for _, s := range steps[:4] {
			if err := s.do(x, b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		all = append(all, x)
	}
	before, i := used(), 0
	for b.Loop() {
		x := all[i%len(all)]
		i++
		if err := x.flood(b.Context()); err != nil {
			b.Fatal(err)
		}
		if got := x.floodNotes(); len(got) > 0 {
			if _, err := e.Store.Note(b.Context(), x.m.At, got); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(used()-before)/float64(i), "cpu-ns/op")
}
