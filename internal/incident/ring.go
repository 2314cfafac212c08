package incident

import "time"

// ring remembers the messages of the last ten minutes that belong to nothing yet.
type ring struct {
	queue  []*remembered // oldest first
	index  map[key][]*remembered
	share  map[Client]*share
	bytes  int
	living int
	short  time.Time // when a message last went before its time, for want of room
}

// share is what is remembered of one network, oldest first.
type share struct {
	queue  []*remembered
	living int
}

type remembered struct {
	m       *Member
	network Client
	gone    bool
}

const maxRingBytes = 32 << 20

// weight is about what a message takes of memory, in bytes.
func (r *remembered) weight() int {
	return 600 + 200*len(r.m.Chain.Claims) + 100*(len(r.m.Prints)+len(r.m.Self)+len(r.m.About)) + len(r.m.Subject)
}

// network is the network of a client, or its login.
func network(c Client) Client {
	if c.Login != "" || !c.Net.IsValid() || !c.Net.IsSingleIP() {
		return c
	}
	return c.wider()
}

// add remembers m. Of one network it remembers an eighth of all, so that nobody can have the messages of others forgotten.
func (r *ring) add(m *Member) {
	if r.index == nil {
		r.index, r.share = map[key][]*remembered{}, map[Client]*share{}
	}
	e := &remembered{m: m, network: network(m.Client)}
	of := r.share[e.network]
	if of == nil {
		of = &share{}
		r.share[e.network] = of
	}
	for of.living >= maxRingShare {
		r.short = m.At
		r.drop(of.queue[0])
	}
	r.queue, of.queue = append(r.queue, e), append(of.queue, e)
	of.living++
	r.living++
	r.bytes += e.weight()
	for _, k := range m.keys() {
		r.index[k] = append(r.index[k], e)
	}
	for r.living > maxRing || r.bytes > maxRingBytes {
		r.short = m.At
		r.shift()
	}
	r.expire(m.At)
}

// expire forgets what is older than ten minutes.
func (r *ring) expire(at time.Time) {
	for len(r.queue) > 0 && (r.queue[0].gone || at.Sub(r.queue[0].m.At) > ringSpan) {
		r.shift()
	}
}

// shift forgets the oldest.
func (r *ring) shift() {
	e := r.queue[0]
	r.queue[0] = nil
	r.queue = r.queue[1:]
	r.drop(e)
}

func (r *ring) drop(e *remembered) {
	if e.gone {
		return
	}
	e.gone = true
	r.living--
	r.bytes -= e.weight()
	of := r.share[e.network]
	for of.living--; len(of.queue) > 0 && of.queue[0].gone; of.queue = of.queue[1:] {
		of.queue[0] = nil
	}
	if of.living == 0 {
		delete(r.share, e.network)
	}
	for _, k := range e.m.keys() {
		of := r.index[k]
		for i, other := range of {
			if other == e {
				of = append(of[:i:i], of[i+1:]...)
				break
			}
		}
		if len(of) == 0 {
			delete(r.index, k)
		} else {
			r.index[k] = of
		}
	}
}

// take takes out all that belongs to m: what shares a print with it, or with what does; then the reports about these. Reports
// belong together for their domain's sake where it is domain.
func (r *ring) take(m *Member, domain string) []*Member {
	var all []*Member
	seen := map[key]bool{}
	visit := []*Member{m}
	for len(visit) > 0 {
		at := visit[0]
		visit = visit[1:]
		for _, k := range at.keys() {
			if self, ok := k.(selfKey); ok {
				k = aboutKey(self)
			}
			if d, ok := k.(domainKey); seen[k] || ok && string(d) != domain {
				continue
			}
			seen[k] = true
			for _, e := range append([]*remembered(nil), r.index[k]...) {
				r.drop(e)
				all, visit = append(all, e.m), append(visit, e.m)
			}
		}
	}
	return all
}
