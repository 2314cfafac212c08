package milterd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd/client"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
)

func TestActions(t *testing.T) {
	d := func(a ...rules.Action) []rules.Action { return a }
	tests := []struct {
		name   string
		action []rules.Action
		want   client.Result
		kept   int // recipients absorbed for
	}{
		{"deliver", d(rules.Deliver), client.Result{Verdict: client.Accept}, 0},
		{"tag", d(rules.Tag), client.Result{Verdict: client.Accept, Inserted: []client.Field{{Index: 1, Name: "X-Breakwater", Value: " class=personal; action=tag; rule=x.toml:3"}}}, 0},
		{"absorb all", d(rules.Absorb), client.Result{Verdict: client.Discard}, 2},
		{"absorb one", d(rules.Deliver, rules.Absorb), client.Result{Verdict: client.Accept, Deleted: []string{"U2+x@Example.test"}}, 1},
		{"quarantine", d(rules.Quarantine), client.Result{Verdict: client.Accept, Quarantined: "breakwater: test (x.toml:3)"}, 0},
		{"quarantine and absorb", d(rules.Quarantine, rules.Absorb), client.Result{Verdict: client.Accept, Deleted: []string{"U2+x@Example.test"}, Quarantined: "breakwater: test (x.toml:3)"}, 1},
		{"quarantine and deliver", d(rules.Quarantine, rules.Deliver), client.Result{Verdict: client.Accept}, 0},
		{"reject", d(rules.Reject), client.Result{Verdict: client.Reply, Reply: "550 5.7.1 test"}, 0},
		{"reject and deliver", d(rules.Reject, rules.Deliver), client.Result{Verdict: client.Accept}, 0},
		{"tempfail", d(rules.Tempfail), client.Result{Verdict: client.Reply, Reply: "451 4.7.1 test"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kept := 0
			addr, got := start(t, &Server{
				Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
					return all(m, tt.action...), nil
				},
				Absorb: func(_ context.Context, j rules.Judgement) error { kept = len(j.Absorbed()); return nil },
			})
			res := send(t, dial(t, addr, client.Options{}), mail("Q", "u1@example.test", "U2+x@Example.test"))
			if !reflect.DeepEqual(res, tt.want) || kept != tt.kept {
				t.Errorf("got %+v, absorbed for %d", res, kept)
			}
			if o := got.outcome(0); o.Err != nil || len(o.Decisions) != 2 {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestStamp: mail that leaves gets its stamp if anybody gets it, and else nothing.
func TestStamp(t *testing.T) {
	stamp := &origin.Stamp{ReversePath: "ann+t@example.net", Fields: []message.Field{{Name: "Message-ID", Value: "<1@example.net>"}, {Name: "X-Breakwater-Token", Value: "a\r\n\tb"}}}
	plain := client.Result{
		Verdict: client.Accept, From: "<ann+t@example.net>", Params: "RET=HDRS BODY=8BITMIME",
		Changed:  []client.Field{{Index: 1, Name: "X-Breakwater-Token"}, {Index: 1, Name: "Message-ID", Value: " <1@example.net>"}},
		Inserted: []client.Field{{Index: 1, Name: "X-Breakwater-Token", Value: " a\n\tb"}},
		Deleted:  []string{"u1+t@example.test"}, Added: []string{"u1@example.test"},
	}
	tests := []struct {
		actions []rules.Action
		change  func(*client.Result)
	}{
		{[]rules.Action{rules.Deliver}, func(*client.Result) {}},
		{[]rules.Action{rules.Tag}, func(r *client.Result) {
			r.Inserted = slices.Insert(r.Inserted, 0, client.Field{Index: 1, Name: "X-Breakwater", Value: " class=personal; action=tag; rule=x.toml:3"})
		}},
		{[]rules.Action{rules.Quarantine}, func(r *client.Result) { r.Quarantined = "breakwater: test (x.toml:3)" }},
		{[]rules.Action{rules.Deliver, rules.Absorb}, func(r *client.Result) { r.Deleted = []string{"u2@example.test", "u1+t@example.test"} }},
		{[]rules.Action{rules.Absorb}, func(r *client.Result) { *r = client.Result{Verdict: client.Discard} }},
		{[]rules.Action{rules.Reject}, func(r *client.Result) { *r = client.Result{Verdict: client.Reply, Reply: "550 5.7.1 test"} }},
		{[]rules.Action{rules.Tempfail}, func(r *client.Result) { *r = client.Result{Verdict: client.Reply, Reply: "451 4.7.1 test"} }},
	}
	for _, tt := range tests {
		for _, archive := range []error{nil, errors.New("disk full")} {
			addr, _ := start(t, &Server{
				Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
					j := all(m, tt.actions...)
					j.Decisions[0].To = "u1@example.test"
					for i := range j.Decisions {
						j.Decisions[i].Stamp = stamp
					}
					return j, nil
				},
				Absorb: func(context.Context, rules.Judgement) error { return archive },
			})
			want := plain
			want.Inserted = slices.Clone(plain.Inserted)
			if tt.change(&want); archive != nil && slices.Contains(tt.actions, rules.Absorb) {
				want = plain // what can not be absorbed leaves as it should
			}
			m := mail("Q", "u1+t@example.test", "u2@example.test")
			m.Params = []string{"RET=HDRS", "BODY=8BITMIME"}
			m.Raw = append([]byte("X-Breakwater-Token: foreign\r\n"), m.Raw...)
			if res := send(t, dial(t, addr, client.Options{}), m); !reflect.DeepEqual(res, want) {
				t.Errorf("%v, archive %v:\n got %+v\nwant %+v", tt.actions, archive, res, want)
			}
		}
	}
}

// TestParams: those of one message are not the next one's.
func TestParams(t *testing.T) {
	addr, _ := start(t, &Server{Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		j := all(m, rules.Deliver)
		j.Decisions[0].Stamp = &origin.Stamp{ReversePath: "t@example.net"}
		return j, nil
	}})
	c := dial(t, addr, client.Options{})
	for _, tt := range []struct {
		params []string
		want   string
	}{{[]string{"BODY=7BIT"}, "BODY=7BIT"}, {nil, ""}, {[]string{"size=7"}, ""}, {[]string{"RET=FULL", "SIZE=7", "ENVID=x", ""}, "RET=FULL ENVID=x"}} {
		m := mail("Q", "u1@example.test")
		m.Params = tt.params
		if res := send(t, c, m); res.From != "<t@example.net>" || res.Params != tt.want {
			t.Errorf("%q: %+v", tt.params, res)
		}
	}
	// Postfix forgets nothing, and warns.
	raw := rawDial(t, addr)
	raw.negotiate()
	raw.put('D', "Cv\x00Postfix 3.7.11\x00")
	raw.put('C', "host\x004\x09\xdd192.0.2.1\x00")
	raw.play(packet('M', "<a@example.net>\x00RET=FULL\x00"), packet('R', "<u1@example.test>\x00"), packet('N', ""), packet('E', ""))
	if from := raw.want('e'); from != "<t@example.net>\x00" {
		t.Errorf("%q", from)
	}
	raw.want('a')
}

// TestRefuse refuses recipients as they are named, first, in the middle, last and all.
func TestRefuse(t *testing.T) {
	for _, abort := range []bool{true, false} {
		s := &Server{Refuse: func(_ context.Context, env message.Envelope, rcpt message.Recipient) (string, bool) {
			if len(env.Recipients) > 0 || env.ReversePath != "" || env.Host != client.Host || rcpt.Mailer != "virtual" {
				t.Errorf("%+v, %+v", env, rcpt)
			}
			return "100% no", strings.HasPrefix(rcpt.Addr, "no")
		}}
		addr, got := start(t, s)
		c := dial(t, addr, client.Options{Abort: abort})
		before := 0 // outcomes of the messages before
		for _, to := range []string{"no1 u1", "u1 no1 u2", "u1 no1", "no1", "no1 no2", "u1"} {
			var named []string
			for _, name := range strings.Fields(to) {
				named = append(named, name+"@example.test")
			}
			m := mail(to, named...)
			m.From = ""
			res := send(t, c, m)
			var early, judged []string
			told := strings.Count(to, "no") // and once for all that are not refused
			if strings.Contains(to, "u") {
				told++
			}
			for range told {
				o := got.outcome(before)
				before++
				for i, r := range o.Message.Recipients {
					switch d := o.Decisions[i]; {
					case !o.AtRCPT:
						judged = append(judged, r.Addr)
					case d.Action == rules.Reject && d.Recipient == r && d.Text == "100% no" && o.Message.QueueID == to:
						early = append(early, r.Addr)
					default:
						t.Errorf("%+v", o)
					}
				}
			}
			var refused, kept []string
			for _, addr := range named {
				if strings.HasPrefix(addr, "no") {
					refused = append(refused, addr)
				} else {
					kept = append(kept, addr)
				}
			}
			if !slices.Equal(res.Refused, refused) || !slices.Equal(early, refused) || !slices.Equal(judged, kept) || (res.Verdict == client.Accept) != (kept != nil) {
				t.Errorf("%q: %+v, early %q, judged %q", to, res, early, judged)
			}
		}
	}
}

// TestRefuseFails: then nobody is refused, and it is not asked again about that message.
func TestRefuseFails(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	for name, fail := range map[string]func(){"panic": func() { panic("oops") }, "hang": func() { <-hang }} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan string, 10)
			addr, got := start(t, &Server{JudgeTimeout: 50 * time.Millisecond, Refuse: func(_ context.Context, _ message.Envelope, r message.Recipient) (string, bool) {
				asked <- r.Addr
				fail()
				return "no", true
			}})
			c := dial(t, addr, client.Options{})
			for i := range 2 {
				m := mail("Q", "u1@example.test", "u2@example.test")
				m.From = ""
				res := send(t, c, m)
				if res.Verdict != client.Accept || len(res.Refused) > 0 || len(got.messages[i].Recipients) != 2 || got.outcome(i).Err != nil {
					t.Errorf("%+v, %+v", res, got.outcome(i))
				}
			}
			if len(asked) != 2 || <-asked != "u1@example.test" || <-asked != "u1@example.test" {
				t.Errorf("asked %d times", len(asked))
			}
		})
	}
}

