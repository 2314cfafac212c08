package incident

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"breakwater/internal/message"
)

// Chain is the way of a message before it came to us. Who handed it to us is no part of it: that is proved (Client), and
// all in here is what others say. Statement and Claim are types of their own, so that nothing can show one as the other.
type Chain struct {
	Statement Statement
	Claims    []Claim // newest first
}

// Statement is what the server that handed us the message said of itself.
type Statement struct {
	Helo string `json:"helo"`
	By   string `json:"by"` // its name in the newest Received field, which it wrote
}

// Claim is a hop of which only the message tells. Any server on the way, and the sender, can have invented it.
type Claim struct {
	From string
	By   string
	Addr netip.Addr // of From, as By is said to have seen it
	At   time.Time  // zero: it does not say
}

const (
	maxHops = 64  // of a message
	maxName = 100 // bytes of a name
)

// ReadChain reads the way of m, which a client handed to us, or to relays of ours that wrote the newest fields.
func ReadChain(m *message.Message, client netip.Addr) Chain {
	fields := m.Received
	if m.Client.IsValid() && m.Client.Unmap() != client {
		// Our own relays wrote the fields up to that about the client. If none is, all are claims.
		at := slices.IndexFunc(fields, func(f string) bool { return message.ClientOf(f) == client })
		if at < 0 {
			return Chain{Claims: claims(fields)}
		}
		c := Chain{Statement: Statement{Helo: name(message.Clause(fields[at], "from"))}, Claims: claims(fields[at+1:])}
		if len(c.Claims) > 0 {
			c.Statement.By = c.Claims[0].By
		}
		return c
	}
	c := Chain{Statement: Statement{Helo: name(m.Helo)}, Claims: claims(fields)}
	if len(c.Claims) > 0 {
		c.Statement.By = c.Claims[0].By
	}
	return c
}

func claims(fields []string) []Claim {
	all := make([]Claim, 0, min(len(fields), maxHops))
	for _, f := range fields[:min(len(fields), maxHops)] {
		c := Claim{From: name(message.Clause(f, "from")), By: name(message.Clause(f, "by")), Addr: message.ClientOf(f)}
		if semi := strings.LastIndexByte(f, ';'); semi >= 0 {
			c.At = date(f[semi+1:])
		}
		all = append(all, c)
	}
	return all
}

// date reads the date of a Received field as nearly all servers write it; zero for others. There are ten dates to a
// copy, and to try all that RFC 5322 allows takes as long as all else.
func date(s string) time.Time {
	s, _, _ = strings.Cut(s, "(")
	s = strings.Join(strings.Fields(s), " ")
	for _, layout := range []string{"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// name is a name as others wrote it, cut, of characters that can be shown anywhere.
func name(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"'<>&`, r) {
			return '?'
		}
		return r
	}, strings.ToLower(s))
	return s[:min(len(s), maxName)]
}

// Bounds of a graph.
const (
	maxEdges      = 256
	maxPlaces     = 64
	maxGeneration = 32
	maxSaid       = 16 // clients by which a hop is said
)

// edge is a hop that copies claim.
type edge struct {
	From, By string
}

// told is how often a hop is claimed, and how well.
type told struct {
	Messages int64           `json:"messages"`
	Fits     int64           `json:"fits"`  // the server before it has the name that this one says it came from
	Rises    int64           `json:"rises"` // it is later than the hop before it
	Clients  map[Client]bool `json:"-"`     // that handed us such copies
}

// graph is the ways of all copies of a part.
type graph struct {
	edges      map[edge]*told
	others     int64                    // hops beyond the bound
	passes     map[string]map[int]int64 // by server: how many copies passed it so often
	statements map[Client]map[Statement]int64
}

func (g *graph) begin() {
	if g.edges == nil {
		g.edges, g.passes, g.statements = map[edge]*told{}, map[string]map[int]int64{}, map[Client]map[Statement]int64{}
	}
}

