package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// Delivery is one message in one mailbox.
type Delivery struct {
	From, To string // as the mail server wrote it
	Raw      []byte
	Params   string // of MAIL
}

// Sink is an LMTP (RFC 2033) and SMTP server that keeps what is delivered to it.
type Sink struct {
	Port int

	// Refuse returns the reply by which a recipient is refused; "" if it is not. Take is given each
	// delivery. Both are set before the first connection; nil: none is refused, and nothing else done.
	Refuse func(to string) string
	Take   func(Delivery)

	mu  sync.Mutex
	got []Delivery
}

// NewSink starts one. It ends with the test.
func NewSink(t testing.TB) *Sink {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Sink{Port: ln.Addr().(*net.TCPAddr).Port}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

// Deliveries returns what has arrived so far.
func (s *Sink) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[:len(s.got):len(s.got)]
}

func (s *Sink) serve(c net.Conn) {
	defer c.Close()
	r, w := bufio.NewReader(c), bufio.NewWriter(c)
	tr := textproto.NewReader(r)
	say := func(line string) {
		w.WriteString(line + "\r\n")
		if r.Buffered() == 0 {
			w.Flush()
		}
	}
	say("220 sink.example.test LMTP")
	var from, params string
	var to []string
	lmtp := false
	for {
		c.SetDeadline(time.Now().Add(5 * time.Minute))
		line, err := tr.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "LHLO", "EHLO":
			lmtp = strings.EqualFold(verb, "LHLO")
			say("250-sink.example.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8")
		case "MAIL":
			from, to = path(rest), nil
			_, params, _ = strings.Cut(rest, "> ")
			say("250 2.1.0 ok")
		case "RCPT":
			if s.Refuse != nil {
				if reply := s.Refuse(path(rest)); reply != "" {
					say(reply)
					break
				}
			}
			to = append(to, path(rest))
			say("250 2.1.5 ok")
		case "DATA":
			if len(to) == 0 {
				say("554 5.5.1 no recipients")
				break
			}
			say("354 go on")
			w.Flush()
			raw, err := dotted(r)
			if err != nil {
				return
			}
			s.mu.Lock()
			for _, addr := range to {
				s.got = append(s.got, Delivery{from, addr, raw, params})
			}
			s.mu.Unlock()
			for i, addr := range to {
				if s.Take != nil {
					s.Take(Delivery{from, addr, raw, params})
				}
				if lmtp || i == 0 {
					say("250 2.0.0 ok")
				}
			}
		case "QUIT":
			say("221 2.0.0 bye")
			w.Flush()
			return
		default:
			say("250 2.0.0 ok")
		}
		w.Flush()
	}
}

// path is the address in the argument of MAIL or RCPT.
func path(arg string) string {
	addr, _, _ := strings.Cut(arg[strings.IndexByte(arg, '<')+1:], ">")
	return addr
}

// dotted reads up to the line with one dot, byte for byte.
func dotted(r *bufio.Reader) ([]byte, error) {
	var raw []byte
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if string(line) == ".\r\n" {
			return raw, nil
		}
		raw = append(raw, bytes.TrimPrefix(line, []byte("."))...)
	}
}

// Session is an SMTP client's connection.
type Session struct {
	Stands bool // the server takes it for another client: see Client

	t    testing.TB
	conn net.Conn
	text *textproto.Conn
}

// Dial connects and says EHLO.
func Dial(t testing.TB, addr string) *Session {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{t: t, conn: c, text: textproto.NewConn(c)}
	t.Cleanup(func() { c.Close() })
	if _, _, err := s.reply(); err != nil {
		t.Fatal("greeting:", err)
	}
	_, said := s.Do("EHLO client.example.net")
	s.Stands = strings.Contains(said, "XCLIENT")
	return s
}

func (s *Session) reply() (int, string, error) {
	s.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	return s.text.ReadResponse(0)
}

// Do sends a command and returns the reply. A lost connection is code 0.
func (s *Session) Do(format string, args ...any) (code int, text string) {
	s.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if err := s.text.PrintfLine(format, args...); err != nil {
		return 0, err.Error()
	}
	code, text, err := s.reply()
	if err != nil {
		return 0, err.Error()
	}
	return code, text
}

// Client says who is connected, by Postfix's XCLIENT, and returns the reply: 220, or why not.
func (s *Session) Client(addr netip.Addr) (code int, text string) {
	what := addr.String()
	if addr.Is6() {
		what = "IPv6:" + what
	}
	if code, text = s.Do("XCLIENT ADDR=%s NAME=[UNAVAILABLE]", what); code == 220 {
		s.Do("EHLO client.example.net")
	}
	return code, text
}

// Login says who has logged in, by Postfix's XCLIENT, and returns the reply: 220, or why not.
func (s *Session) Login(user string) (code int, text string) {
	if code, text = s.Do("XCLIENT LOGIN=%s", user); code == 220 {
		s.Do("EHLO client.example.net")
	}
	return code, text
}

// Send sends one message and returns the last reply: that to MAIL or to all RCPTs if they
// are refused, or else that to the message.
func (s *Session) Send(from string, to []string, raw []byte) (code int, text string) {
	if code, text = s.Do("MAIL FROM:<%s>", from); code != 250 {
		return code, text
	}
	accepted := 0
	for _, addr := range to {
		if code, text = s.Do("RCPT TO:<%s>", addr); code == 250 {
			accepted++
		}
	}
	if accepted == 0 {
		s.Do("RSET")
		return code, text
	}
	return s.Data(raw)
}

// Data sends the message of a transaction whose recipients are named, and returns the reply.
func (s *Session) Data(raw []byte) (code int, text string) {
	if code, text = s.Do("DATA"); code != 354 {
		return code, text
	}
	w := s.text.DotWriter()
	if _, err := w.Write(raw); err != nil {
		return 0, err.Error()
	}
	if err := w.Close(); err != nil {
		return 0, err.Error()
	}
	code, text, err := s.reply()
	if err != nil {
		return 0, err.Error()
	}
	return code, text
}

// Write sends a part of a message, in lines that begin with no dot. What ends it is Do(".").
func (s *Session) Write(lines string) {
	s.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	s.text.W.WriteString(strings.ReplaceAll(strings.ReplaceAll(lines, "\r\n", "\n"), "\n", "\r\n"))
	s.text.W.Flush()
}

// Quit ends the session.
func (s *Session) Quit() {
	s.Do("QUIT")
	s.conn.Close()
}

// Body is what of a delivered message its sender wrote, in a form to compare: fields without
// their white space, which mail servers fold anew, and quotes, which Sendmail adds to names
// with a dot. Fields that they put in front stay.
func Body(raw []byte) string {
	header, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	unfolded := strings.NewReplacer("\r\n ", "", "\r\n\t", "", " ", "", "\t", "", "\"", "").Replace(string(header))
	return fmt.Sprintf("%s\n\n%s", unfolded, body)
}
