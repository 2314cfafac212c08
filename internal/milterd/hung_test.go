package milterd

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd/client"
	"breakwater/internal/rules"
)

// TestDoneHangs: messages and refused recipients have their answers before Done is told of them.
func TestDoneHangs(t *testing.T) {
	goOn := make(chan struct{})
	s := &Server{Refuse: func(_ context.Context, _ message.Envelope, r message.Recipient) (string, bool) {
		return "no", strings.HasPrefix(r.Addr, "no")
	}}
	addr, _ := start(t, s)
	t.Cleanup(func() { close(goOn) })
	s.Done = func(Outcome) { <-goOn }
	if res := send(t, dial(t, addr, client.Options{}), mail("Q", "u1@example.test")); res.Verdict != client.Accept {
		t.Errorf("%+v", res)
	}
	c := rawDial(t, addr)
	c.negotiate()
	c.play(packet('M', "<>\x00"))
	c.put('R', "<no1@example.test>\x00")
	c.want('y')
	// It is still in hand, and whoever watches can see for how long.
	for ; s.Oldest(time.Now().Add(time.Hour)) < time.Hour; time.Sleep(time.Millisecond) {
	}
}

// TestHungJudge answers in time without its Judge, whose message stays as it is until that
// is done; then nothing of it is left.
func TestHungJudge(t *testing.T) {
	goOn, done := make(chan struct{}), make(chan string)
	s := &Server{SpoolMemory: 1000, JudgeTimeout: 10 * time.Millisecond}
	s.Judge = func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		if m.Subject == "hang" {
			<-goOn
			done <- string(m.Raw)
			<-goOn
		}
		return all(m, rules.Deliver), nil
	}
	addr, _ := start(t, s)
	c := dial(t, addr, client.Options{})
	m := mail("hang", "u1@example.test")
	m.Raw = append(m.Raw, bytes.Repeat([]byte("hung\r\n"), 10_000)...)
	if res := send(t, c, m); res.Verdict != client.Accept {
		t.Errorf("%+v", res)
	}
	s.JudgeTimeout = time.Minute
	other := mail("other", "u1@example.test")
	other.Raw = append(other.Raw, bytes.Repeat([]byte("other\r\n"), 10_000)...)
	send(t, c, other)
	c.Close()
	goOn <- struct{}{}
	if raw := <-done; raw != string(m.Raw) {
		t.Error("the message is not what it was")
	}
	for s.Connections() > 0 { // the other message's are gone with the connection at the latest
		time.Sleep(time.Millisecond)
	}
	if n := spoolFiles(t); n != 2 {
		t.Errorf("%d open and mapped spool files, want 2", n)
	}
	goOn <- struct{}{}
	for s.running.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	if n := spoolFiles(t); n != 0 {
		t.Errorf("%d spool files are left", n)
	}
}

// TestSpoolHasNoName: nothing of a message stays on disk, even if the daemon is killed.
func TestSpoolHasNoName(t *testing.T) {
	dir := t.TempDir()
	addr, got := start(t, &Server{SpoolMemory: 10, SpoolDir: dir, Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		names, err := os.ReadDir(dir)
		if err != nil || len(names) > 0 || spoolFiles(t) == 0 {
			t.Errorf("%v, %v", names, err)
		}
		return all(m, rules.Deliver), nil
	}})
	m := mail("Q", "u1@example.test")
	if send(t, dial(t, addr, client.Options{}), m); len(got.raws) != 1 || got.raws[0] != string(m.Raw) {
		t.Errorf("%q", got.raws)
	}
}

// spoolFiles counts the open files and the mappings of spools.
func spoolFiles(t *testing.T) (n int) {
	t.Helper()
	const name = "/breakwater-"
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	n = strings.Count(string(maps), name)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.Contains(to, name) {
			n++
		}
	}
	return n
}

// TestHungCallsAreBounded lets each call hang. Soon there are no more of them.
func TestHungCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		var last Outcome
		s := &Server{MaxConns: 2, Done: func(o Outcome) { last = o }, Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			<-goOn
			return all(m, rules.Deliver), nil
		}}
		c := inMemory(t, s).dial(t)
		c.negotiate()
		for i := range 5 {
			begun := time.Now()
			c.message("x", "u1@example.test")
			took := time.Since(begun)
			synctest.Wait() // until Done was told
			want := 3 * time.Second
			if i == 4 {
				want = 0
			}
			if took != want || last.Err == nil {
				t.Errorf("message %d was answered after %v, want %v; %v", i, took, want, last.Err)
			}
		}
		close(goOn)
		synctest.Wait()
		c.message("x", "u1@example.test")
		if synctest.Wait(); last.Err != nil {
			t.Error(last.Err)
		}
		c.put('Q', "")
	})
}

func TestHungAbsorb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		var last Outcome
		s := &Server{
			Done: func(o Outcome) { last = o },
			Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
				return all(m, rules.Absorb), nil
			},
			Absorb: func(context.Context, rules.Judgement) error { <-goOn; return nil },
		}
		c := inMemory(t, s).dial(t)
		c.negotiate()
		begun := time.Now()
		c.message("x", "u1@example.test")
		took := time.Since(begun)
		if synctest.Wait(); took != 30*time.Second || last.Err == nil || last.Decisions[0].Action != rules.Deliver {
			t.Errorf("answered after %v, %+v", took, last)
		}
		close(goOn)
		c.put('Q', "")
	})
}

// TestLostAnswer: who was absorbed for is told even if the MTA has gone meanwhile.
func TestLostAnswer(t *testing.T) {
	goOn, told := make(chan struct{}), make(chan Outcome, 1)
	s := &Server{
		Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return all(m, rules.Deliver, rules.Absorb), nil
		},
		Absorb: func(context.Context, rules.Judgement) error { <-goOn; return nil },
	}
	addr, _ := start(t, s)
	s.Done = func(o Outcome) { told <- o }
	c := rawDial(t, addr)
	c.negotiate()
	c.play(packet('M', "<>\x00"), packet('R', "<u1@example.test>\x00"), packet('R', "<u2@example.test>\x00"), packet('N', ""), packet('E', ""))
	c.Close()
	close(goOn)
	if o := <-told; o.Err == nil || o.Decisions[1].Action != rules.Absorb {
		t.Errorf("%+v", o)
	}
}
