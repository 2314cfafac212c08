package milterd

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-milter"
)

// TestMalformedPackets puts broken packets before each event of a message. No answer may
// come to any of them, since it would be taken for that of a later event.
func TestMalformedPackets(t *testing.T) {
	broken := map[string][]byte{
		"header without value":   packet('L', "Subject\x00"),
		"header with three":      packet('L', "A\x00b\x00c\x00"),
		"header with nothing":    packet('L', ""),
		"header without NUL":     packet('L', "Subject: x"),
		"header without name":    packet('L', "\x00x\x00"),
		"header not ended":       packet('L', "A\x00b\x00c"),
		"connect with nothing":   packet('C', ""),
		"connect cut":            packet('C', "host"),
		"connect without port":   packet('C', "host\x004\x01"),
		"connect without addr":   packet('C', "host\x004\x01\x02"),
		"connect without family": packet('C', "host\x00"),
		"macro with nothing":     packet('D', ""),
	}
	good := append([][]byte{packet('C', "host\x004\x09\xdd192.0.2.1\x00"), packet('H', "helo\x00")}, whole("x", "u1@example.test")...)
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			for place := range good {
				addr, got := start(t, &Server{})
				c := rawDial(t, addr)
				c.negotiate()
				c.play(slices.Insert(slices.Clone(good), place, b)...)
				c.want('a')
				if got.outcome(0).Err == nil || len(got.messages) > 0 {
					t.Errorf("before %q: nothing is said of it", good[place][4])
				}
				if place%2 == 0 {
					c.put('A', "")
				}
				c.message("next", "u1@example.test")
				if o := got.outcome(1); o.Err != nil || o.Message.Subject != "next" {
					t.Errorf("the next message: %+v", o)
				}
			}
		})
	}
}

// TestMalformedEvents breaks the events that begin a message or have an answer: they have
// the same one then.
func TestMalformedEvents(t *testing.T) {
	for name, b := range map[string][]byte{
		"mail with nothing": packet('M', ""), "mail without NUL": packet('M', "<a@example.net>"),
		"rcpt with nothing": packet('R', ""), "rcpt without NUL": packet('R', "<u1@example.test>"), "rcpt empty": packet('R', "\x00"),
		"end with something": packet('E', "more"),
	} {
		t.Run(name, func(t *testing.T) {
			addr, got := start(t, &Server{})
			c := rawDial(t, addr)
			c.negotiate()
			for _, p := range whole("x", "u1@example.test") {
				if p[4] == b[4] {
					p = b
				}
				c.play(p)
			}
			c.want('a')
			c.message("next", "u1@example.test")
			if first, next := got.outcome(0), got.outcome(1); first.Err == nil || len(first.Decisions) != 1 || next.Err != nil || next.Message.Subject != "next" {
				t.Errorf("%+v, %+v", first, next)
			}
		})
	}
}

// TestOutOfOrder: whatever the order, each end of a message has one answer.
func TestOutOfOrder(t *testing.T) {
	addr, got := start(t, &Server{})
	c := rawDial(t, addr)
	c.negotiate()
	c.play(packet('E', ""))
	c.want('a')
	c.play(packet('B', "body"), packet('L', "X-Breakwater\x00 x\x00"), packet('R', "<u1@example.test>\x00"), packet('E', ""))
	c.want('m')
	c.want('a')
	c.play(packet('A', ""), packet('A', ""))
	c.put('T', "")
	c.want('c')
	c.message("x", "u1@example.test")
	if last := got.outcome(2); got.outcome(0).Err == nil || got.outcome(1).Err == nil || last.Err != nil || len(last.Message.Recipients) != 1 {
		t.Errorf("%+v", last)
	}
}

func TestPacketsThatEndTheSession(t *testing.T) {
	for name, b := range map[string][]byte{
		"length 0": {0, 0, 0, 0}, "length 4 GB": {255, 255, 255, 255, 'L'}, "unknown command": packet('?', ""), "quit": packet('Q', ""), "HTTP": []byte("GET / HTTP/1.1\r\n\r\n"),
		"long recipient": packet('R', strings.Repeat("x", maxGoMilter)), "long field": {1, 0, 0, 1, 'L'},
		"offer of too little": packet('O', "\x00\x00\x00\x02\x00\x00\x00\x3f\x00\x00\x00\x7f"), "offer cut": packet('O', offer[:11]),
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := start(t, &Server{})
			c := rawDial(t, addr)
			c.negotiate()
			go c.Write(b)
			c.gone()
		})
	}
}

