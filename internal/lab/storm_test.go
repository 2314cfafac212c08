package lab

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/rules"
	"breakwater/internal/stormgen"
)

// full is set by .ci/soak: storms of full size.
var full = os.Getenv("BREAKWATER_SOAK") != ""

// sent is one message with a number of its own in a field, and how it was answered.
type sent struct {
	stormgen.Item
	code int
	text string
}

const numbered = "X-Lab-Item: "

// storm generates a storm whose messages are numbered.
func storm(o stormgen.Options) []*sent {
	var all []*sent
	for item := range stormgen.Generate(o) {
		header, body, _ := bytes.Cut(item.Raw, []byte("\r\n\r\n"))
		item.Raw = slices.Concat(header, fmt.Appendf(nil, "\r\n%s%d\r\n\r\n", numbered, len(all)), body)
		all = append(all, &sent{Item: item})
	}
	return all
}

func to(i stormgen.Item) []string {
	var addrs []string
	for _, r := range i.Envelope.Recipients {
		addrs = append(addrs, r.Addr)
	}
	return addrs
}

// play sends all over some connections, each message on the next free one. Where a
// connection is lost it begins another, and sends the message that had no answer again.
func play(t testing.TB, addr string, all []*sent, connections int) {
	t.Helper()
	queue := make(chan *sent)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			s := Dial(t, addr)
			for m := range queue {
				for try := 0; ; try++ {
					if m.code, m.text = s.Send(m.Envelope.ReversePath, to(m.Item), m.Raw); m.code != 0 && m.code != 421 || try > 20 {
						break
					}
					time.Sleep(100 * time.Millisecond)
					s = Dial(t, addr)
				}
			}
			s.Quit()
		})
	}
	for _, m := range all {
		queue <- m
	}
	close(queue)
	wg.Wait()
}

// place is a message at a mailbox.
type place struct {
	item    int
	mailbox string
}

// likeness says how much of a message must be as it was sent.
type likeness func(got, sent []byte) bool

// Postfix and the archive leave every byte as it is. Postfix puts its own fields in front.
func same(got, sent []byte) bool { return bytes.HasSuffix(got, sent) }

// Sendmail folds fields anew and quotes names with a dot.
func alike(got, sent []byte) bool { return strings.HasSuffix(Body(got), Body(sent)) }

// places counts deliveries by message and mailbox, and checks that they are what was sent.
func places(t testing.TB, all []*sent, ds []Delivery, as likeness) map[place]int {
	t.Helper()
	n := map[place]int{}
	for _, d := range ds {
		_, after, ok := bytes.Cut(d.Raw, []byte(numbered))
		number, _, _ := bytes.Cut(after, []byte("\r\n"))
		i, err := strconv.Atoi(string(number))
		if !ok || err != nil || i >= len(all) {
			t.Errorf("%s got something that nobody sent:\n%s", d.To, d.Raw)
			continue
		}
		n[place{i, fingerprint.Mailbox(d.To)}]++
		if !as(d.Raw, all[i].Raw) {
			t.Errorf("%s got message %d, but not as it was sent:\n%q\nsent:\n%q", d.To, i, clip(d.Raw), clip(all[i].Raw))
		}
	}
	return n
}

func clip(b []byte) []byte { return b[:min(len(b), 3000)] }

