package submit

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// server keeps what it is sent, and refuses whom the local part says.
type server struct {
	target Target

	mu  sync.Mutex
	got []received
}

type received struct {
	from string
	utf8 bool
	to   []string
	raw  []byte
}

func (s *server) received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// serve starts a server: SMTP or LMTP, over TCP or a unix socket.
func serve(t *testing.T, lmtp bool, network string) *server {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "sock")
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{target: Target{LMTP: lmtp, Network: network, Address: ln.Addr().String()}}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{s: s}, nil }))
	srv.LMTP, srv.EnableSMTPUTF8, srv.MaxLineLength, srv.Domain = lmtp, true, 1<<20, "mx.example.test"
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return s
}

type session struct {
	s   *server
	now received
}

func (s *session) Reset() { s.now = received{} }

func (s *session) Logout() error { return nil }

// answer is what the server says of an address at a stage: perm-rcpt@, temp-data@ …
func answer(addr, stage string) error {
	switch {
	case strings.HasPrefix(addr, "perm-"+stage):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	case strings.HasPrefix(addr, "temp-"+stage):
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"}
	}
	return nil
}

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.now = received{from: from, utf8: o != nil && o.UTF8}
	return answer(from, "mail")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := answer(to, "rcpt"); err != nil {
		return err
	}
	s.now.to = append(s.now.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := answer(s.now.to[0], "data"); err != nil {
		return err
	}
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.now.raw = raw
	s.s.got = append(s.s.got, s.now)
	return nil
}

func (s *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	taken := received{from: s.now.from, utf8: s.now.utf8, raw: raw}
	for _, to := range s.now.to {
		err := answer(to, "data")
		status.SetStatus(to, err)
		if err == nil {
			taken.to = append(taken.to, to)
		}
	}
	s.s.got = append(s.s.got, taken)
	return nil
}

func dialTest(t *testing.T, target Target) *Conn {
	t.Helper()
	c, err := Dial(context.Background(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// script greets a client and answers what it says, which it keeps, and then hangs up. An
// empty reply is none.
func script(t *testing.T, replies ...string) (Target, *bytes.Buffer, chan bool) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	var read bytes.Buffer
	done := make(chan bool)
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 4096)
		for i, r := range replies {
			if _, err := conn.Write([]byte(r)); err != nil {
				return
			}
			if i < len(replies)-1 || r == "" {
				n, _ := conn.Read(b)
				read.Write(b[:n])
			}
		}
	}()
	return Target{Network: "tcp", Address: ln.Addr().String()}, &read, done
}
