package lab

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/stormgen"
)

// full is set by .ci/soak: storms of full size.
var full = os.Getenv("BREAKWATER_SOAK") != ""

// sent is one message with a number of its own in a field, and how it was answered.
type sent struct {
	stormgen.Item
	peer netip.Addr // that the mail server saw
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
// connection is lost it begins another, and sends the message that had no answer again. A mail server
// that can is told who sends each; to others all come from this host.
func play(t testing.TB, addr string, all []*sent, connections int) {
	t.Helper()
	queue := make(chan *sent)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			s := Dial(t, addr)
			for m := range queue {
				for try := 0; ; try++ {
					if m.send(s); m.code != 0 && m.code != 421 || try > 20 {
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

// send sends m, and keeps the answer.
func (m *sent) send(s *Session) {
	m.peer = netip.MustParseAddr("127.0.0.1")
	if s.Stands && m.Envelope.Client.IsValid() {
		m.peer = m.Envelope.Client
		if m.code, m.text = s.Client(m.peer); m.code != 220 {
			return
		}
	}
	m.code, m.text = s.Send(m.Envelope.ReversePath, to(m.Item), m.Raw)
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
		if p, ok := placeOf(t, all, d, as); ok {
			n[p]++
		}
	}
	return n
}

// placeOf is the place of a delivery, which it checks.
func placeOf(t testing.TB, all []*sent, d Delivery, as likeness) (place, bool) {
	t.Helper()
	_, after, ok := bytes.Cut(d.Raw, []byte(numbered))
	number, _, _ := bytes.Cut(after, []byte("\r\n"))
	i, err := strconv.Atoi(string(number))
	if !ok || err != nil || i >= len(all) {
		t.Errorf("%s got something that nobody sent:\n%s", d.To, d.Raw)
		return place{}, false
	}
	if d.From != all[i].Envelope.ReversePath {
		t.Errorf("%s got message %d from %q, it was sent from %q", d.To, i, d.From, all[i].Envelope.ReversePath)
	}
	if !as(d.Raw, all[i].Raw) {
		t.Errorf("%s got message %d, but not as it was sent:\n%q\nsent:\n%q", d.To, i, clip(d.Raw), clip(all[i].Raw))
	}
	return place{i, address.Mailbox(d.To)}, true
}

func clip(b []byte) []byte { return b[:min(len(b), 3000)] }

// mostOfOne is how many copies of a mailshot may arrive at a mailbox, from three servers that send it again
// in two or three wordings.
const mostOfOne = 6

// check compares what arrived and what was absorbed with what must. Of each mailshot at each
// mailbox one arrives at least, whichever of the copies it is: fewer than three where the storm was
// rules.Widespread by then. Of what answers it in the same words the first three arrive, whichever they are,
// and of ordinary mail all. From each further network and of each further wording one more may
// arrive.
// Where Message-IDs change, answers name a message that is new each time.
func check(t testing.TB, all []*sent, arrived, absorbed map[place]int) {
	t.Helper()
	type stream struct{ group, mailbox string }
	sentTo, got := map[stream]int{}, map[stream]int{}
	shots, kinds := map[stream]bool{}, map[string]int{}
	further := map[stream]*variety{}
	for i, m := range all {
		if m.code != 250 {
			t.Errorf("message %d was answered %d %s", i, m.code, m.text)
		}
		for _, addr := range to(m.Item) {
			p := place{i, address.Mailbox(addr)}
			s := stream{m.Group, p.mailbox}
			if arrived[p]+absorbed[p] != 1 {
				t.Errorf("%s %d for %s: %d times in the mailbox, %d times in the archive", m.Kind, i, addr, arrived[p], absorbed[p])
			}
			if m.Kind == stormgen.Ordinary && arrived[p] != 1 { // an original may be overtaken by a copy
				t.Errorf("%s %d for %s did not arrive:\n%s", m.Kind, i, addr, m.Raw)
			}
			if m.Kind != stormgen.Ordinary {
				if further[s] == nil {
					further[s] = &variety{networks: map[uint64]bool{}, versions: map[uint64]bool{}}
				}
				further[s].add(m)
				shots[s] = m.Kind == stormgen.Original || m.Kind == stormgen.Copy
				sentTo[s]++
				got[s] += arrived[p]
			}
			kinds[fmt.Sprintf("%s arrived", m.Kind)] += arrived[p]
			kinds[fmt.Sprintf("%s absorbed", m.Kind)] += absorbed[p]
		}
	}
	renamed := renamed(all)
	over := 0 // mailboxes that got one copy more
	for s, n := range sentTo {
		least, most := min(n, 3), min(n, 3+further[s].more())
		if shots[s] {
			least, most = 1, min(most, mostOfOne)
		} else if renamed {
			most = n
		}
		// Of two copies with no more than their text in common that come at once, each may be
		// the first.
		if renamed && shots[s] && got[s] == most+1 {
			over++
			most++
		}
		if got[s] < least || got[s] > most {
			t.Errorf("%s got %d of the %d copies of %s, want %d to %d", s.mailbox, got[s], n, s.group, least, most)
		}
	}
	if over > 1+len(sentTo)/200 {
		t.Errorf("%d mailboxes got one copy too many of a mailshot", over)
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("%-22s %6d", k, kinds[k])
	}
	t.Logf("%d mailboxes got one copy more", over)
}

// variety is from how many networks the copies of something come, and in how many wordings.
type variety struct{ networks, versions map[uint64]bool }

var hasher = fingerprint.New([]byte("0123456789abcdef"))

func (v *variety) add(m *sent) {
	env := m.Envelope
	env.Client = m.peer
	got := message.Parse(env, m.At, m.Raw)
	network := hasher.Network(fingerprint.SourceOf(got, func(netip.Addr) bool { return false }, nil))
	v.networks[network] = true
	v.versions[hasher.Prints(got, classify.Classify(got), network).Says.Versions[0]] = true
}

// more is how many copies may arrive beside the first ones.
func (v *variety) more() int { return len(v.networks) - 1 + len(v.versions) - 1 }

// renamed reports whether copies have other Message-IDs than their originals.
func renamed(all []*sent) bool {
	ids := map[string]string{}
	for _, m := range all {
		if m.Kind != stormgen.Original && m.Kind != stormgen.Copy {
			continue
		}
		id := message.Parse(m.Envelope, m.At, m.Raw).MessageID
		if was, ok := ids[m.Group]; ok && was != id {
			return true
		}
		ids[m.Group] = id
	}
	return false
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

// TestStormUnlike plays storms whose copies no longer look alike.
func TestStormUnlike(t *testing.T) {
	Need(t, "postfix")
	for name, o := range map[string]stormgen.Options{
		"mixed":    {Seed: 2, MessageID: stormgen.Mixed, Body: stormgen.Mixed},
		"gateways": {Seed: 3, MessageID: stormgen.Change, Body: stormgen.Mixed, Gateways: true},
	} {
		t.Run(name, func(t *testing.T) {
			if o.Messages = 800; full {
				o.Messages = 20_000
			}
			all := storm(o)
			d := newDaemon(t, "inet", nil).start()
			sink := NewSink(t)
			s := Postfix(t, Options{Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses()})
			play(t, s.Addr(), all, 10)
			s.Drained(t)
			check(t, all, places(t, all, sink.Deliveries(), same), places(t, all, d.absorbed(), same))
		})
	}
}

func ordinary(n int, from string, rcpts ...string) *sent {
	m := &sent{Item: stormgen.Item{Kind: stormgen.Ordinary, Group: fmt.Sprint("own ", n), Envelope: message.Envelope{ReversePath: from}}}
	for _, r := range rcpts {
		m.Envelope.Recipients = append(m.Envelope.Recipients, message.Recipient{Addr: r})
	}
	m.Raw = fmt.Appendf(nil, "Received: from a.example.net by b.example.net id A%06d; Mon, 2 Mar 2026 08:00:00 +0000\r\nFrom: <ann@example.net>\r\nTo: <u1@example.test>\r\n"+
		"Subject: message %d\r\nDate: Mon, 2 Mar 2026 07:59:00 +0000\r\nMessage-ID: <%d@example.net>\r\n%s%d\r\n\r\n.dot\r\nmessage %d\r\n", n, n, n, numbered, n, n)
	return m
}
