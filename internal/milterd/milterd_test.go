package milterd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-milter"
	"go.uber.org/goleak"

	"breakwater/internal/message"
	"breakwater/internal/milterd/client"
	"breakwater/internal/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seen is what a test's Judge and Done were given.
type seen struct {
	mu       sync.Mutex
	messages []*message.Message
	raws     []string
	outcomes []Outcome
}

// start serves s on a unix socket; where Judge is not set, it delivers.
func start(t testing.TB, s *Server) (addr string, got *seen) {
	t.Helper()
	got = &seen{}
	judge := s.Judge
	if judge == nil {
		judge = func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
			return all(m, rules.Deliver), nil
		}
	}
	s.Judge = func(ctx context.Context, m *message.Message) ([]rules.Decision, error) {
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

func all(m *message.Message, actions ...rules.Action) []rules.Decision {
	ds := make([]rules.Decision, len(m.Recipients))
	for i, r := range m.Recipients {
		ds[i] = rules.Decision{Recipient: r, Action: actions[i%len(actions)], Class: "personal", Reason: "test", Rule: rules.Source{File: "x.toml", Line: 3}}
	}
	return ds
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

func TestNothingIsLost(t *testing.T) {
	for _, o := range []client.Options{{Abort: true}, {Abort: false}} {
		t.Run(fmt.Sprintf("abort %v", o.Abort), func(t *testing.T) {
			addr, got := start(t, &Server{})
			c := dial(t, addr, o)
			for i := range 10 {
				m := mail(fmt.Sprint("Q", i), "u1@example.test", fmt.Sprintf("u%d@example.test", i+2))
				if res := send(t, c, m); res.Verdict != client.Accept || len(res.Deleted)+len(res.Changed)+len(res.Inserted) > 0 {
					t.Errorf("%+v", res)
				}
				want := message.Envelope{
					QueueID: m.QueueID, Client: m.Client, Helo: m.Helo, AuthUser: "ann", DaemonName: "MSA", ReversePath: m.From,
					Recipients: []message.Recipient{{Addr: m.To[0], Mailer: "virtual"}, {Addr: m.To[1], Mailer: "virtual"}},
				}
				if env := got.messages[i].Envelope; !reflect.DeepEqual(env, want) {
					t.Errorf("envelope %d:\n got %+v\nwant %+v", i, env, want)
				}
				if got.raws[i] != string(m.Raw) {
					t.Errorf("message %d:\n got %q\nwant %q", i, got.raws[i], m.Raw)
				}
			}
		})
	}
}

func TestClientAddress(t *testing.T) {
	addr, got := start(t, &Server{})
	for i, a := range []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.1"), {}} {
		c := dial(t, addr, client.Options{})
		m := mail("Q", "u1@example.test")
		m.Client = a
		send(t, c, m)
		if got.messages[i].Client != a.Unmap() {
			t.Errorf("%v: %v", a, got.messages[i].Client)
		}
	}
	// Sendmail writes all eight groups, and go-milter understands none of it.
	raw := rawDial(t, addr)
	raw.negotiate()
	raw.put('C', "host\x006\x09\xddIPv6:2001:db8:0:0:0:0:0:5\x00")
	raw.message("M", "u1@example.test")
	if a := got.messages[len(got.messages)-1].Client; a != netip.MustParseAddr("2001:db8::5") {
		t.Errorf("%v", a)
	}
}

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
				Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
					return all(m, tt.action...), nil
				},
				Absorb: func(_ context.Context, _ *message.Message, ds []rules.Decision) error { kept = len(ds); return nil },
			})
			res := send(t, dial(t, addr, client.Options{}), mail("Q", "u1@example.test", "U2+x@Example.test"))
			if !reflect.DeepEqual(res, tt.want) || kept != tt.kept {
				t.Errorf("got %+v, absorbed for %d", res, kept)
			}
			if o := got.outcomes[0]; o.Err != nil || len(o.Decisions) != 2 {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestReplyText(t *testing.T) {
	for in, want := range map[string]string{
		"100% sure": "100%% sure", "two\r\nlines": "two??lines", "Grüße": "Gr??e", "": "refused", strings.Repeat("x", 1000): strings.Repeat("x", 400),
	} {
		got := strings.TrimRight(string(reply("550 5.7.1", in).Response().Data), "\x00")
		if got != "550 5.7.1 "+want && in != "Grüße" || in == "Grüße" && got != "550 5.7.1 Gr??e" {
			t.Errorf("%.20q: %q", in, got)
		}
	}
}

// TestFailures lets each part of ours fail: the message is what OnError says, and the
// connection goes on.
func TestFailures(t *testing.T) {
	absorb := func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
		return all(m, rules.Deliver, rules.Absorb), nil
	}
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	tests := []struct {
		name string
		s    *Server
		err  string
	}{
		{"panic", &Server{Judge: func(context.Context, *message.Message) ([]rules.Decision, error) { panic("oops") }}, "panic: oops"},
		{"error", &Server{Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
			return nil, errors.New("broken")
		}}, "broken"},
		{"too few decisions", &Server{Judge: func(context.Context, *message.Message) ([]rules.Decision, error) { return nil, nil }}, "0 decisions for 2"},
		{"hangs", &Server{JudgeTimeout: 10 * time.Millisecond, Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
			<-hang
			_ = m.Raw[len(m.Raw)-1] // still there
			return nil, nil
		}}, "judge: no answer within"},
		{"archive fails", &Server{Judge: absorb, Absorb: func(context.Context, *message.Message, []rules.Decision) error { return errors.New("disk full") }}, "absorb: disk full"},
		{"archive panics", &Server{Judge: absorb, Absorb: func(context.Context, *message.Message, []rules.Decision) error { panic("oops") }}, "absorb: panic: oops"},
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
					if o := got.outcomes[i]; o.Err == nil || !strings.Contains(o.Err.Error(), tt.err) || o.Message.QueueID != fmt.Sprint("Q", i) {
						t.Errorf("outcome %d: %+v", i, o)
					}
				}
			})
		}
	}
}