// TestNothingForTheStandardLogger: go-milter writes there what is no io.EOF.
func TestNothingForTheStandardLogger(t *testing.T) {
	var text bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&text)
	s := &Server{IdleTimeout: 50 * time.Millisecond}
	ln, err := Listen("inet:127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(ln) }()
	for name, end := range map[string]func(*net.TCPConn){
		"closed":        func(c *net.TCPConn) { c.Close() },
		"cut":           func(c *net.TCPConn) { c.Write([]byte{0, 0, 0}); c.Close() },
		"reset":         func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"idle too long": func(c *net.TCPConn) {},
	} {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		(&rawConn{t, c}).negotiate()
		end(c.(*net.TCPConn))
		for s.Connections() > 0 {
			time.Sleep(time.Millisecond)
		}
		c.Close()
		if text.Len() > 0 {
			t.Errorf("%s: %s", name, text.String())
		}
		text.Reset()
	}
	if err := errors.Join(s.Shutdown(t.Context()), <-served); err != nil {
		t.Error(err)
	}
}

func TestByteByByte(t *testing.T) {
	addr, got := start(t, &Server{})
	c := rawDial(t, addr)
	c.negotiate()
	all := bytes.Join([][]byte{packet('M', "<>\x00"), packet('R', "<u1@example.test>\x00"), packet('L', "Subject\x00 x\x00"), packet('N', ""), packet('B', "body"), packet('E', "")}, nil)
	for i := range all {
		c.Write(all[i : i+1])
	}
	c.read()
	if code, _ := c.read(); code != 'a' || got.raws[0] != "Subject: x\r\n\r\nbody" {
		t.Errorf("%q, %q", code, got.raws)
	}
}

// piles is a backend that looks at the header that go-milter keeps.
type piles struct {
	milter.NoOpMilter
	fields chan int
}

func (p piles) Headers(h textproto.MIMEHeader, _ *milter.Modifier) (milter.Response, error) {
	p.fields <- len(h)
	return nil, nil
}

func (piles) Header(string, string, *milter.Modifier) (milter.Response, error) { return nil, nil }

func (piles) Body(*milter.Modifier) (milter.Response, error) {
	return sameSession{milter.RespAccept}, nil
}

// TestHeadersDoNotPileUp sends messages without ABORT between them, each with a field of its
// own: go-milter must not keep those of messages past.
func TestHeadersDoNotPileUp(t *testing.T) {
	p := piles{fields: make(chan int, 10)}
	in := newPipes()
	l := &listener{Listener: in, server: &Server{conns: map[*conn]bool{}}}
	go (&milter.Server{Actions: actions, Protocol: protocol, NewMilter: func() milter.Milter { return p }}).Serve(l)
	defer l.Close()
	c := in.dial(t)
	defer c.Close()
	c.put('O', offer)
	c.read()
	for i := range 5 {
		c.put('L', fmt.Sprintf("X-%d\x00 x\x00", i))
		c.put('N', "")
		c.put('E', "")
		c.read()
		if n := <-p.fields; n != 1 {
			t.Errorf("message %d: %d fields", i, n)
		}
	}
}

func TestTimeouts(t *testing.T) {
	hour := func(n float64) { time.Sleep(time.Duration(n * float64(time.Hour))) }
	tests := []struct {
		name string
		play func(*rawConn)
		ends bool
	}{
		{"idle too long", func(*rawConn) { hour(1.01) }, true},
		{"idle between messages", func(c *rawConn) {
			for range 3 {
				hour(0.99)
				c.message("x", "u1@example.test")
			}
		}, false},
		{"a client sends slowly", func(c *rawConn) {
			for _, p := range whole("x", "u1@example.test") {
				hour(0.99)
				c.play(p)
			}
			c.want('a')
		}, false},
		{"a packet comes slowly", func(c *rawConn) {
			for _, b := range packet('H', "helo\x00") {
				c.Write([]byte{b})
				time.Sleep(5 * time.Second)
			}
		}, false},
		{"a packet does not end", func(c *rawConn) {
			c.Write([]byte{0, 0})
			time.Sleep(61 * time.Second)
		}, true},
		{"an answer is not read", func(c *rawConn) {
			c.put('R', "<u1@example.test>\x00")
			time.Sleep(61 * time.Second)
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{}
				c := inMemory(t, s).dial(t)
				c.negotiate()
				tt.play(c)
				synctest.Wait()
				if n := s.Connections(); (n == 0) != tt.ends {
					t.Errorf("%d connections", n)
				}
				c.put('Q', "")
			})
		})
	}
}