// TestLocalMail: what fails about it delivers it.
func TestLocalMail(t *testing.T) {
	addr, _ := start(t, &Server{OnError: rules.Tempfail, Judge: func(context.Context, *message.Message) (rules.Judgement, error) { panic("oops") }})
	m := mail("Q", "u1@example.test")
	m.Local = true
	if res := send(t, dial(t, addr, client.Options{}), m); res.Verdict != client.Accept {
		t.Errorf("%+v", res)
	}
}

// TestFailures lets each part of ours fail: the message is what OnError says, and the
// connection goes on.
func TestFailures(t *testing.T) {
	absorb := func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		return all(m, rules.Deliver, rules.Absorb), nil
	}
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	tests := []struct {
		name string
		s    *Server
		err  string
	}{
		{"panic", &Server{Judge: func(context.Context, *message.Message) (rules.Judgement, error) { panic("oops") }}, "panic: oops"},
		{"error", &Server{Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return rules.Judgement{}, errors.New("broken")
		}}, "broken"},
		{"too few decisions", &Server{Judge: func(context.Context, *message.Message) (rules.Judgement, error) { return rules.Judgement{}, nil }}, "0 decisions for 2"},
		{"hangs", &Server{JudgeTimeout: 10 * time.Millisecond, Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			<-hang
			_ = m.Raw[len(m.Raw)-1] // still there
			return rules.Judgement{}, nil
		}}, "judge: no answer within"},
		{"archive fails", &Server{Judge: absorb, Absorb: func(context.Context, rules.Judgement) error { return errors.New("disk full") }}, "absorb: disk full"},
		{"archive panics", &Server{Judge: absorb, Absorb: func(context.Context, rules.Judgement) error { panic("oops") }}, "absorb: panic: oops"},
		{"spool fails", &Server{SpoolMemory: 10, SpoolDir: "/nonexistent"}, "spool message"},
	}
	for _, tt := range tests {
		for _, on := range []rules.Action{"", rules.Tempfail} {
			t.Run(tt.name+" "+string(on), func(t *testing.T) {
				s := &Server{Judge: tt.s.Judge, Absorb: tt.s.Absorb, JudgeTimeout: tt.s.JudgeTimeout, SpoolMemory: tt.s.SpoolMemory, SpoolDir: tt.s.SpoolDir, OnError: on}
				addr, got := start(t, s)
				c := dial(t, addr, client.Options{})
				for i := range 3 {
					res := send(t, c, mail(fmt.Sprint("Q", i), "u1@example.test", "u2@example.test"))
					want := client.Result{Verdict: client.Accept}
					if on == rules.Tempfail {
						want = client.Result{Verdict: client.Reply, Reply: "451 4.7.1 on_error"}
					}
					if !reflect.DeepEqual(res, want) {
						t.Errorf("message %d: %+v", i, res)
					}
					if o := got.outcome(i); o.Err == nil || !strings.Contains(o.Err.Error(), tt.err) || o.Message.QueueID != fmt.Sprint("Q", i) {
						t.Errorf("outcome %d: %+v", i, o)
					}
					for _, d := range got.outcome(i).Decisions {
						if d.Action != or(on, rules.Deliver) {
							t.Errorf("outcome %d says %q of %s", i, d.Action, d.Recipient.Addr)
						}
					}
				}
			})
		}
	}
}

