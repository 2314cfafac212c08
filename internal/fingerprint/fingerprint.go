// Package fingerprint says what the copies of a message share.
//
// Every hash is keyed with the host's secret, so that what is stored tells nobody who
// mails whom, and nobody can craft a message that collides with another's.
package fingerprint

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/report"
	"breakwater/internal/seal"
	"breakwater/internal/storm"
)

// Hasher makes fingerprints with one secret. It is safe for concurrent use.
type Hasher struct {
	sealer *seal.Sealer
	seed   seed
}

// New returns a Hasher. All hosts that share a store need the same secret, of at least 16 bytes.
func New(secret []byte) *Hasher {
	h := &Hasher{sealer: seal.New(secret, seal.Uvarint)}
	var points [4]uint64
	for i := range points {
		sum := h.hash(kindShingle, []string{"seed", strconv.Itoa(i)})
		points[i] = binary.BigEndian.Uint64(sum[:])
	}
	h.seed = newSeed(points)
	return h
}

// Prints are the fingerprints of a message.
type Prints struct {
	Shared   []storm.Print // by copies, at most one of each kind but DSN and Near
	Says     storm.Saying  // what the message says
	Near     *Near         // tells what is nearly the same; nil if the text is too short to tell
	Numbered *Numbered     // tells of a version without IDs; nil if there are none
}

// Prints returns the fingerprints of m, which comes from a network. Shared prints of the kind Near
// depend on what was seen before, and are left to the Near.
func (h *Hasher) Prints(m *message.Message, v classify.Verdict, network uint64) Prints {
	p := Prints{Shared: make([]storm.Print, 0, 9)}
	add := func(k storm.Kind, fields ...string) {
		p.Shared = append(p.Shared, storm.Print{Kind: k, Hash: h.hash(k, fields)})
	}
	trace, list, to := Trace(m), m.Header.Get("List-Id"), addressees(m)
	date := date(m, trace)
	compared := v.Class == classify.Personal || v.Class == classify.Bulk
	identified := m.MessageID != "" && date != ""
	c := h.content(m, v.Class != classify.DSN || identified && trace == "")
	p.Says, p.Numbered = h.says(m, v, c)
	// There are programs that write one Message-ID into all their mail, and many a second.
	// So the rest must agree: it was handed in once, or it says the same.
	if identified {
		what := c.said
		if trace != "" {
			what = append([]string{trace}, to...) // a mail service makes many of what it is handed once
		}
		add(storm.ID, append([]string{m.MessageID, m.From, date, list}, what...)...)
	}
	sum := c.exact
	if !m.Truncated {
		// One mail that comes by several lists is wanted from each, hence the List-Id.
		if date != "" {
			add(storm.Text, m.From, m.Header.Get("Reply-To"), date, m.Subject, list, sum)
		}
		subject := m.Subject
		if v.Class == classify.AutoReply { // two that answer each other put more and more in front
			subject = strings.TrimSpace(subject[strings.LastIndex(subject, ": ")+1:])
		}
		// Programs that write for others say for whom, and no more: a caller, a visitor of a form.
		// Others may write the same in their name.
		add(storm.Repeat, m.Header.Get("From"), m.Header.Get("Reply-To"), m.Header.Get("To"), subject, list, sum, strconv.FormatUint(network, 36))
	}
	switch v.Class {
	case classify.DSN:
		for _, fields := range reported(v.Report) {
			add(storm.DSN, fields...)
		}
	case classify.AutoReply, classify.Challenge:
		if what := answered(m, sum); m.From != "" && what != nil {
			add(storm.Reply, append(what, m.From)...)
		}
	}
	switch v.Class {
	case classify.DSN, classify.AutoReply, classify.Challenge:
		add(storm.Class, string(v.Class))
	}
	if !compared {
		return p
	}
	if p.Near = h.near(m, c, trace, date, to); p.Near == nil && trace != "" && date != "" && !m.Truncated {
		// There is too little text to compare. But it was handed in once, and all else agrees.
		const evidence = "first hop, sender, subject and Date"
		fields := append([]string{trace, m.From, Skeleton(m.Subject), date, list, c.rest, evidence}, to...)
		p.Shared = append(p.Shared, storm.Print{Kind: storm.Near, Hash: h.hash(storm.Near, fields), Evidence: evidence})
	}
	return p
}

// content is what a message contains.
type content struct {
	exact string   // all of it; "" of a message that is not whole
	rest  string   // what is no text for a reader
	said  []string // rest, and the words of the text; or else exact
	texts []string // all that its text parts say, one for each
	words string   // how many the text has; "" if they are not told
	least []uint64 // of the text, if there are enough: see digest
}

// content tells what m contains; its words, if they are wanted.
func (h *Hasher) content(m *message.Message, words bool) content {
	if m.Truncated {
		return content{}
	}
	all, rest := sha256.New(), sha256.New()
	texts := m.WriteContents(all, rest)
	var read, whole []string
	for _, p := range m.Parts() {
		if words && p.IsText() {
			r := p.Read()
			read, whole = append(read, r.Text, r.Links), append(whole, r.Whole)
			texts--
		}
	}
	c := content{exact: string(all.Sum(nil)), rest: string(rest.Sum(nil))}
	if !words {
		return c
	}
	d := h.seed.digest(read)
	// Where MIME is broken the two may not have the same idea of it.
	if texts != 0 || d.words == 0 || d.cut {
		c.said = []string{c.exact}
		return c
	}
	c.said, c.words, c.least = []string{c.rest, strconv.FormatUint(d.sum, 36)}, strconv.Itoa(d.words), d.least
	c.texts = shown(whole, m.Parts())
	return c
}

