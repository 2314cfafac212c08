package milterd

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"breakwater/internal/message"
)

// OpenConn is the connection of an MTA with which another process goes on.
type OpenConn struct {
	Conn  *os.File // the socket
	State []byte   // what is known of it: see state
}

// stateVersion is that of state. A process of another version does not go on with it.
const stateVersion = 1

// state is what is known of a connection between two packets, with the message in hand. It is a gob: texts
// of MTAs may have any bytes. The names of its fields are part of that format.
type state struct {
	Version           int
	Actions, Protocol uint32 // as negotiated

	Connection message.Envelope
	Keeps      bool // session.keepsParams
	Params     []string

	Busy      bool
	Envelope  message.Envelope
	Marks     []string // session.foreign
	MarkCount int
	Failed    string
	Mute      bool // session.refuseFailed
	Begun     bool // there is a message, as far as it has come
	Message   []byte
	Truncated bool
}

var errStopping = errors.New("the server stops")

// canHandOver reports whether the connection is between two packets. Macros belong to the next one.
func (c *conn) canHandOver() bool {
	return c.server.HandOver != nil && c.r.Buffered() == 0 && !c.macros
}

// orHandOver hands the connection over if err is that the server stops, or that wake woke it for that.
// Else it returns err.
func (c *conn) orHandOver(err error) error {
	network, isNetwork := errors.AsType[net.Error](err)
	woken := isNetwork && network.Timeout() && c.server.stopping.Load()
	if !woken && !errors.Is(err, errStopping) {
		return err
	}
	if c.canHandOver() {
		if err := c.handOver(); err != nil {
			c.server.log().Warn("a connection of the mail server is not handed over; its session goes on unfiltered", "err", err)
		}
	}
	return io.EOF
}

func (c *conn) handOver() error {
	open := OpenConn{}
	var err error
	if open.State, err = c.session.state(); err != nil {
		return err
	}
	nc, ok := c.Conn.(interface{ File() (*os.File, error) })
	if !ok {
		return fmt.Errorf("a %T has no file", c.Conn)
	}
	if open.Conn, err = nc.File(); err != nil {
		return err
	}
	return c.server.HandOver(open)
}

// state is what is known of the connection.
func (s *session) state() ([]byte, error) {
	st := state{
		Version: stateVersion, Actions: uint32(actions), Protocol: uint32(protocol),
		Connection: s.connection, Keeps: s.keepsParams, Params: s.params,
		Busy: s.conn.busy, Envelope: s.env, Marks: s.foreign.names, MarkCount: s.foreign.count, Mute: s.refuseFailed,
	}
	if s.failed != nil {
		st.Failed = s.failed.Error()
	}
	if s.spool != nil {
		var err error
		if st.Message, err = s.spool.bytes(); err != nil {
			return nil, err
		}
		st.Begun, st.Truncated = true, s.spool.truncated
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(st); err != nil {
		return nil, fmt.Errorf("write state of a connection: %w", err)
	}
	return b.Bytes(), nil
}

// restore goes on with what another process knew.
func (s *session) restore(st *state) {
	s.connection, s.keepsParams, s.params, s.number = st.Connection, st.Keeps, st.Params, s.server.numbers.Add(1)
	s.env, s.foreign, s.refuseFailed = st.Envelope, foreignFields{st.Marks, st.MarkCount}, st.Mute
	s.conn.busy = st.Busy
	if st.Failed != "" {
		s.failed = errors.New(st.Failed)
	}
	if st.Begun {
		s.spool = newSpool(s.server)
		write(s, st.Message)
		s.spool.truncated = s.spool.truncated || st.Truncated
	}
}

// resumed is a connection that another process has handed over.
type resumed struct {
	net.Conn
	state state
}

// Resume goes on with connections that another process has handed over, and returns. What cannot be gone on
// with is closed; the errors say why.
func (s *Server) Resume(all []OpenConn) error {
	s.mu.Lock()
	if s.conns == nil {
		s.conns = map[*conn]bool{}
	}
	s.mu.Unlock()
	var wrong []error
	var ln handedOver
	for _, h := range all {
		r := &resumed{}
		err := gob.NewDecoder(bytes.NewReader(h.State)).Decode(&r.state)
		if err == nil && (r.state.Version != stateVersion || r.state.Actions != uint32(actions) || r.state.Protocol != uint32(protocol)) {
			err = errors.New("it is of another version of breakwater")
		}
		if err == nil {
			r.Conn, err = net.FileConn(h.Conn)
		}
		h.Conn.Close()
		if err != nil {
			wrong = append(wrong, fmt.Errorf("go on with a connection of the mail server: %w; its session goes on unfiltered", err))
			continue
		}
		ln = append(ln, r)
	}
	_ = s.accept(&ln) // until there are no more
	return errors.Join(wrong...)
}

// handedOver is a listener of connections that are there already.
type handedOver []net.Conn

// Accept returns the next one, and net.ErrClosed after the last.
func (l *handedOver) Accept() (net.Conn, error) {
	if len(*l) == 0 {
		return nil, net.ErrClosed
	}
	c := (*l)[0]
	*l = (*l)[1:]
	return c, nil
}

// Close is net.Listener's.
func (l *handedOver) Close() error { return nil }

// Addr is net.Listener's.
func (l *handedOver) Addr() net.Addr { return &net.UnixAddr{} }