func TestDonePanics(t *testing.T) {
	s := &Server{}
	addr, _ := start(t, s)
	told := make(chan struct{}, 2)
	s.Done = func(Outcome) { told <- struct{}{}; panic("oops") }
	c := dial(t, addr, client.Options{})
	for range 2 {
		if res := send(t, c, mail("Q", "u1@example.test")); res.Verdict != client.Accept {
			t.Errorf("%+v", res)
		}
		<-told
	}
}

// TestTooLong: what is not whole is delivered, whatever OnError says.
func TestTooLong(t *testing.T) {
	s := &Server{
		MaxMessage: 100, OnError: rules.Tempfail,
		Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return all(m, rules.Absorb), nil
		},
		Absorb: func(context.Context, rules.Judgement) error { t.Error("absorbed"); return nil },
	}
	addr, got := start(t, s)
	m := mail("Q", "u1@example.test", "u2@example.test")
	m.Raw = append(m.Raw, bytes.Repeat([]byte("x"), 200)...)
	res := send(t, dial(t, addr, client.Options{}), m)
	if res.Verdict != client.Accept || len(res.Deleted) > 0 || !got.messages[0].Truncated || got.raws[0] != string(m.Raw[:100]) || got.outcome(0).Err == nil {
		t.Errorf("%+v, %+v", res, got.outcome(0))
	}
}

