package milterd

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd/client"
	"breakwater/internal/rules"
)

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
					QueueID: m.QueueID, Client: m.Client, ClientPort: 2525, ClientName: "client.example.net", Helo: m.Helo, AuthUser: "ann", DaemonName: "MSA", Host: client.Host, ReversePath: m.From,
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

// TestNoNetworkHasZones: what Sendmail says of a link-local client.
func TestNoNetworkHasZones(t *testing.T) {
	addr, got := start(t, &Server{})
	c := rawDial(t, addr)
	c.negotiate()
	c.put('D', "C{client_addr}\x00IPv6:fe80::1%eth0\x00")
	c.put('C', "host\x00U")
	c.message("x", "u1@example.test")
	if a := got.messages[0].Client; a != netip.MustParseAddr("fe80::1") {
		t.Errorf("%v", a)
	}
}

// TestEnvelopeID: it is decoded, belongs to its message alone, and is read of Postfix and of Sendmail.
func TestEnvelopeID(t *testing.T) {
	for _, software := range []string{"Postfix 3.7.11", "8.17.1"} {
		addr, got := start(t, &Server{})
		c := rawDial(t, addr)
		c.negotiate()
		c.put('D', "Cv\x00"+software+"\x00")
		c.put('C', "host\x00U")
		for i, tt := range []struct{ params, want string }{
			{"ENVID=a+2B1/b", "a+1/b"}, {"", ""}, {"RET=HDRS\x00envid=x", "x"}, {"ENVID=+zz+2", "+zz+2"}, {"ENVID", ""}, {"XENVID=x", ""},
		} {
			c.play(packet('M', "<a@example.net>\x00"+tt.params+"\x00"), packet('R', "<u1@example.test>\x00"))
			c.put('E', "")
			c.want('a')
			if id := got.messages[i].EnvelopeID; id != tt.want {
				t.Errorf("%s, %q: %q, want %q", software, tt.params, id, tt.want)
			}
		}
	}
}

func TestSourceRoutes(t *testing.T) {
	addr, got := start(t, &Server{
		Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return all(m, rules.Deliver, rules.Absorb), nil
		},
		Absorb: func(context.Context, rules.Judgement) error { return nil },
	})
	m := mail("Q", "u1@example.test", "@relay.test:u2@example.test")
	m.From = "@relay.test:ann@example.net"
	res := send(t, dial(t, addr, client.Options{}), m)
	if env := got.messages[0].Envelope; env.ReversePath != "ann@example.net" || env.Recipients[1].Addr != "u2@example.test" || !reflect.DeepEqual(res.Deleted, []string{"u2@example.test"}) {
		t.Errorf("%+v, %+v", env, res)
	}
}

// TestLocal: what Postfix's cleanup says of mail that did not come by SMTP, and what it does not.
func TestLocal(t *testing.T) {
	for connect, want := range map[string]bool{
		"localhost\x004\x00\x00127.0.0.1\x00": true, "localhost\x006\x00\x00IPv6:::1\x00": true,
		"localhost\x004\x09\xdd127.0.0.1\x00": false, "host\x004\x00\x00127.0.0.1\x00": false,
		"localhost\x004\x00\x00192.0.2.1\x00": false, "localhost\x00U": true, "unknown\x00U": false,
	} {
		addr, got := start(t, &Server{Refuse: func(context.Context, message.Envelope, message.Recipient) (string, bool) { return "no", true }})
		c := rawDial(t, addr)
		c.negotiate()
		c.put('D', "Cj\x00mx.example.test\x00")
		c.put('C', connect)
		for _, p := range whole("x", "u1@example.test") {
			if p[4] == 'M' {
				p = packet('M', "<>\x00")
			}
			if c.put(p[4], string(p[5:])); p[4] == 'R' {
				c.want(map[bool]byte{true: 'c', false: 'y'}[want])
			}
		}
		c.want('a')
		if o := got.outcome(0).Message; o.Local != want || o.Host != "mx.example.test" {
			t.Errorf("%q: %+v", connect, o.Envelope)
		}
	}
}

// TestNullReversePath is written with brackets, or without.
func TestNullReversePath(t *testing.T) {
	for _, path := range []string{"<>", ""} {
		addr, got := start(t, &Server{})
		c := rawDial(t, addr)
		c.negotiate()
		c.play(packet('M', path+"\x00"), packet('R', "<u1@example.test>\x00"), packet('N', ""), packet('E', ""))
		c.want('a')
		if o := got.outcome(0); o.Err != nil || o.Message.ReversePath != "" || len(o.Message.Recipients) != 1 {
			t.Errorf("%q: %+v", path, o)
		}
	}
}

func TestForeignFields(t *testing.T) {
	addr, _ := start(t, &Server{Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) { return all(m, rules.Tag), nil }})
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
		Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return all(m, rules.Absorb), nil
		},
		Absorb: func(_ context.Context, j rules.Judgement) error {
			absorbed = len(j.Message.Raw)
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
		Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			return all(m, rules.Deliver, rules.Absorb), nil
		},
		Absorb: func(context.Context, rules.Judgement) error { return nil },
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

