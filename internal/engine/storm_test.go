package engine

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/stormgen"
)

// mostOfThree is how many messages of a mailshot a mailbox gets of a storm from three servers at most:
// three, one more from each server that had none let through by then, and one for each that says what
// the others did not.
const mostOfThree = 6

// TestStorms plays storms whose copies no longer look alike: of each mailshot a mailbox gets
// the first message and a few copies, and ordinary mail all arrives.
func TestStorms(t *testing.T) {
	for i, o := range []stormgen.Options{
		{}, {MessageID: stormgen.Mixed, Body: stormgen.Mixed}, {MessageID: stormgen.Change, Body: stormgen.Change},
		{MessageID: stormgen.Change, Body: stormgen.Mixed, Gateways: true},
		// So many mailshots that each of their paragraphs is boilerplate in the end.
		{MessageID: stormgen.Change, Body: stormgen.Change, Gateways: true, Mailshots: 40, Seed: 22},
	} {
		o.Seed, o.Messages, o.Ordinary = o.Seed+uint64(i%2), 2000, 250
		t.Run(fmt.Sprintf("seed %d, %d %d %v %d", o.Seed, o.MessageID, o.Body, o.Gateways, o.Mailshots), func(t *testing.T) { stormOf(t, o) })
	}
}

func stormOf(t *testing.T, o stormgen.Options) {
	e := newEngine(t, nil)
	came, got := map[string]int{}, map[string]int{}
	delivered := map[stormgen.Kind]int{}
	for it := range stormgen.Generate(o) {
		j, err := e.Judge(context.Background(), message.Parse(it.Envelope, it.At, it.Raw))
		ds := j.Decisions
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range ds {
			arrives := d.Action == rules.Deliver
			if arrives {
				delivered[it.Kind]++
			}
			switch it.Kind {
			case stormgen.Ordinary:
				if !arrives {
					t.Errorf("ordinary mail is held: %s, %s", it.Group, d.Reason)
				}
			case stormgen.Original, stormgen.Copy:
				pair := it.Group + " " + it.Envelope.Recipients[i].Addr
				if came[pair]++; arrives {
					got[pair]++
				}
			}
		}
	}
	hist := map[int]int{}
	for pair := range came {
		hist[got[pair]]++
		if n := got[pair]; n < 1 || n > mostOfThree {
			t.Errorf("%s: %d of %d arrive", pair, n, came[pair])
		}
	}
	t.Log(hist, delivered)
}

// TestServers plays the storm from ever more servers, each in a network of its own, and tells how much of it
// arrives: of each mailshot a mailbox gets three messages, one more from each of eight further
// networks, and one for each change of what it says. BREAKWATER_SOAK=1 plays it at full size.
func TestServers(t *testing.T) {
	messages := 3000
	if os.Getenv("BREAKWATER_SOAK") != "" {
		messages = 0
	}
	for _, kind := range []struct {
		name string
		o    stormgen.Options
		more func(servers int) int // versions
	}{
		{"Message-IDs kept", stormgen.Options{}, func(int) int { return 0 }},
		{"Message-IDs rewritten", stormgen.Options{MessageID: stormgen.Change}, func(int) int { return 0 }},
		{"with gateways", stormgen.Options{MessageID: stormgen.Change, Body: stormgen.Mixed, Gateways: true}, func(servers int) int { return 6 + servers/2 }}, // each third one writes itself into From, and each sees other versions
	} {
		for _, servers := range []int{1, 3, 8, 30, 300} {
			o := kind.o
			o.Seed, o.Servers, o.Messages = 7, servers, messages
			t.Run(fmt.Sprint(kind.name, ", ", servers), func(t *testing.T) {
				t.Parallel()
				r := played(t, o)
				most := 3 + min(servers, 8) + kind.more(servers)
				if r.most > most || r.held > 0 || r.missing > 0 {
					t.Errorf("%d of a mailshot arrive at a mailbox, want at most %d; %d originals and ordinary mails are held; nothing arrives at %d", r.most, most, r.held, r.missing)
				}
				t.Logf("| %s | %d | %d of %d | %.1f | %d | %.1f%% |", kind.name, servers, r.copies, r.came, float64(r.arrived)/float64(r.pairs), r.most, 100-100*float64(r.copies)/float64(r.came))
			})
		}
	}
}

// outcome is what became of a storm.
type outcome struct {
	came, copies  int // of copies: those that came, and those that arrived
	pairs         int // of mailshots and mailboxes
	arrived, most int // messages of mailshots at mailboxes, and of one at one
	held, missing int // ordinary mail; pairs of which nothing arrived
}