// add adds the way of one copy, and reports whether it tells anything.
func (g *graph) add(c Client, ch Chain) bool {
	g.begin()
	if said := g.statements[c]; said != nil || len(g.statements) < maxSigned {
		if said == nil {
			said = map[Statement]int64{}
			g.statements[c] = said
		}
		if _, known := said[ch.Statement]; (known || len(said) < 8) && ch.Statement != (Statement{}) {
			said[ch.Statement]++
		}
	}
	seen := map[string]int{}
	for i, hop := range ch.Claims {
		if hop.By != "" {
			seen[hop.By]++
		}
		e := edge{hop.From, hop.By}
		t := g.edges[e]
		if t == nil {
			if len(g.edges) >= maxEdges {
				g.others++
				continue
			}
			t = &told{Clients: map[Client]bool{}}
			g.edges[e] = t
		}
		t.Messages++
		if i+1 < len(ch.Claims) {
			before := ch.Claims[i+1]
			if hop.From != "" && hop.From == before.By {
				t.Fits++
			}
			if !hop.At.IsZero() && !before.At.IsZero() && !hop.At.Before(before.At) {
				t.Rises++
			}
		}
		if len(t.Clients) < maxSaid {
			t.Clients[c] = true
		}
	}
	for by, n := range seen {
		of := g.passes[by]
		if of == nil {
			if len(g.passes) >= maxPlaces {
				continue
			}
			of = map[int]int64{}
			g.passes[by] = of
		}
		of[min(n, maxGeneration)]++
	}
	return len(ch.Claims) > 0 || ch.Statement != (Statement{})
}

// Said is what a server that handed us mail said of itself.
type Said struct {
	Client Client `json:"client"` // who it is, which we saw
	Statement
	Messages int64 `json:"messages"`
}

// Hop is a hop that copies claim.
type Hop struct {
	From     string   `json:"from"`
	By       string   `json:"by"`
	Messages int64    `json:"messages"`
	Fits     int64    `json:"fits"`
	Rises    int64    `json:"rises"`
	Clients  []Client `json:"clients"` // that handed us copies with it, independent of each other; at most 16
}

// Generations is how many copies say that they passed a server so often: more than once is a loop.
type Generations struct {
	By     string        `json:"by"`
	Passes map[int]int64 `json:"passes"` // how often, to messages; 32 is 32 and more
}

// Claimed are the ways that copies claim to have come, most copies first.
type Claimed struct {
	Hops        []Hop         `json:"hops"`
	Others      int64         `json:"others"` // hops beyond 256 different ones
	Generations []Generations `json:"generations"`
}

// export puts the graph in an order.
func (g *graph) export() ([]Said, Claimed) {
	var said []Said
	for c, of := range g.statements {
		for s, n := range of {
			said = append(said, Said{c, s, n})
		}
	}
	slices.SortFunc(said, func(a, b Said) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), strings.Compare(a.Client.String(), b.Client.String()), strings.Compare(a.Helo, b.Helo), strings.Compare(a.By, b.By))
	})
	claimed := Claimed{Others: g.others}
	for e, t := range g.edges {
		h := Hop{From: e.From, By: e.By, Messages: t.Messages, Fits: t.Fits, Rises: t.Rises}
		for c := range t.Clients {
			h.Clients = append(h.Clients, c)
		}
		slices.SortFunc(h.Clients, func(a, b Client) int { return strings.Compare(a.String(), b.String()) })
		claimed.Hops = append(claimed.Hops, h)
	}
	slices.SortFunc(claimed.Hops, func(a, b Hop) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), strings.Compare(a.From, b.From), strings.Compare(a.By, b.By))
	})
	for by, of := range g.passes {
		claimed.Generations = append(claimed.Generations, Generations{by, of})
	}
	slices.SortFunc(claimed.Generations, func(a, b Generations) int {
		return cmp.Or(cmp.Compare(total(b.Passes), total(a.Passes)), strings.Compare(a.By, b.By))
	})
	return said, claimed
}

// merge adds what was exported.
func (g *graph) merge(said []Said, c Claimed) {
	g.begin()
	for _, s := range said {
		if g.statements[s.Client] == nil {
			g.statements[s.Client] = map[Statement]int64{}
		}
		g.statements[s.Client][s.Statement] += s.Messages
	}
	for _, h := range c.Hops {
		t := g.edges[edge{h.From, h.By}]
		if t == nil {
			t = &told{Clients: map[Client]bool{}}
			g.edges[edge{h.From, h.By}] = t
		}
		t.Messages, t.Fits, t.Rises = t.Messages+h.Messages, t.Fits+h.Fits, t.Rises+h.Rises
		for _, client := range h.Clients {
			t.Clients[client] = true
		}
	}
	g.others += c.Others
	for _, of := range c.Generations {
		if g.passes[of.By] == nil {
			g.passes[of.By] = map[int]int64{}
		}
		for n, copies := range of.Passes {
			g.passes[of.By][n] += copies
		}
	}
}

func total(of map[int]int64) (n int64) {
	for _, copies := range of {
		n += copies
	}
	return n
}