// TestTurns: of messages to many recipients few are judged at once, and all are; others do not wait for them.
func TestTurns(t *testing.T) {
	var large, most atomic.Int64
	goOn := make(chan struct{})
	s := &Server{JudgeTimeout: time.Minute, Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		if len(m.Recipients) >= largeFrom {
			n := large.Add(1)
			for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
			}
			<-goOn
			large.Add(-1)
		}
		return all(m, rules.Deliver), nil
	}}
	addr, got := start(t, s)
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("info+%d@example.test", i))
	}
	var senders sync.WaitGroup
	for i := range 10 {
		c := dial(t, addr, client.Options{Timeout: time.Minute})
		senders.Go(func() {
			if res, err := c.Send(mail(fmt.Sprint("large", i), many...)); err != nil || res.Verdict != client.Accept {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
	for large.Load() < largeTurns {
		time.Sleep(time.Millisecond)
	}
	if res := send(t, dial(t, addr, client.Options{}), mail("small", "u1@example.test")); res.Verdict != client.Accept {
		t.Errorf("%+v", res)
	}
	close(goOn)
	senders.Wait()
	if n := most.Load(); n != largeTurns {
		t.Errorf("%d large messages were judged at once", n)
	}
	for i := range 11 {
		if o := got.outcome(i); o.Err != nil {
			t.Error(o.Err)
		}
	}
}
