// Package control is the daemon's unix socket, both ends: HTTP with JSON, for the other
// commands. Whoever may write to the socket may use it; it has no other protection.
package control

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"breakwater/internal/incident"
	"breakwater/internal/storm"
)

// Incident is one incident, as the socket and `breakwater storms --json` have it.
type Incident struct {
	ID        string    `json:"id"`
	Kinds     []string  `json:"kinds"`
	Class     string    `json:"class"`
	Subject   string    `json:"subject"`
	Since     time.Time `json:"since"`
	Last      time.Time `json:"last"`
	Active    bool      `json:"active"`
	Raging    bool      `json:"raging"` // Active, under the key of older versions
	Copies    uint64    `json:"copies"` // beyond those that any mailbox may get; where it is recorded, all that came, with bounces and replies
	Mailboxes int       `json:"mailboxes"`
	Sources   []Source  `json:"sources"`
	Others    uint64    `json:"others"` // copies from further sources
	Signs     []string  `json:"signs"`  // that it is mail sent again and again
	Storms    []Storm   `json:"storms,omitempty"`
	Recorded  *Recorded `json:"recorded,omitempty"` // nil where nothing is
}

// Recorded are the true totals of an incident: its first copies, which were delivered, and all its servers, too.
type Recorded struct {
	ID           string            `json:"id"`
	Copies       incident.Sum      `json:"copies"`
	Consequences incident.Sum      `json:"consequences"`
	Servers      []incident.Server `json:"servers"`
}

// Source is a server that sent copies.
type Source struct {
	Client string `json:"client"`
	Copies uint64 `json:"copies"`
}

// Storm is what happens at one mailbox.
type Storm struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Mailbox string    `json:"mailbox"`
	Since   time.Time `json:"since"`
	Last    time.Time `json:"last"`
	Active  bool      `json:"active"`
	Raging  bool      `json:"raging"` // Active, under the key of older versions
	Copies  uint64    `json:"copies"`
	Seen    uint64    `json:"seen"` // copies and what came before the storm
}

// Learner is a domain that has all its mail leave here, and what is known of that; or a flood that is only
// observed, in all domains.
type Learner struct {
	Domain  string    `json:"domain"`          // "" of a flood
	Limit   string    `json:"limit,omitempty"` // of a flood, its kind
	Since   time.Time `json:"since"`           // when all its mail began to be seen; zero: not yet
	Until   time.Time `json:"until"`           // up to here nothing is taken for forged
	Excused uint64    `json:"excused"`         // reports that would have been, had it not been learning
	Spared  uint64    `json:"spared"`          // Excused, under the key of older versions
}

// WithRecords makes one of what is recorded as one event, under the ID of the largest. Its copies and sources are then those that are
// recorded: all that came, from all servers.
func WithRecords(list []Incident, records []incident.Incident) []Incident {
	of := map[string]*incident.Incident{}
	for i := range records {
		for _, s := range records[i].Storms {
			of[s] = &records[i]
		}
	}
	out := []Incident{}
	at := map[string]int{}
	for _, i := range list {
		r := of[i.ID]
		for _, s := range i.Storms {
			r = cmp.Or(r, of[storm.IncidentOf(s.ID)])
		}
		if r == nil {
			out = append(out, i)
			continue
		}
		n, known := at[r.ID]
		if !known {
			n = len(out)
			at[r.ID] = n
			i.Copies, i.Others = uint64(r.Copies.Came+r.Consequences.Came), 0
			i.Sources = []Source{}
			for _, s := range r.Servers {
				i.Sources = append(i.Sources, Source{s.Client.String(), uint64(s.Copies.Came + s.Consequences.Came)})
			}
			i.Recorded = &Recorded{r.ID, r.Copies, r.Consequences, r.Servers}
			out = append(out, i)
			continue
		}
		one := &out[n]
		one.Kinds, one.Signs = union(one.Kinds, i.Kinds), union(one.Signs, i.Signs)
		one.Active = one.Active || i.Active
		one.Raging = one.Active
		if i.Since.Before(one.Since) {
			one.Since = i.Since
		}
		if i.Last.After(one.Last) {
			one.Last = i.Last
		}
		one.Storms = append(one.Storms, i.Storms...)
	}
	for n := range out {
		if out[n].Recorded != nil {
			out[n].Mailboxes = mailboxes(out[n].Storms)
		}
	}
	return out
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// mailboxes is how many there are storms at.
func mailboxes(storms []Storm) int {
	known := map[string]bool{}
	for _, s := range storms {
		known[s.Mailbox] = true
	}
	return len(known)
}

// show puts an incident as it stands at a time in the form of the socket.
func show(i storm.Incident, at time.Time) Incident {
	out := Incident{
		ID: i.ID, Class: i.Class, Subject: i.Subject, Since: i.Since, Last: i.Last, Active: i.Active, Raging: i.Active,
		Copies: i.Copies, Mailboxes: i.Mailboxes(), Sources: []Source{}, Others: i.Others, Signs: append([]string{}, i.Signs.Names()...),
	}
	for _, k := range i.Kinds {
		out.Kinds = append(out.Kinds, k.String())
	}
	for _, s := range i.Sources {
		client := "unknown"
		if s.Client.IsValid() {
			client = s.Client.String()
		}
		out.Sources = append(out.Sources, Source{client, s.Copies})
	}
	for _, t := range i.Storms {
		active := t.Active(at)
		out.Storms = append(out.Storms, Storm{
			ID: t.Key.String(), Kind: t.Key.Kind.String(), Mailbox: t.Storm.Mailbox,
			Since: t.Storm.Since, Last: t.Last, Active: active, Raging: active, Copies: t.Storm.Copies, Seen: t.Seen,
		})
	}
	return out
}

// Named picks the incidents that have an ID, or a storm with one, that begins with prefix.
func Named(all []Incident, prefix string) []Incident {
	picked := []Incident{}
	for _, i := range all {
		match := strings.HasPrefix(i.ID, prefix) || i.Recorded != nil && strings.HasPrefix(i.Recorded.ID, prefix)
		for _, s := range i.Storms {
			match = match || strings.HasPrefix(s.ID, prefix)
		}
		if match {
			picked = append(picked, i)
		}
	}
	return picked
}

// WithStorms adds the storms of the incidents that are named by their whole ID. The ID of one storm stays alone.
func WithStorms(ids []string, all []Incident) []string {
	whole := slices.Clone(ids)
	for _, i := range all {
		if slices.Contains(ids, i.ID) || i.Recorded != nil && slices.Contains(ids, i.Recorded.ID) {
			for _, s := range i.Storms {
				whole = append(whole, s.ID)
			}
		}
	}
	return whole
}
