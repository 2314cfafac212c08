package milterd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-milter"
)

// Lengths of packets in bytes. An MTA sends at most 64 KiB of body at once, but a header
// field as one packet, however long it is.
const (
	maxPacket   = 16 << 20 // that we read
	maxGoMilter = 1 << 20  // that go-milter takes
)

// listener hands connections to go-milter, wrapped.
type listener struct {
	net.Listener
	server *Server
	last   *conn
}

// Accept survives what is wrong with one connection, and the lack of file descriptors.
func (l *listener) Accept() (net.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		nc, err := l.Listener.Accept()
		if err != nil {
			if l.server.stopping.Load() || errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			l.server.log().Error("accept", "err", err, "again in", wait)
			time.Sleep(wait)
			continue
		}
		c := &conn{Conn: nc, server: l.server}
		if r, ok := nc.(*resumed); ok {
			c.Conn, c.inherited = r.Conn, &r.state
		}
		c.r = bufio.NewReaderSize(acknowledging(c.Conn), 16<<10)
		if !l.server.admit(c) {
			if l.server.stopping.Load() && c.inherited == nil {
				c.session = &session{server: l.server, conn: c}
				_ = c.orHandOver(errStopping)
			}
			nc.Close()
			continue
		}
		l.last = c
		return c, nil
	}
}

// conn is the connection of an MTA. It reads whole packets, and lets go-milter see only
// those that it will not answer by itself.
type conn struct {
	net.Conn
	server    *Server
	session   *session
	r         *bufio.Reader
	packet    []byte // read, checked, and not yet handed on
	ended     bool   // the last packet was an end of message
	macros    bool   // the last packet was macros, which are part of the next one
	buf       []byte
	inherited *state // what another process knew of the connection; nil if it is new
	once      sync.Once

	judging atomic.Pointer[time.Time] // when the end of the message in hand came; nil once it is answered

	mu      sync.Mutex
	busy    bool // a message is in hand: from MAIL to its answer or ABORT
	waiting bool // for the beginning of a packet
}

// Read gives go-milter what is left of a packet, or the next one. Whatever ends the
// connection is io.EOF to go-milter, which would write anything else to the standard log.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.packet) == 0 {
		if err := c.next(); err != nil {
			c.report(err)
			return 0, io.EOF
		}
	}
	n := copy(p, c.packet)
	c.packet = c.packet[n:]
	return n, nil
}

func (c *conn) report(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return
	}
	level := slog.LevelError
	if _, network := errors.AsType[net.Error](err); network {
		level = slog.LevelDebug
	}
	c.server.log().Log(context.Background(), level, "connection of a mail server ends", "err", err)
}

// next reads one packet: its length, a command and data. go-milter asks for it when it has written
// its answer to the last one.
func (c *conn) next() error {
	if c.session != nil {
		c.session.answered()
	}
	if c.ended {
		// Sendmail sends no ABORT between messages. go-milter would then keep the header of
		// all messages of a connection.
		c.packet, c.ended = abort, false
		return nil
	}
	if err := c.await(); err != nil {
		return c.orHandOver(err)
	}
	_, err := c.r.Peek(1)
	c.wakes(false)
	if err != nil {
		return c.orHandOver(err)
	}
	if err := c.Conn.SetReadDeadline(time.Now().Add(or(c.server.PacketTimeout, time.Minute))); err != nil {
		return err
	}
	packet, err := c.whole()
	if err != nil {
		return err
	}
	code := milter.Code(packet[4])
	// Those of DATA are sent though DATA itself is not.
	c.macros = code == milter.CodeMacro && len(packet) > 5 && milter.Code(packet[5]) != milter.CodeData
	if packet, err = c.check(packet); err != nil {
		return err
	}
	if len(packet) > 4+maxGoMilter {
		c.session.take(code, packet[5:])
		packet = nil
	}
	c.packet = packet
	c.ended = code == milter.CodeEOB
	return nil
}

// whole returns the next packet. It is valid until the next call.
func (c *conn) whole() ([]byte, error) {
	head, err := c.r.Peek(4)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head))
	if n == 0 || n > maxPacket {
		return nil, fmt.Errorf("%q is no milter packet", head)
	}
	if head, err = c.r.Peek(5); err != nil {
		return nil, err
	}
	if code := milter.Code(head[4]); n > maxGoMilter && code != milter.CodeHeader && code != milter.CodeBody {
		return nil, fmt.Errorf("a milter packet %q of %d bytes", byte(code), n)
	}
	packet := c.room(4 + n)
	_, err = io.ReadFull(c.r, packet)
	return packet, err
}

