package milterd

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quick acknowledges at once what an MTA sends over TCP. To most events it gets no answer,
// and Sendmail, which writes in small pieces, would wait for each acknowledgement, 40 ms.
type quick struct {
	net.Conn
	raw syscall.RawConn
}

func acknowledging(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	return quick{c, raw}
}

// Read asks for it again each time: the kernel forgets (tcp(7), TCP_QUICKACK).
func (q quick) Read(p []byte) (int, error) {
	n, err := q.Conn.Read(p)
	_ = q.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
	return n, err
}
