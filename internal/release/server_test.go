package release

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"breakwater/internal/submit"
)

// server is an SMTP server that refuses what answer says.
type server struct {
	mu     sync.Mutex
	answer func(from, to string) error
	sender func(from string) error
	data   func()
	got    []string // "from>to: message"
	ids    []string // envelope IDs of MAIL
	drop   int      // connections that are closed at once
}

type session struct {
	s    *server
	from string
	to   []string
}

func (s *server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drop > 0 {
		s.drop--
		c.Conn().Close()
	}
	return &session{s: s}, nil
}

func (c *session) Reset() { c.from, c.to = "", nil }

func (c *session) Logout() error { return nil }

func (c *session) Mail(from string, o *smtp.MailOptions) error {
	c.from = from
	c.s.mu.Lock()
	c.s.ids = append(c.s.ids, o.EnvelopeID)
	c.s.mu.Unlock()
	if c.s.sender != nil {
		return c.s.sender(from)
	}
	return nil
}

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.answer != nil {
		if err := c.s.answer(c.from, to); err != nil {
			return err
		}
	}
	c.to = append(c.to, to)
	return nil
}

func (c *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if c.s.data != nil {
		c.s.data()
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, to := range c.to {
		c.s.got = append(c.s.got, fmt.Sprintf("%s>%s: %s", c.from, to, b))
	}
	return err
}

func serve(t *testing.T) (*server, submit.Target) {
	t.Helper()
	return serveAs(t, func(*smtp.Server) {})
}

func serveAs(t *testing.T, as func(*smtp.Server)) (*server, submit.Target) {
	t.Helper()
	s := &server{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smtp.NewServer(s)
	srv.Domain = "mx.example.test"
	as(srv)
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	scheme := map[bool]string{false: "smtp://", true: "lmtp://"}[srv.LMTP]
	target, err := submit.Parse(scheme + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return s, target
}
