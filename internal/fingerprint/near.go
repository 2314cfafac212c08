package fingerprint

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

// Two messages are near when of the eight smallest hashes of their shingles, boilerplate left
// out, two are the same. That says that much of their text is the same, and no more: orders of
// one shop are near, and so are the reports of one template and the answers that quote one
// mail. It never tells copies by itself. Copies are told by two witnesses:
//
//   - the first server that handled the mail stamped it with the same Received field, and the
//     text is near to the first one that came with it: the mail was handed in once, whatever
//     became of Message-ID, Date, From and text;
//   - the texts and subjects say the same, to the number, however they are laid out and encoded,
//     and Date and sender are the same; with signs of a storm (see Signs), Date and all
//     addressees, or Date and the message that the header names as its original;
//   - the texts and subjects say the same, as often, and the sender is the same, or with signs of a storm
//     all addressees, and a storm of the text is under way from the same server. Without one this
//     would hold for an alert that comes again; so that none is silent, it holds within an hour.
//
// In all of these the attachments are the same too, byte for byte, and the mailing list; and where
// the first stamp is a witness the addressees, since mail services make many mails of what they are
// handed once, one for each. For texts too short to compare see Prints.

const (
	smallest   = 64 // shingles of a text that are considered, at most
	candidates = 32 // that are looked up, at most
	compared   = 8  // that are compared
	agreeing   = 2  // of them, where texts are near
	sketched   = 12 // that are kept of the first text that comes with a stamp; see sketch
	most       = 7  // of them, where boilerplate is among them
	subjects   = 5  // under which a shingle may be seen; boilerplate comes under more

	// Shingles are forgotten this long after they were last seen: copies that come more
	// rarely than once in eight hours are no storm.
	shingleLife = 24 * time.Hour
	refresh     = time.Hour // a shingle seen within this time need not be counted again
)

// Near tells the near-duplicates of one message.
type Near struct {
	hasher *Hasher
	m      *message.Message
	said   []string // text and attachments, whole
	rest   string   // attachments
	words  string   // how many
	trace  string
	date   string
	to     []string
	own    [8]byte // the text that m founds if it is near to none
	bit    uint64  // by subject

	least []uint64
	left  []uint64 // of least, not looked up yet

	known   []notes.Note // of all that was looked up; those never seen have no Link
	kept    []int        // in known: of shingles that are compared
	first   []notes.Note // of the first text that came with the trace
	entries []notes.Entry
}

// Memory is what is known of texts when a message comes.
type Memory interface {
	// Noted returns the notes of keys, in their order.
	Noted(keys []storm.Key) ([]notes.Note, error)
	// Note adds to notes and returns them in that order. In a dry run it returns none.
	Note(entries []notes.Entry) ([]notes.Note, error)
	// InOutbreak reports whether the server that sent the message takes part in a storm of a text.
	InOutbreak(text [8]byte) (bool, error)
}

// Copies is what near-duplicates of a message share.
type Copies struct {
	Text   [8]byte       // the first text that was nearly the same, or that of the message
	Prints []storm.Print // of those that are copies of it
}

// near returns what tells near-duplicates of m; nil if its text is too short to tell.
func (h *Hasher) near(m *message.Message, c content, trace, date string, to []string) *Near {
	if len(c.least) < compared {
		return nil
	}
	n := &Near{hasher: h, m: m, said: c.said, rest: c.rest, words: c.words, trace: trace, date: date, to: to, least: c.least, left: c.least[:min(len(c.least), candidates)]}
	// Copies that come at once found the same text, if they were handed in once.
	n.own = h.hash(kindShingle, c.said)
	if n.trace != "" {
		n.own = h.hash(kindShingle, []string{n.trace})
	}
	n.bit = h.Bit(Skeleton(m.Subject))
	return n
}

// Bit is one of 64 bits, by a text. Of many, their or tells how many there are at least.
func (h *Hasher) Bit(text string) uint64 {
	return 1 << (h.hash(kindShingle, []string{text})[0] % 64)
}

// Compare compares m with all that is known, and has it remembered. Most texts are near to none, and take one
// look, and one call that notes them. signs are those of m.
func (n *Near) Compare(with Memory, signs storm.Signs) (Copies, error) {
	for keys := n.next(); len(keys) > 0; keys = n.next() {
		found, err := with.Noted(keys)
		if err != nil {
			return Copies{}, err
		}
		n.take(keys, found)
	}
	text, known := n.text()
	stormy, err := false, error(nil)
	if known { // a text that has come for the first time has no outbreak
		stormy, err = with.InOutbreak(text)
	}
	if err != nil {
		return Copies{}, err
	}
	if entries := n.notes(text); len(entries) > 0 {
		noted, err := with.Note(entries)
		if err != nil {
			return Copies{}, err
		}
		n.noted(noted)
		text, _ = n.text()
	}
	return Copies{text, n.prints(signs, stormy)}, nil
}

