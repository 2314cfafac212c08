// Package incident keeps the record of each mail storm: who sent how many of what, when, and what became of it.
//
// An incident is counted message by message, from what was decided and done, and never put together from
// tallies. Its ID never changes: not when the storm calms and begins again, and not over a restart.
//
// # What belongs together
//
// A message belongs to a part of an incident if it is one of the part's copies (it shares a print, or the
// storm that it is counted to), or a consequence of them: a report or an answer about one of them. An
// incident is parts that were joined:
//
//   - copies: 20 messages, and a tenth of the smaller part, are copies of both
//   - consequences: one part's reports are about the other's messages
//   - servers: within six hours, half of what a part has with signs of being sent again comes from servers that each sent a
//     tenth of the other's, and a sign is common to half of both
//   - backscatter: reports on mail that we did not send, of one domain
//   - the operator said so
//
// Subjects say nothing of it. Parts that the operator took apart are never joined again by themselves.
//
// The messages of the last ten minutes are remembered, so that the original and the first copies, which came
// before anybody could know of a storm, are counted.
//
// # What is bounded
//
// Who sends many small storms makes few incidents of them: one network has 16 under way, of 64 parts, and its further storms
// count to its newest. All together have 1,024; the smallest ends early to make room for a new one. Ended incidents have a
// gigabyte of disk; the smallest go first, and none that is on hold.
package incident

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"breakwater/internal/storm"
)

// Print is something that copies of one message share.
type Print struct {
	Kind storm.Kind
	Hash [8]byte
}

// Ref is what reports and answers call a message by.
type Ref [8]byte

// Refs are those by which a message is called that has a Message-ID, or an author, Date and subject.
func Refs(messageID, from string, date time.Time, subject string) (refs []Ref) {
	add := func(text string) {
		sum := sha256.Sum256([]byte(text))
		refs = append(refs, Ref(sum[:8]))
	}
	if messageID != "" {
		add("id\x00" + messageID)
	}
	if from != "" && !date.IsZero() {
		add(fmt.Sprintf("date\x00%s\x00%d\x00%s", from, date.Unix(), subject))
	}
	return refs
}

// AnswerRef is what an answer that names no message calls the one that it answers by: who wrote that, to whom it goes, and its subject
// without what is put in front of it.
func AnswerRef(author, subject string) Ref {
	subject = strings.TrimSpace(subject[strings.LastIndex(subject, ": ")+1:])
	sum := sha256.Sum256([]byte("answer\x00" + author + "\x00" + strings.ToLower(subject)))
	return Ref(sum[:8])
}

// Fate is what became of a message for some of its recipients.
type Fate struct {
	Action     string // as carried out
	Recipients int
}

// Member is a message that may belong to an incident.
type Member struct {
	At         time.Time
	Client     Client // who handed it to us, as we or our relays saw it
	Connection uint64 // the connection that it came by; 0: not known
	Class      string
	Prints     []Print
	Storms     []string // incidents of storm.Key that it counts to; none: it is in no storm
	Self       []Ref    // what reports call it
	About      []Ref    // what it reports on, or answers
	Domain     string   // of a report that is backscatter, on mail that we did not send: whose it says it was
	Signs      storm.Signs
	Subject    string
	Bytes      int64
	Fates      []Fate
	Chain      Chain
	Detail     any // handed on to Options.Counted
}

// consequences are the classes of reports and answers, which are no copies.
var consequences = map[string]bool{"dsn": true, "mdn": true, "auto-reply": true, "challenge": true}

func (m *Member) consequence() bool { return consequences[m.Class] }

// Bounds.
const (
	ringSpan     = 10 * time.Minute
	endsAfter    = 48 * time.Hour
	reopensFor   = 7 * 24 * time.Hour
	sameServers  = 6 * time.Hour
	maxRing      = 32_768 // messages
	maxRingShare = maxRing / 8
	maxParts     = 1_024
	maxNetwork   = 16 // incidents of one network under way
	maxOfNetwork = 64 // parts
	maxKeys      = 8_192
	maxSubject   = 160
	maxSigned    = 256 // servers, for joins
	bridges      = 20
	backscatter  = 20 // reports on one domain within the ring that make an incident
)

// key is anything by which messages find their part: a Print, a Ref of its own or of others, a storm or a domain.
type key any

