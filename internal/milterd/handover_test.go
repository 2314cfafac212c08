package milterd

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd/client"
	"breakwater/internal/rules"
)

// handing is a server that hands its connections over when it is stopped.
func handing(t *testing.T) (s *Server, addr string, stop func() []Handed) {
	t.Helper()
	taken := make(chan Handed, 100)
	s = &Server{HandOver: func(h Handed) error { taken <- h; return nil }}
	addr, _ = start(t, s)
	return s, addr, func() []Handed {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Fatal("shutdown:", err)
		}
		var all []Handed
		for len(taken) > 0 {
			all = append(all, <-taken)
		}
		return all
	}
}

// TestHandOver stops a server before each packet of a message that comes by MAIL FROM, and has another one go
// on. The MTA notices nothing, and the message is judged as if one server had seen it all.
func TestHandOver(t *testing.T) {
	packets := [][]byte{
		packet('D', "Cj\x00mx.example.test\x00v\x00Postfix 3.7.11\x00{daemon_name}\x00MSA\x00"), packet('C', "host\x004\x09\xdd192.0.2.1\x00"),
		packet('H', "h\xe9lo\x00"), packet('D', "Mi\x00Q1\x00{auth_authen}\x00ann\x00"), packet('M', "<a\xff@example.net>\x00RET=HDRS\x00"),
		packet('R', "<u1@example.test>\x00"), packet('R', "<u2@example.test>\x00"), packet('L', "Subject\x00 x\x00"), packet('L', "X-Breakwater\x00 y\x00"),
		packet('N', ""), packet('B', "body\r\n"), packet('B', strings.Repeat("long\r\n", 60_000)), packet('D', "Ei\x00Q1\x00"), packet('E', ""),
	}
	for cut := range len(packets) + 1 {
		_, addr, stop := handing(t)
		c := rawDial(t, addr)
		c.negotiate()
		c.play(packets[:cut]...)
		rest, answered := packets[cut:], cut == len(packets)
		if answered {
			c.want('m')
			c.want('a')
		}
		time.Sleep(5 * time.Millisecond) // what was written is read as a rule
		more := make(chan struct{})
		if macros := cut > 0 && packets[cut-1][4] == 'D'; macros { // they wait for what they belong to
			rest = rest[1:]
			time.AfterFunc(10*time.Millisecond, func() { c.Write(packets[cut]); close(more) })
		} else {
			close(more)
		}
		handed := stop()
		<-more
		if len(handed) != 1 {
			t.Fatalf("before packet %d: %d connections are handed over", cut, len(handed))
		}
		next := &Server{}
		_, got := start(t, next)
		if err := next.Resume(handed); err != nil {
			t.Fatal(err)
		}
		c.play(rest...)
		if !answered {
			c.want('m')
			c.want('a')
		}
		c.message("next", "u1@example.test")
		o := got.outcome(0)
		if o.Message.Subject == "x" {
			if m := o.Message; o.Err != nil || m.QueueID != "Q1" || m.ReversePath != "a\xff@example.net" || m.AuthUser != "ann" || len(m.Recipients) != 2 ||
				len(got.raws[0]) != 360_000+len("Subject: x\r\nX-Breakwater: y\r\n\r\nbody\r\n") {
				t.Errorf("before packet %d: %+v, %v, %d bytes", cut, m.Envelope, o.Err, len(got.raws[0]))
			}
			o = got.outcome(1)
		} else if cut < len(packets)-1 {
			t.Errorf("before packet %d: %+v", cut, o.Message.Envelope)
		}
		if m := o.Message; o.Err != nil || m.Subject != "next" || m.Client != netip.MustParseAddr("192.0.2.1") || m.Helo != "h\xe9lo" || m.DaemonName != "MSA" || m.Host != "mx.example.test" {
			t.Errorf("before packet %d: the next message is %+v", cut, m.Envelope)
		}
	}
}

