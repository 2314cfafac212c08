package milterd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"runtime/debug"
	"strings"
	"time"

	"github.com/emersion/go-milter"

	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// keep is an answer after which go-milter keeps the session, as it does not after its own
// RespAccept, RespReject and others.
type keep struct{ answer milter.Response }

func (k keep) Response() *milter.Message { return k.answer.Response() }
func (keep) Continue() bool              { return true }

// session is what one MTA tells us over one connection: go-milter's backend.
type session struct {
	server *Server
	conn   *conn

	client netip.Addr
	helo   string
	daemon string

	// of the message in hand
	env    message.Envelope
	marks  []string // names of fields that only we may write, as often as they came
	spool  *spool
	failed error // our own failure, so far
}

func newSession(s *Server, c *conn) *session {
	n := &session{server: s, conn: c}
	c.session = n
	return n
}

// reset forgets the message in hand.
func (s *session) reset() {
	s.env, s.marks, s.failed = message.Envelope{}, nil, nil
	if s.spool != nil {
		s.spool.release()
		s.spool = nil
	}
}

// malformed notes a packet that can not be read; the message in hand is then OnError.
func (s *session) malformed(code milter.Code) {
	s.failed = fmt.Errorf("the mail server sent a malformed packet %q", byte(code))
}

func (s *session) queueID(m *milter.Modifier) {
	if id := m.Macros["i"]; id != "" {
		s.env.QueueID = id
	}
}

// Connect begins a connection. Sendmail and Postfix write IPv6 addresses differently, and
// some only in a macro.
func (s *session) Connect(_, _ string, _ uint16, addr net.IP, m *milter.Modifier) (milter.Response, error) {
	s.daemon = m.Macros["{daemon_name}"]
	client, ok := netip.AddrFromSlice(addr)
	if !ok {
		client, _ = netip.ParseAddr(strings.TrimPrefix(m.Macros["{client_addr}"], "IPv6:"))
	}
	s.client = client.Unmap()
	return nil, nil
}

// Helo comes again after STARTTLS.
func (s *session) Helo(name string, _ *milter.Modifier) (milter.Response, error) {
	s.helo = name
	return nil, nil
}

// MailFrom begins a message, whether or not the last one was ended by ABORT.
func (s *session) MailFrom(from string, m *milter.Modifier) (milter.Response, error) {
	s.reset()
	s.conn.setBusy(true)
	s.env = message.Envelope{
		Client: s.client, Helo: s.helo, DaemonName: s.daemon,
		AuthUser: m.Macros["{auth_authen}"], ReversePath: from,
	}
	s.queueID(m)
	s.spool = newSpool(s.server)
	return nil, nil
}

// RcptTo collects a recipient.
func (s *session) RcptTo(to string, m *milter.Modifier) (milter.Response, error) {
	s.queueID(m)
	s.env.Recipients = append(s.env.Recipients, message.Recipient{Addr: to, Mailer: m.Macros["{rcpt_mailer}"]})
	return milter.RespContinue, nil
}

// ours is what the names of all our header fields begin with.
const ours = "X-Breakwater"

// Header collects a field as it came: with its leading white space, in its folds.
func (s *session) Header(name, value string, _ *milter.Modifier) (milter.Response, error) {
	if len(name) >= len(ours) && strings.EqualFold(name[:len(ours)], ours) {
		s.marks = append(s.marks, name)
	}
	if strings.Contains(value, "\n") {
		value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n")
	}
	for _, part := range []string{name, ":", value, "\r\n"} {
		write(s, part)
	}
	return nil, nil
}

// Headers ends the header.
func (s *session) Headers(_ textproto.MIMEHeader, m *milter.Modifier) (milter.Response, error) {
	s.queueID(m)
	write(s, "\r\n")
	return nil, nil
}

// BodyChunk collects a part of the body.
func (s *session) BodyChunk(chunk []byte, _ *milter.Modifier) (milter.Response, error) {
	write(s, chunk)
	return nil, nil
}

func write[T string | []byte](s *session, p T) {
	if s.failed == nil && s.spool != nil {
		s.failed = spoolTo(s.spool, p)
	}
}

// Abort gives the message in hand up.
func (s *session) Abort(*milter.Modifier) error {
	s.reset()
	s.conn.setBusy(false)
	return nil
}

