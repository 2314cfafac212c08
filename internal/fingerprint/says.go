package fingerprint

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/report"
	"breakwater/internal/storm"
)

// What a message says is more than what copies of it share. A version is the print of all of it:
// who writes, where answers go, the subject, the words of all texts to the number, links, and
// attachments byte for byte. Its layout, encoding, quotation marks and what is said twice do not
// matter, nor what gateways put in front of a subject.
//
// Of a report it is what the reporter's text says, without its own IDs and times: what it returns
// is the recipient's own mail. Of an automatic answer it is not what it quotes.

// says returns what m says, and what is numbered in m by a gateway; nil for
// nothing.
func (h *Hasher) says(m *message.Message, v classify.Verdict, c content) (says storm.Saying, n *Numbered) {
	whose := []string{strings.ToLower(m.From), answersTo(m), h.words(distinct(bare(m.Subject)))}
	said := []string{c.exact}
	switch v.Class {
	case classify.DSN:
		said = []string{h.words(reportText(m, v.Report)...)}
	case classify.AutoReply, classify.Challenge:
		said = []string{c.rest, h.words(unquoted(m))}
	case classify.Personal, classify.Bulk:
		if len(c.blocks) > 0 {
			said, says.Ends = []string{c.rest}, distinctOf(c.ends)
		}
	}
	version := h.print(storm.Version, slices.Concat(said, whose))
	if says.Ends != nil {
		for _, b := range distinctOf(c.blocks) {
			version += b
		}
		n = h.numbered(m, c.texts, version)
		// What is said twice within a block is told by the shingles.
		says.Versions = append(says.Versions, version, h.print(storm.Version, slices.Concat([]string{"words"}, c.said, whose)))
	} else {
		says.Versions = []uint64{version}
	}
	says.Content = h.print(storm.Content, []string{m.Header.Get("From"), m.Header.Get("Reply-To"), m.Subject, c.exact})
	return says, n
}

func (h *Hasher) print(k storm.Kind, fields []string) uint64 {
	sum := h.hash(k, fields)
	return binary.BigEndian.Uint64(sum[:])
}

