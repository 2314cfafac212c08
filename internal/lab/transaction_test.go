package lab

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/rules"
)

// TestTransactions plays single transactions of every shape over one connection.
func TestTransactions(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			d := newDaemon(t, "unix", map[string]string{"strict.test.toml": "[limit.id]\ncopies = 1\n[limit.text]\ncopies = 1\n", "tagged.test.toml": "[action]\npersonal = \"tag\"\n"}).start()
			sink := NewSink(t)
			var many []string
			for i := range 1000 {
				many = append(many, fmt.Sprintf("m%d@example.test", i))
			}
			s := srv.start(t, Options{
				Milter: d.listen, LMTP: sink.Port, Domains: []string{"example.test", "strict.test", "tagged.test"},
				Mailboxes: append(many, "u1@example.test", "u1@strict.test", "u1@tagged.test"),
			})
			var all []*sent
			session := Dial(t, s.Addr())
			send := func(from string, rcpts ...string) *sent {
				m := ordinary(len(all), from, rcpts...)
				all = append(all, m)
				m.code, m.text = session.Send(from, rcpts, m.Raw)
				return m
			}
			for range 10 { // ten messages on one connection
				send("ann@example.net", "u1@example.test")
			}
			send("", "u1@example.test")
			send("ann@example.net", many...)
			// A refused recipient first, in the middle, and alone.
			nobody := map[string]string{"postfix": "nobody@example.test", "sendmail": "nobody(@example.test"}[srv.name]
			send("ann@example.net", nobody, "u1@example.test", nobody, "u1@strict.test")
			if m := send("ann@example.net", nobody); m.code < 500 {
				t.Errorf("a recipient that is not there: %d %s", m.code, m.text)
			}
			// Begun and given up.
			session.Do("MAIL FROM:<x@example.net>")
			session.Do("RCPT TO:<u1@strict.test>")
			session.Do("RSET")
			send("ann@example.net", "u1@example.test")
			tagged := send("ann@example.net", "u1@tagged.test", "u1@example.test")
			// The same message three times to two domains with different rules.
			first := ordinary(len(all), "bob@example.net", "u1@example.test", "u1@strict.test")
			for hop := range 3 {
				m := *first
				m.Raw = append(fmt.Appendf(nil, "Received: from h%d by h%d id %d; Mon, 2 Mar 2026 08:00:00 +0000\r\n", hop, hop+1, hop), first.Raw...)
				m.Raw = bytes.Replace(m.Raw, fmt.Appendf(nil, "%s%d", numbered, len(all)-hop), fmt.Appendf(nil, "%s%d", numbered, len(all)), 1)
				all = append(all, &m)
				m.code, m.text = session.Send("bob@example.net", to(m.Item), m.Raw)
			}
			session.Quit()
			s.Drained(t)
			for i, m := range all {
				if m.code != 250 && !strings.Contains(strings.Join(to(m.Item), " "), "nobody") {
					t.Errorf("message %d: %d %s", i, m.code, m.text)
				}
			}
			arrived, absorbed := places(t, all, sink.Deliveries(), srv.as), places(t, all, d.absorbed(), same)
			for i, m := range all {
				for _, addr := range to(m.Item) {
					want := 1
					late := m.Envelope.ReversePath == "bob@example.net" && i > len(all)-3 && addr == "u1@strict.test"
					if late || strings.HasPrefix(addr, "nobody") {
						want = 0
					}
					if got := arrived[place{i, addr}]; got != want {
						t.Errorf("message %d arrived %d times at %s, want %d", i, got, addr, want)
					}
					if got := absorbed[place{i, addr}]; late && got != 1 || !late && got != 0 {
						t.Errorf("message %d absorbed %d times for %s", i, got, addr)
					}
				}
			}
			found := 0
			for _, got := range sink.Deliveries() {
				if bytes.Contains(got.Raw, []byte("\r\nX-Breakwater: class=personal; action=tag; rule=tagged.test.toml:2\r\n")) {
					found++
				}
			}
			if found != 2 { // one message, two mailboxes
				t.Errorf("%d deliveries of message %q are tagged, want 2", found, tagged.Group)
			}
		})
	}
}

