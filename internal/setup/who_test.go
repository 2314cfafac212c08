package setup

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestWho finds this test behind its own sockets, by its process.
func TestWho(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	dir := t.TempDir()
	listen := func(network, addr string) net.Listener {
		t.Helper()
		ln, err := net.Listen(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		return ln
	}
	four, any := listen("tcp4", "127.0.0.1:0"), listen("tcp", ":0")
	listen("unix", filepath.Join(dir, "milter.sock"))
	_, port, _ := net.SplitHostPort(four.Addr().String())
	_, open, _ := net.SplitHostPort(any.Addr().String())
	gone := listen("tcp4", "127.0.0.1:0")
	gone.Close()
	for address, found := range map[string]bool{
		"inet:127.0.0.1:" + port: true, "inet:localhost:" + port: true, "inet:127.0.0.1:" + open: true, "inet:127.0.0.9:" + open: true,
		"inet:[::1]:" + port: false, "inet:192.0.2.1:" + port: false, "inet:" + gone.Addr().String(): false, "inet:127.0.0.1:x": false, "inet:": false, "": false,
		"unix:milter.sock": true, "unix:/milter.sock": true, "unix:" + filepath.Join(dir, "milter.sock"): true, "unix:other.sock": false, "pcre:/x": false,
	} {
		l := Scout{Queue: dir}.Who(address)
		if found && (l.Process != os.Getpid() || l.Program == "" || l.Ours || !l.Listens) || !found && l != (Listener{}) {
			t.Errorf("%s: %+v", address, l)
		}
	}
}

// TestNegotiate tells breakwater from others by what it asks for, whatever the name of its program.
func TestNegotiate(t *testing.T) {
	answers := map[string]bool{
		"\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x7d\x00\x00\x01\x02": true,
		"\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x11\x00\x00\x01\x02": false,
		"220 mx.example.test ESMTP Postfix\r\n":                             false,
		"":                                                                  false,
	}
	for answer, ours := range answers {
		ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan []byte, 1)
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			offer := make([]byte, len(milterOffer))
			_, _ = io.ReadFull(conn, offer)
			asked <- offer
			_, _ = io.Copy(conn, strings.NewReader(answer))
		}()
		if l := (Scout{Actions: 0x7d, Steps: 0x102}).Who("unix:" + ln.Addr().String()); l.Ours != ours || ours != (l.Program == "breakwater") || !l.Listens {
			t.Errorf("%q: %+v", answer, l)
		}
		if offer := <-asked; !bytes.Equal(offer, milterOffer) {
			t.Errorf("%q", offer)
		}
		ln.Close()
	}
}
