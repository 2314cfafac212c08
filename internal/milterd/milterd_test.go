package milterd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"breakwater/internal/message"
	"breakwater/internal/milterd/client"
	"breakwater/internal/rules"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // go-milter writes there
	goleak.VerifyTestMain(m)
}

// seen is what a test's Judge and Done were given.
type seen struct {
	mu       sync.Mutex
	messages []*message.Message
	raws     []string
	outcomes []Outcome
}

// outcome waits for the i-th: Done is told once the answer is written.
func (s *seen) outcome(i int) Outcome {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		if i < len(s.outcomes) {
			defer s.mu.Unlock()
			return s.outcomes[i]
		}
		s.mu.Unlock()
	}
	panic("Done is not told")
}

// start serves s on a unix socket; where Judge is not set, it delivers.
func start(t testing.TB, s *Server) (addr string, got *seen) {
	t.Helper()
	got = &seen{}
	judge := s.Judge
	if judge == nil {
		judge = func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return all(m, rules.Deliver), nil
		}
	}
	s.Judge = func(ctx context.Context, m *message.Message) (rules.Judgement, error) {
		got.mu.Lock()
		got.messages = append(got.messages, m)
		got.raws = append(got.raws, string(m.Raw))
		got.mu.Unlock()
		return judge(ctx, m)
	}
	s.Done = func(o Outcome) {
		got.mu.Lock()
		got.outcomes = append(got.outcomes, o)
		got.mu.Unlock()
	}
	addr = filepath.Join(t.TempDir(), "m")
	ln, err := Listen("unix:"+addr, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Error("serve:", err)
		}
	})
	return addr, got
}

func all(m *message.Message, actions ...rules.Action) rules.Judgement {
	ds := make([]rules.Decision, len(m.Recipients))
	for i, r := range m.Recipients {
		ds[i] = rules.Decision{Recipient: r, Action: actions[i%len(actions)], Class: "personal", Reason: "test", Rule: rules.Source{File: "x.toml", Line: 3}}
	}
	return rules.Judgement{Message: m, Decisions: ds}
}

func dial(t testing.TB, addr string, o client.Options) *client.Conn {
	t.Helper()
	c, err := client.Dial(context.Background(), "unix", addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t testing.TB, c *client.Conn, m client.Mail) client.Result {
	t.Helper()
	res, err := c.Send(m)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func mail(id string, to ...string) client.Mail {
	return client.Mail{
		QueueID: id, Client: netip.MustParseAddr("192.0.2.7"), Helo: "a.example.net", AuthUser: "ann", DaemonName: "MSA",
		From: "ann@example.net", To: to, Mailer: "virtual",
		Raw: []byte("Subject: " + id + "\r\nX-Folded: a\r\n\tb\r\n  c\r\nX-Blank:\r\nX-Spaces:   two more \r\n\r\nbody of " + id + "\r\n"),
	}
}

// rawConn writes packets of any kind.
type rawConn struct {
	t testing.TB
	net.Conn
}

func rawDial(t testing.TB, addr string) *rawConn {
	t.Helper()
	c, err := net.Dial("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &rawConn{t, c}
}

// pipes is a listener of connections that are made in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	close func() error
}

func newPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	p.close = sync.OnceValue(func() error { close(p.done); return nil })
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { return p.close() }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial(t testing.TB) *rawConn {
	ours, theirs := net.Pipe()
	p.conns <- ours
	t.Cleanup(func() { theirs.Close() })
	return &rawConn{t, theirs}
}

// inMemory serves s without a network, as tests with a clock of their own need it.
func inMemory(t testing.TB, s *Server) *pipes {
	p := newPipes()
	served := make(chan error, 1)
	go func() { served <- s.Serve(p) }()
	t.Cleanup(func() {
		s.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Error("serve:", err)
		}
	})
	if s.Judge == nil {
		s.Judge = func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return all(m, rules.Deliver), nil
		}
	}
	return p
}

func packet(code byte, data string) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1)), code), data...)
}

func (c *rawConn) put(code byte, data string) { c.Write(packet(code, data)) }

func (c *rawConn) read() (byte, string) {
	c.t.Helper()
	var head [5]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		c.t.Fatal("read answer:", err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:4])-1)
	if _, err := io.ReadFull(c, b); err != nil {
		c.t.Fatal("read answer:", err)
	}
	return head[4], string(b)
}

// play writes packets and takes the answers to RCPT.
func (c *rawConn) play(packets ...[]byte) {
	c.t.Helper()
	for _, p := range packets {
		c.Write(p)
		if p[4] == 'R' {
			c.want('c')
		}
	}
}

func (c *rawConn) want(code byte) string {
	c.t.Helper()
	got, data := c.read()
	if got != code {
		c.t.Fatalf("answer %q %q, want %q", got, data, code)
	}
	return data
}

// gone expects the connection to end without another answer.
func (c *rawConn) gone() {
	c.t.Helper()
	if rest, err := io.ReadAll(c); err != nil && !errors.Is(err, syscall.ECONNRESET) || len(rest) > 0 {
		c.t.Errorf("%q, %v; want the end of the connection", rest, err)
	}
}

const offer = "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff"

func (c *rawConn) negotiate() {
	c.t.Helper()
	c.put('O', offer)
	if data := c.want('O'); !strings.Contains(data, "{auth_authen}") {
		c.t.Fatalf("negotiation: %q", data)
	}
}

// whole is all packets of a message.
func whole(id, to string) [][]byte {
	return [][]byte{
		packet('M', "<a@example.net>\x00"), packet('R', "<"+to+">\x00"),
		packet('L', "Subject\x00 "+id+"\x00"), packet('N', ""), packet('B', "body\r\n"), packet('E', ""),
	}
}

// message plays a message and expects exactly one answer to each of RCPT and end.
func (c *rawConn) message(id, to string) {
	c.t.Helper()
	c.play(whole(id, to)...)
	c.want('a')
}

func BenchmarkMessage(b *testing.B) {
	addr, _ := start(b, &Server{})
	c := dial(b, addr, client.Options{Abort: true})
	m := mail("Q", "u1@example.test")
	m.Raw = append(m.Raw, bytes.Repeat([]byte("A line of text, as people write it.\r\n"), 100)...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(m); err != nil {
			b.Fatal(err)
		}
	}
}
