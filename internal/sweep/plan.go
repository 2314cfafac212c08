package sweep

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"breakwater/internal/rules"
	"breakwater/internal/storm"
	"breakwater/internal/sweep/session"
)

// candidate is what is kept of a message while its folder is looked at.
type candidate struct {
	uid       uint32
	at        time.Time
	size      int64
	flags     []string // without \Recent; shared, as all that many have alike
	hash      hash
	keys      []storm.Key     // identities
	says      uint64          // print of what it says
	decision  *rules.Decision // nil: it stays as it is
	about     *about          // where there is a decision
	protected string          // why it is left alone all the same
}

// about is what a message says of itself.
type about struct{ from, subject string }

// sample shows a message to a person.
type sample struct {
	UID     uint32    `json:"uid"`
	At      time.Time `json:"at"`
	From    string    `json:"from"`
	Subject string    `json:"subject"`
}

// held reports whether the rules take c away, whatever its flags.
func (c *candidate) held() bool {
	return c.decision != nil && c.decision.Action != rules.Tag
}

// before orders copies, the one to keep first: protected ones stay anyhow, then one that was
// read, then the older.
func (c *candidate) before(d *candidate) int {
	return cmp.Or(
		boolean(d.protected != "", c.protected != ""),
		boolean(has(d.flags, `\Seen`), has(c.flags, `\Seen`)),
		c.at.Compare(d.at),
		cmp.Compare(c.uid, d.uid),
	)
}

