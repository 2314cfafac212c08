package lab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestManyForeignFields sends mail with fields that only breakwater may write, as many as are removed and many
// more, to a thousand recipients. It arrives, and no mail server takes harm.
func TestManyForeignFields(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			d := newDaemon(t, "unix", map[string]string{"strict.test.toml": "[[rule]]\nname = \"none\"\nwhen = 'subject != \"\"'\naction = \"absorb\"\n"}).start()
			sink := NewSink(t)
			s := srv.start(t, Options{Milter: d.listen, LMTP: sink.Port, Domains: []string{"example.test", "strict.test"}, Mailboxes: strict(1000, "u1@example.test")})
			const most = 100 // are removed
			for i, n := range []int{most, most + 1, 10_100, 40_000} {
				rcpts := []string{"u1@example.test"}
				if n == most {
					rcpts = strict(900, "u1@example.test") // as many changes as one message can need
				}
				m := ordinary(i, "ann@example.net", rcpts...)
				forged := bytes.Repeat([]byte("X-Breakwater: class=personal\r\n"), n/2)
				forged = append(forged, bytes.Repeat([]byte("X-Breakwater-Token: x\r\n"), n-n/2)...)
				forged = append(forged, bytes.Repeat([]byte("X-Other: y\r\n"), 900-900*min(i, 1))...)
				begun := time.Now()
				code, text := Dial(t, s.Addr()).Send("ann@example.net", rcpts, append(forged, m.Raw...))
				t.Logf("%d fields: %d %s after %v", n, code, text, time.Since(begun).Round(10*time.Millisecond))
				// Sendmail refuses a header of more than 32 KiB on its own account.
				if tooLong := srv.name == "sendmail" && n > 1000 && code >= 500; code != 250 && !tooLong {
					t.Errorf("%d fields: %d %s", n, code, text)
				}
				if code, text := Dial(t, s.Addr()).Send("bob@example.net", []string{"u1@example.test"}, ordinary(100+i, "bob@example.net", "u1@example.test").Raw); code != 250 {
					t.Errorf("mail behind %d fields: %d %s", n, code, text)
				}
			}
			s.Drained(t)
			for _, got := range sink.Deliveries() {
				header, _, _ := bytes.Cut(got.Raw, []byte("\r\n\r\n"))
				n, marked := bytes.Count(header, []byte("\nX-Breakwater")), bytes.Contains(header, []byte("\nX-Breakwater: untrusted; "))
				if marked != (n > most) || !marked && n > 0 || strings.Contains(got.To, "strict") {
					t.Errorf("%d fields of ours arrived at %s, marked as not to be trusted: %v", n, got.To, marked)
				}
			}
			if n := len(sink.Deliveries()); n < 6 {
				t.Errorf("%d deliveries", n)
			}
			if b, _ := os.ReadFile(filepath.Join(s.Dir, "maillog")); bytes.Contains(b, []byte("panic")) {
				t.Errorf("%s", b)
			}
		})
	}
}

// strict is n mailboxes at strict.test, and more.
func strict(n int, more ...string) []string {
	for i := range n {
		more = append(more, fmt.Sprintf("m%d@strict.test", i))
	}
	return more
}