// Key is the key of one thing at a mailbox that is told by a text.
func (h *Hasher) Key(mailbox string, k storm.Kind, text string) storm.Key {
	return h.Keys([]storm.Print{{Kind: k, Hash: h.hash(k, []string{text})}}, mailbox)[0]
}

// Keys returns the keys of prints at one mailbox, in their order. Rates by class are kept
// for the mailbox without its sub-address.
func (h *Hasher) Keys(prints []storm.Print, mailbox string) []storm.Key {
	owner := h.owner(mailbox)
	keys := make([]storm.Key, len(prints))
	for i, p := range prints {
		keys[i] = storm.Key{Owner: owner, Kind: p.Kind, Hash: p.Hash}
		if base := address.Base(mailbox); p.Kind == storm.Class && base != mailbox {
			keys[i].Owner = h.owner(base)
		}
	}
	return keys
}

// Transfer returns a hash that tells a retry from another copy: it is the same when the peer tries again, and another when
// it sends another copy. It is made from the Received fields, of which every relay adds one (RFC 5321
// §4.4): all of them, since there are servers that write none but the second into theirs.
// Of a client that is no relay it is the whole message.
func Transfer(m *message.Message) uint64 {
	sum := sha256.New()
	for _, field := range m.Received {
		io.WriteString(sum, field)
		sum.Write([]byte{0})
	}
	if len(m.Received) == 0 {
		sum.Write(m.Raw)
	}
	return binary.BigEndian.Uint64(sum.Sum(nil))
}

// astray is how far from its arrival a Date is that no clock tells: longer than storms last.
const astray = 30 * 24 * time.Hour

// date is the Date of m as an instant, since gateways write it anew in other zones; "" without one.
// There are devices whose clock was never set, and programs that write the day alone: all that they
// send has one Date. Such a Date tells copies only together with the trace of m.
func date(m *message.Message, trace string) string {
	if m.Date.IsZero() {
		return ""
	}
	instant := strconv.FormatInt(m.Date.Unix(), 10)
	if m.At.Sub(m.Date).Abs() < astray && !strings.Contains(m.Header.Get("Date"), "00:00:00") {
		return instant
	}
	if trace == "" {
		return ""
	}
	return instant + " " + trace
}

// reported is what repeats of one DSN share: the original and the set of what happened to
// whom, never the words of the DSN. There is none where either is unknown: then distinct DSNs
// could not be told apart. In a storm the original has a Message-ID that is new each time, so
// that it is known by who wrote it when, too.
func reported(r *report.Report) (each [][]string) {
	if r == nil || r.Guessed || len(r.Recipients) == 0 {
		return nil
	}
	var outcomes []string
	for _, rcpt := range r.Recipients {
		if rcpt.Final == "" {
			return nil
		}
		outcomes = append(outcomes, address.Mailbox(rcpt.Final)+"\x00"+string(rcpt.Action)+"\x00"+rcpt.Status)
	}
	slices.Sort(outcomes)
	outcomes = slices.Compact(outcomes)
	o := r.Original
	if o.MessageID != "" {
		each = append(each, slices.Concat([]string{o.MessageID}, outcomes))
	}
	if o.Date != "" && o.From != "" {
		each = append(each, slices.Concat([]string{"", o.From, o.Date, Skeleton(o.Subject)}, outcomes))
	}
	return each
}

// answered is what m answers, the newest message that it refers to, and what it says of it:
// ticket systems and robots say one thing after the other. Where it refers to none
// it is what m says, subject and content: acknowledgements of distinct tickets may differ in
// no more than a number in the text. It is nil where m says nothing.
func answered(m *message.Message, content string) []string {
	for _, name := range []string{"In-Reply-To", "References"} {
		if ids := strings.Fields(m.Header.Get(name)); len(ids) > 0 {
			return []string{ids[len(ids)-1], gist(m)}
		}
	}
	if m.Subject == "" || content == "" {
		return nil
	}
	return []string{"", m.Subject, content}
}

const maxGist = 8 << 10 // bytes of a text

// gist is the subject and text of an answer without what is new in answers that say the same:
// numbers, tags, and what they quote.
func gist(m *message.Message) string {
	var said []string
	for word := range strings.FieldsSeq(strings.ToLower(m.Subject + "\n" + m.Own(maxGist))) {
		if _, mark := message.CutReply(word); !mark && !strings.ContainsAny(word, "0123456789@") && word[0] != '[' {
			said = append(said, word)
		}
	}
	return strings.Join(said, " ")
}

// Kinds of notes that say what is known of texts.
const (
	kindShingle  storm.Kind = 32 + iota // a few words in a row; its Link is the text in which they came first, its Bits are of subjects
	kindOutbreak                        // copies of a text that were held; its Bits are of mailboxes
	kindFirstHop                        // the field of the first server that handled a mail; its Link is of the text that first came with it
	kindGateway                         // a block of text with an ID in it, of the network that it comes from, or all mail without one; its Bits are of subjects
)

// Outbreak is the key of copies of a text that were held; or, where a server is named, of those that it sent in
// the hour of a time.
func (h *Hasher) Outbreak(text [8]byte, server netip.Addr, at time.Time) storm.Key {
	k := storm.Key{Kind: kindOutbreak, Hash: text}
	if server.IsValid() {
		k.Owner = h.hash(kindOutbreak, []string{server.String(), hour(at)})
	}
	return k
}

func hour(at time.Time) string { return strconv.FormatInt(at.Unix()/3600, 10) }

func (h *Hasher) owner(mailbox string) [8]byte { return h.hash(0, []string{mailbox}) }

// hash seals fields in the domain of their kind.
func (h *Hasher) hash(k storm.Kind, fields []string) (sum [8]byte) {
	sealed := h.sealer.Sum(string([]byte{byte(k)}), fields...)
	copy(sum[:], sealed[:])
	return sum
}
