package engine

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/sent"
	"breakwater/internal/storm"
)

const day = 24 * time.Hour

const leavesHere = "all_mail_leaves_here = true\n"

// newOriginEngine is an engine with the rules of example.org, which has one user, ann.
func newOriginEngine(t testing.TB, text string) *Engine {
	e := newEngine(t, map[string]string{"example.org.toml": text})
	ring := (&origin.Ring{}).With(bytes.Repeat([]byte{1}, 32), start, start)
	e.Ring = func() *origin.Ring { return ring }
	e.TakesTag = func(domain string, _ origin.Form) bool { return domain == "example.org" }
	return e
}

// submitted is mail of ann, as her program hands it in, with some header fields besides.
func submitted(at time.Time, fields string, rcpts ...string) *message.Message {
	env := message.Envelope{QueueID: "S1", AuthUser: "ann", DaemonName: "ORIGINATING", Client: netip.MustParseAddr("198.51.100.9"), ReversePath: "ann@example.org"}
	for _, r := range rcpts {
		env.Recipients = append(env.Recipients, message.Recipient{Addr: r, Mailer: "smtp"})
	}
	return message.Parse(env, at, []byte("From: Ann <ann@example.org>\r\nSubject: Hello\r\n"+fields+"\r\nHello there.\r\n"))
}

// send has the engine send m, and returns it as others get it.
func send(t *testing.T, e *Engine, m *message.Message) (sent, from string) {
	t.Helper()
	j, err := e.Judge(context.Background(), m)
	ds := j.Decisions
	if err != nil || ds[0].Action != rules.Deliver || ds[0].Stamp == nil {
		t.Fatalf("%+v, %v", ds, err)
	}
	from = m.ReversePath
	for _, f := range ds[0].Stamp.Fields {
		sent += f.Name + ": " + f.Value + "\r\n"
	}
	if tagged := ds[0].Stamp.ReversePath; tagged != "" {
		from = tagged
	}
	return sent + string(m.Raw), from
}

// bounce is a report to an address on a message that was returned in it.
func bounce(at time.Time, to, original, failed string) *message.Message {
	env := message.Envelope{QueueID: "B1", Client: netip.MustParseAddr("203.0.113.5"), Recipients: []message.Recipient{{Addr: to, Mailer: "virtual"}}}
	return message.Parse(env, at, fmt.Appendf(nil, "Received: from mx.example.net by mx.example.org id %d\r\nFrom: MAILER-DAEMON@mx.example.net\r\nTo: <%s>\r\nDate: %s\r\nSubject: Undelivered Mail\r\n"+
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"+
		"Final-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n%s\r\n--b--\r\n", at.UnixNano(), to, at.Format(time.RFC1123Z), failed, original))
}

// never is a message that somebody forged.
func never(date time.Time, id string) string {
	return "Received: from spam.example.com by mx.example.net with ESMTP; x\r\nFrom: Ann <ann@example.org>\r\nDate: " + date.Format(time.RFC1123Z) + "\r\nMessage-ID: <" + id + "@example.org>\r\nSubject: Pills\r\n\r\nBuy.\r\n"
}

func judged(t *testing.T, e *Engine, m *message.Message) rules.Decision {
	t.Helper()
	j, err := e.Judge(context.Background(), m)
	ds := j.Decisions
	if err != nil {
		t.Fatal(err)
	}
	return ds[0]
}

func expect(t *testing.T, what string, d rules.Decision, a rules.Action, o origin.Origin, proof string) {
	t.Helper()
	if d.Action != a || d.Origin != o || !strings.Contains(d.Proof, proof) {
		t.Errorf("%s: %s, %s: %s; want %s, %s: %s", what, d.Action, d.Origin, d.Proof, a, o, proof)
	}
}