// next returns the next keys to look up; none when all is known.
func (n *Near) next() []storm.Key {
	next := min(len(n.left), compared-len(n.kept))
	keys := make([]storm.Key, 0, next+sketched/packed)
	if n.trace != "" && n.first == nil {
		k := storm.Key{Kind: kindFirstHop, Hash: n.hasher.hash(kindFirstHop, []string{n.trace})}
		for i := range sketched / packed {
			k.Owner[0] = byte(i)
			keys = append(keys, k)
		}
	}
	for _, x := range n.left[:next] {
		k := storm.Key{Kind: kindShingle}
		binary.BigEndian.PutUint64(k.Hash[:], x)
		keys = append(keys, k)
	}
	n.left = n.left[next:]
	return keys
}

// take takes what is noted of keys.
func (n *Near) take(keys []storm.Key, found []notes.Note) {
	n.known = slices.Grow(n.known, len(found))
	n.entries = slices.Grow(n.entries, len(found))
	for i, note := range found {
		note.Key = keys[i]
		fresh := note.Seen > 0 && n.m.At.Sub(note.Last) <= refresh
		if note.Key.Kind == kindFirstHop {
			n.first = append(n.first, note)
			if !fresh {
				n.note(note.Key)
			}
			continue
		}
		boilerplate := bits.OnesCount64(note.Bits|n.bit) > subjects
		if !boilerplate {
			n.kept = append(n.kept, len(n.known))
		}
		n.known = append(n.known, note)
		if !fresh || note.Bits&n.bit == 0 && !boilerplate {
			n.note(note.Key)
		}
	}
}

func (n *Near) note(k storm.Key) {
	n.entries = append(n.entries, notes.Entry{Key: k, Keep: shingleLife, Bits: n.bit})
}

// text is the text to which m is near, and whether one was known. Where all of m is
// boilerplate it is a text of which that is.
func (n *Near) text() (id [8]byte, known bool) {
	links := make([][8]byte, 0, len(n.known))
	for _, i := range n.kept {
		links = append(links, n.known[i].Link)
	}
	if len(links) < agreeing {
		links = links[:0]
		for _, t := range n.known {
			links = append(links, t.Link)
		}
	}
	id, most := n.own, agreeing-1
	for i, link := range links {
		votes := 0
		for _, l := range links[i:] {
			if l == link {
				votes++
			}
		}
		if votes > most && link != [8]byte{} {
			id, most, known = link, votes, true
		}
	}
	return id, known
}

// Compared are the shingles by which m was compared.
func (n *Near) Compared() []storm.Key {
	keys := make([]storm.Key, len(n.kept))
	for i, at := range n.kept {
		keys[i] = n.known[at].Key
	}
	return keys
}

// notes is what is to be noted of the text of m, whoever gets it, as nearly the same as another.
func (n *Near) notes(text [8]byte) []notes.Entry {
	sketch := n.sketch()
	for i := range n.entries {
		e := &n.entries[i]
		e.Link = text
		if at := slices.IndexFunc(n.first, func(f notes.Note) bool { return f.Key == e.Key }); at >= 0 {
			e.Link = sketch[at]
		}
	}
	return n.entries
}

// noted takes what became of that: others may have come first meanwhile, and what m is near to may change.
func (n *Near) noted(all []notes.Note) {
	take := func(of []notes.Note, note notes.Note) {
		for i := range of {
			if of[i].Key == note.Key {
				of[i].Link, of[i].Seen = note.Link, note.Seen
			}
		}
	}
	for _, note := range all {
		take(n.first, note) // of two that come at once, each may be the first of some
		if note.Seen > 1 {  // not by m alone
			take(n.known, note)
		}
	}
}

// packed is how many shingles of a sketch are in one link, by two bytes of each: enough to
// compare two texts that have a first hop in common.
const packed = 4

// sketch is what tells the text of m: the shingles that are compared, and the smallest others,
// so that half of the text is told, too.
func (n *Near) sketch() (links [sketched / packed][8]byte) {
	i := 0
	put := func(hash uint64) {
		if i < sketched {
			binary.BigEndian.PutUint16(links[i/packed][i%packed*2:], uint16(hash))
			i++
		}
	}
	have := make([]uint64, 0, compared)
	for _, at := range n.kept {
		hash := binary.BigEndian.Uint64(n.known[at].Key.Hash[:])
		have = append(have, hash)
		put(hash)
	}
	for _, hash := range n.least {
		if !slices.Contains(have, hash) {
			put(hash)
		}
	}
	return links
}

// handedIn is the sketch of the text with which m was handed in: of the first that came with its
// trace, if m is near to that, or else its own. Copies may have more in common than is left
// when boilerplate is taken out: mailings share paragraphs, and so do their copies. So most of
// the sketch will do, too, boilerplate or not.
func (n *Near) handedIn() string {
	var own, first []byte
	for _, link := range n.sketch() {
		own = append(own, link[:]...)
	}
	was := make([]uint16, 0, sketched)
	for _, t := range n.first {
		if t.Seen == 0 {
			return string(own)
		}
		first = append(first, t.Link[:]...)
		for i := range packed {
			was = append(was, binary.BigEndian.Uint16(t.Link[i*2:]))
		}
	}
	near, all := 0, 0
	for _, x := range n.least {
		if slices.Contains(was, uint16(x)) {
			all++
		}
	}
	for _, at := range n.kept {
		if slices.Contains(was, binary.BigEndian.Uint16(n.known[at].Key.Hash[6:])) {
			near++
		}
	}
	if near >= agreeing || all >= most {
		return string(first)
	}
	return string(own)
}

