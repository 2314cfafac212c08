// Package milterd serves the milter protocol: it gathers the events of a transaction into a
// message, asks once, at the end of the message, and applies the decisions.
//
// It stands on emersion/go-milter and closes its gaps. Answers never end go-milter's session,
// which would forget the connection, the sender and the recipients. Macros are copied at
// each event, since every stage replaces them. Packets are checked before go-milter sees
// them, since it answers some malformed ones by itself: an answer to an event that was
// negotiated to have none is read as the answer to a later one, and the verdict of one
// message would land on the next. For the same reason SKIP is never sent.
//
// go-milter writes to the standard logger; whoever wires this package should send that on.
package milterd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-milter"

	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// Server serves MTAs. Judge is needed; all else may be zero. Fields must not change after
// the first call of Serve.
type Server struct {
	// Judge returns a judgement with one decision for each recipient, in their order. Those
	// without an Action are OnError, and so are all if it panics or does not return in time. The
	// message is valid until it returns.
	Judge func(context.Context, *message.Message) (rules.Judgement, error)
	// Absorb keeps the message for those for whom it is Absorbed. When it returns nil, it is on
	// disk. What is true of Judge is true of it.
	Absorb func(context.Context, rules.Judgement) error
	// Refuse may refuse a recipient at RCPT, and says why: the reply is 550 5.7.1.
	// env has no recipients, and with Postfix no queue ID before one was accepted. It is
	// asked about mail with the null reverse-path, unless that is local. nil refuses nobody; it may panic, or not return in time: both
	// refuse nobody.
	Refuse func(ctx context.Context, env message.Envelope, rcpt message.Recipient) (text string, refused bool)
	// Done is given what became of a message, once the MTA has its answer: nothing that it waits for delays mail.
	// It must not keep the message's bytes.
	Done func(Outcome)

	// Counted tells of an error whether its message was counted all the same; nil: of none.
	Counted func(err error) bool

	// HandOver takes the connections that there are at Shutdown, each as soon as no answer is due, for another
	// process to go on with by Resume. It owns the file. An error, or nil for HandOver, ends the connection:
	// the MTA then does without us to the end of its SMTP session.
	HandOver func(OpenConn) error

	OnError rules.Action // Deliver, the default, or Tempfail
	Log     *slog.Logger

	MaxMessage  int64  // bytes; what is longer is read and dropped, and the message is Truncated; 64 MiB
	SpoolMemory int    // bytes of a message kept in memory, before it goes to a file; 256 KiB
	SpoolDir    string // of these files, which have no name; "" is that of the system

	JudgeTimeout  time.Duration // 3 s
	AbsorbTimeout time.Duration // 30 s
	IdleTimeout   time.Duration // between events: MTAs are silent while a slow client sends; 1 h
	PacketTimeout time.Duration // for the rest of a packet that has begun; 1 min
	WriteTimeout  time.Duration // 1 min
	MaxConns      int           // connections at once; over it the MTA's default action holds; 500

	buffers  sync.Pool // of spools
	stopping atomic.Bool
	refused  atomic.Uint64
	failures atomic.Uint64
	numbers  atomic.Uint64 // of connections that MTAs told of
	running  atomic.Int64  // calls of Judge and Absorb, those included that nobody waits for any more
	mu       sync.Mutex
	conns    map[*conn]bool
	lns      []net.Listener
	turns    chan struct{} // made by turn
	idle     chan struct{} // made by Shutdown, closed when the last connection has ended
}