// TestHandOverInHand: a message that is being judged is answered first, and its connection is then handed over.
func TestHandOverInHand(t *testing.T) {
	inJudge, goOn := make(chan struct{}), make(chan struct{})
	taken := make(chan Handed, 10)
	s := &Server{
		HandOver: func(h Handed) error { taken <- h; return nil },
		Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			close(inJudge)
			<-goOn
			return all(m, rules.Deliver), nil
		},
	}
	addr, _ := start(t, s)
	c := dial(t, addr, client.Options{Abort: true})
	answered := make(chan error, 1)
	go func() {
		_, err := c.Send(mail("Q", "u1@example.test"))
		answered <- err
	}()
	<-inJudge
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	close(goOn)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; err != nil || len(taken) != 1 {
		t.Fatal(err, len(taken))
	}
	next := &Server{}
	_, got := start(t, next)
	if err := next.Resume([]Handed{<-taken}); err != nil {
		t.Fatal(err)
	}
	send(t, c, mail("next", "u1@example.test"))
	if o := got.outcome(0); o.Message.Subject != "next" || o.Message.AuthUser != "ann" {
		t.Errorf("%+v", o.Message.Envelope)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := next.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// TestResumeForeign: what is no state of ours ends its connection, and says so.
func TestResumeForeign(t *testing.T) {
	s, addr, stop := handing(t)
	c := rawDial(t, addr)
	c.negotiate()
	handed := stop()
	_ = s
	file, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	next := &Server{}
	start(t, next)
	good := handed[0].State
	handed[0].State = []byte("nonsense")
	if err := next.Resume(append(handed, Handed{file, good})); err == nil || strings.Count(err.Error(), "goes on unfiltered") != 2 {
		t.Error(err)
	}
	c.gone()
}

// TestHandOverMacros: macros that come while the server stops wait for what they belong to.
func TestHandOverMacros(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	s, addr, stop := handing(t)
	s.Refuse = func(context.Context, message.Envelope, message.Recipient) (string, bool) {
		close(asked)
		<-goOn
		return "", false
	}
	c := rawDial(t, addr)
	c.negotiate()
	c.put('M', "<>\x00")
	c.Write(slices.Concat(packet('R', "<u1@example.test>\x00"), packet('A', ""), packet('D', "Mi\x00Q7\x00{auth_authen}\x00ann\x00"))) // are read at once
	<-asked
	written := make(chan struct{})
	go func() {
		defer close(written)
		for !s.stopping.Load() {
			time.Sleep(time.Millisecond)
		}
		close(goOn)
		time.Sleep(10 * time.Millisecond)
		c.put('M', "<a@example.net>\x00")
	}()
	next := &Server{}
	_, got := start(t, next)
	if err := next.Resume(stop()); err != nil {
		t.Fatal(err)
	}
	<-written
	c.want('c')
	c.play(packet('R', "<u2@example.test>\x00"), packet('N', ""), packet('E', ""))
	c.want('a')
	if m := got.outcome(0).Message; m.QueueID != "Q7" || m.AuthUser != "ann" || m.ReversePath != "a@example.net" || len(m.Recipients) != 1 {
		t.Errorf("%+v", m.Envelope)
	}
}

// TestHandOverNew: a connection that comes while the server stops is handed over, too.
func TestHandOverNew(t *testing.T) {
	ln, err := Listen("unix:"+filepath.Join(t.TempDir(), "m"), ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := rawDial(t, ln.Addr().String())
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var handed []Handed
	s := &Server{HandOver: func(h Handed) error { handed = append(handed, h); return nil }}
	s.stop()
	if _, err := (&listener{Listener: &handedOver{nc}, server: s}).Accept(); err == nil || len(handed) != 1 {
		t.Fatal(err, len(handed))
	}
	next := &Server{}
	start(t, next)
	if err := next.Resume(handed); err != nil {
		t.Fatal(err)
	}
	c.negotiate()
	c.message("x", "u1@example.test")
}