func TestDonePanics(t *testing.T) {
	s := &Server{}
	addr, _ := start(t, s)
	s.Done = func(Outcome) { panic("oops") }
	if res := send(t, dial(t, addr, client.Options{}), mail("Q", "u1@example.test")); res.Verdict != client.Accept {
		t.Errorf("%+v", res)
	}
}

func TestForeignMarks(t *testing.T) {
	addr, _ := start(t, &Server{Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) { return all(m, rules.Tag), nil }})
	m := mail("Q", "u1@example.test")
	m.Raw = []byte("X-Breakwater: a\r\nSubject: x\r\nx-breakwater: b\r\nX-Breakwater-Token: c\r\n\r\nbody")
	res := send(t, dial(t, addr, client.Options{}), m)
	want := []client.Field{{Index: 1, Name: "X-Breakwater-Token"}, {Index: 2, Name: "x-breakwater"}, {Index: 1, Name: "X-Breakwater"}}
	if !reflect.DeepEqual(res.Changed, want) || len(res.Inserted) != 1 {
		t.Errorf("%+v", res)
	}
}

func TestSizes(t *testing.T) {
	absorbed := 0
	s := &Server{
		SpoolMemory: 10_000, MaxMessage: 2_000_000,
		Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
			return all(m, rules.Absorb), nil
		},
		Absorb: func(_ context.Context, m *message.Message, _ []rules.Decision) error {
			absorbed = len(m.Raw)
			return nil
		},
	}
	addr, got := start(t, s)
	c := dial(t, addr, client.Options{Abort: true})
	for i, size := range []int{0, 1, 9_000, 10_000, 70_000, 1_900_000} {
		m := mail(fmt.Sprint("Q", i), "u1@example.test")
		m.Raw = append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456\r\n"), size/9)...)
		if res := send(t, c, m); res.Verdict != client.Discard || got.raws[i] != string(m.Raw) || absorbed != len(m.Raw) || got.messages[i].Truncated {
			t.Errorf("%d bytes: %+v, %d seen, %d absorbed", size, res, len(got.raws[i]), absorbed)
		}
	}
	m := mail("long", "u1@example.test")
	m.Raw = append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456\r\n"), 300_000)...)
	absorbed = -1
	res := send(t, c, m)
	last := got.messages[len(got.messages)-1]
	if res.Verdict != client.Accept || absorbed != -1 || !last.Truncated || len(got.raws[len(got.raws)-1]) != 2_000_000 {
		t.Errorf("longer than the longest: %+v, absorbed %d", res, absorbed)
	}
}