// TestActions has each action carried out by each mail server.
func TestActions(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			files := map[string]string{}
			domains := []string{"example.test"}
			var boxes []string
			for _, action := range []string{"deliver", "tag", "absorb", "quarantine", "reject", "tempfail"} {
				domains = append(domains, action+".test")
				boxes = append(boxes, "u1@"+action+".test")
				files[action+".test.toml"] = fmt.Sprintf("[action]\npersonal = %q\n", action)
			}
			d := newDaemon(t, "inet", files).start()
			sink := NewSink(t)
			s := srv.start(t, Options{Milter: d.listen, LMTP: sink.Port, Domains: domains, Mailboxes: boxes})
			session := Dial(t, s.Addr())
			var all []*sent
			for _, to := range [][]string{
				{"u1@deliver.test"}, {"u1@tag.test"}, {"u1@absorb.test"}, {"u1@reject.test"}, {"u1@tempfail.test"},
				{"u1@deliver.test", "u1@reject.test", "u1@tempfail.test", "u1@absorb.test", "u1@quarantine.test"}, // mixed
				{"u1@quarantine.test"},
			} {
				m := ordinary(len(all), "ann@example.net", to...)
				m.Raw = m.Raw[bytes.IndexByte(m.Raw, '\n')+1:] // no relay sends it
				m.code, m.text = session.Send("ann@example.net", to, m.Raw)
				all = append(all, m)
			}
			session.Quit()
			for i, want := range []int{250, 250, 250, 550, 451, 250, 250} {
				if all[i].code != want {
					t.Errorf("message %d: %d %s, want %d", i, all[i].code, all[i].text, want)
				}
			}
			if text := all[3].text; !strings.Contains(text, "5.7.1") || !strings.Contains(text, "personal") {
				t.Errorf("the refusal says %q", text)
			}
			for deadline := time.Now().Add(30 * time.Second); len(sink.Deliveries()) < 3 && time.Now().Before(deadline); {
				time.Sleep(20 * time.Millisecond)
			}
			arrived, absorbed := places(t, all, sink.Deliveries(), srv.as), places(t, all, d.absorbed(), same)
			wantArrived := map[place]int{{0, "u1@deliver.test"}: 1, {1, "u1@tag.test"}: 1, {5, "u1@deliver.test"}: 1}
			wantAbsorbed := map[place]int{
				{2, "u1@absorb.test"}: 1, {5, "u1@reject.test"}: 1, {5, "u1@tempfail.test"}: 1, {5, "u1@absorb.test"}: 1, {5, "u1@quarantine.test"}: 1,
			}
			if !maps.Equal(arrived, wantArrived) || !maps.Equal(absorbed, wantAbsorbed) {
				t.Errorf("arrived %v, absorbed %v", arrived, absorbed)
			}
			if n := s.Held(); n != 1 {
				t.Errorf("%d messages are held, want the last alone", n)
			}
		})
	}
}

// TestSecondMilterPutsOff has a milter behind ours that puts each message off six times:
// each attempt passes ours, and none of them may count as a copy.
func TestSecondMilterPutsOff(t *testing.T) {
	Need(t, "postfix")
	var mu sync.Mutex
	tries := map[string]int{}
	greylist := &milterd.Server{Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		mu.Lock()
		defer mu.Unlock()
		tries[m.MessageID]++
		action := rules.Deliver
		if tries[m.MessageID] <= 6 {
			action = rules.Tempfail
		}
		ds := make([]rules.Decision, len(m.Recipients))
		for i, r := range m.Recipients {
			ds[i] = rules.Decision{Recipient: r, Action: action, Reason: "come again"}
		}
		return rules.Judgement{Message: m, Decisions: ds}, nil
	}}
	spec := fmt.Sprintf("inet:127.0.0.1:%d", Ports(t, 1))
	ln, err := milterd.Listen(spec, milterd.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	go greylist.Serve(ln)
	t.Cleanup(func() { greylist.Shutdown(context.Background()) })
	d := newDaemon(t, "inet", nil).start()
	sink := NewSink(t)
	s := Postfix(t, Options{
		Milter: d.listen, Milter2: spec, LMTP: sink.Port, Mailboxes: []string{"u1@example.test", "u2@example.test"},
		Settings: map[string]string{"smtpd_soft_error_limit": "1000", "smtpd_hard_error_limit": "1000"},
	})
	session := Dial(t, s.Addr())
	var all []*sent
	for range 40 {
		all = append(all, ordinary(len(all), "ann@example.net", "u1@example.test", "u2@example.test"))
	}
	for try := range 7 {
		for i, m := range all {
			if m.code, m.text = session.Send("ann@example.net", to(m.Item), m.Raw); (m.code == 250) != (try == 6) {
				t.Fatalf("try %d of message %d: %d %s", try+1, i, m.code, m.text)
			}
		}
	}
	s.Drained(t)
	check(t, all, places(t, all, sink.Deliveries(), same), places(t, all, d.absorbed(), same))
}

// TestSources checks that an incident names who sent the copies, as they connected.
func TestSources(t *testing.T) {
	Need(t, "postfix")
	d := newDaemon(t, "unix", nil).start()
	sink := NewSink(t)
	s := Postfix(t, Options{
		Milter: d.listen, LMTP: sink.Port, Mailboxes: []string{"u1@example.test"}, Settings: map[string]string{"inet_protocols": "all"},
	})
	for i, from := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.9", "192.0.2.9", "192.0.2.9", "2001:db8::7"} {
		session := Dial(t, s.Addr())
		if code, text := session.Client(netip.MustParseAddr(from)); code != 220 {
			t.Fatal(code, text)
		}
		m := ordinary(1, "ann@example.net", "u1@example.test")
		m.Raw = append(fmt.Appendf(nil, "Received: from x by y id %d; Mon, 2 Mar 2026 08:00:00 +0000\r\n", i), m.Raw...)
		if code, text := session.Send("ann@example.net", to(m.Item), m.Raw); code != 250 {
			t.Fatal(code, text)
		}
		session.Quit()
	}
	// All that came counts, from the first copy on. What is recorded of a message comes after its answer.
	sources := func() map[string]uint64 {
		of := map[string]uint64{}
		for _, i := range d.incidents() {
			for _, s := range i.Sources {
				of[s.Client] += s.Copies
			}
		}
		return of
	}
	want := map[string]uint64{"192.0.2.1": 3, "192.0.2.9": 3, "2001:db8::7": 1}
	waitFor(t, "all copies are recorded", func() bool { return maps.Equal(sources(), want) })
	if is := d.incidents(); len(is) != 1 || is[0].Copies != 7 {
		t.Errorf("%+v", is)
	}
}