// minutes has the index see all mail from one time to another.
func minutes(t *testing.T, e *Engine, from, to time.Time) {
	t.Helper()
	for at := from.Add(time.Minute); !at.After(to); at = at.Add(time.Minute) {
		if err := e.Beat(context.Background(), at, true); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGenuine sends mail, and has it proved from what comes back by each method alone.
func TestGenuine(t *testing.T) {
	const full = "Date: Mon, 2 Mar 2026 08:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
	for _, tt := range []struct {
		method origin.Method
		fields string
		cut    func(sent string) string // what is returned of it
		failed string
	}{
		{origin.ByTag, full, func(string) string { return "" }, "x@example.net"},
		{origin.ByToken, full, func(s string) string { return s }, "x@example.net"},
		{origin.ByToken, "", func(s string) string { return s }, "x@example.net"},
		{origin.ByMessageID, full, func(string) string { return full }, "x@example.net"},
		{origin.ByMessageID, "", func(s string) string { return s[:strings.Index(s, "\r\n")+2] }, "x@example.net"}, // ours
		{origin.ByCorrespondent, "", func(string) string { return "Subject: Hello\r\n" }, "Bob@example.net"},
	} {
		e := newOriginEngine(t, fmt.Sprintf(leavesHere+"[origin]\nproofs = [%q]\n[batv]\nform = \"subaddress\"\n", tt.method))
		sent, from := send(t, e, submitted(start, tt.fields, "bob@example.net", "carl@example.net"))
		d := judged(t, e, bounce(start.Add(3*day), from, tt.cut(sent), tt.failed))
		expect(t, string(tt.method), d, rules.Deliver, origin.Genuine, "")
		if d.Recipient.Addr != from || d.To != "ann@example.org" {
			t.Errorf("%s: to %s instead of %s", tt.method, d.To, d.Recipient.Addr)
		}
		expect(t, string(tt.method)+" of forged mail", judged(t, e, bounce(start.Add(3*day), "ann@example.org", never(start, "x"), "x@example.net")), rules.Deliver, origin.Unknown, "")
		late := judged(t, e, bounce(start.Add(31*day), from, tt.cut(sent), tt.failed))
		expect(t, string(tt.method)+" after a month", late, rules.Deliver, origin.Unknown, "")
	}
}

// TestAnswers: automatic answers, and receipts, name the message that they answer.
func TestAnswers(t *testing.T) {
	e := newOriginEngine(t, "")
	send(t, e, submitted(start, "Message-ID: <1@example.org>\r\n", "info@example.net"))
	answer := func(from, fields string) *message.Message {
		env := message.Envelope{Recipients: []message.Recipient{{Addr: "ann@example.org"}}}
		return message.Parse(env, start.Add(time.Hour), []byte("Received: x\r\nFrom: <"+from+">\r\nAuto-Submitted: auto-replied\r\nSubject: Out of office\r\n"+fields+"\r\nI am away.\r\n"))
	}
	expect(t, "In-Reply-To", judged(t, e, answer("x@example.net", "In-Reply-To: <1@example.org>\r\n")), rules.Deliver, origin.Genuine, "Message-ID <1@example.org>")
	expect(t, "References", judged(t, e, answer("x@example.net", "References: <0@example.org> <1@example.org>\r\n")), rules.Deliver, origin.Genuine, "Message-ID <1@example.org>")
	expect(t, "correspondent", judged(t, e, answer("info@example.net", "")), rules.Deliver, origin.Genuine, "wrote to info@example.net")
	expect(t, "nobody", judged(t, e, answer("x@example.net", "")), rules.Deliver, origin.Unknown, "")
	person := answer("info@example.net", "")
	person = message.Parse(person.Envelope, person.At, bytes.ReplaceAll(bytes.ReplaceAll(person.Raw, []byte("Auto-Submitted: auto-replied\r\n"), nil), []byte("Out of office"), []byte("Re: Hello")))
	other := submitted(start, "Message-ID: <2@example.org>\r\n", "sales@example.net")
	other.ReversePath = "ann@example.com" // an account elsewhere
	if _, from := send(t, e, other); from != other.ReversePath {
		t.Error(from)
	}
	expect(t, "another reverse-path", judged(t, e, answer("x@example.net", "In-Reply-To: <2@example.org>\r\n")), rules.Deliver, origin.Genuine, "Message-ID <2@example.org>")
	expect(t, "a person", judged(t, e, person), rules.Deliver, "", "")
}

// TestForged has a domain learn for its time, and then goes through what forged mail and gaps
// come to.
func TestForged(t *testing.T) {
	e := newOriginEngine(t, leavesHere)
	learned := start.Add(7 * day)
	now := learned.Add(2 * day)
	gap := now.Add(-day) // of half an hour
	minutes(t, e, start, gap)
	minutes(t, e, gap.Add(30*time.Minute), now)

	report := func(name string, date time.Time, a rules.Action, o origin.Origin, why string) {
		t.Helper()
		expect(t, name, judged(t, e, bounce(now, "ann@example.org", never(date, name), "x@example.net")), a, o, why)
	}
	report("now", now.Add(-time.Hour), rules.Absorb, origin.Forged, "saw all mail of that time")
	report("just now", now.Add(-time.Minute), rules.Deliver, origin.Unknown, "did not see all") // not yet said of this minute
	asked := time.Time{}
	e.Sent = &sent.Index{Store: e.Store, Hasher: e.Hasher, Seeing: func(since time.Time) bool { asked = since; return true }}
	report("this very moment", now, rules.Absorb, origin.Forged, "saw all mail of that time")
	report("by a clock that is fast", now.Add(9*time.Minute), rules.Absorb, origin.Forged, "")
	if !asked.Equal(now) {
		t.Errorf("asked about %s, it is %s", asked, now)
	}
	e.Sent.Seeing = func(since time.Time) bool { return !since.Before(now) }
	report("tomorrow", now.Add(day), rules.Deliver, origin.Unknown, "did not see all")
	report("in the gap", gap.Add(15*time.Minute), rules.Deliver, origin.Unknown, "did not see all")
	report("near the gap", gap.Add(-9*time.Minute), rules.Deliver, origin.Unknown, "did not see all")
	report("near its end", gap.Add(39*time.Minute), rules.Deliver, origin.Unknown, "did not see all")
	report("before the gap", gap.Add(-15*time.Minute), rules.Absorb, origin.Forged, "")
	report("behind the gap", gap.Add(45*time.Minute), rules.Absorb, origin.Forged, "")
	report("learning", learned.Add(-time.Hour), rules.Deliver, origin.Unknown, "still learning")
	report("before", start.Add(-day), rules.Deliver, origin.Unknown, "older than")

	all, err := e.Learning(context.Background(), now)
	if err != nil || len(all) != 1 || all[0].Domain != "example.org" || all[0].Until.Sub(learned).Abs() > time.Minute || all[0].Excused != 1 {
		t.Errorf("%+v, %v", all, err)
	}

	// An automatic answer that quotes what it answers is judged alike.
	auto := message.Parse(message.Envelope{Recipients: []message.Recipient{{Addr: "ann@example.org"}}}, now, []byte("Received: x\r\nFrom: <x@example.net>\r\nAuto-Submitted: auto-replied\r\nSubject: Out of office\r\nIn-Reply-To: <z@example.org>\r\n"+
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nI am away.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"+never(now.Add(-time.Hour), "z")+"\r\n--b--\r\n"))
	expect(t, "answer", judged(t, e, auto), rules.Absorb, origin.Forged, "")

	// Reports on what others wrote, though they come to ann.
	old := strings.ReplaceAll(never(now.Add(-time.Hour), "o"), "example.org", "example.com")
	m := bounce(now, "ann@example.com", old, "x@example.net")
	m.Recipients[0].Addr = "ann@example.org"
	expect(t, "forwarded from another account", judged(t, e, m), rules.Deliver, origin.Unknown, "not said to be from")
	ticket := message.Parse(auto.Envelope, now, bytes.ReplaceAll(auto.Raw, []byte("ann@example.org"), []byte("carl@example.com")))
	expect(t, "answer to somebody else", judged(t, e, ticket), rules.Deliver, origin.Unknown, "not said to be from")
	bare := strings.Replace(never(now.Add(-time.Hour), "b"), "Message-ID: <b@example.org>\r\n", "", 1)
	expect(t, "no Message-ID, and to whom it was forwarded", judged(t, e, bounce(now, "ann@example.org", bare, "bob@example.com")), rules.Deliver, origin.Unknown, "no Message-ID")

	// A program's mail comes back that nobody saw. Anybody can say so, and the domain knows what it knew.
	cron := strings.Replace(never(now.Add(-time.Hour), "c"), "Received: from spam.example.com by mx.example.net with ESMTP; x", "Received: by mx.example.org (Postfix, from userid 33) id 1; x", 1)
	m = bounce(now, "ann@example.org", cron, "x@example.net")
	m.Host = "mx.example.org"
	expect(t, "cron", judged(t, e, m), rules.Deliver, origin.Unknown, "the index did not see it")
	report("after that", now.Add(-time.Hour-time.Minute), rules.Absorb, origin.Forged, "saw all mail of that time")
	if all, err := e.Learning(context.Background(), now); err != nil || all[0].Until.Sub(learned).Abs() > time.Minute {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestLapse takes a domain out of the rules and back: it learns anew, whether or not the daemon
// was there in between.
func TestLapse(t *testing.T) {
	with, without := newOriginEngine(t, leavesHere), newOriginEngine(t, "")
	e, ctx := with, context.Background()
	since := func(at time.Time) time.Time {
		t.Helper()
		all, err := with.Learning(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		return all[0].Since
	}
	on, off := with.Rules, without.Rules
	minutes(t, e, start, start.Add(time.Hour))
	first := since(start.Add(time.Hour))
	if first.Sub(start) != time.Minute {
		t.Fatal(first)
	}
	at := start.Add(3 * day) // a restart after days: time that was not seen is a gap, but no lapse
	minutes(t, e, at, at.Add(time.Hour))
	if got := since(at.Add(time.Hour)); !got.Equal(first) {
		t.Errorf("after a gap since %v, want %v", got, first)
	}
	at = at.Add(time.Hour + 10*time.Second) // within a minute it is out and in again
	for _, set := range []func() *rules.Set{off, on} {
		e.Rules = set
		if err := e.RulesChanged(ctx, at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
	}
	if got := since(at); !got.Equal(at.Add(-time.Second)) {
		t.Errorf("after a lapse since %v, want %v", got, at)
	}
}

// TestGenuineAreNotCounted: many bounces of a mailing that was sent are no storm of the class,
// and the same one again and again is.
func TestGenuineAreNotCounted(t *testing.T) {
	e := newOriginEngine(t, "[limit.class]\naction = 'absorb'\n")
	var rcpts []string
	for i := range 300 {
		rcpts = append(rcpts, fmt.Sprintf("u%d@example.net", i))
	}
	sent, _ := send(t, e, submitted(start, "", rcpts...))
	for i, r := range rcpts {
		expect(t, r, judged(t, e, bounce(start.Add(time.Duration(i)*time.Second), "ann@example.org", sent, r)), rules.Deliver, origin.Genuine, "token")
	}
	held := 0
	for i := range 20 {
		d := judged(t, e, bounce(start.Add(time.Hour+time.Duration(i)*time.Second), "ann@example.org", sent, "u7@example.net"))
		if d.Action == rules.Absorb && strings.HasPrefix(d.Storm, storm.DSN.String()) {
			held++
		}
	}
	if held < 17 {
		t.Errorf("%d of 20 copies of a genuine report were absorbed", held)
	}
	for i := range 250 {
		d := judged(t, e, bounce(start.Add(2*time.Hour+time.Duration(i)), "ann@example.org", never(start.Add(time.Duration(i)*time.Second), fmt.Sprint(i)), "x@example.com"))
		if want := map[bool]rules.Action{true: rules.Deliver, false: rules.Absorb}[i < 200]; d.Action != want {
			t.Fatalf("%d: %s, %s", i, d.Action, d.Reason)
		}
	}
}

// TestStampWithoutStore: mail that cannot be counted leaves with its token all the same.
func TestStampWithoutStore(t *testing.T) {
	e := newOriginEngine(t, "")
	e.Store = broken{}
	j, err := e.Judge(context.Background(), submitted(start, "", "bob@example.net"))
	ds := j.Settle(rules.Deliver).Decisions
	if err == nil || ds[0].Stamp == nil || ds[0].Action != rules.Deliver {
		t.Errorf("%+v, %v", ds, err)
	}
}

func BenchmarkOrigin(b *testing.B) {
	e := newOriginEngine(b, leavesHere)
	ctx := context.Background()
	out := submitted(start, "Message-ID: <1@example.org>\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\n", "bob@example.net")
	b.Run("send", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Judge(ctx, out); err != nil {
				b.Fatal(err)
			}
		}
	})
	back := bounce(start.Add(time.Hour), "ann@example.org", never(start, "x"), "x@example.net")
	b.Run("report", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Judge(ctx, back); err != nil {
				b.Fatal(err)
			}
		}
	})
}