func TestManyRecipients(t *testing.T) {
	addr, got := start(t, &Server{
		Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
			return all(m, rules.Deliver, rules.Absorb), nil
		},
		Absorb: func(context.Context, *message.Message, []rules.Decision) error { return nil },
	})
	var to []string
	for i := range 1000 {
		to = append(to, fmt.Sprintf("u%d@example.test", i))
	}
	to = append(to, strings.Repeat("a", 64<<10)+"@example.test")
	res := send(t, dial(t, addr, client.Options{}), mail("Q", to...))
	if len(res.Deleted) != 500 || len(got.messages[0].Recipients) != 1001 || got.messages[0].Recipients[1000].Addr != to[1000] {
		t.Errorf("%d deleted, %d recipients", len(res.Deleted), len(got.messages[0].Recipients))
	}
}

func TestManyFields(t *testing.T) {
	addr, got := start(t, &Server{JudgeTimeout: 30 * time.Second})
	m := mail("Q", "u1@example.test")
	m.Raw = []byte(strings.Repeat("X-Field: y\r\n", 100_000) + "Subject: " + strings.Repeat("x", 900_000) + "\r\n\r\nbody\r\n")
	if res := send(t, dial(t, addr, client.Options{}), m); res.Verdict != client.Accept || got.raws[0] != string(m.Raw) {
		t.Errorf("%+v, %d bytes of %d", res, len(got.raws[0]), len(m.Raw))
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

const offer = "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff"

func (c *rawConn) negotiate() {
	c.t.Helper()
	c.put('O', offer)
	if code, data := c.read(); code != 'O' || !strings.Contains(data, "{auth_authen}") {
		c.t.Fatalf("negotiation: %q %q", code, data)
	}
}

// message plays a message and expects exactly one answer to each of RCPT and end.
func (c *rawConn) message(id string, to string) {
	c.t.Helper()
	c.put('M', "<a@example.net>\x00")
	c.put('R', "<"+to+">\x00")
	if code, _ := c.read(); code != 'c' {
		c.t.Fatalf("%s: answer %q to RCPT", id, code)
	}
	c.put('L', "Subject\x00 "+id+"\x00")
	c.put('N', "")
	c.put('B', "body\r\n")
	c.put('E', "")
	if code, _ := c.read(); code != 'a' {
		c.t.Fatalf("%s: answer %q at the end", id, code)
	}
}

// TestMalformedPackets puts broken packets before each event of a message. No answer may
// come to any of them, since it would be taken for that of a later event.
func TestMalformedPackets(t *testing.T) {
	broken := map[string][]byte{
		"header without value":   packet('L', "Subject\x00"),
		"header with three":      packet('L', "A\x00b\x00c\x00"),
		"header with nothing":    packet('L', ""),
		"header without NUL":     packet('L', "Subject: x"),
		"header without name":    packet('L', "\x00x\x00"),
		"connect cut":            packet('C', "host"),
		"connect without port":   packet('C', "host\x004\x01"),
		"connect without family": packet('C', "host\x00"),
		"macro with nothing":     packet('D', ""),
	}
	good := [][]byte{
		packet('C', "host\x004\x09\xdd192.0.2.1\x00"), packet('H', "helo\x00"), packet('M', "<a@example.net>\x00"), packet('R', "<u1@example.test>\x00"),
		packet('L', "Subject\x00 x\x00"), packet('N', ""), packet('B', "body"), packet('E', ""),
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			for place := range good {
				addr, got := start(t, &Server{})
				c := rawDial(t, addr)
				c.negotiate()
				for i, p := range good {
					if i == place {
						c.Write(b)
					}
					c.Write(p)
					if p[4] == 'R' {
						if code, _ := c.read(); code != 'c' {
							t.Fatalf("before %q: answer %q to RCPT", good[place][4], code)
						}
					}
				}
				if code, _ := c.read(); code != 'a' {
					t.Fatalf("before %q: answer %q", good[place][4], code)
				}
				if place > 2 && got.outcomes[0].Err == nil {
					t.Errorf("before %q: nothing is said of it", good[place][4])
				}
				c.put('A', "")
				c.message("next", "u1@example.test")
				if o := got.outcomes[1]; o.Err != nil || o.Message.Subject != "next" {
					t.Errorf("the next message: %+v", o)
				}
			}
		})
	}
}