func boolean(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// exchange lets better copies stay in the place of those that stay because they came first.
// One takes the place of another only where it says the same, and is a copy of all that the other
// is one of, so that of nothing fewer copies stay than the rules say.
func exchange(all []*candidate) {
	storms := map[storm.Key]bool{}
	of := map[string][]*candidate{} // by the storm that decided
	for _, c := range all {
		if !c.held() || c.decision.Storm == "" {
			continue
		}
		for _, k := range c.keys {
			storms[k] = true
		}
		of[c.decision.Storm] = append(of[c.decision.Storm], c)
	}
	kept := map[string][]*candidate{}
	for _, c := range all {
		if c.decision != nil {
			continue
		}
		for _, k := range c.keys {
			if id := k.String(); len(of[id]) > 0 {
				kept[id] = append(kept[id], c)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(kept)) {
		exchangeIn(kept[id], of[id], storms)
	}
}

// exchangeIn exchanges within one storm: the best of those that go against the worst of those
// that stay.
func exchangeIn(kept, going []*candidate, storms map[storm.Key]bool) {
	slices.SortFunc(kept, func(a, b *candidate) int { return b.before(a) })
	slices.SortFunc(going, (*candidate).before)
	next := 0
	for _, k := range kept {
		if k.decision != nil || k.protected != "" {
			continue // exchanged in another storm; or it stays in any case
		}
		for next < len(going) && going[next].decision == nil {
			next++
		}
		if next == len(going) || going[next].before(k) >= 0 {
			return
		}
		if g := going[next]; g.says == k.says && covers(g.keys, k.keys, storms) {
			k.decision, k.about, g.decision = g.decision, g.about, nil
			next++
		}
	}
}

// covers reports whether keys has all of those others that are storms.
func covers(keys, others []storm.Key, storms map[storm.Key]bool) bool {
	for _, k := range others {
		if storms[k] && !slices.Contains(keys, k) {
			return false
		}
	}
	return true
}

// Plan is what a sweep of one account would do.
type Plan struct {
	Run     string       `json:"run,omitempty"` // of the journal, once it is applied
	Account string       `json:"account"`
	Folders []FolderPlan `json:"folders"`
}

// FolderPlan is what it would do in a folder.
type FolderPlan struct {
	Folder    string         `json:"folder"`
	Skipped   string         `json:"skipped,omitempty"`   // why it is left alone
	Messages  int            `json:"messages"`            // in it
	Looked    int            `json:"looked"`              // at, since the last sweep
	Keep      int            `json:"keep"`                // of all in it
	Move      int            `json:"move"`                // to other folders
	Mark      int            `json:"mark"`                // with a keyword
	Protected map[string]int `json:"protected,omitempty"` // copies that stay, by reason
	Young     int            `json:"young,omitempty"`     // left for the next sweep
	Restored  int            `json:"restored,omitempty"`  // brought back, by undo or by hand, and left alone
	Observed  int            `json:"observed,omitempty"`  // would go, were the rules not in observe mode
	Groups    []Group        `json:"groups,omitempty"`    // what goes, most first

	batches []batch
	held    []uint32     // those that are protected
	next    *folderState // what the next sweep begins with
}

// Group is messages that go for one reason.
type Group struct {
	Count   int      `json:"count"`
	To      string   `json:"to,omitempty"`      // folder
	Keyword string   `json:"keyword,omitempty"` // or a keyword
	Class   string   `json:"class"`
	Reason  string   `json:"reason"`
	Rule    string   `json:"rule"`
	Storm   string   `json:"storm,omitempty"`
	Samples []sample `json:"samples"`
}

// samples is how many messages of a group are shown.
const samples = 3

// target is where a decision takes a message: to a folder, or, with a keyword, nowhere. It is
// the keyword for all where r names no folders.
func target(a rules.Action, r rules.Sweep) (to, keyword string) {
	switch {
	case a == rules.Absorb || a == rules.Reject:
		to = r.Absorb
	case a == rules.Quarantine:
		to = r.Quarantine
	case a != rules.Tag:
		return "", ""
	}
	if to == "" {
		keyword = r.Keyword
	}
	return to, keyword
}

// draw makes the plan of a folder out of its messages: those that have a decision go.
// One batch has size of them at most.
func (p *FolderPlan) draw(all []*candidate, r rules.Sweep, size int) {
	exchange(all)
	type place struct{ to, keyword string }
	type group struct{ storm, reason, rule, to string }
	groups := map[group]*Group{}
	going := map[place][]*candidate{}
	slices.SortFunc(all, func(a, b *candidate) int { return cmp.Compare(a.uid, b.uid) })
	for _, c := range all {
		if c.decision == nil {
			continue
		}
		to, keyword := target(c.decision.Action, r)
		if c.protected != "" {
			if p.Protected == nil {
				p.Protected = map[string]int{}
			}
			p.Protected[c.protected]++
			p.held = append(p.held, c.uid)
			continue
		}
		if keyword != "" && has(c.flags, keyword) {
			continue
		}
		going[place{to, keyword}] = append(going[place{to, keyword}], c)
		key := group{c.decision.Storm, c.decision.Reason, c.decision.Rule.String(), to + keyword}
		g := groups[key]
		if g == nil {
			g = &Group{To: to, Keyword: keyword, Class: string(c.decision.Class), Reason: key.reason, Rule: key.rule, Storm: key.storm}
			groups[key] = g
		}
		if g.Count++; len(g.Samples) < samples {
			g.Samples = append(g.Samples, sample{c.uid, c.at, c.about.from, c.about.subject})
		}
	}
	for _, g := range groups {
		p.Groups = append(p.Groups, *g)
	}
	slices.SortFunc(p.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Samples[0].UID, b.Samples[0].UID))
	})
	for to, list := range going {
		if to.keyword != "" {
			p.Mark += len(list)
		} else {
			p.Move += len(list)
		}
		for part := range slices.Chunk(entries(list), size) {
			for set := range session.Sets(uidsOf(part)) {
				p.batches = append(p.batches, batch{Folder: p.Folder, To: to.to, Keyword: to.keyword, Messages: part[:len(set)]})
				part = part[len(set):]
			}
		}
	}
	slices.SortFunc(p.batches, func(a, b batch) int { return cmp.Compare(a.Messages[0].UID, b.Messages[0].UID) })
	p.Keep = p.Messages - p.Move
}

// Move is how many messages the whole plan moves, Mark how many it marks.
func (p *Plan) Move() (n int) {
	for _, f := range p.Folders {
		n += f.Move
	}
	return n
}

// Mark is how many messages the plan marks.
func (p *Plan) Mark() (n int) {
	for _, f := range p.Folders {
		n += f.Mark
	}
	return n
}

// ErrGuard is a plan that takes so much that a person should look at it first.
type ErrGuard struct {
	Folder         string
	Move, Messages int
	Share          float64 // that may go
}

func (e *ErrGuard) Error() string {
	if e.Move == e.Messages {
		return fmt.Sprintf("the plan would empty %s of all %d messages", e.Folder, e.Messages)
	}
	return fmt.Sprintf("the plan would move %d of %d messages out of %s, and max_share is %.0f%%", e.Move, e.Messages, e.Folder, 100*e.Share)
}

// guard refuses a plan that would empty a folder, or move more of it than a share; a few
// messages are no matter for shares. share 1 lets all of a folder go.
func (p *Plan) guard(share float64) error {
	for _, f := range p.Folders {
		empties := f.Move > 0 && f.Move == f.Messages
		if share < 1 && (empties || f.Move > few && float64(f.Move) > share*float64(f.Messages)) {
			return &ErrGuard{f.Folder, f.Move, f.Messages, share}
		}
	}
	return nil
}

// few messages may always go.
const few = 20
