package submit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Target
		err  string
	}{
		{text: "smtp://127.0.0.1:10026", want: Target{Network: "tcp", Address: "127.0.0.1:10026"}},
		{text: "smtp://[::1]:25", want: Target{Network: "tcp", Address: "[::1]:25"}},
		{text: "smtp://localhost", want: Target{Network: "tcp", Address: "localhost:25"}},
		{text: "smtp://[::1]/", want: Target{Network: "tcp", Address: "[::1]:25"}},
		{text: "lmtp://127.0.0.1", want: Target{LMTP: true, Network: "tcp", Address: "127.0.0.1:24"}},
		{text: "lmtp:///run/dovecot/lmtp", want: Target{LMTP: true, Network: "unix", Address: "/run/dovecot/lmtp"}},
		{text: "smtp:///run/a socket", want: Target{Network: "unix", Address: "/run/a socket"}},
		{text: "", err: "begins neither"},
		{text: "127.0.0.1:25", err: "first path segment"},
		{text: "smtps://127.0.0.1", err: "begins neither"},
		{text: "smtp:127.0.0.1", err: "no host"},
		{text: "smtp://", err: "no host"},
		{text: "smtp:///", err: "no host"},
		{text: "smtp://:25", err: "no host"},
		{text: "smtp://host/path", err: "a path behind it"},
		{text: "smtp://user@host", err: "more than an address"},
		{text: "smtp://host?tls=1", err: "more than an address"},
		{text: "smtp://host:port", err: "invalid port"},
	} {
		got, err := Parse(tt.text)
		if got != tt.want || tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "lmtp:///run")) {
			t.Errorf("%q: %+v, %v", tt.text, got, err)
		}
		if again, err := Parse(got.String()); tt.err == "" && (again != got || err != nil) {
			t.Errorf("%q is written as %q: %+v, %v", tt.text, got, again, err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for text, want := range map[string]string{
		"smtp://127.0.0.1:25": "127.0.0.1:25", "smtp://localhost": "127.0.0.1:25", "smtp://[::1]:8897": "[::1]:8897",
		"smtp://192.0.2.1": "", "smtp://mx.example.org": "", "lmtp://127.0.0.1": "", "smtp:///run/socket": "",
	} {
		target, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := target.Loopback(); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v", text, got, ok)
		}
	}
}

// TestBytes sends messages one after the other over one connection, by each way. CR CR LF
// is not among them, since go-smtp's server sees no line end in it; FuzzDots has it.
func TestBytes(t *testing.T) {
	long := strings.Repeat("0123456789", 500)
	for _, way := range []Target{{Network: "tcp"}, {Network: "unix"}, {LMTP: true, Network: "tcp"}, {LMTP: true, Network: "unix"}} {
		s := serve(t, way.LMTP, way.Network)
		c := dialTest(t, s.target)
		messages := []struct{ raw, want string }{
			{raw: "Subject: a\r\n\r\nb\r\n"},
			{raw: "Subject: a\r\n\r\n" + long + "\r\n." + long + "\r\n"},
			{raw: "Subject: \xfc\r\n\r\n\xff\x00\x01 8-bit \xc3\xbc\r\n"},
			{raw: ".\r\n..\r\n...\r\n.x\r\n\r\n.\r\nMAIL FROM:<smuggled@example.net>\r\n.\r\n"},
			{raw: "no end", want: "no end\r\n"},
			{raw: "bare LF\n.\nQUIT\n", want: "bare LF\r\n.\r\nQUIT\r\n"},
			{raw: "\n\n.\r\n", want: "\r\n\r\n.\r\n"},
			{raw: "a bare \r CR\r\n\r\n\r\n"},
			{raw: "", want: "\r\n"},
			{raw: strings.Repeat("0123456789012345678901234567890\r\n", 40_000)},
		}
		for _, m := range messages {
			answers, err := c.Send(context.Background(), "", []string{"ann@example.test"}, strings.NewReader(m.raw))
			if err != nil || len(answers) != 1 || answers[0] != nil {
				t.Fatalf("%+v, %.40q: %v, %v", s.target, m.raw, answers, err)
			}
		}
		for i, got := range s.received() {
			want := messages[i].want
			if want == "" {
				want = messages[i].raw
			}
			if string(got.raw) != want || got.from != "" || !slices.Equal(got.to, []string{"ann@example.test"}) {
				t.Errorf("%+v, message %d: from %q to %q\n%.80q\nwant\n%.80q", s.target, i, got.from, got.to, got.raw, want)
			}
		}
		if n := len(s.received()); n != len(messages) {
			t.Errorf("%d messages arrived of %d", n, len(messages))
		}
	}
}

