package incident

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
)

// Client is who handed us mail: a host, a login, or, where there were too many of them, a network of hosts.
// The zero Client is one that is not known.
type Client struct {
	Net   netip.Prefix // a host is /32 or /128
	Login string
}

// Host is the client with an address.
func Host(a netip.Addr) Client {
	if a = a.Unmap().WithZone(""); !a.IsValid() {
		return Client{}
	}
	return Client{Net: netip.PrefixFrom(a, a.BitLen())}
}

// Login is the client that has logged in.
func Login(name string) Client {
	if name == "*" {
		name = "\\*" // nobody's name is that of all others
	}
	return Client{Login: strings.ToValidUTF8(name[:min(len(name), 320)], "")}
}

// Single reports whether c is one client, and no network of several.
func (c Client) Single() bool { return c.Login != "*" && (!c.Net.IsValid() || c.Net.IsSingleIP()) }

func (c Client) String() string {
	switch {
	case c.Login == "*":
		return "other logins"
	case c.Login != "":
		return "login " + c.Login
	case !c.Net.IsValid():
		return "unknown"
	case c.Net.Bits() == 0:
		return "other networks " + c.Net.String()
	case c.Net.IsSingleIP():
		return c.Net.Addr().String()
	}
	return c.Net.String()
}

// MarshalText is the form of files.
func (c Client) MarshalText() ([]byte, error) {
	if c.Login != "" {
		return []byte("login:" + c.Login), nil
	}
	switch {
	case !c.Net.IsValid():
		return []byte("unknown"), nil
	case c.Net.IsSingleIP():
		return c.Net.Addr().MarshalText()
	}
	return c.Net.MarshalText()
}

