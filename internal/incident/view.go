package incident

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"breakwater/internal/storm"
)

// Note is what the operator wrote down.
type Note struct {
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Text     string    `json:"text,omitempty"`
	Notified string    `json:"notified,omitempty"` // a client whose operator was told then
}

// Cost is work that the incident has caused.
type Cost struct {
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Hours    float64   `json:"hours"`
	Rate     float64   `json:"rate"` // an hour, in Currency
	Currency string    `json:"currency"`
	Text     string    `json:"text,omitempty"`
}

// Gap is a time of which counts may be missing.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Why  string    `json:"why"`
}

// Minute is what came in a minute.
type Minute struct {
	At           time.Time `json:"at"`
	Client       Client    `json:"client"`
	Copies       Sum       `json:"copies"`
	Consequences Sum       `json:"consequences"`
}

// Joined is a part that was joined to an incident.
type Joined struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// Incident is one event, as it stands.
type Incident struct {
	ID           string    `json:"id"`
	State        string    `json:"state"` // open or ended
	Class        string    `json:"class"`
	Subject      string    `json:"subject"` // as the sender wrote it
	Domain       string    `json:"domain,omitempty"`
	Kinds        []string  `json:"kinds"`
	Signs        []string  `json:"signs"`
	First        time.Time `json:"first"`
	Last         time.Time `json:"last"`
	Ended        time.Time `json:"ended,omitzero"`
	Copies       Sum       `json:"copies"`
	Consequences Sum       `json:"consequences"`
	Servers      []Server  `json:"servers"` // proof: who handed it to us, which we saw
	Hold         bool      `json:"hold"`
	Parts        []Joined  `json:"parts"`
	Notes        []Note    `json:"notes"`
	Costs        []Cost    `json:"costs"`
	Gaps         []Gap     `json:"gaps"`
	Statements   []Said    `json:"statements"` // what these servers said of themselves
	Claims       Claimed   `json:"claims"`     // what the messages say of their way before
	Damaged      int       `json:"damaged"`    // lines of the record that can not be read
	Storms       []string  `json:"storms"`     // that live tallies name

	table *Table
}

// Notices are the notes that say when a server's operator was told.
func (i *Incident) Notices() []Note {
	var all []Note
	for _, n := range i.Notes {
		if n.Notified != "" {
			all = append(all, n)
		}
	}
	return all
}

// Rows are all that was counted, in an order that is always the same.
func (i *Incident) Rows() *Table { return i.table }

// Incidents are those under way, and those that can begin again, the newest first.
func (b *Book) Incidents() []Incident {
	b.mu.Lock()
	defer b.mu.Unlock()
	return views(slices.Collect(maps.Values(b.parts)))
}

// ReadAll reads all incidents of a folder, the newest first; those too that can not begin again. A Book may be open; what
// it counted in the last minute is missing then. The error tells of files that can not be read.
func ReadAll(dir string) ([]Incident, error) {
	if err := layout.Check(dir); err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	old, oldErr := readAll(filepath.Join(dir, oldDir))
	now, nowErr := readAll(dir)
	of := map[string]*part{} // one may have been moved meanwhile
	for _, p := range append(old, now...) {
		of[p.ID] = p
	}
	all := views(slices.Collect(maps.Values(of)))
	if err := errors.Join(oldErr, nowErr); err != nil {
		return all, fmt.Errorf("read incidents: %w", err)
	}
	return all, nil
}

// IsID reports whether a text is the ID of an incident, or the beginning of one, and of nothing else.
func IsID(text string) bool { return strings.HasPrefix(text, "I-") }

// Named finds the incident with an ID, or the ID of one of its parts, or a beginning of one that only one has.
func Named(all []Incident, id string) (Incident, error) {
	var found []Incident
	for _, i := range all {
		if i.ID == id || slices.ContainsFunc(i.Parts, func(j Joined) bool { return j.ID == id }) {
			return i, nil
		}
		if id != "" && strings.HasPrefix(i.ID, id) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return Incident{}, fmt.Errorf("%s: %w; `breakwater incident list` shows those that there are", id, ErrUnknown)
	case 1:
		return found[0], nil
	}
	return Incident{}, fmt.Errorf("%s is the beginning of %d IDs; write more of it", id, len(found))
}

// views makes incidents of parts.
func views(parts []*part) []Incident {
	slices.SortFunc(parts, older)
	of := map[string]*part{}
	for _, p := range parts {
		of[p.ID] = p
	}
	root := func(p *part) *part {
		for range len(parts) {
			if of[p.Into] == nil {
				break
			}
			p = of[p.Into]
		}
		return p
	}
	groups := map[*part][]*part{}
	for _, p := range parts {
		groups[root(p)] = append(groups[root(p)], p)
	}
	all := make([]Incident, 0, len(groups))
	for r, group := range groups {
		all = append(all, view(r, group))
	}
	slices.SortFunc(all, func(a, b Incident) int { return cmp.Or(b.First.Compare(a.First), strings.Compare(a.ID, b.ID)) })
	return all
}

// view is one incident of its parts.
func view(r *part, group []*part) Incident {
	i := Incident{
		ID: r.ID, State: "ended", Class: r.Class, Subject: r.Subject, Domain: r.Domain, First: r.First, Last: r.Last, Hold: r.Hold,
		Kinds: []string{}, Signs: []string{}, Parts: []Joined{}, Notes: []Note{}, Costs: []Cost{}, Gaps: []Gap{}, Storms: []string{}, table: &Table{},
	}
	var signs signCounts
	var ways graph
	for _, p := range group {
		if p != r {
			i.Parts = append(i.Parts, Joined{p.ID, p.Why})
		}
		if p.Ended.IsZero() {
			i.State = "open"
		}
		if p.First.Before(i.First) {
			i.First = p.First
		}
		i.Last, i.Ended = later(i.Last, p.Last), later(i.Ended, p.Ended)
		i.Hold = i.Hold || p.Hold
		i.Notes, i.Costs, i.Gaps = append(i.Notes, p.Notes...), append(i.Costs, p.Costs...), append(i.Gaps, p.Gaps...)
		i.Damaged += p.damaged
		for k := range p.Kinds {
			if !slices.Contains(i.Kinds, k) {
				i.Kinds = append(i.Kinds, k)
			}
		}
		for k := range p.keys {
			if s, ok := k.(stormKey); ok {
				i.Storms = append(i.Storms, string(s))
			}
		}
		i.table.Merge(p.table())
		signs.plus(p.signs)
		ways.merge(p.hops.export())
	}
	if i.State == "open" {
		i.Ended = time.Time{}
	}
	slices.Sort(i.Kinds)
	slices.Sort(i.Storms)
	i.Gaps = slices.Compact(i.Gaps)
	slices.SortStableFunc(i.Notes, func(a, b Note) int { return a.At.Compare(b.At) })
	slices.SortStableFunc(i.Costs, func(a, b Cost) int { return a.At.Compare(b.At) })
	var seen storm.Signs
	for bit, n := range signs.Of {
		if n > 0 {
			seen |= 1 << bit
		}
	}
	i.Signs = append(i.Signs, seen.Names()...)
	i.Copies, i.Consequences = i.table.Sums()
	i.Servers = i.table.Servers()
	i.Statements, i.Claims = ways.export()
	return i
}