func played(t *testing.T, o stormgen.Options) (r outcome) {
	e := newEngine(t, nil)
	got := map[string]int{}
	for it := range stormgen.Generate(o) {
		j, err := e.Judge(context.Background(), message.Parse(it.Envelope, it.At, it.Raw))
		ds := j.Decisions
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range ds {
			arrives := d.Action == rules.Deliver
			switch it.Kind {
			case stormgen.Ordinary:
				if !arrives {
					r.held++
				}
			case stormgen.Original, stormgen.Copy:
				pair := it.Group + " " + it.Envelope.Recipients[i].Addr
				got[pair] += 0
				if it.Kind == stormgen.Copy {
					r.came++
				}
				if arrives {
					got[pair]++
					r.arrived++
				}
				if arrives && it.Kind == stormgen.Copy {
					r.copies++
				}
			}
		}
	}
	r.pairs = len(got)
	for _, n := range got {
		r.most = max(r.most, n)
		if n == 0 {
			r.missing++
		}
	}
	return r
}

// TestRing plays a storm that is built differently: letters in seven languages go round and
// round a ring of servers, each of which changes them in a way of its own, and come to
// mailboxes at every turn.
func TestRing(t *testing.T) {
	for seed := range uint64(2) {
		e := newEngine(t, nil)
		var forms []stormgen.Changed
		for c := range stormgen.Changes(seed, 2) {
			forms = append(forms, c)
		}
		n, got := 0, map[string]int{}
		for round := range 3 {
			for i, c := range forms {
				for box := range 3 {
					n++
					to := fmt.Sprintf("u%d@example.test", box)
					raw := append(fmt.Appendf(nil, "Received: from ring%d.example.org by mx.example.test with ESMTP id %08d; x\r\n", i%3, n), c.Raw...)
					env := message.Envelope{QueueID: "Q", Client: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 3)}), Recipients: []message.Recipient{{Addr: to}}}
					j, err := e.Judge(context.Background(), message.Parse(env, start.Add(time.Duration(n)*time.Second), raw))
					ds := j.Decisions
					if err != nil {
						t.Fatal(err)
					}
					if arrives := ds[0].Action == rules.Deliver; arrives {
						got[fmt.Sprint(c.Number, " at ", to)]++
					} else if round == 0 && c.Change == "" {
						t.Errorf("seed %d: the first of letter %d is held: %s", seed, c.Number, ds[0].Reason)
					}
				}
			}
		}
		for pair, n := range got {
			if n > 14 { // each way of changing a letter makes it say something else, but for its layout
				t.Errorf("seed %d: %d copies of letter %s arrive", seed, n, pair)
			}
		}
	}
}

// TestLookalikes plays mail that is nearly the same and wanted: all of it is delivered.
func TestLookalikes(t *testing.T) {
	e := newEngine(t, nil)
	for it := range stormgen.Lookalikes(1) {
		wanted(t, e, it)
	}
}

// TestLookalikesInStorm plays the same while the first of a series comes again and again from
// the same server, to several mailboxes.
func TestLookalikesInStorm(t *testing.T) {
	e := newEngine(t, nil)
	series := ""
	for it := range stormgen.Lookalikes(1) {
		if strings.HasPrefix(it.Group, "an alarm that comes again") || strings.HasPrefix(it.Group, "the same from") {
			continue // no more than a new Date or sender, which a storm may have, too
		}
		if it.Group == series {
			wanted(t, e, it)
			continue
		}
		series = it.Group
		for n := range rules.HeldFromServer * 3 / 2 {
			m := message.Parse(it.Envelope, it.At, append(fmt.Appendf(nil, "Received: from sbs by mx with ESMTP id 4XkT%05d; x\r\n", n), it.Raw...))
			if m.Recipients = m.Recipients[:1]; n >= 10 {
				m.Recipients = []message.Recipient{{Addr: fmt.Sprintf("box%d@example.test", n/10)}}
			}
			if got := actions(t, e, m); n%10 == 0 && got != "deliver" || n%10 > 2 && got != "absorb" {
				t.Errorf("%s: copy %d of the first: %s", series, n%10+1, got)
			}
		}
	}
}

func wanted(t *testing.T, e *Engine, it stormgen.Item) {
	t.Helper()
	j, err := e.Judge(t.Context(), message.Parse(it.Envelope, it.At, it.Raw))
	ds := j.Decisions
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		if d.Action != rules.Deliver {
			t.Errorf("%s: %s", it.Group, d.Reason)
		}
	}
}

// BenchmarkStorm judges the mail of a storm as it comes.
func BenchmarkStorm(b *testing.B) {
	for name, o := range map[string]stormgen.Options{"keep": {}, "mixed": {MessageID: stormgen.Mixed, Body: stormgen.Mixed}} {
		b.Run(name, func(b *testing.B) {
			e := newEngine(b, nil)
			var ms []*stormgen.Item
			o.Messages = 8000
			for it := range stormgen.Generate(o) {
				ms = append(ms, &it)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				it := ms[i%len(ms)]
				if _, err := e.Judge(context.Background(), message.Parse(it.Envelope, it.At, it.Raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
