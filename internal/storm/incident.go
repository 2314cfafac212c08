package storm

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Incident is all storms with one cause, over all mailboxes.
type Incident struct {
	ID          string // of its first storm
	Kinds       []Kind // in the order of Kinds
	Class       string
	Subject     string
	Since, Last time.Time
	Active      bool     // a storm of it still goes on
	Copies      uint64   // counted once for each mailbox, even where several of its keys are storms
	Sources     []Source // who sent them, most first
	Others      uint64   // copies from further sources
	Signs       Signs
	Storms      []Tally // most copies first
}

// Mailboxes is how many mailboxes are hit.
func (i *Incident) Mailboxes() int { return len(i.largest()) }

// thing is what storms have in common: a kind and hash, or a link, which has no kind.
type thing struct {
	kind Kind
	hash [8]byte
}

// Incidents groups storms as they stand at a time, most copies first. Storms belong
// together that share what is hashed, or that began with the same message (their Link).
func Incidents(storms []Tally, at time.Time) []Incident {
	groups := map[thing][]Tally{}
	root := map[thing]thing{}
	var find func(thing) thing
	find = func(x thing) thing {
		if up, ok := root[x]; ok && up != x {
			root[x] = find(up)
			return root[x]
		}
		return x
	}
	for _, t := range storms {
		if a, b := find(thing{t.Key.Kind, t.Key.Hash}), find(thing{0, t.Link}); t.Link != [8]byte{} && a != b {
			root[a] = b
		}
	}
	for _, t := range storms {
		if t.Storm != nil {
			r := find(thing{t.Key.Kind, t.Key.Hash})
			groups[r] = append(groups[r], t)
		}
	}
	incidents := make([]Incident, 0, len(groups))
	for _, g := range groups {
		incidents = append(incidents, incident(g, at))
	}
	slices.SortFunc(incidents, func(a, b Incident) int {
		return cmp.Or(cmp.Compare(b.Copies, a.Copies), cmp.Compare(a.ID, b.ID))
	})
	return incidents
}

func incident(storms []Tally, at time.Time) Incident {
	slices.SortFunc(storms, func(a, b Tally) int {
		return cmp.Or(a.Storm.Since.Compare(b.Storm.Since), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	first := storms[0]
	i := Incident{ID: first.Key.Incident(), Class: first.Storm.Class, Subject: first.Storm.Subject, Since: first.Storm.Since, Storms: storms}
	for _, t := range storms {
		if !slices.Contains(i.Kinds, t.Key.Kind) {
			i.Kinds = append(i.Kinds, t.Key.Kind)
		}
		if t.Last.After(i.Last) {
			i.Last = t.Last
		}
		i.Active = i.Active || t.Active(at)
		i.Signs |= t.Storm.Signs
	}
	slices.Sort(i.Kinds)
	sources := map[netip.Addr]uint64{}
	for _, t := range i.largest() {
		i.Copies += t.Storm.Copies
		i.Others += t.Storm.Others
		for _, s := range t.Storm.Sources {
			sources[s.Client] += s.Copies
		}
	}
	for client, n := range sources {
		i.Sources = append(i.Sources, Source{client, n})
	}
	slices.SortFunc(i.Sources, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.Copies, a.Copies), a.Client.Compare(b.Client))
	})
	slices.SortStableFunc(storms, func(a, b Tally) int { return cmp.Compare(b.Storm.Copies, a.Storm.Copies) })
	return i
}

// largest returns the storm with the most copies of each mailbox.
func (i *Incident) largest() map[[8]byte]Tally {
	of := map[[8]byte]Tally{}
	for _, t := range i.Storms {
		if had, ok := of[t.Key.Owner]; !ok || t.Storm.Copies > had.Storm.Copies {
			of[t.Key.Owner] = t
		}
	}
	return of
}
