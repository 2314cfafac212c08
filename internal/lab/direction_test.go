package lab

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// copies sends n copies of one message, each by another hop, and returns how many of them
// arrive at addr.
func copies(t *testing.T, s *Server, sink *Sink, through, from, addr string, n int) int {
	t.Helper()
	session := Dial(t, through)
	for hop := range n {
		m := ordinary(1, from, addr)
		raw := append(fmt.Appendf(nil, "Received: from h%d by g%d id %d; Mon, 2 Mar 2026 08:00:00 +0000\r\n", hop, hop, hop), m.Raw...)
		if code, text := session.Send(from, to(m.Item), raw); code != 250 {
			t.Fatal(code, text)
		}
	}
	session.Quit()
	s.Drained(t)
	arrived := 0
	for _, d := range sink.Deliveries() {
		if d.To == addr {
			arrived++
		}
	}
	return arrived
}

// TestSubmission sends by the port for a host's own users: copies to others go, those to
// mailboxes of the host are a storm as any other.
func TestSubmission(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			d := newDaemon(t, "inet", nil)
			config, err := os.OpenFile(d.path("breakwater.toml"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(config, "[site]\ndomains = [\"example.test\"]\n")
			config.Close()
			d.start()
			sink := NewSink(t)
			s := srv.start(t, Options{
				Milter: d.listen, LMTP: sink.Port, Domains: []string{"example.test", "elsewhere.test"}, Mailboxes: []string{"u2@example.test", "x@elsewhere.test"},
				// Delivered as mail to another host is, but to where the test can see it.
				Settings: map[string]string{"virtual_mailbox_domains": "example.test", "default_transport": fmt.Sprintf("smtpish:inet:127.0.0.1:%d", sink.Port)},
			})
			if srv.name == "postfix" {
				s.Service(t, "smtpish/unix=smtpish unix - - n - - lmtp")
			}
			if n := copies(t, s, sink, s.Submission(), "u1@example.test", "x@elsewhere.test", 6); n != 6 {
				t.Errorf("%d of 6 copies to another host arrive", n)
			}
			if n := copies(t, s, sink, s.Submission(), "u1@example.test", "u2@example.test", 6); n != 3 {
				t.Errorf("%d of 6 copies to a mailbox here arrive, want 3", n)
			}
			waitFor(t, "a log line for each message", func() bool { return strings.Count(d.logged(), "msg=decision") >= 12 })
			if n := strings.Count(d.logged(), "sent=true"); n != 12 {
				t.Errorf("%d of 12 messages are said to be sent by us:\n%s", n, d.logged())
			}
			if n := strings.Count(d.logged(), `; outbound"`); n != 3 {
				t.Errorf("%d copies would have been absorbed but are outbound, want 3", n)
			}
		})
	}
}

// TestIPv6 has Sendmail say an IPv6 address in its own spelling.
func TestIPv6(t *testing.T) {
	Need(t, "sendmail")
	d := newDaemon(t, "inet", nil).start()
	sink := NewSink(t)
	s := Sendmail(t, Options{Milter: d.listen, LMTP: sink.Port})
	if n := copies(t, s, sink, fmt.Sprintf("[::1]:%d", s.Port+2), "ann@example.net", "u1@example.test", 1); n != 1 {
		t.Errorf("%d arrive", n)
	}
	waitFor(t, "a client that is ::1", func() bool { return strings.Contains(d.logged(), "client=::1 ") })
}
