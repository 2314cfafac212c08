// Package socket is HTTP between the daemon and those who ask it, both ends: the server with its bounds, and the client
// of the unix socket.
package socket

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxConns bounds the connections of one of our HTTP servers: every account of the host may be able to connect,
// and the mail server's need file descriptors, too.
const maxConns = 64

// Time limits of our HTTP servers. A request is short; an answer may take as long as erasing mail does.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	idleTimeout   = 2 * time.Minute
)

// Serve answers on ln until ctx ends. writing bounds the time of an answer; 0: it may take as long as it does.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, writing time.Duration) error {
	s := server(h)
	s.WriteTimeout = writing
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.Serve(limit(ln)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// server returns a server for a handler with time limits for those who connect and say nothing.
func server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 64 << 10}
}

// limit bounds the connections of a listener: those beyond are closed at once.
func limit(ln net.Listener) net.Listener { return &limited{Listener: ln} }

type limited struct {
	net.Listener
	open atomic.Int64
}

// Accept is net.Listener's.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= maxConns {
			return &limitedConn{c, sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		c.Close()
	}
}

type limitedConn struct {
	net.Conn
	closed func()
}

// Close is net.Conn's.
func (c *limitedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