// UnmarshalText reads what MarshalText wrote.
func (c *Client) UnmarshalText(b []byte) error {
	*c = Client{}
	if login, ok := strings.CutPrefix(string(b), "login:"); ok && login != "" {
		c.Login = login
		return nil
	}
	if string(b) == "unknown" {
		return nil
	}
	if a, err := netip.ParseAddr(string(b)); err == nil && a.Zone() == "" {
		c.Net = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(string(b))
	if err != nil {
		return fmt.Errorf("%q is no client", b)
	}
	if p != p.Masked() {
		return errors.New("a network has bits of hosts")
	}
	c.Net = p
	return nil
}

// wider is what a client counts to where there are too many of its kind; and of networks, all.
func (c Client) wider() Client {
	if c.Login != "" {
		return Client{Login: "*"}
	}
	bits := 0
	if c.Net.IsSingleIP() {
		bits = 48
		if c.Net.Addr().Is4() {
			bits = 24
		}
	}
	p, _ := c.Net.Addr().Prefix(bits)
	return Client{Net: p}
}

// Row is what is counted apart.
type Row struct {
	Client      Client
	Class       string
	Action      string
	Consequence bool // a report or an answer, and no copy
}

// Cell is a count.
type Cell struct {
	Messages    int64 // a message with several actions counts to each
	Copies      int64 // one for each recipient
	Bytes       int64 // of the messages
	Connections int64
}

func (c *Cell) add(o Cell) {
	c.Messages += o.Messages
	c.Copies += o.Copies
	c.Bytes += o.Bytes
	c.Connections += o.Connections
}

// maxClients is how many clients a Table counts exactly, and how many networks.
const maxClients = 4_096

// Table counts. Of more clients than it can hold the smallest count to their networks, so that nothing is lost, and whoever sends
// much is named, however late he comes. The zero Table is empty.
type Table struct {
	cells   map[Row]*Cell
	copies  [2]map[Client]int64 // of single clients, and of networks
	sum     int64               // copies of all
	classes map[string]bool
}

// maxClasses bounds the classes and actions, which are those of rules.
const maxClasses = 64

// Add counts.
func (t *Table) Add(r Row, c Cell) {
	if t.cells == nil {
		t.cells, t.classes = map[Row]*Cell{}, map[string]bool{}
		t.copies = [2]map[Client]int64{{}, {}}
	}
	for _, name := range []*string{&r.Class, &r.Action} {
		if !t.classes[*name] && len(t.classes) >= maxClasses {
			*name = "other"
		}
		t.classes[*name] = true
	}
	t.put(r, c)
	t.sum += c.Copies
	for wide := range t.copies {
		if len(t.copies[wide]) > maxClients+maxClients/8 {
			t.fold(wide)
		}
	}
}

func (t *Table) put(r Row, c Cell) {
	if cell := t.cells[r]; cell != nil {
		cell.add(c)
	} else {
		t.cells[r] = &c
	}
	t.copies[t.width(r.Client)][r.Client] += c.Copies
}

func (t *Table) width(c Client) int {
	if c.Single() {
		return 0
	}
	return 1
}

// fold counts the smallest to what is wider.
func (t *Table) fold(wide int) {
	of := t.copies[wide]
	all := make([]Client, 0, len(of))
	for c := range of {
		if c != c.wider() && (c.Net.IsValid() || c.Login != "") {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Client) int {
		return cmp.Or(cmp.Compare(of[a], of[b]), strings.Compare(a.String(), b.String()))
	})
	gone := map[Client]bool{}
	for _, c := range all[:max(0, len(all)-maxClients)] {
		gone[c] = true
	}
	type moved struct {
		row  Row
		cell Cell
	}
	var moves []moved
	for r, c := range t.cells {
		if gone[r.Client] {
			moves = append(moves, moved{r, *c})
			delete(t.cells, r)
		}
	}
	for c := range gone {
		delete(of, c)
	}
	for _, m := range moves {
		m.row.Client = m.row.Client.wider()
		t.put(m.row, m.cell)
	}
}

// Merge adds all that o has counted.
func (t *Table) Merge(o *Table) {
	for r, c := range o.Rows() {
		t.Add(r, c)
	}
}

// Rows yields what was counted, in an order that is always the same.
func (t *Table) Rows() iter.Seq2[Row, Cell] {
	return func(yield func(Row, Cell) bool) {
		rows := make([]Row, 0, len(t.cells))
		for r := range t.cells {
			rows = append(rows, r)
		}
		slices.SortFunc(rows, compareRows)
		for _, r := range rows {
			if !yield(r, *t.cells[r]) {
				return
			}
		}
	}
}

func compareRows(a, b Row) int {
	return cmp.Or(a.Client.Net.Addr().Compare(b.Client.Net.Addr()), cmp.Compare(a.Client.Net.Bits(), b.Client.Net.Bits()), strings.Compare(a.Client.Login, b.Client.Login),
		strings.Compare(a.Class, b.Class), strings.Compare(a.Action, b.Action), cmp.Compare(number(a.Consequence), number(b.Consequence)))
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Sum is what came, and what became of it: Came = Delivered + Absorbed + Other, in copies, one for each recipient.
type Sum struct {
	Came      int64 `json:"came"`
	Delivered int64 `json:"delivered"`
	Absorbed  int64 `json:"absorbed"`
	Other     int64 `json:"other"` // rejected, deferred or put in quarantine
}

func (s *Sum) add(action string, copies int64) {
	s.Came += copies
	switch action {
	case "deliver", "tag":
		s.Delivered += copies
	case "absorb":
		s.Absorbed += copies
	default:
		s.Other += copies
	}
}

// Server is what one client sent of an incident.
type Server struct {
	Client       Client `json:"client"`
	Copies       Sum    `json:"copies"`
	Consequences Sum    `json:"consequences"`
	Messages     int64  `json:"messages"`
	Bytes        int64  `json:"bytes"`
	Connections  int64  `json:"connections"`
	// Up to so many copies more may be of this client: they count to its network, since there were too many clients.
	Uncertain int64 `json:"uncertain"`
}

// Servers are the clients, most copies first, consequences included.
func (t *Table) Servers() []Server {
	of := map[Client]*Server{}
	for r, c := range t.Rows() {
		s := of[r.Client]
		if s == nil {
			s = &Server{Client: r.Client}
			of[r.Client] = s
		}
		if r.Consequence {
			s.Consequences.add(r.Action, c.Copies)
		} else {
			s.Copies.add(r.Action, c.Copies)
		}
		s.Messages += c.Messages
		s.Bytes += c.Bytes
		s.Connections += c.Connections
	}
	all := make([]Server, 0, len(of))
	for _, s := range of {
		if s.Client.Single() && (s.Client.Net.IsValid() || s.Client.Login != "") {
			for up := s.Client.wider(); ; up = up.wider() {
				s.Uncertain += t.copies[1][up]
				if up == up.wider() {
					break
				}
			}
		}
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Server) int {
		return cmp.Or(cmp.Compare(b.Copies.Came, a.Copies.Came), cmp.Compare(b.Consequences.Came, a.Consequences.Came), strings.Compare(a.Client.String(), b.Client.String()))
	})
	return all
}

// Sums are the copies and the consequences of all.
func (t *Table) Sums() (copies, consequences Sum) {
	for r, c := range t.Rows() {
		if r.Consequence {
			consequences.add(r.Action, c.Copies)
		} else {
			copies.add(r.Action, c.Copies)
		}
	}
	return copies, consequences
}