func TestPacketsThatEndTheSession(t *testing.T) {
	for name, b := range map[string][]byte{
		"length 0": {0, 0, 0, 0}, "length 4 GB": {255, 255, 255, 255, 'L'}, "unknown command": packet('?', ""), "quit": packet('Q', ""), "HTTP": []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		addr, _ := start(t, &Server{})
		c := rawDial(t, addr)
		c.negotiate()
		c.Write(b)
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			t.Errorf("%s: %q, %v", name, rest, err)
		}
	}
}

func TestOldMailServer(t *testing.T) {
	addr, _ := start(t, &Server{})
	c := rawDial(t, addr)
	c.put('O', "\x00\x00\x00\x02\x00\x00\x00\x3f\x00\x00\x00\x7f")
	c.put('Q', "")
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("answered %q, %v", rest, err)
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
func (piles) Body(*milter.Modifier) (milter.Response, error)                   { return keep{milter.RespAccept}, nil }

// TestHeadersDoNotPileUp sends messages without ABORT between them, each with a field of its
// own: go-milter must not keep those of messages past.
func TestHeadersDoNotPileUp(t *testing.T) {
	ours, theirs := net.Pipe()
	l := &listener{Listener: &oneConn{c: ours, done: make(chan struct{})}, server: &Server{conns: map[*conn]bool{}}}
	p := piles{fields: make(chan int, 10)}
	go (&milter.Server{Actions: actions, Protocol: protocol, NewMilter: func() milter.Milter { return p }}).Serve(l)
	defer l.Close()
	c := &rawConn{t, theirs}
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

func TestShutdown(t *testing.T) {
	inJudge, goOn := make(chan struct{}), make(chan struct{})
	s := &Server{Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
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

func TestIdleTimeout(t *testing.T) {
	addr, _ := start(t, &Server{IdleTimeout: 20 * time.Millisecond})
	c := rawDial(t, addr)
	c.negotiate()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	half := rawDial(t, addr)
	half.negotiate()
	half.Write([]byte{0, 0})
	addr2, _ := start(t, &Server{PacketTimeout: 20 * time.Millisecond})
	half = rawDial(t, addr2)
	half.negotiate()
	half.Write([]byte{0, 0})
	if rest, err := io.ReadAll(half); err != nil || len(rest) > 0 {
		t.Errorf("half a packet: %q, %v", rest, err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	for spec, want := range map[string]string{
		"inet:0.0.0.0:0": "public = true", "inet:192.0.2.1:0": "public = true", "inet6:[::]:0": "public = true", "inet::0": "public = true",
		"tcp:1": "is no address", "": "is no address", "inet:127.0.0.1": "missing port",
	} {
		ln, err := Listen(spec, ListenOptions{})
		if err == nil {
			ln.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
	for _, spec := range []string{"inet:127.0.0.1:0", "inet:localhost:0"} {
		ln, err := Listen(spec, ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
	}
	path := filepath.Join(dir, "sock")
	ln, err := Listen("unix:"+path, ListenOptions{Mode: 0o620, Group: "root"})
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o620 {
		t.Errorf("%v", st.Mode())
	}
	if _, err := Listen("unix:"+path, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "another daemon answers") {
		t.Errorf("a live socket: %v", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	if ln, err = Listen("unix:"+path, ListenOptions{}); err != nil {
		t.Fatal("a stale socket:", err)
	}
	ln.Close()
	file := filepath.Join(dir, "file")
	os.WriteFile(file, []byte("precious"), 0o600)
	if _, err := Listen("unix:"+file, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v", err)
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("the file is gone")
	}
	if _, err := Listen("unix:"+filepath.Join(dir, "g"), ListenOptions{Group: "no-such-group"}); err == nil {
		t.Error("no such group")
	}
}

// FuzzSession feeds any bytes behind a negotiation and a message. Whatever comes, answers
// come only to RCPT, DATA and the end of a message.
func FuzzSession(f *testing.F) {
	f.Add(packet('L', "a\x00b\x00c\x00"))
	f.Add(packet('C', "h\x004"))
	f.Add(append(packet('M', "<a>\x00"), packet('E', "")...))
	f.Add(append(packet('D', "Mi\x00Q\x00"), packet('R', "")...))
	f.Add(bytes.Join([][]byte{packet('M', "<>\x00"), packet('R', "<u>\x00"), packet('L', "X-Breakwater\x00 x\x00"), packet('N', ""), packet('B', "b"), packet('E', ""), packet('A', "")}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := net.Pipe()
		s := &Server{conns: map[*conn]bool{}, Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) { return all(m, rules.Tag), nil }}
		l := &listener{Listener: &oneConn{c: ours, done: make(chan struct{})}, server: s}
		served := make(chan struct{})
		go func() {
			inner := &milter.Server{Actions: actions, Protocol: protocol, SymList: macros, NewMilter: func() milter.Milter { return newSession(s, l.last) }}
			inner.Serve(l)
			close(served)
		}()
		answers := make(chan int, 1)
		go func() {
			n := 0
			for {
				var head [4]byte
				if _, err := io.ReadFull(theirs, head[:]); err != nil {
					break
				}
				if _, err := io.CopyN(io.Discard, theirs, int64(binary.BigEndian.Uint32(head[:]))); err != nil {
					break
				}
				n++
			}
			answers <- n
		}()
		theirs.SetDeadline(time.Now().Add(10 * time.Second))
		theirs.Write(packet('O', offer))
		theirs.Write(b)
		theirs.Close()
		n := <-answers
		l.Close()
		<-served
		if most := 1 + answerable(b); n > most {
			t.Errorf("%d answers to %d events that have one", n, most)
		}
	})
}

// answerable counts the packets that may be answered, and each answer to an end of message
// may come with changes.
func answerable(b []byte) (n int) {
	for len(b) >= 5 {
		size := int(binary.BigEndian.Uint32(b))
		if size == 0 || size > maxPacket || len(b) < 4+size {
			return n
		}
		switch b[4] {
		case 'R', 'T', 'O':
			n++
		case 'E':
			n += 2 + bytes.Count(bytes.ToLower(b), []byte("x-breakwater")) + 100
		}
		b = b[4+size:]
	}
	return n
}

// oneConn is a listener of one connection.
type oneConn struct {
	mu   sync.Mutex
	c    net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	l.mu.Lock()
	c := l.c
	l.c = nil
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

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
