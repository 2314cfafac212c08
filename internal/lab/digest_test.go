package lab

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/message"
	"breakwater/internal/stormgen"
)

// TestDigest tells each mailbox what it did not get, once, through the mail server and the
// milter, which knows the digests and lets them be. A daemon that is killed tells nobody twice.
func TestDigest(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			o := stormgen.Options{Seed: 19, Messages: 400}
			all := storm(o)
			d := newDaemon(t, "unix", map[string]string{"example.test.toml": "[digest]\nwait = \"1s\"\ninterval = \"1h\"\nlanguage = \"de\"\n"})
			sink := NewSink(t)
			port := Ports(t, 1)
			d.configure(fmt.Sprintf("[digest]\nsubmit = \"smtp://127.0.0.1:%d\"\nfrom = \"postmaster@example.test\"\n", port)) // nobody listens yet
			d.start()
			s := srv.start(t, Options{Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses()})
			play(t, s.Addr(), all, 10)
			s.Drained(t)
			hit := map[string]bool{}
			for _, a := range d.absorbed() {
				hit[address.Mailbox(a.To)] = true
			}
			time.Sleep(time.Second)
			d.stop(syscall.SIGTERM)
			d.start() // looks at once what is due, and cannot send it
			waitFor(t, "digests that cannot be sent", func() bool { return strings.Contains(d.logged(), "connection refused") })
			d.stop(syscall.SIGKILL)

			d.configure(fmt.Sprintf("[digest]\nsubmit = \"smtp://%s\"\nfrom = \"postmaster@example.test\"\n", s.Addr()))
			before := len(sink.Deliveries())
			d.start()
			waitFor(t, "a digest for each mailbox", func() bool { return len(sink.Deliveries()) >= before+len(hit) })
			d.stop(syscall.SIGKILL)
			d.start()
			time.Sleep(2 * time.Second)
			s.Drained(t)

			ids := map[string]string{}
			for _, got := range sink.Deliveries()[before:] {
				m := message.Parse(message.Envelope{}, time.Now(), got.Raw)
				mailbox := address.Mailbox(got.To)
				if got.From != "" || m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("X-Breakwater-Digest") == "" || !strings.Contains(m.Subject, "zurückgehalten") {
					t.Fatalf("to %s from %q:\n%s", got.To, got.From, clip(got.Raw))
				}
				if had, ok := ids[mailbox]; ok && had != m.MessageID {
					t.Errorf("%s got two digests, %s and %s", mailbox, had, m.MessageID)
				}
				ids[mailbox] = m.MessageID
				if !hit[mailbox] {
					t.Errorf("%s got a digest of nothing", mailbox)
				}
			}
			if len(ids) != len(hit) || len(hit) == 0 {
				t.Errorf("%d mailboxes were told, %d were hit", len(ids), len(hit))
			}
			waitFor(t, "a log line for each digest", func() bool { return strings.Count(d.logged(), `reason="digest of ours"`) >= len(hit) })
		})
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}