// TestAnswers has servers that refuse some or all, for good or for now, and a message
// behind each over the same connection.
func TestAnswers(t *testing.T) {
	const ok, perm, temp = "ok", "perm", "temp"
	for _, tt := range []struct {
		from string
		to   []string
		smtp []string
		lmtp []string // as smtp where it is nil
		err  string   // of the transaction
	}{
		{to: []string{"a@x.test", "b@x.test"}, smtp: []string{ok, ok}},
		{to: []string{"perm-rcpt@x.test", "b@x.test", "temp-rcpt@x.test"}, smtp: []string{perm, ok, temp}},
		{to: []string{"perm-rcpt@x.test", "temp-rcpt@x.test"}, smtp: []string{perm, temp}},
		{to: []string{"perm-data@x.test", "temp-rcpt@x.test", "c@x.test"}, smtp: []string{perm, temp, perm}, lmtp: []string{perm, temp, ok}},
		{to: []string{"temp-data@x.test", "perm-data-2@x.test"}, smtp: []string{temp, temp}, lmtp: []string{temp, perm}},
		{from: "perm-mail@x.test", to: []string{"a@x.test"}, err: perm},
		{from: "temp-mail@x.test", to: []string{"a@x.test"}, err: temp},
		{from: "a@x.test\r\nRSET", to: []string{"a@x.test"}, err: temp},
		{to: []string{"a@x.test\nQUIT"}, err: temp},
	} {
		for _, lmtp := range []bool{false, true} {
			s := serve(t, lmtp, "tcp")
			c := dialTest(t, s.target)
			want := tt.smtp
			if lmtp && tt.lmtp != nil {
				want = tt.lmtp
			}
			answers, err := c.Send(context.Background(), tt.from, tt.to, strings.NewReader("x\r\n"))
			if fmt.Sprint(words(answers)) != fmt.Sprint(want) || word(err) != word2(tt.err) {
				t.Errorf("LMTP %v, %+v: %v, %v", lmtp, tt, words(answers), err)
			}
			if answers, err := c.Send(context.Background(), "", []string{"last@x.test"}, strings.NewReader("y\r\n")); err != nil || answers[0] != nil {
				t.Errorf("behind %+v: %v, %v", tt, answers, err)
			}
		}
	}
}

