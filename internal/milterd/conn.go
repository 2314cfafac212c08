package milterd

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-milter"
)

// maxPacket is the longest packet that is read, in bytes; MTAs send at most 64 KiB of body
// and one header field at once.
const maxPacket = 1 << 20

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
		c := &conn{Conn: nc, server: l.server, r: bufio.NewReaderSize(nc, 16<<10)}
		if !l.server.admit(c) {
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
	server  *Server
	session *session
	r       *bufio.Reader
	packet  []byte // read, checked, and not yet handed on
	then    []byte // the same, after packet
	ended   bool   // the last packet was an end of message
	buf     []byte
	once    sync.Once

	mu   sync.Mutex
	busy bool // a message is in hand: from MAIL to its answer or ABORT
}

// Read gives go-milter what is left of a packet, or the next one.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.packet) == 0 {
		if c.packet, c.then = c.then, nil; len(c.packet) > 0 {
			break
		}
		if err := c.next(); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
				return 0, io.EOF
			}
			c.server.log().Debug("connection of a mail server ends", "err", err)
			return 0, io.EOF
		}
	}
	n := copy(p, c.packet)
	c.packet = c.packet[n:]
	return n, nil
}

// next reads one packet: its length, a command and data.
func (c *conn) next() error {
	if err := c.await(); err != nil {
		return err
	}
	if _, err := c.r.Peek(1); err != nil {
		return err
	}
	if err := c.Conn.SetReadDeadline(time.Now().Add(or(c.server.PacketTimeout, time.Minute))); err != nil {
		return err
	}
	if c.buf == nil {
		c.buf = make([]byte, 4, 4<<10)
	}
	if _, err := io.ReadFull(c.r, c.buf[:4]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(c.buf))
	if n == 0 || n > maxPacket {
		c.server.log().Error("a mail server sent no milter packet; connection closed", "length", n)
		return io.EOF
	}
	if cap(c.buf) < n+4 {
		c.buf = append(make([]byte, 0, n+4), c.buf[:4]...)
	}
	c.buf = c.buf[:n+4]
	if _, err := io.ReadFull(c.r, c.buf[4:]); err != nil {
		return err
	}
	code := milter.Code(c.buf[4])
	c.packet = c.check(c.buf)
	// Sendmail sends no ABORT between messages. go-milter would then keep the header of all
	// messages of a connection.
	if c.ended && code != milter.CodeAbort {
		c.packet, c.then = abort, c.packet
	}
	c.ended = code == milter.CodeEOB
	return nil
}

var abort = []byte{0, 0, 0, 1, byte(milter.CodeAbort)}

// await says how long the next packet may take to come, and ends an idle connection when
// the server stops.
func (c *conn) await() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server.stopping.Load() && !c.busy {
		return io.EOF
	}
	if c.r.Buffered() > 0 {
		return nil
	}
	return c.Conn.SetReadDeadline(time.Now().Add(or(c.server.IdleTimeout, time.Hour)))
}

// wake ends a Read that waits for a next message.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.busy {
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *conn) setBusy(busy bool) {
	c.mu.Lock()
	c.busy = busy
	c.mu.Unlock()
}

// check returns what go-milter may see of a packet: nothing if it is malformed and go-milter
// would answer, or end the session. The message that it belongs to is then OnError.
func (c *conn) check(packet []byte) []byte {
	code, data := milter.Code(packet[4]), packet[5:]
	ok := true
	switch code {
	case milter.CodeOptNeg:
		// Version, actions, protocol steps, each of 4 bytes. go-milter does not look at what
		// is offered, and an MTA drops a filter that asks for more.
		if ok = len(data) >= 12 && milter.OptAction(binary.BigEndian.Uint32(data[4:]))&actions == actions &&
			milter.OptProtocol(binary.BigEndian.Uint32(data[8:]))&protocol == protocol; !ok {
			c.server.log().Error("the mail server is too old for this milter; Postfix 2.6 or Sendmail 8.14 is needed")
			return nil
		}
	case milter.CodeConn:
		name := bytes.IndexByte(data, 0)
		ok = name >= 0 && len(data) > name+1
		if inet := ok && (data[name+1] == '4' || data[name+1] == '6'); inet {
			if ok = len(data) > name+4; ok {
				return withoutPrefix(packet, 5+name+4)
			}
		}
	case milter.CodeHeader:
		name := bytes.IndexByte(data, 0)
		ok = name > 0 && bytes.Count(data, []byte{0}) == 2 && data[len(data)-1] == 0
	case milter.CodeMacro:
		ok = len(data) > 0
	}
	if !ok {
		c.session.malformed(code)
		return nil
	}
	return packet
}

// withoutPrefix takes the "IPv6:" that MTAs write before an address at pos, and that
// go-milter does not understand, out of a packet.
func withoutPrefix(packet []byte, pos int) []byte {
	const prefix = "IPv6:"
	if !bytes.HasPrefix(packet[pos:], []byte(prefix)) {
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
			c.session.reset()
		}
		c.server.drop(c)
	})
	return err
}
