package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

// hostile is an IMAP server on loopback that answers LIST and FETCH by lines without end: the n-th is line(n).
func hostile(t *testing.T, line func(n int) string) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS MOVE] ready\r\n")
				in := bufio.NewScanner(c)
				for in.Scan() {
					tag, command, _ := strings.Cut(in.Text(), " ")
					switch {
					case strings.Contains(command, "LIST"), strings.Contains(command, "FETCH"):
						out := bufio.NewWriter(c)
						for n := 1; ; n++ {
							if _, err := io.WriteString(out, line(n)+"\r\n"); err != nil {
								return
							}
						}
					case strings.Contains(command, "CAPABILITY"):
						io.WriteString(c, "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS MOVE\r\n")
					case strings.Contains(command, "SELECT"), strings.Contains(command, "EXAMINE"):
						io.WriteString(c, "* 3 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 4] x\r\n")
					}
					fmt.Fprintf(c, "%s OK done\r\n", tag)
				}
			}()
		}
	}()
	return "imap+plain://" + ln.Addr().String()
}

// TestEndless: a server whose answers have no end is left.
func TestEndless(t *testing.T) {
	fetch := func(n int) string { return fmt.Sprintf("* %d FETCH (UID %d FLAGS () RFC822.SIZE 1)", n%4+1, n) }
	for name, tt := range map[string]struct {
		line func(n int) string
		do   func(*Session) error
		want string
	}{
		"folders": {func(n int) string { return fmt.Sprintf(`* LIST () "/" "f%d"`, n) }, func(s *Session) error { _, err := s.List(t.Context()); return err }, "the server lists more than"},
		"names":   {func(n int) string { return fmt.Sprintf(`* LIST () "/" "f%d%s"`, n, strings.Repeat("x", 4000)) }, func(s *Session) error { _, err := s.List(t.Context()); return err }, "the server lists more than"},
		"messages": {fetch, func(s *Session) error {
			s.timeout = time.Second
			return s.Fetch(t.Context(), []uint32{1, 2, 3}, Nothing, 0, func(Message) error { return nil })
		}, "the server does not answer"}, // what was not asked for is no sign of life
		"messages from": {fetch, func(s *Session) error {
			if _, err := s.Select(t.Context(), "INBOX", true); err != nil {
				return err
			}
			return s.FetchFrom(t.Context(), 1, Nothing, 0, func(Message) error { return nil })
		}, "the server tells of more than"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Dial(t.Context(), Options{Server: hostile(t, tt.line), User: "u", Password: "p"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := tt.do(s); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), tt.want) {
				t.Error(err)
			}
		})
	}
}

// TestWatchEnds: a command that shows signs of life for ever ends when its time is up.
func TestWatchEnds(t *testing.T) {
	here, there := net.Pipe()
	go io.Copy(io.Discard, there)
	s := &Session{c: imapclient.New(here, nil), timeout: time.Minute, traffic: &Traffic{}}
	err := s.watch(context.Background(), 50*time.Millisecond, func(alive func()) error {
		for {
			alive()
			select {
			case <-s.c.Closed():
				return io.ErrClosedPipe
			case <-time.After(time.Millisecond):
			}
		}
	})
	if !errors.Is(err, ErrLost) || !errors.Is(err, errTimeout) {
		t.Error(err)
	}
	if d := fetchLimit(1000, Whole); d < time.Hour || fetchLimit(1000, Nothing) > 15*time.Minute {
		t.Error(d, fetchLimit(1000, Nothing))
	}
}