type (
	selfKey   Ref
	aboutKey  Ref
	stormKey  string
	domainKey string
)

// keys are those by which a message is found later.
func (m *Member) keys() []key {
	var all []key
	for _, s := range m.Storms {
		all = append(all, stormKey(s))
	}
	for _, p := range m.Prints {
		all = append(all, p)
	}
	if m.consequence() {
		for _, r := range m.About {
			all = append(all, aboutKey(r))
		}
		if m.Domain != "" {
			all = append(all, domainKey(m.Domain))
		}
		return all
	}
	for _, r := range m.Self {
		all = append(all, selfKey(r))
	}
	return all
}

// part is what is counted together from the beginning.
type part struct {
	ID      string
	First   time.Time // message
	Last    time.Time // copy
	Ended   time.Time // zero: it is under way
	Class   string
	Subject string
	Kinds   map[string]bool // of the storms
	Domain  string          // backscatter of it
	Into    string          // the part that it was joined to
	Why     string
	Apart   map[string]bool // parts that it must not be joined to
	Hold    bool
	Notes   []Note
	Costs   []Cost
	Gaps    []Gap
	network Client // of who began it
	total   Table
	pending map[int64]*Table // by minute since 1970: counted and not written
	keys    map[key]bool
	fresh   []key // not written
	events  []event
	signs   signCounts
	changed bool
	hops    graph
	hopsAt  time.Time // when hops were last written
	hopsNew bool
	bridged map[string]int64
	lines   map[Client]*connections
	size    int64  // of the file
	buffer  []byte // lines that the disk did not take
	damaged int
	checkAt int64            // signed copies at which joins are looked for again
	gone    bool             // it can not begin again
	copied  bool             // it has copies, and not only consequences
	recent  map[int64]*Table // what was written of the minutes before a crash
}

// signCounts say how many copies with signs came, of which, and from whom.
type signCounts struct {
	Copies  int64            `json:"copies"`
	Of      [8]int64         `json:"of"`
	Clients map[Client]int64 `json:"clients"`
}

// common are the signs of half of all that have any.
func (s *signCounts) common() (signs storm.Signs) {
	for i, n := range s.Of {
		if s.Copies > 0 && n*2 >= s.Copies {
			signs |= 1 << i
		}
	}
	return signs
}

// add counts a copy.
func (s *signCounts) add(c Client, signs storm.Signs) {
	s.Copies++
	for i := range s.Of {
		if signs&(1<<i) != 0 {
			s.Of[i]++
		}
	}
	if s.Clients == nil {
		s.Clients = map[Client]int64{}
	}
	if _, known := s.Clients[c]; known || len(s.Clients) < maxSigned {
		s.Clients[c]++
	}
}

// plus adds what others have counted.
func (s *signCounts) plus(o signCounts) {
	s.Copies += o.Copies
	for i := range s.Of {
		s.Of[i] += o.Of[i]
	}
	if s.Clients == nil {
		s.Clients = map[Client]int64{}
	}
	for c, n := range o.Clients {
		s.Clients[c] += n
	}
}

// together reports whether the servers of a are those of b, and send with the same sign.
func together(a, b signCounts) bool {
	if a.common()&b.common() == 0 {
		return false
	}
	within := func(a, b signCounts) bool {
		var n int64
		for c, copies := range a.Clients {
			if b.Clients[c]*10 >= b.Copies {
				n += copies
			}
		}
		return n*2 >= a.Copies
	}
	return within(a, b) || within(b, a)
}

// connections are those of a client that were counted, the newest ones.
type connections struct {
	known [16]uint64
	next  int
}

// is counts a connection once.
func (c *connections) add(number uint64) bool {
	if number == 0 || slices.Contains(c.known[:], number) {
		return false
	}
	c.known[c.next] = number
	c.next = (c.next + 1) % len(c.known)
	return true
}

func newPart(id string, first time.Time) *part {
	return &part{
		ID: id, First: first, Last: first, Kinds: map[string]bool{}, Apart: map[string]bool{},
		pending: map[int64]*Table{}, keys: map[key]bool{}, bridged: map[string]int64{}, lines: map[Client]*connections{},
	}
}

