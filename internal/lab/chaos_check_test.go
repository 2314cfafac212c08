package lab

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/stormgen"
)

// check looks whether the laws held, and releases what was absorbed.
func (c *chaos) check(s *Server, sink *Sink, all []*sent, tries []attempt) {
	c.t.Helper()
	seen := strings.Count(c.d.logged(), "msg=decision ")
	before := sink.Deliveries()
	arrived := places(c.t, all, before, same)
	waiting, late, absorbed := map[place]int{}, map[place]bool{}, map[place]int{}
	for _, m := range c.d.kept() {
		for _, r := range m.Recipients {
			p, ok := placeOf(c.t, all, Delivery{From: m.ReversePath, To: r.Addr, Raw: m.Raw}, same)
			if !ok {
				continue
			}
			absorbed[p]++
			if !r.Released {
				waiting[p]++
			} else {
				late[p] = true
			}
		}
	}
	for p := range late {
		if arrived[p]+waiting[p] == 0 {
			c.t.Errorf("message %d for %s counts as released, and did not arrive", p.item, p.mailbox)
		}
	}
	both, missing := 0, 0
	for i, m := range all {
		if m.code != 250 {
			c.t.Errorf("message %d was answered %d %s in the end", i, m.code, m.text)
		}
		for _, addr := range to(m.Item) {
			p := place{i, address.Mailbox(addr)}
			n := arrived[p]
			switch {
			case n+absorbed[p] == 0:
				missing++
				c.t.Errorf("%s %d for %s is nowhere", m.Kind, i, addr)
			case n > 0 && absorbed[p] > 0:
				both++
			}
			if m.Kind == stormgen.Ordinary && (n == 0 || absorbed[p] > 0) {
				c.t.Errorf("ordinary message %d for %s arrived %d times, and was absorbed %d times", i, addr, n, absorbed[p])
			}
			if n > tries[i].n {
				c.t.Errorf("%s %d for %s was sent %d times and arrived %d times", m.Kind, i, addr, tries[i].n, n)
			}
		}
	}
	c.given(all, tries, arrived, absorbed)

	out := c.d.run("storms", "verify", "--archive", c.d.path("archive"))
	if !strings.Contains(out, "all sound") {
		c.t.Error(out)
	}
	release := []string{"release", "--all", "--archive", c.d.path("archive"), "--secret", c.d.path("secret"), "--submit", "smtp://" + s.Addr()}
	out = c.d.run(release...)
	s.Drained(c.t)
	released := places(c.t, all, sink.Deliveries()[len(before):], same)
	if !maps.Equal(released, waiting) {
		for p, n := range waiting {
			if released[p] != n {
				c.t.Errorf("message %d for %s: %d in the archive, %d released", p.item, p.mailbox, n, released[p])
			}
		}
		c.t.Errorf("%d of %d were released: %s", len(released), len(waiting), out)
	}
	if len(absorbed) == 0 || seen < len(all)/10 {
		c.t.Errorf("%d decisions, %d copies absorbed: no test", seen, len(absorbed))
	}
	c.t.Logf("%d messages, %d decisions: %d places in the archive, %d of them in the mailbox, too, %d late; %d nowhere", len(all), seen, len(absorbed), both, len(late), missing)
}

// given looks whether of each copy that was absorbed the mailbox had got what it says, and one from where it came, by the
// time that it was answered.
func (c *chaos) given(all []*sent, tries []attempt, arrived, absorbed map[place]int) {
	type stream struct{ group, mailbox string }
	got := map[stream][]int{}
	for p := range arrived {
		at := stream{all[p.item].Group, p.mailbox}
		got[at] = append(got[at], p.item)
	}
	says := map[int]*saying{}
	say := func(i int) *saying {
		if says[i] == nil {
			says[i] = sayingOf(all[i])
		}
		return says[i]
	}
	for p := range absorbed {
		var had saying
		networks := map[uint64]bool{}
		for _, i := range got[stream{all[p.item].Group, p.mailbox}] {
			if tries[i].begun.Before(tries[p.item].ended) {
				had.add(say(i))
				networks[say(i).network] = true
			}
		}
		m := say(p.item)
		if !had.covers(m) {
			c.t.Errorf("%s %d, of %s, was absorbed, and %s had not been given what it says", all[p.item].Kind, p.item, all[p.item].Group, p.mailbox)
		} else if !networks[m.network] {
			c.t.Errorf("%s %d, of %s, was absorbed, and %s had none from where it comes", all[p.item].Kind, p.item, all[p.item].Group, p.mailbox)
		}
	}
}

// saying is what messages say, and where one comes from.
type saying struct {
	versions, blocks map[uint64]bool
	parts            []part
	network          uint64
}

// part is all that a message says but some blocks.
type part struct {
	version uint64
	without []uint64
}

func sayingOf(m *sent) *saying {
	env := m.Envelope
	env.Client = m.peer
	msg := message.Parse(env, m.At, m.Raw)
	s := &saying{versions: map[uint64]bool{}, network: hasher.Network(fingerprint.SourceOf(msg, func(netip.Addr) bool { return false }, nil))}
	says := hasher.Prints(msg, classify.Classify(msg), s.network).Says
	for _, v := range says.Versions {
		s.versions[v] = true
	}
	for _, p := range says.Parts {
		s.parts = append(s.parts, part{p.Version, p.Without})
	}
	return s
}

func (s *saying) add(o *saying) {
	if s.versions == nil {
		s.versions, s.blocks = map[uint64]bool{}, map[uint64]bool{}
	}
	maps.Copy(s.versions, o.versions)
	for _, p := range o.parts {
		s.versions[p.version] = true
		for _, b := range p.without {
			s.blocks[b] = true
		}
	}
}

// covers reports whether all that o says is among what s says.
func (s *saying) covers(o *saying) bool {
	for v := range o.versions {
		if s.versions[v] {
			return true
		}
	}
	return slices.ContainsFunc(o.parts, func(p part) bool {
		return s.versions[p.version] && !slices.ContainsFunc(p.without, func(b uint64) bool { return !s.blocks[b] })
	})
}