// prints returns what near-duplicates of m share that are copies of it. signs are those of m;
// stormy says that a storm of its text is under way from the server that sent it.
func (n *Near) prints(signs storm.Signs, stormy bool) []storm.Print {
	prints := make([]storm.Print, 0, 2)
	list := n.m.Header.Get("List-Id")
	add := func(evidence string, fields ...string) {
		fields = append(fields, evidence, list)
		prints = append(prints, storm.Print{Kind: storm.Near, Hash: n.hasher.hash(storm.Near, fields), Evidence: evidence})
	}
	if n.trace != "" {
		add("text and first hop", slices.Concat(n.to, []string{n.handedIn(), n.rest, n.trace})...)
	}
	subject := Skeleton(n.m.Subject)
	same := func(evidence string, fields ...string) {
		add("words, subject, "+evidence, slices.Concat(fields, []string{subject}, n.said)...)
	}
	if n.date != "" {
		same("sender and Date", n.m.From, n.m.Header.Get("Reply-To"), n.date)
	}
	if signs == 0 && !stormy {
		return prints
	}
	if signs != 0 && n.date != "" {
		if len(n.to) > 1 {
			same("addressees and Date", slices.Concat(n.to, []string{n.date})...)
		}
		if o := original(n.m); o != "" {
			same("original and Date", o, n.date)
		}
	}
	if stormy {
		same("sender and server in a storm", n.m.From, n.m.Header.Get("Reply-To"), n.words, hour(n.m.At))
		if signs != 0 && len(n.to) > 1 {
			same("addressees and server in a storm", slices.Concat(n.to, []string{n.words, hour(n.m.At)})...)
		}
	}
	return prints
}

// Trace is the oldest Received field of m that no other mail has, because it carries a queue
// ID: the stamp of the first server that handled the mail. It is "" where there is none. IDs
// such as 15.20.7958.16 are versions, and those in comments are of anything. Those of James ("ID") and mox ("via tcp")
// tell sessions: all mail that is handed in at once has the same.
func Trace(m *message.Message) string {
	for _, field := range slices.Backward(m.Received) {
		words, depth := strings.Fields(field), 0
		i := slices.IndexFunc(words, func(w string) bool {
			depth += strings.Count(w, "(") - strings.Count(w, ")")
			return depth <= 0 && w == "id"
		})
		if i < 0 || i+1 == len(words) || !strings.Contains(field, ";") {
			continue
		}
		stamp, id := strings.Join(words, " "), strings.Trim(words[i+1], ";<>()")
		if len(id) >= 5 && (strings.Trim(id, "0123456789.") != "" || !strings.Contains(id, ".")) && !strings.Contains(stamp, " via tcp ") {
			return stamp
		}
	}
	return ""
}

// Skeleton is what copies of a message and answers to it have in common of their subjects.
func Skeleton(subject string) string { return strings.ToLower(bare(subject)) }

// bare is a subject without what gateways and mail programs put in front: tags that say
// nothing of the mail's own, and what marks answers and forwarded mail.
func bare(subject string) string {
	s := strings.Join(strings.Fields(subject), " ")
	for {
		rest, ok := message.CutTag(s)
		if !ok {
			rest, ok = message.CutReply(s)
		}
		if !ok {
			return strings.TrimLeft(s, " ")
		}
		s = rest
	}
}

// addressees are the addresses in To and Cc, in order, each once.
func addressees(m *message.Message) []string {
	all := named(m)
	slices.Sort(all)
	return slices.Compact(all)
}

// named are the addresses in To and Cc: the words with an "@". That is enough to compare them,
// and much faster than to parse a field with everybody in it.
func named(m *message.Message) []string {
	var all []string
	for _, f := range m.Header {
		if !strings.EqualFold(f.Name, "To") && !strings.EqualFold(f.Name, "Cc") {
			continue
		}
		field := strings.ToLower(f.Value[:min(len(f.Value), maxAddressees)])
		begin, address := 0, false
		for i := range len(field) {
			switch field[i] {
			case '@':
				address = true
			case ' ', '\t', '\r', '\n', ',', ';', ':', '(', ')', '<', '>', '"':
				if address {
					all = append(all, field[begin:i])
				}
				begin, address = i+1, false
			}
		}
		if address {
			all = append(all, field[begin:])
		}
	}
	return all
}

const maxAddressees = 16 << 10 // bytes of a field

// original is what the header of m says of the message that m was made of.
func original(m *message.Message) string {
	for _, name := range []string{"X-MS-Exchange-Parent-Message-Id", "Resent-Message-ID", "Thread-Index", "References"} {
		if v := strings.Join(strings.Fields(m.Header.Get(name)), ""); v != "" {
			return name + ":" + v
		}
	}
	return ""
}