// Outcome is what became of a message, or of a recipient that was refused at RCPT.
type Outcome struct {
	rules.Judgement               // with the decisions as they were carried out
	AtRCPT          bool          // the one recipient was refused; Message is its envelope alone
	Err             error         // why OnError decided; nil if it did not
	Took            time.Duration // from the end of the message on
	Connection      uint64        // number of the connection that the message came by, since the start; 0: the MTA did not tell of one
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (s *Server) maxConns() int { return or(s.MaxConns, 500) }

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// What we ask of the MTA. Few actions, since it drops a filter that asks for what it did not offer.
const (
	actions = milter.OptAddHeader | milter.OptChangeHeader | milter.OptChangeFrom | milter.OptAddRcpt | milter.OptRemoveRcpt |
		milter.OptQuarantine | milter.OptSetSymList

	// An event without an answer costs half the time. RCPT is answered, so that a recipient
	// can be refused there.
	protocol = milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoMailReply | milter.OptNoHeaderReply |
		milter.OptNoEOHReply | milter.OptNoBodyReply | milter.OptNoUnknown | milter.OptNoData | milter.OptHeaderLeadingSpace
)

// Asks returns what we ask of an MTA, by which breakwater is told from other milters.
func Asks() (of milter.OptAction, steps milter.OptProtocol) { return actions, protocol }

// macros are asked for by stage. Postfix replaces the lists of all stages once one is sent.
var macros = map[milter.Stage][]string{
	milter.StageConnect:  {"j", "v", "{daemon_name}", "{client_addr}"},
	milter.StageHelo:     {"j"},
	milter.StageMailFrom: {"i", "{auth_authen}"},
	milter.StageRcptTo:   {"i", "{rcpt_mailer}", "{rcpt_addr}"},
	milter.StageData:     {"i"},
	milter.StageEOH:      {"i"},
	milter.StageEOM:      {"i"},
}

// Serve answers on ln until Shutdown; then it returns nil. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	if !s.register(ln) {
		return ln.Close()
	}
	err := s.accept(ln)
	if s.stopping.Load() {
		return nil
	}
	return err
}

// accept makes sessions of the connections of ln until that fails.
func (s *Server) accept(ln net.Listener) error {
	l := &listener{Listener: ln, server: s}
	inner := &milter.Server{
		Actions: actions, Protocol: protocol, SymList: macros,
		// go-milter accepts and makes the session in turn, in one goroutine: the last
		// connection is the session's.
		NewMilter: func() milter.Milter { return newSession(s, l.last) },
	}
	return inner.Serve(l)
}

// register notes a listener for Shutdown; false if that has been called already.
func (s *Server) register(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	if s.conns == nil {
		s.conns = map[*conn]bool{}
	}
	s.lns = append(s.lns, ln)
	return true
}

// Shutdown takes no more connections, lets messages in hand finish, and ends. When ctx is
// done first, it cuts off what is left and returns an error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		return nil
	}
	for c := range s.conns {
		c.Conn.Close()
	}
	return fmt.Errorf("%d messages in hand were cut off", len(s.conns))
}

// stop closes the listeners and the connections that are idle.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Swap(true) {
		return
	}
	s.idle = make(chan struct{})
	for _, ln := range s.lns {
		ln.Close()
	}
	for c := range s.conns {
		c.wake()
	}
	s.ended()
}

// ended lets Shutdown return when no connection is left.
func (s *Server) ended() {
	if s.stopping.Load() && len(s.conns) == 0 {
		close(s.idle)
	}
}

// Connections is how many MTAs are connected now.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Failures is how many messages were OnError and may not have been counted. Each is added before it is answered.
func (s *Server) Failures() uint64 { return s.failures.Load() }

// Oldest is how long the message has waited for its answer that has waited longest, counted from
// its end; 0 while none waits. It is bounded by JudgeTimeout, AbsorbTimeout and WriteTimeout.
func (s *Server) Oldest(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest time.Duration
	for c := range s.conns {
		if begun := c.judging.Load(); begun != nil {
			oldest = max(oldest, now.Sub(*begun))
		}
	}
	return oldest
}

// Refused is how many connections were over MaxConns.
func (s *Server) Refused() uint64 { return s.refused.Load() }

// admit counts a connection in; false if it is one too many.
func (s *Server) admit(c *conn) bool {
	admitted, refused := s.count(c)
	if refused > 0 && refused&(refused-1) == 0 { // the 1st, 2nd, 4th, 8th …
		s.log().Warn("too many connections; the mail server does what its default action says", "limit", s.maxConns(), "refused", refused)
	}
	return admitted
}

// count is admit without its log line, which must not be written under the lock. refused is how many
// connections were over MaxConns, this one included; 0 if it is not over it.
func (s *Server) count(c *conn) (admitted bool, refused uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false, 0
	}
	if len(s.conns) >= s.maxConns() {
		return false, s.refused.Add(1)
	}
	s.conns[c] = true
	return true, 0
}

func (s *Server) drop(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.ended()
}