// check compares what arrived and what was absorbed with what must: of each group at each
// mailbox the first three arrive, whichever of the copies they are, and of ordinary mail all.
func check(t testing.TB, all []*sent, arrived, absorbed map[place]int) {
	t.Helper()
	type stream struct{ group, mailbox string }
	sentTo, got := map[stream]int{}, map[stream]int{}
	kinds := map[string]int{}
	for i, m := range all {
		if m.code != 250 {
			t.Errorf("message %d was answered %d %s", i, m.code, m.text)
		}
		for _, addr := range to(m.Item) {
			p := place{i, fingerprint.Mailbox(addr)}
			s := stream{m.Group, p.mailbox}
			if arrived[p]+absorbed[p] != 1 {
				t.Errorf("%s %d for %s: %d times in the mailbox, %d times in the archive", m.Kind, i, addr, arrived[p], absorbed[p])
			}
			if m.Kind == stormgen.Ordinary && arrived[p] != 1 {
				t.Errorf("ordinary message %d for %s did not arrive:\n%s", i, addr, m.Raw)
			}
			if m.Kind != stormgen.Ordinary {
				sentTo[s]++
				got[s] += arrived[p]
			}
			kinds[fmt.Sprintf("%s arrived", m.Kind)] += arrived[p]
			kinds[fmt.Sprintf("%s absorbed", m.Kind)] += absorbed[p]
		}
	}
	for s, n := range sentTo {
		if want := min(n, 3); got[s] != want {
			t.Errorf("%s got %d of the %d copies of %s, want %d", s.mailbox, got[s], n, s.group, want)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("%-22s %6d", k, kinds[k])
	}
}

type server struct {
	name  string
	start func(testing.TB, Options) *Server
	as    likeness
}

var servers = []server{{"postfix", Postfix, same}, {"sendmail", Sendmail, alike}}

// TestStorm plays a storm to each mail server over each kind of socket.
func TestStorm(t *testing.T) {
	for _, srv := range servers {
		for _, socket := range []string{"inet", "unix"} {
			t.Run(srv.name+" "+socket, func(t *testing.T) {
				Need(t, srv.name)
				o := stormgen.Options{Seed: 1, Messages: 600}
				if srv.name == "postfix" && socket == "inet" {
					o.Messages = 2000
				}
				if full {
					o.Messages = 20_000
				}
				begun := time.Now()
				all := storm(o)
				d := newDaemon(t, socket, nil).start()
				sink := NewSink(t)
				s := srv.start(t, Options{Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses()})
				play(t, s.Addr(), all, 10)
				took := time.Since(begun)
				s.Drained(t)
				check(t, all, places(t, all, sink.Deliveries(), srv.as), places(t, all, d.absorbed(), same))
				t.Logf("%d messages in %v", len(all), took.Round(time.Millisecond))
				is := d.incidents()
				if len(is) == 0 || !is[0].Raging || is[0].Copies == 0 {
					t.Errorf("no incident: %+v", is)
				}
			})
		}
	}
}

func ordinary(n int, from string, rcpts ...string) *sent {
	m := &sent{Item: stormgen.Item{Kind: stormgen.Ordinary, Group: fmt.Sprint("own ", n), Envelope: message.Envelope{ReversePath: from}}}
	for _, r := range rcpts {
		m.Envelope.Recipients = append(m.Envelope.Recipients, message.Recipient{Addr: r})
	}
	m.Raw = fmt.Appendf(nil, "Received: from a.example.net by b.example.net id %d; Mon, 2 Mar 2026 08:00:00 +0000\r\nFrom: <ann@example.net>\r\nTo: <u1@example.test>\r\n"+
		"Subject: message %d\r\nDate: Mon, 2 Mar 2026 07:59:00 +0000\r\nMessage-ID: <%d@example.net>\r\n%s%d\r\n\r\n.dot\r\nmessage %d\r\n", n, n, n, numbered, n, n)
	return m
}

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

// TestSecondMilterPutsOff has a milter behind ours that puts each message off six times:
// each attempt passes ours, and none of them may count as a copy.
func TestSecondMilterPutsOff(t *testing.T) {
	Need(t, "postfix")
	var mu sync.Mutex
	tries := map[string]int{}
	greylist := &milterd.Server{Judge: func(_ context.Context, m *message.Message) ([]rules.Decision, error) {
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
		return ds, nil
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

// TestKilled kills breakwater in the middle of a storm, and starts it again later. What was
// answered 250 is in a mailbox or in the archive, and ordinary mail flows on meanwhile.
func TestKilled(t *testing.T) {
	Need(t, "postfix")
	o := stormgen.Options{Seed: 3, Messages: 900}
	if full {
		o.Messages = 20_000
	}
	all := storm(o)
	d := newDaemon(t, "inet", nil).start()
	sink := NewSink(t)
	s := Postfix(t, Options{
		Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses(),
		Settings: map[string]string{"milter_default_action": "accept"},
	})
	third := len(all) / 3
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		for { // when about a third has been seen
			time.Sleep(10 * time.Millisecond)
			if strings.Count(d.logged(), "msg=decision") > third {
				break
			}
		}
		d.stop(syscall.SIGKILL)
		time.Sleep(500 * time.Millisecond)
		d.start()
	}()
	play(t, s.Addr(), all, 10)
	<-dead
	s.Drained(t)
	arrived, absorbed := places(t, all, sink.Deliveries(), same), places(t, all, d.absorbed(), same)
	twice, nowhere := 0, 0
	for i, m := range all {
		if m.code != 250 {
			t.Errorf("message %d was answered %d %s", i, m.code, m.text)
		}
		for _, addr := range to(m.Item) {
			p := place{i, fingerprint.Mailbox(addr)}
			switch n := arrived[p] + absorbed[p]; {
			case n == 0:
				nowhere++
				t.Errorf("%s %d for %s is nowhere", m.Kind, i, addr)
			case n > 1:
				twice++
			}
			if m.Kind == stormgen.Ordinary && arrived[p] == 0 {
				t.Errorf("ordinary message %d for %s did not arrive", i, addr)
			}
		}
	}
	// A message in hand at the kill may be in both: one for each connection.
	if twice > 10 {
		t.Errorf("%d messages are in both", twice)
	}
	if n := strings.Count(d.logged(), "msg=decision"); n < third || len(absorbed) == 0 {
		t.Errorf("the daemon saw %d messages and absorbed %d", n, len(absorbed))
	}
	t.Logf("%d in both, %d nowhere, %d absorbed", twice, nowhere, len(absorbed))
}

// TestSources checks that an incident names who sent the copies, as they connected.
func TestSources(t *testing.T) {
	Need(t, "postfix")
	d := newDaemon(t, "unix", nil).start()
	sink := NewSink(t)
	s := Postfix(t, Options{
		Milter: d.listen, LMTP: sink.Port, Mailboxes: []string{"u1@example.test"}, Settings: map[string]string{"inet_protocols": "all"},
	})
	for i, from := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.9", "192.0.2.9", "192.0.2.9", "IPv6:2001:db8::7"} {
		session := Dial(t, s.Addr())
		session.Client(from)
		m := ordinary(1, "ann@example.net", "u1@example.test")
		m.Raw = append(fmt.Appendf(nil, "Received: from x by y id %d; Mon, 2 Mar 2026 08:00:00 +0000\r\n", i), m.Raw...)
		if code, text := session.Send("ann@example.net", to(m.Item), m.Raw); code != 250 {
			t.Fatal(code, text)
		}
		session.Quit()
	}
	is := d.incidents()
	if len(is) != 1 || is[0].Copies != 4 || len(is[0].Sources) != 2 || is[0].Sources[0].Client != "192.0.2.9" || is[0].Sources[0].Copies != 3 || is[0].Sources[1].Client != "2001:db8::7" {
		t.Errorf("%+v", is)
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

// TestRestart ends breakwater in the middle of a storm, in an orderly way or, when it has been
// idle for longer than counts stay in memory, by kill -9. It goes on as if nothing had been.
func TestRestart(t *testing.T) {
	for name, end := range map[string]func(*daemon){
		"SIGTERM": func(d *daemon) { d.stop(syscall.SIGTERM) },
		"SIGKILL": func(d *daemon) {
			time.Sleep(2500 * time.Millisecond)
			d.stop(syscall.SIGKILL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			Need(t, "postfix")
			o := stormgen.Options{Seed: 7, Messages: 500}
			all := storm(o)
			d := newDaemon(t, "unix", nil).start()
			sink := NewSink(t)
			s := Postfix(t, Options{Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses()})
			play(t, s.Addr(), all[:len(all)/2], 10)
			end(d)
			d.start()
			play(t, s.Addr(), all[len(all)/2:], 10)
			s.Drained(t)
			check(t, all, places(t, all, sink.Deliveries(), same), places(t, all, d.absorbed(), same))
		})
	}
}
