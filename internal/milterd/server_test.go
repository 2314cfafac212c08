package milterd

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd/client"
	"breakwater/internal/rules"
)

func TestShutdown(t *testing.T) {
	inJudge, goOn := make(chan struct{}), make(chan struct{})
	s := &Server{Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		close(inJudge)
		<-goOn
		return all(m, rules.Deliver), nil
	}}
	addr, _ := start(t, s)
	idle := rawDial(t, addr)
	idle.negotiate()
	busy := dial(t, addr, client.Options{})
	answered := make(chan client.Result, 1)
	go func() {
		res, err := busy.Send(mail("Q", "u1@example.test"))
		if err != nil {
			t.Error(err)
		}
		answered <- res
	}()
	<-inJudge
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if rest, err := io.ReadAll(idle); err != nil || len(rest) > 0 {
		t.Errorf("idle connection: %q, %v", rest, err)
	}
	if _, err := net.Dial("unix", addr); err == nil {
		t.Error("still takes connections")
	}
	select {
	case err := <-stopped:
		t.Fatal("stopped before the message in hand was answered", err)
	default:
	}
	close(goOn)
	if res := <-answered; res.Verdict != client.Accept {
		t.Errorf("%+v", res)
	}
	if err := <-stopped; err != nil || s.Connections() != 0 {
		t.Error(err, s.Connections())
	}
}

func TestShutdownCutsOff(t *testing.T) {
	s := &Server{}
	addr, _ := start(t, s)
	c := rawDial(t, addr)
	c.negotiate()
	c.put('M', "<a@example.net>\x00")
	c.put('R', "<u1@example.test>\x00")
	c.read()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("a message in hand was not waited for")
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Error(err)
	}
}

func TestMaxConns(t *testing.T) {
	s := &Server{MaxConns: 2}
	addr, _ := start(t, s)
	a, b := rawDial(t, addr), rawDial(t, addr)
	a.negotiate()
	b.negotiate()
	over := rawDial(t, addr)
	if rest, err := io.ReadAll(over); err != nil || len(rest) > 0 || s.Refused() != 1 {
		t.Errorf("third connection: %q, %v; %d refused", rest, err, s.Refused())
	}
	a.put('Q', "")
	io.ReadAll(a)
	for s.Connections() > 1 {
		time.Sleep(time.Millisecond)
	}
	rawDial(t, addr).negotiate()
}

// TestShutdownBeforeTheEnd lets a message go on that has only begun.
func TestShutdownBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		in := inMemory(t, s)
		c, between := in.dial(t), in.dial(t)
		c.negotiate()
		between.negotiate()
		between.message("x", "u1@example.test")
		packets := whole("x", "u1@example.test")
		c.play(packets[:3]...)
		stopped := make(chan error, 2)
		for range 2 {
			go func() { stopped <- s.Shutdown(context.Background()) }()
		}
		synctest.Wait()
		between.gone()
		time.Sleep(time.Minute)
		if n := s.Connections(); n != 1 || len(stopped) > 0 {
			t.Fatalf("%d connections, %d shut down", n, len(stopped))
		}
		c.play(packets[3:]...)
		c.want('a')
		c.gone()
		if err := errors.Join(<-stopped, <-stopped); err != nil {
			t.Error(err)
		}
	})
}

func TestServeAfterShutdown(t *testing.T) {
	s := &Server{}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	in := newPipes()
	if err := s.Serve(in); err != nil {
		t.Error(err)
	}
	if _, err := in.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}

// exhausted is a listener that fails before each connection.
type exhausted struct {
	*pipes
	fails int
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.fails++; e.fails%4 != 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return e.pipes.Accept()
}

func TestAcceptGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return all(m, rules.Deliver), nil
		}}
		in := newPipes()
		served := make(chan error)
		go func() { served <- s.Serve(&exhausted{pipes: in}) }()
		for range 3 {
			c := in.dial(t)
			c.negotiate()
			c.message("x", "u1@example.test")
			c.put('Q', "")
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // it may be waiting to try again
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
