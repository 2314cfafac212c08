package sweep

import (
	"io"
	"net"
	"strings"
	"testing"
)

// between is a proxy that calls before with what a client says, and then passes it on.
func between(t testing.TB, to string, before func(said string)) (server string) {
	return meddle(t, to, func(said string) string {
		before(said)
		return said
	}, nil)
}

// meddle is a proxy that changes what clients ask and what the server answers; nil changes nothing.
func meddle(t testing.TB, to string, ask, answer func(said string) string) (server string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	pass := func(to, from net.Conn, change func(string) string) {
		defer to.Close()
		defer from.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			said := string(buf[:n])
			if change != nil {
				said = change(said)
			}
			if _, err := io.WriteString(to, said); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", strings.TrimPrefix(to, "imap+plain://"))
			if err != nil {
				client.Close()
				continue
			}
			go pass(server, client, ask)
			go pass(client, server, answer)
		}
	}()
	return "imap+plain://" + ln.Addr().String()
}