// room returns a buffer of n bytes that is valid until the next packet.
func (c *conn) room(n int) []byte {
	if n > 128<<10 {
		return make([]byte, n)
	}
	if cap(c.buf) < n {
		c.buf = make([]byte, max(n, 4<<10))
	}
	return c.buf[:n]
}

var abort = []byte{0, 0, 0, 1, byte(milter.CodeAbort)}

// await says how long the next packet may take to come, and ends an idle connection when
// the server stops.
func (c *conn) await() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server.stopping.Load() && (!c.busy && c.server.HandOver == nil || c.canHandOver()) {
		return errStopping
	}
	if c.r.Buffered() > 0 {
		return nil
	}
	c.waiting = !c.macros // what they belong to comes at once, and both are handed over together
	return c.Conn.SetReadDeadline(time.Now().Add(or(c.server.IdleTimeout, time.Hour)))
}

// wake ends a Read that waits for a next message, or for anything if the connection can be handed over.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.busy && c.server.HandOver == nil || c.waiting && c.server.HandOver != nil {
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *conn) wakes(waiting bool) {
	c.mu.Lock()
	c.waiting = waiting
	c.mu.Unlock()
}

func (c *conn) setBusy(busy bool) {
	c.mu.Lock()
	c.busy = busy
	c.mu.Unlock()
}

// check returns what go-milter may see of a packet. If it is malformed, the message that it
// belongs to is OnError, and go-milter must not answer it, nor end the session.
func (c *conn) check(packet []byte) ([]byte, error) {
	code, data := milter.Code(packet[4]), packet[5:]
	switch {
	case code == milter.CodeOptNeg && !capable(data):
		return nil, errors.New("the mail server offers too little of the milter protocol and goes unfiltered; Postfix needs milter_protocol = 6, Sendmail version 8.14")
	case code == milter.CodeConn && wellFormed(code, data):
		return withoutPrefix(packet), nil
	case wellFormed(code, data):
		if code == milter.CodeMail {
			c.session.params = parameters(data) // go-milter drops them
		}
		return packet, nil
	}
	c.session.malformed(code)
	switch code {
	case milter.CodeMail, milter.CodeRcpt, milter.CodeEOB: // go-milter takes them whatever they hold
		return packet, nil
	}
	return nil, nil
}

// wellFormed tells whether data is what belongs to a command.
func wellFormed(code milter.Code, data []byte) bool {
	end := bytes.IndexByte(data, 0) // of the first string
	switch code {
	case milter.CodeConn:
		if end < 0 || len(data) < end+2 {
			return false
		}
		inet := data[end+1] == '4' || data[end+1] == '6'
		return !inet || len(data) > end+4
	case milter.CodeHeader:
		return end > 0 && bytes.Count(data, []byte{0}) == 2 && data[len(data)-1] == 0
	case milter.CodeMail: // of its own bounces, Postfix says the null reverse-path without brackets
		return end >= 0
	case milter.CodeRcpt:
		return end > 0
	case milter.CodeMacro:
		return len(data) > 0
	case milter.CodeEOB:
		return len(data) == 0
	}
	return true
}

// parameters are the ESMTP ones behind a MAIL's address, each a string that ends with NUL, but
// for SIZE: by now the MTA knows better than the client.
func parameters(mail []byte) (params []string) {
	for i, p := range strings.Split(string(mail), "\x00") {
		if i > 0 && p != "" && !strings.HasPrefix(strings.ToUpper(p), "SIZE=") {
			params = append(params, p)
		}
	}
	return params
}

// capable looks at what an MTA offers: a version, actions and protocol steps, each of 4 bytes.
// go-milter does not, and an MTA drops a filter that asks for more.
func capable(offer []byte) bool {
	return len(offer) >= 12 &&
		milter.OptAction(binary.BigEndian.Uint32(offer[4:]))&actions == actions &&
		milter.OptProtocol(binary.BigEndian.Uint32(offer[8:]))&protocol == protocol
}

// withoutPrefix takes the "IPv6:" that MTAs write before an address, and that go-milter does
// not understand, out of a CONNECT packet: after name, family and port.
func withoutPrefix(packet []byte) []byte {
	const prefix = "IPv6:"
	pos := 5 + bytes.IndexByte(packet[5:], 0) + len("\x006\x00\x00")
	if len(packet) < pos || !bytes.HasPrefix(packet[pos:], []byte(prefix)) {
		return packet
	}
	packet = append(packet[:pos], packet[pos+len(prefix):]...)
	binary.BigEndian.PutUint32(packet, uint32(len(packet)-4))
	return packet
}

// Write sends an answer.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(or(c.server.WriteTimeout, time.Minute))); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close is called by go-milter when a session has ended, whatever the reason.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		if c.session != nil {
			c.session.answered()
			c.session.reset()
		}
		c.server.drop(c)
	})
	return err
}