// count counts a message to the part.
func (p *part) count(m *Member) {
	minute := p.span(m.At)
	t := p.pending[minute]
	if t == nil {
		t = &Table{}
		p.pending[minute] = t
	}
	line := p.lines[m.Client]
	if line == nil {
		if len(p.lines) >= maxClients {
			clear(p.lines)
		}
		line = &connections{}
		p.lines[m.Client] = line
	}
	var fresh int64
	if line.add(m.Connection) {
		fresh = 1
	}
	for _, f := range m.Fates {
		cell := Cell{Messages: 1, Copies: int64(f.Recipients), Bytes: m.Bytes, Connections: fresh}
		fresh = 0
		t.Add(Row{m.Client, m.Class, f.Action, m.consequence()}, cell)
	}
	p.changed = true
	if m.At.Before(p.First) {
		p.First = m.At
	}
	if m.consequence() && p.copied {
		return // it does not keep the incident from ending
	}
	p.Last = later(p.Last, m.At)
	if m.consequence() {
		return
	}
	p.copied = true
	if m.Signs != 0 {
		p.signs.add(m.Client, m.Signs)
	}
	if p.hops.add(m.Client, m.Chain) {
		p.hopsNew = true
	}
}

// Sizes of a file above which rows are of hours, and of days: many clients make long rows.
const (
	hoursAbove = 16 << 20
	daysAbove  = 64 << 20
)

// span is the minute that a time counts to: the first of its hour, or day, where there are very many rows.
func (p *part) span(at time.Time) int64 {
	minute, width := at.Unix()/60, int64(1)
	switch {
	case p.size > daysAbove:
		width = 24 * 60
	case p.size > hoursAbove:
		width = 60
	}
	return minute - minute%width
}

// learn remembers by what copies of m will be found. Messages that get a new ID on each way must not fill it up: what is
// told by content has half of it for itself.
//
// It reports whether a storm is new, by which archived mail is known to belong to the part after a crash.
func (p *part) learn(m *Member, known func(key) *part, own func(key)) (urgent bool) {
	for _, k := range m.keys() {
		if p.keys[k] || known(k) != nil {
			continue
		}
		limit := maxKeys
		switch k := k.(type) {
		case domainKey:
			if p.Domain != string(k) {
				continue // reports on a domain have not all one cause
			}
		case Print:
			if k.Kind == storm.ID {
				limit /= 2
			}
		case selfKey, aboutKey:
			limit /= 2
		}
		if len(p.keys) >= limit {
			continue
		}
		p.keys[k] = true
		p.fresh = append(p.fresh, k)
		if _, ok := k.(stormKey); ok {
			urgent = true
		}
		own(k)
	}
	for _, s := range m.Storms {
		p.Kinds[kindOf(s)] = true
	}
	return urgent
}

// kindOf is the kind in a storm's ID.
func kindOf(stormID string) string {
	for _, k := range storm.Kinds {
		if name := k.String(); len(stormID) > len(name) && stormID[:len(name)] == name && stormID[len(name)] == '-' {
			return name
		}
	}
	return "other"
}

// newID is an ID for a part that begins with m; taken tells which there are.
func newID(m *Member, taken func(string) bool) string {
	var seed []byte
	for _, p := range m.Prints {
		seed = append(append(seed, byte(p.Kind)), p.Hash[:]...)
	}
	seed = fmt.Appendf(seed, "%v %s %d", m.Storms, m.Domain, m.At.UnixNano())
	for n := 0; ; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", seed, n))
		id := fmt.Sprintf("I-%s-%x", m.At.UTC().Format("20060102-1504"), sum[:2])
		if n > 256 { // there are many of this minute
			id += fmt.Sprintf("%x", sum[2:8])
		}
		if !taken(id) {
			return id
		}
	}
}

// smallest are parts in the order in which they may go: few copies first, then the longest ago.
func smallest(a, b *part) int {
	return cmp.Or(cmp.Compare(a.copies(), b.copies()), a.Last.Compare(b.Last), cmp.Compare(a.ID, b.ID))
}

// copies is how many the part has counted, consequences included.
func (p *part) copies() (n int64) {
	n = p.total.sum
	for _, t := range p.pending {
		n += t.sum
	}
	return n
}

// table is all that the part has counted.
func (p *part) table() *Table {
	t := &Table{}
	t.Merge(&p.total)
	for _, minute := range slices.Sorted(maps.Keys(p.pending)) {
		t.Merge(p.pending[minute])
	}
	return t
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