// Body is the end of the message: it is judged, and the MTA gets the one answer.
func (s *session) Body(m *milter.Modifier) (milter.Response, error) {
	defer s.conn.setBusy(false)
	defer s.reset()
	s.queueID(m)
	begun := time.Now()
	msg, ds, err := s.judge(begun)
	p, err2 := s.absorb(msg, ds)
	if err == nil {
		err = err2
	}
	resp, err2 := p.apply(m, s.marks)
	if err2 != nil {
		return nil, err2 // the connection is gone
	}
	s.done(Outcome{Message: msg, Decisions: p.decisions, Err: err, Took: time.Since(begun)})
	return resp, nil
}

// done tells what was decided. A panic there must not cost the MTA its answer.
func (s *session) done(o Outcome) {
	defer func() {
		if v := recover(); v != nil {
			s.server.log().Error("panic after a decision", "qid", o.Message.QueueID, "panic", v)
		}
	}()
	if s.server.Done != nil {
		s.server.Done(o)
	}
}

// judge asks for decisions. Without them, for any reason, they are what OnError says.
func (s *session) judge(at time.Time) (*message.Message, []rules.Decision, error) {
	env := s.env
	failed := func(err error) (*message.Message, []rules.Decision, error) {
		return &message.Message{Envelope: env, At: at}, s.onError(env.Recipients), err
	}
	if s.failed != nil {
		return failed(s.failed)
	}
	if s.spool == nil {
		return failed(fmt.Errorf("the mail server ended a message that it had not begun"))
	}
	raw, err := s.spool.bytes()
	if err != nil {
		return failed(err)
	}
	env.Truncated = s.spool.truncated
	ctx, cancel := context.WithTimeout(context.Background(), or(s.server.JudgeTimeout, 3*time.Second))
	defer cancel()
	type answer struct {
		m   *message.Message
		ds  []rules.Decision
		err error
	}
	answers := make(chan answer, 1)
	s.spool.hold() // until Judge is done with it, which may be long after its time is up
	go func(sp *spool) {
		defer sp.release()
		var a answer
		defer func() {
			if v := recover(); v != nil {
				s.server.log().Error("panic while judging", "qid", env.QueueID, "panic", v, "stack", string(debug.Stack()))
				a.err, a.ds = fmt.Errorf("panic: %v", v), nil
			}
			answers <- a
		}()
		a.m = message.Parse(env, at.UTC().Round(0), raw)
		a.ds, a.err = s.server.Judge(ctx, a.m)
	}(s.spool)
	select {
	case a := <-answers:
		if a.m == nil || len(a.ds) != len(env.Recipients) {
			if a.err == nil {
				a.err = fmt.Errorf("%d decisions for %d recipients", len(a.ds), len(env.Recipients))
			}
			return failed(a.err)
		}
		return a.m, a.ds, a.err
	case <-ctx.Done():
		return failed(fmt.Errorf("no decision within %v", or(s.server.JudgeTimeout, 3*time.Second)))
	}
}

func (s *session) onError(rcpts []message.Recipient) []rules.Decision {
	ds := make([]rules.Decision, len(rcpts))
	for i, r := range rcpts {
		ds[i] = rules.Failed(r, "", s.server.OnError)
	}
	return ds
}

// absorb carries out what must be on disk before the MTA gets its answer, and returns the
// plan for the rest. Who can not be absorbed for is decided by OnError.
func (s *session) absorb(m *message.Message, ds []rules.Decision) (p plan, err error) {
	var absorbed []rules.Decision
	for _, d := range ds {
		if d.Action == rules.Absorb {
			absorbed = append(absorbed, d)
		}
	}
	if len(absorbed) == 0 {
		return planFor(ds), nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic while absorbing: %v", v)
		}
		if err != nil {
			for i, d := range ds {
				if d.Action == rules.Absorb {
					ds[i] = rules.Failed(d.Recipient, d.Class, s.server.OnError)
				}
			}
			p = planFor(ds)
		}
	}()
	if m.Truncated || s.server.Absorb == nil {
		return p, fmt.Errorf("absorb: the message is not whole, or there is no archive")
	}
	ctx, cancel := context.WithTimeout(context.Background(), or(s.server.AbsorbTimeout, 30*time.Second))
	defer cancel()
	if err := s.server.Absorb(ctx, m, absorbed); err != nil {
		return p, fmt.Errorf("absorb: %w", err)
	}
	return planFor(ds), nil
}
