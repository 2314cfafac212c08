package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"breakwater/internal/message"
)

// responders are a ticket script at desk@example.test, which acknowledges whatever comes, and one at
// partner@elsewhere.test, which does so, too: through a real mail server they never stop.
type responders struct {
	t    *testing.T
	s    *Server
	stop int // after so many turns the partner is silent

	mu     sync.Mutex
	turns  int // answers that reached the desk
	busy   int // answers on their way
	lastly time.Time
}

// take answers a delivery as one of the two.
func (r *responders) take(d Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastly = time.Now()
	m := message.Parse(message.Envelope{}, time.Now(), d.Raw)
	if d.To == "desk@example.test" {
		r.turns++
	}
	if r.turns >= r.stop {
		return
	}
	n := r.turns
	r.busy++
	go func() {
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.busy--
			r.lastly = time.Now()
		}()
		answer := func(from, text string) []byte {
			return fmt.Appendf(nil, "From: <%s>\r\nMessage-ID: <%s.%d.%d>\r\nIn-Reply-To: <%s>\r\nDate: %s\r\nAuto-Submitted: auto-replied\r\nSubject: %s %d\r\n\r\nThank you, your number is %d.\r\n",
				from, from, n, time.Now().UnixNano(), m.MessageID, stamp(time.Now()), text, n, n)
		}
		if d.To == "desk@example.test" {
			s := Dial(r.t, r.s.Submission())
			defer s.Quit()
			if code, text := s.Send("desk@example.test", []string{"partner@elsewhere.test"}, answer("desk@example.test", "We have it, case")); code != 250 {
				r.t.Error(code, text)
			}
			return
		}
		s := Dial(r.t, r.s.Addr())
		defer s.Quit()
		s.Client(netip.MustParseAddr("203.0.113.5"))
		if code, text := s.Send("", []string{"desk@example.test"}, answer("partner@elsewhere.test", "Received, ticket")); code != 250 {
			r.t.Error(code, text)
		}
	}()
}

// quiet waits until nothing more happens, and returns how many answers reached the desk.
func (r *responders) quiet() int {
	waitFor(r.t, "the end of the loop", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.busy == 0 && time.Since(r.lastly) > 3*time.Second && r.s.Queued() == 0
	})
	return r.turns
}

// TestLoop has two ticket scripts acknowledge each other through Postfix. Without breakwater they run away; with it the
// loop ends, since what is absorbed is answered by nobody.
func TestLoop(t *testing.T) {
	for _, tt := range []struct {
		name, site string
		milter     bool
		least      int
		most       int
	}{
		{"without breakwater", "", false, 150, 150},
		{"both directions seen", "[site]\ndomains = [\"example.test\"]\n", true, 3, 10},
		{"inbound only", "[site]\nsubmit_daemons = [\"NONE\"]\n", true, 3, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			Need(t, "postfix")
			r := &responders{t: t, stop: 150, lastly: time.Now()}
			sink := NewSink(t)
			sink.Take = r.take
			o := Options{
				LMTP: sink.Port, Domains: []string{"example.test", "elsewhere.test"}, Mailboxes: []string{"desk@example.test", "partner@elsewhere.test"},
				Settings: map[string]string{"virtual_mailbox_domains": "example.test", "default_transport": fmt.Sprintf("smtpish:inet:127.0.0.1:%d", sink.Port)},
			}
			var d *daemon
			if tt.milter {
				d = newDaemon(t, "inet", nil)
				d.configure("[digest]\nsubmit = \"\"\n" + tt.site)
				d.start()
				o.Milter = d.listen
			}
			r.s = Postfix(t, o)
			r.s.Service(t, "smtpish/unix=smtpish unix - - n - - lmtp")
			s := Dial(t, r.s.Addr())
			s.Client(netip.MustParseAddr("203.0.113.5"))
			if code, text := s.Send("partner@elsewhere.test", []string{"desk@example.test"}, []byte("From: <partner@elsewhere.test>\r\nMessage-ID: <first@elsewhere.test>\r\nSubject: Printer\r\n\r\nIt jams.\r\n")); code != 250 {
				t.Fatal(code, text)
			}
			s.Quit()
			if n := r.quiet(); n < tt.least || n > tt.most {
				t.Errorf("%d answers reached the desk, want %d to %d", n, tt.least, tt.most)
			} else {
				t.Logf("%d answers reached the desk", n)
			}
			if d != nil && !strings.Contains(d.logged(), " storm, copy ") {
				t.Errorf("no storm in the log:\n%s", d.logged())
			}
		})
	}
}