// distinctOf is some hashes, each once.
func distinctOf(hashes []uint64) []uint64 {
	hashes = slices.Clone(hashes)
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// words is the print of the words of texts, to the number; of those that are too long it is that
// of their bytes.
func (h *Hasher) words(texts ...string) string {
	if d := h.seed.digest(texts); !d.cut {
		return strconv.FormatUint(d.sum, 36)
	}
	return strings.Join(texts, "\x00")
}

// answersTo is where answers to m go, if not to From.
func answersTo(m *message.Message) string {
	field := m.Header.Get("Reply-To")
	if field == "" {
		return ""
	}
	return strings.ToLower(strings.Join(message.Addresses(field), " "))
}

// distinct is a subject in which each of the parts before a colon stands once: two programs that
// answer each other put more and more of them in front.
func distinct(subject string) string {
	parts := strings.Split(subject, ": ")
	if len(parts) < 3 {
		return subject
	}
	var kept []string
	for _, p := range parts {
		if !slices.Contains(kept, p) {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ": ")
}

// unquoted is the text of m without the lines that it quotes.
func unquoted(m *message.Message) string {
	var b strings.Builder
	for line := range strings.Lines(m.Text(message.MaxParse)) {
		if !strings.HasPrefix(line, ">") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// reportText is what a report says in words: its text in front of the fields for machines, and
// what the servers said.
func reportText(m *message.Message, r *report.Report) []string {
	var texts []string
	new := news{}
	new.add(slices.Concat(m.Received, []string{m.MessageID, m.Header.Get("Date")})...)
	told := true
	for _, p := range m.Parts() {
		switch {
		case p.Type == "message/delivery-status":
			told = false
			new.fields(p.Content)
		case p.Type == "message/rfc822":
			told = false
		case told && p.IsText():
			text, links := p.Read()
			texts = append(texts, report.Told(text), links)
		}
	}
	if r != nil {
		for _, rcpt := range r.Recipients {
			texts = append(texts, rcpt.Diagnostic)
		}
	}
	for i, text := range texts {
		texts[i] = new.left(text)
	}
	return texts
}

// news are the words with digits that are new in each report, because it says elsewhere that they
// are its IDs and times.
type news map[string]bool

const punctuation = ".,;:()[]<>\"'"

func (n news) add(texts ...string) {
	for _, text := range texts {
		for word := range strings.FieldsSeq(text) {
			if word = strings.Trim(word, punctuation); strings.ContainsAny(word, "0123456789") {
				n[word] = true
			}
		}
	}
}

// fields adds the times and IDs of the fields for machines (RFC 3464 §2.2, §2.3).
func (n news) fields(content []byte) {
	for line := range bytes.Lines(content) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		name = bytes.ToLower(name)
		if bytes.HasSuffix(name, []byte("-date")) || bytes.HasSuffix(name, []byte("queue-id")) {
			n.add(string(value))
		}
	}
}

// left is a text without them.
func (n news) left(text string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(text), func(w string) bool { return n[strings.Trim(w, punctuation)] }), " ")
}

// isID reports whether a word is one that a machine numbers mail by: letters and digits mixed,
// at least eight, and no account number (ISO 13616).
func isID(word string) bool {
	word = strings.Trim(word, punctuation)
	if len(word) < 8 {
		return false
	}
	letters, digits, marks := 0, 0, 0
	for _, c := range []byte(word) {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			letters++
		case c == '-' || c == '_' || c == '.':
			marks++
		default:
			return false
		}
	}
	account := marks == 0 && len(word) >= 15 && strings.Trim(word[:2], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && strings.Trim(word[2:4], "0123456789") == ""
	return letters > 0 && digits > 0 && !account
}

// A gateway that numbers the mail that it scans says something new in each copy. Its number is
// no version where it is known for it: at the beginning or the end of a text stands a block that
// the same network has put into enough different mail, for a while, with an ID that is new in
// each. For all else a number is part of what is said.
const (
	numberedMails = 8         // with different subjects
	numberedFor   = time.Hour // before that the ID may be what a sender wants to be read
	numberedLife  = 30 * 24 * time.Hour
	maxBlock      = 1 << 10 // bytes
)

// Numbered is the blocks of a message in which there are IDs.
type Numbered struct {
	hasher  *Hasher
	m       *message.Message
	version uint64
	blocks  []numbered
}

// numbered is one of them.
type numbered struct {
	is, folded uint64  // as it is, and with one ID for all
	key        [8]byte // of the latter
}

// numbered finds the blocks at the ends of the texts of m that have IDs; nil if there are none.
func (h *Hasher) numbered(m *message.Message, texts []string, version uint64) *Numbered {
	n := &Numbered{hasher: h, m: m, version: version}
	for _, text := range texts {
		var first, last []string
		for b := range blocksOf(text) {
			if len(first) < endBlocks {
				first = append(first, b)
				continue
			}
			if last = append(last, b); len(last) > endBlocks {
				last = last[1:]
			}
		}
		for _, b := range append(first, last...) {
			n.add(b)
		}
	}
	if len(n.blocks) == 0 {
		return nil
	}
	return n
}

func (n *Numbered) add(block string) {
	if len(block) > maxBlock {
		return
	}
	words, found := strings.Fields(block), false
	for i, w := range words {
		if isID(w) {
			words[i], found = "id0", true
		}
	}
	if !found {
		return
	}
	is, folded := n.hasher.seed.digest([]string{block}).blocks, n.hasher.seed.digest([]string{strings.Join(words, " ")}).blocks
	if len(is) != 1 || len(folded) != 1 || slices.ContainsFunc(n.blocks, func(o numbered) bool { return o.is == is[0] }) {
		return
	}
	key := n.hasher.hash(storm.Numbered, []string{strconv.FormatUint(folded[0], 36)})
	n.blocks = append(n.blocks, numbered{is[0], folded[0], key})
}

// Counts are to be counted, so that the network is known for its blocks.
func (n *Numbered) Counts(network uint64) []storm.Count {
	counts := make([]storm.Count, len(n.blocks))
	for i, b := range n.blocks {
		k := storm.Key{Kind: storm.Numbered, Hash: b.key}
		binary.BigEndian.PutUint64(k.Owner[:], network)
		counts[i] = storm.Count{Key: k, Limit: storm.Limit{Keep: numberedLife}, Marks: n.hasher.Mark(skeleton(n.m.Subject))}
	}
	return counts
}

// Folded is the version of the message without the IDs in blocks for which its network is known
// by the tallies of what Counts returned; false if it is for none.
func (n *Numbered) Folded(tallies []storm.Tally) (version uint64, ok bool) {
	version = n.version
	for i, t := range tallies {
		if b := n.blocks[i]; bits.OnesCount64(t.Marks) >= numberedMails && n.m.At.Sub(t.First) >= numberedFor {
			version, ok = version+b.folded-b.is, true
		}
	}
	return version, ok
}