// TestMacros gives macros at some stages only. What a stage does not say again stays, and
// nothing stays for the next message.
func TestMacros(t *testing.T) {
	for _, stage := range "MRNE" {
		t.Run(string(stage), func(t *testing.T) {
			addr, got := start(t, &Server{})
			c := rawDial(t, addr)
			c.negotiate()
			c.put('D', "C{daemon_name}\x00MSA\x00")
			c.put('C', "host\x004\x09\xdd192.0.2.1\x00")
			c.put('D', "H{tls_version}\x00TLSv1.3\x00{cipher}\x00TLS_AES_256_GCM_SHA384\x00")
			c.put('H', "helo.example.net\x00")
			for _, p := range whole("first", "u1@example.test") {
				macros := ""
				if p[4] == byte(stage) {
					macros = "i\x00Q1\x00"
				}
				if p[4] == 'M' {
					macros += "{auth_authen}\x00ann\x00"
				}
				if p[4] == 'R' {
					macros += "{rcpt_mailer}\x00local\x00{rcpt_addr}\x00office\x00"
				}
				c.put('D', string(p[4:5])+macros)
				c.play(p)
			}
			c.want('a')
			c.message("second", "u2@example.test")
			first, second := got.messages[0].Envelope, got.messages[1].Envelope
			want := message.Envelope{
				QueueID: "Q1", Client: netip.MustParseAddr("192.0.2.1"), ClientPort: 2525, ClientName: "host", TLS: "TLSv1.3 TLS_AES_256_GCM_SHA384",
				Helo: "helo.example.net", DaemonName: "MSA", AuthUser: "ann",
				ReversePath: "a@example.net", Recipients: []message.Recipient{{Addr: "u1@example.test", Mailer: "local", User: "office"}},
			}
			if !reflect.DeepEqual(first, want) {
				t.Errorf("first:\n got %+v\nwant %+v", first, want)
			}
			want.QueueID, want.AuthUser, want.Recipients = "", "", []message.Recipient{{Addr: "u2@example.test"}}
			if !reflect.DeepEqual(second, want) {
				t.Errorf("second:\n got %+v\nwant %+v", second, want)
			}
		})
	}
}

// TestGivenUp begins messages and does not end them, with ABORT and, as Sendmail does, without.
func TestGivenUp(t *testing.T) {
	for _, abort := range []bool{true, false} {
		addr, got := start(t, &Server{SpoolMemory: 40})
		c := rawDial(t, addr)
		c.negotiate()
		c.play(packet('C', "host\x004\x09\xdd192.0.2.1\x00"), packet('H', "helo\x00"))
		given := slices.Insert(whole("given up", "x@example.test"), 2, packet('L', "X-Breakwater\x00 long enough for a file of its own\x00"))
		for n := 1; n < len(given); n++ {
			c.play(given[:n]...)
			if abort {
				c.put('A', "")
			}
			c.message(fmt.Sprint(n), "u1@example.test")
			m := got.messages[len(got.messages)-1]
			if len(got.messages) != n || m.Subject != fmt.Sprint(n) || len(m.Recipients) != 1 || m.Client.String() != "192.0.2.1" || m.Helo != "helo" {
				t.Errorf("abort %v, after %d packets: %d messages, the last %+v", abort, n, len(got.messages), m.Envelope)
			}
			if n := spoolFiles(t); n > 0 {
				t.Errorf("abort %v, after %d packets: %d spool files are left", abort, n, n)
			}
		}
	}
}

// TestFieldsByteForByte sends fields as the protocol has them, with folds in both line ends.
func TestFieldsByteForByte(t *testing.T) {
	addr, got := start(t, &Server{})
	c := rawDial(t, addr)
	c.negotiate()
	c.play(packet('M', "<>\x00"), packet('R', "<u1@example.test>\x00"))
	want := ""
	for _, f := range [][2]string{
		{"A", " x"}, {"a", "x"}, {"B", "\tx "}, {"B", ""}, {"C", " "}, {"D", " one\n two\n\tthree"}, {"E", " one\r\n two"}, {"F", " gr\xfc\xdfe"},
		{"G", " a:b"}, {"H", " " + strings.Repeat("x", 70_000)}, {"I", " lone\rCR"},
	} {
		c.put('L', f[0]+"\x00"+f[1]+"\x00")
		want += f[0] + ":" + strings.ReplaceAll(strings.ReplaceAll(f[1], "\r\n", "\n"), "\n", "\r\n") + "\r\n"
	}
	c.play(packet('N', ""), packet('B', "one\r\n"), packet('B', ""), packet('B', "two\x00\r\n.\r\n"), packet('E', ""))
	c.want('a')
	if want += "\r\none\r\ntwo\x00\r\n.\r\n"; got.raws[0] != want {
		t.Errorf("got %q\nwant %q", got.raws[0], want)
	}
}

// TestLongFields sends fields that are too long for go-milter, and one too long for us.
func TestLongFields(t *testing.T) {
	addr, got := start(t, &Server{SpoolMemory: 1 << 20, JudgeTimeout: time.Minute})
	c := dial(t, addr, client.Options{})
	for i, size := range []int{maxGoMilter - 20, maxGoMilter, maxGoMilter + 1, 5 << 20, 100, maxPacket - 50} {
		m := mail(fmt.Sprint(i), "u1@example.test")
		m.Raw = []byte("X-Long: " + strings.Repeat("x", size) + "\r\nSubject: " + m.QueueID + "\r\n\r\nbody\r\n")
		if res := send(t, c, m); res.Verdict != client.Accept || got.raws[i] != string(m.Raw) || got.outcome(i).Err != nil {
			t.Errorf("%d bytes: %+v, %d of %d seen, %v", size, res, len(got.raws[i]), len(m.Raw), got.outcome(i).Err)
		}
	}
	m := mail("long", "u1@example.test")
	m.Raw = []byte("X-Long: " + strings.Repeat("x", maxPacket) + "\r\n\r\nbody\r\n")
	if res, err := c.Send(m); err == nil {
		t.Errorf("%d bytes: %+v", maxPacket, res)
	}
}
