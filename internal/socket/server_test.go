package socket

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimit: whoever opens connections and says nothing keeps others out for a while at most, and no more file
// descriptors are used than there may be connections.
func TestLimit(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	defer h.Close()
	l := limit(ln).(*limited)
	go h.Serve(l)
	var idle []net.Conn
	for range maxConns + 10 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
	}
	// Those beyond the limit are closed at once.
	for _, c := range idle[maxConns:] {
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection beyond the limit is answered")
		}
	}
	if n := l.open.Load(); n != maxConns {
		t.Errorf("%d connections are open", n)
	}
	for _, c := range idle[:maxConns] {
		c.Close()
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		resp, err := client.Get("http://" + ln.Addr().String())
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// piped is a listener of connections in memory.
type piped struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *piped) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *piped) Close() error   { close(p.done); return nil }
func (p *piped) Addr() net.Addr { return &net.UnixAddr{} }

// TestIdle: connections that say nothing, or nothing more, are closed.
func TestIdle(t *testing.T) {
	for name, tt := range map[string]struct {
		say  string
		want time.Duration
	}{
		"nothing": {"", headerTimeout}, "half a header": {"GET / HTTP/1.1\r\nHost", headerTimeout}, "half a body": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf", readTimeout},
		"one request": {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", idleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &piped{make(chan net.Conn), make(chan struct{})}
				h := server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
				go h.Serve(limit(p))
				defer h.Close()
				here, there := net.Pipe()
				p.conns <- there
				begun := time.Now()
				go io.WriteString(here, tt.say)
				io.Copy(io.Discard, here)
				if took := time.Since(begun); took < tt.want/2 || took > tt.want+time.Second {
					t.Errorf("closed after %v, want %v", took, tt.want)
				}
			})
		})
	}
}