func TestProbe(t *testing.T) {
	s := serve(t, false, "tcp")
	for _, tt := range []struct{ from, to, want string }{
		{"", "a@x.test", "ok"}, {"", "perm-rcpt@x.test", "perm"}, {"", "temp-rcpt@x.test", "temp"}, {"perm-mail@x.test", "a@x.test", "perm"},
	} {
		if err := Probe(context.Background(), s.target, tt.from, tt.to); word(err) != word2(tt.want) && (err != nil || tt.want != "ok") {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if n := len(s.received()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
	if err := Probe(context.Background(), Target{Network: "tcp", Address: "127.0.0.1:1"}, "", "a@x.test"); err == nil {
		t.Error("no error without a server")
	}
}

func word(err error) string {
	switch {
	case err == nil:
		return "ok"
	case Permanent(err):
		return "perm"
	}
	return "temp"
}

func word2(s string) string {
	if s == "" {
		return "ok"
	}
	return s
}

func words(errs []error) (all []string) {
	for _, err := range errs {
		all = append(all, word(err))
	}
	return all
}

func TestUTF8(t *testing.T) {
	s := serve(t, false, "tcp")
	c := dialTest(t, s.target)
	for _, to := range []string{"ann@example.test", "jörg@example.test"} {
		if answers, err := c.Send(context.Background(), "", []string{to}, strings.NewReader("Subject: ü\r\n\r\n")); err != nil || answers[0] != nil {
			t.Fatal(answers, err)
		}
	}
	if got := s.received(); got[0].utf8 || !got[1].utf8 {
		t.Errorf("SMTPUTF8 used: %v, %v", got[0].utf8, got[1].utf8)
	}
}

// TestLost: a connection that is lost is an error of all that have no answer yet.
func TestLost(t *testing.T) {
	hello := []string{"220 hi\r\n", "250 hi\r\n"}
	for n, replies := range [][]string{
		{"250 ok\r\n"}, // at RCPT
		{"250 ok\r\n", "250 ok\r\n", "250 ok\r\n"},               // at DATA
		{"250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"}, // at the end
		{"250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "nonsense\r\n"},
	} {
		target, _, _ := script(t, append(slices.Clone(hello), replies...)...)
		c := dialTest(t, target)
		answers, err := c.Send(context.Background(), "", []string{"a@x.test", "b@x.test"}, strings.NewReader("x\r\n"))
		if err == nil || answers != nil || Permanent(err) {
			t.Errorf("%d: %v, %v", n, answers, err)
		}
		if _, err := c.Send(context.Background(), "", []string{"a@x.test"}, strings.NewReader("x\r\n")); err == nil {
			t.Errorf("%d: the connection is still of use", n)
		}
	}
	// LMTP: of three, one is taken, one is refused, and then the server is gone.
	target, _, _ := script(t, append(slices.Clone(hello), "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n550 no\r\n")...)
	target.LMTP = true
	c := dialTest(t, target)
	answers, err := c.Send(context.Background(), "", []string{"a@x.test", "b@x.test", "c@x.test"}, strings.NewReader("x\r\n"))
	if got := fmt.Sprint(words(answers)); err != nil || got != "[ok perm temp]" {
		t.Errorf("%s, %v", got, err)
	}
}

// failing is a message that cannot be read to its end.
type failing struct{ r io.Reader }

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if errors.Is(err, io.EOF) {
		err = errors.New("disk on fire")
	}
	return n, err
}

func TestUnreadableMessage(t *testing.T) {
	s := serve(t, false, "tcp")
	c := dialTest(t, s.target)
	_, err := c.Send(context.Background(), "", []string{"a@x.test"}, &failing{strings.NewReader("half of it\r\n")})
	if err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Error(err)
	}
	c.Close()
	if got := s.received(); len(got) != 0 {
		t.Errorf("half a message was taken: %+v", got)
	}
}

func TestDeadline(t *testing.T) {
	target, _, _ := script(t, "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "") // silent at RCPT
	c := dialTest(t, target)
	cause := errors.New("time is up")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 50*time.Millisecond, cause)
	defer cancel()
	if _, err := c.Send(ctx, "", []string{"a@x.test"}, strings.NewReader("x\r\n")); !errors.Is(err, cause) {
		t.Error(err)
	}
	silent, _, _ := script(t, "")
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, silent); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := Dial(context.Background(), Target{Network: "unix", Address: "/nonexistent/sock"}); err == nil || !strings.Contains(err.Error(), "smtp:///nonexistent/sock") {
		t.Error(err)
	}
}

func TestCloseSaysQuit(t *testing.T) {
	target, read, done := script(t, "220 hi\r\n", "250 hi\r\n", "221 bye\r\n")
	c, err := Dial(context.Background(), target)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	<-done
	if got := read.String(); got != "EHLO localhost\r\nQUIT\r\n" {
		t.Errorf("%q", got)
	}
}

// TestCloseDoesNotWait: a server that does not answer QUIT holds nobody.
func TestCloseDoesNotWait(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	quit := make(chan struct{})
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "220 mx\r\n")
		b := bufio.NewReader(conn)
		_, _ = b.ReadString('\n')
		fmt.Fprint(conn, "250 mx\r\n")
		<-quit // and nothing more
	}()
	defer close(quit)
	c := dialTest(t, Target{Network: "tcp", Address: ln.Addr().String()})
	begun := time.Now()
	if err := c.Close(); err != nil || time.Since(begun) > time.Minute { // it was five
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func FuzzDots(f *testing.F) {
	for _, s := range []string{"", ".", "\n.\n", "\r\r\n.\r\n", "a\r", "\r\n.\r\n.\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var out bytes.Buffer
		if err := writeDots(&out, strings.NewReader(raw)); err != nil {
			t.Fatal(err)
		}
		lines := strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n")
		if !strings.HasSuffix(lines, "\r\n") {
			lines += "\r\n"
		}
		want := strings.TrimPrefix(strings.ReplaceAll("\r\n"+lines, "\r\n.", "\r\n.."), "\r\n")
		if got := out.String() + "\r\n"; got != want {
			t.Errorf("%q\nis %q\nnot %q", raw, got, want)
		}
	})
}
