package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// by prepares a session and a message so that the message comes from a client: the server is told so,
// or another mail server on this host has handed it on. n is new for each message.
func by(t *testing.T, s *Session, client string, n int, raw string) []byte {
	t.Helper()
	if s.Stands {
		if code, text := s.Client(netip.MustParseAddr(client)); code != 220 {
			t.Fatal(code, text)
		}
		return []byte(crlf(raw))
	}
	return []byte(crlf(fmt.Sprintf("Received: from mx.example.net (mx.example.net [%s]) by localhost with ESMTP id R%05d; %s\n", client, n, now()) + raw))
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// now is a Date: an old one tells no copies.
func now() string { return time.Now().Format(time.RFC1123Z) }

// holds counts the messages in a mailbox in which there is a text.
func holds(t *testing.T, s *Server, sink *Sink, mailbox, text string) (n int) {
	t.Helper()
	if s.Kind == "postfix" {
		files, err := filepath.Glob(filepath.Join(s.Dir, "mail", strings.ReplaceAll(mailbox, "@", "_"), "new", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(raw, []byte(text)) {
				n++
			}
		}
		return n
	}
	for _, d := range sink.Deliveries() {
		if d.To == mailbox && bytes.Contains(d.Raw, []byte(text)) {
			n++
		}
	}
	return n
}

// TestForgedCopies has somebody who was in the Cc of a mail send copies with another account number
// before it comes, after noise to sub-addresses. The mail is in its mailbox in the end.
func TestForgedCopies(t *testing.T) {
	const stranger, author, real, forged = "203.0.113.66", "198.51.100.7", "DE12 3456", "XX66 6666"
	written := now()
	mail := func(account string) string {
		return fmt.Sprintf("Received: from pc by mail.example.net (Postfix) with ESMTPSA id 4XkT2c9WzQ; %s\nFrom: Boss <boss@example.net>\nTo: <ann@example.test>, <eve@example.com>\n"+
			"Subject: Invoice 4711\nDate: %s\nMessage-ID: <4711@example.net>\n\nDear Ann, as we said on the telephone this morning our bank has changed, and so has the account\n"+
			"for the open invoice. Please send the amount until Friday to the account %s,\nand say by return of mail that you have done so. With kind regards from the harbour.\n", written, written, account)
	}
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			d := newDaemon(t, "inet", nil).start()
			sink := NewSink(t)
			s := srv.start(t, Options{
				Milter: d.listen, LMTP: sink.Port, Mailboxes: []string{"ann@example.test", "info@example.test"},
				Settings: map[string]string{"recipient_delimiter": "+", "virtual_transport": "virtual"},
			})
			session, sent := Dial(t, s.Addr()), 0
			send := func(client, account string, rcpts ...string) {
				t.Helper()
				sent++
				raw := mail(account)
				if client == stranger {
					raw = fmt.Sprintf("Received: from pc by mx.example.com with ESMTP id E%05dK7; %s\n", sent, now()) + raw
				}
				if code, text := session.Send("boss@example.net", rcpts, by(t, session, client, sent, raw)); code != 250 {
					t.Fatal(code, text)
				}
			}
			var noise []string
			for i := range 7 {
				noise = append(noise, fmt.Sprintf("info+%d@example.test", i))
			}
			for range 4 {
				send(stranger, "DE00 0000", noise...)
			}
			send(stranger, forged, "ann@example.test")
			send(author, real, "ann@example.test")
			s.Drained(t)
			if n, m := holds(t, s, sink, "ann@example.test", real), holds(t, s, sink, "ann@example.test", forged); n != 1 || m != 1 {
				t.Errorf("in the mailbox are %d of the mail and %d of the forged copy, want both", n, m)
			}
			for range 20 {
				send(stranger, forged, "ann@example.test")
			}
			session.Quit()
			s.Drained(t)
			if n := holds(t, s, sink, "ann@example.test", forged); n != 2 {
				t.Errorf("%d of 21 forged copies arrive, want 2", n)
			}
		})
	}
}

// TestAuthorAgain has the author of a mail send its words again, after another server has sent forty
// copies: they arrive at all four mailboxes, with a new Message-ID and with the old one.
func TestAuthorAgain(t *testing.T) {
	written := now()
	mail := func(id, date string) string {
		return fmt.Sprintf("From: Ann <ann@example.test>\nTo: <all@example.test>\nSubject: Summer party\nDate: %s\nMessage-ID: <%s@example.test>\n\nPlease come to the summer party, and bring whom you like.\n", date, id)
	}
	var rcpts []string
	for i := range 4 {
		rcpts = append(rcpts, fmt.Sprintf("u%d@example.test", i+1))
	}
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			d := newDaemon(t, "inet", map[string]string{"example.test.toml": ""}).start()
			sink := NewSink(t)
			s := srv.start(t, Options{Milter: d.listen, LMTP: sink.Port, Mailboxes: rcpts, Settings: map[string]string{"virtual_transport": "virtual"}})
			submit := func(id, date string) {
				t.Helper()
				addr := s.Submission()
				if srv.name == "postfix" {
					addr = s.Addr() // where a login alone makes her who sends
				}
				session := Dial(t, addr)
				if session.Stands {
					if code, text := session.Login("ann"); code != 220 {
						t.Fatal(code, text)
					}
				}
				if code, text := session.Send("ann@example.test", rcpts, []byte(crlf(mail(id, date)))); code != 250 {
					t.Fatal(code, text)
				}
				session.Quit()
			}
			count := func() (all []int) {
				t.Helper()
				s.Drained(t)
				for _, to := range rcpts {
					all = append(all, holds(t, s, sink, to, "summer party"))
				}
				return all
			}
			want := func(what string, n int) {
				t.Helper()
				for i, got := range count() {
					if got != n {
						t.Errorf("%s: %s has %d, want %d", what, rcpts[i], got, n)
					}
				}
			}
			submit("1", written)
			session := Dial(t, s.Addr())
			for n := range 40 {
				raw := fmt.Sprintf("Received: from sbs by mx.example.com with ESMTP id E%05dK7; %s\n", n, now()) + mail("1", written)
				if code, text := session.Send("ann@example.test", rcpts, by(t, session, "203.0.113.66", n, raw)); code != 250 {
					t.Fatal(code, text)
				}
			}
			session.Quit()
			want("the mail and forty copies", 3)
			submit("2", now())
			want("the words again", 4)
			submit("1", written)
			want("the mail again", 5)
			if n := strings.Count(d.logged(), "sent=true"); n != 3*len(rcpts) {
				t.Errorf("of %d recipients it is said that the mail was sent by us, want %d", n, 3*len(rcpts))
			}
		})
	}
}
