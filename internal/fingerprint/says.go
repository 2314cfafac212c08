package fingerprint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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
// who writes, where answers go, the subject, all texts to the letter and sign, and attachments byte
// for byte. Only layout, encoding and quotation marks do not matter, prose that is said twice in a row,
// and what gateways put in front of a subject.
//
// Of a bounce it is what the reporter's text says, without its own IDs and times: what it returns
// is the recipient's own mail.

// says returns what m says, and what is numbered in m by a gateway; nil for nothing.
func (h *Hasher) says(m *message.Message, v classify.Verdict, c content) (says storm.Saying, n *Numbered) {
	subject := bare(m.Subject)
	switch {
	case subject == "":
		subject = m.Subject
	case v.Class == classify.AutoReply:
		subject = distinct(subject)
	}
	whose := []string{plain(message.DecodeWords(m.Header.Get("From"))), answersTo(m), subject}
	content := []string{m.Header.Get("From"), m.Header.Get("Reply-To"), m.Subject, c.exact}
	for _, p := range m.Parts() {
		content = append(content, p.Type, p.Params["charset"], p.Header.Get("Content-Disposition"))
	}
	says.Content = h.print(storm.Content, content)
	said := c.exact
	switch v.Class {
	case classify.DSN:
		said = reportText(m, v.Report)
	default:
		b := body{seed: &h.seed, besides: h.print(storm.Version, append(whose, c.rest))}
		nothing, number := false, false
		for _, text := range c.texts {
			blocks := h.seed.blocks(text)
			b.add(blocks)
			nothing = nothing || len(blocks) == 0
			number = number || len(blocks) > 0 && (blocks[0].number || blocks[len(blocks)-1].number)
		}
		if len(b.texts) > 1 || nothing { // whether one of them is read or all
			b.besides = h.print(storm.Version, append(whose, c.rest, m.ContentType.Type))
		}
		if len(b.texts) > 0 {
			says.Versions, says.Parts = []uint64{b.version(0, 0)}, b.parts()
			if !number {
				return says, nil
			}
			return says, h.numbered(m, c.texts, b)
		}
	}
	says.Versions = []uint64{h.print(storm.Version, append(whose, said))}
	return says, nil
}

func (h *Hasher) print(k storm.Kind, fields []string) uint64 {
	sum := h.hash(k, fields)
	return binary.BigEndian.Uint64(sum[:])
}

// plain is a text without its layout.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

// body is the texts of a message, as blocks, and all else that it says.
type body struct {
	*seed
	besides uint64
	texts   [][]block // each text once: the same in HTML is no other
}

// block is a part of a text.
type block struct {
	print      uint64
	begin, end int  // in the text
	number     bool // of the first and last blocks: there is one in it
	banner     bool // likewise: it may be one, with enough words and no number, so that it is nobody's answer
}

func (b block) is(other block) bool { return b.print == other.print }

func (b *body) add(text []block) {
	if len(text) > 0 && !slices.ContainsFunc(b.texts, func(t []block) bool { return slices.EqualFunc(t, text, block.is) }) {
		b.texts = append(b.texts, text)
	}
}

// version is the print of all without so many blocks at the beginning and at the end of each text.
func (b *body) version(first, last int) uint64 {
	sum := b.besides
	for _, text := range b.texts {
		x := uint64(1)
		for _, block := range text[first : len(text)-last] {
			x = b.next(x, block.print&(prime>>1))
		}
		sum = b.mix(b.next(sum&(prime>>1), x))
	}
	return sum
}

// next is a hash that goes on with x, below 2^62.
func (s *seed) next(hash, x uint64) uint64 {
	hash = mul(hash, s.shingle) + x
	return hash&prime + hash>>61
}

const (
	endBlocks   = 2   // of a text, at either end, that a gateway may have put there
	bannerWords = 6   // of which it has so many
	lineWords   = 4   // of a line that may stand twice in a row
	maxTexts    = 4   // of a message with more, and with longer ones, there are no parts
	maxBlocks   = 200 // of a text
)

// parts is b without what gateways may have put at its ends.
func (b *body) parts() (parts []storm.Part) {
	least := len(b.texts[0])
	for _, text := range b.texts {
		if least = min(least, len(text)); len(text) > maxBlocks || len(b.texts) > maxTexts {
			return nil
		}
	}
	for n := 1; n <= endBlocks && n < least; n++ {
		for first := range n + 1 {
			if p, ok := b.part(first, n-first); ok {
				parts = append(parts, p)
			}
		}
	}
	return parts
}

// part is b without so many blocks at the beginning and at the end, if these may be banners.
func (b *body) part(first, last int) (p storm.Part, ok bool) {
	for _, text := range b.texts {
		for _, block := range slices.Concat(text[:first], text[len(text)-last:]) {
			if !block.banner {
				return p, false
			}
			p.Without = append(p.Without, block.print)
		}
	}
	slices.Sort(p.Without)
	p.Without, p.Version = slices.Compact(p.Without), b.version(first, last)
	return p, true
}

// blocks are the prints of the blocks of a text in their order: lines without a blank one between
// them, whatever their white space and the marks that quote them. Of equal banners in a row it is one, and
// of equal lines of theirs.
func (s *seed) blocks(text string) []block {
	blocks := make([]block, 0, 8)
	all := make([]byte, 0, min(len(text)+1, 4<<10)) // lines of the block under way, a space behind each
	begin, last := 0, -1                            // of the block, and of its last line in all
	end := func(at int) {
		b := block{print: s.print(all), begin: begin, end: at}
		if n := len(blocks); n == 0 || !b.is(blocks[n-1]) || !prose(all, bannerWords) {
			blocks = append(blocks, b)
		}
		all, last = all[:0], -1
	}
	for pos := 0; pos < len(text); {
		next := len(text)
		if i := strings.IndexByte(text[pos:], '\n'); i >= 0 {
			next = pos + i + 1
		}
		at := len(all)
		all = unmarked(all, text[pos:next])
		switch line := all[at:]; {
		case blank(line):
			if all = all[:at]; at > 0 {
				end(pos)
			}
		case last >= 0 && bytes.Equal(line, all[last:at-1]) && prose(line, lineWords):
			all = all[:at]
		default:
			if at == 0 {
				begin = pos
			}
			all, last = append(all, ' '), at
		}
		pos = next
	}
	if len(all) > 0 {
		end(len(text))
	}
	for i, b := range blocks {
		if i < endBlocks || i >= len(blocks)-endBlocks {
			blocks[i] = b.look(text)
		}
	}
	return blocks
}

// look tells whether there is a number in b, and whether it may be a banner.
func (b block) look(text string) block {
	if raw := text[b.begin:b.end]; len(raw) <= maxBlock {
		b.number = strings.ContainsAny(raw, digits)
		b.banner = !b.number && len(strings.Fields(raw)) >= bannerWords
	}
	return b
}

// prose reports whether a text without white space that does not count has so many words, and no number: said
// twice it says no more.
func prose(text []byte, words int) bool {
	return bytes.Count(bytes.TrimSuffix(text, []byte(" ")), []byte(" "))+1 >= words && !slices.ContainsFunc(text, isDigit)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

const digits = "0123456789"

// print is a hash of bytes.
func (s *seed) print(b []byte) uint64 {
	sum := uint64(len(b))
	for len(b) >= 8 {
		sum = s.next(sum, binary.BigEndian.Uint64(b)>>8)
		b = b[7:]
	}
	for _, c := range b {
		sum = s.next(sum, uint64(c))
	}
	return s.mix(sum)
}

// unmarked appends a line without white space that does not count and the marks in front that quote it.
func unmarked(to []byte, line string) []byte {
	for len(line) > 0 && (isSpace(line[0]) || line[0] == '>' || line[0] == '|') {
		line = line[1:]
	}
	for len(line) > 0 && isSpace(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	if !strings.Contains(line, "  ") && strings.IndexByte(line, '\t') < 0 && strings.IndexByte(line, 0xc2) < 0 && strings.IndexByte(line, '\r') < 0 {
		return append(to, line...)
	}
	start := len(to)
	for i := 0; i < len(line); {
		word := i
		for i < len(line) && line[i] > ' ' && line[i] != 0xc2 {
			i++
		}
		if to = append(to, line[word:i]...); i == len(line) {
			break
		}
		switch space := len(to) == start || to[len(to)-1] == ' '; {
		case strings.HasPrefix(line[i:], "\u00a0") && !space:
			to, i = append(to, ' '), i+2
		case strings.HasPrefix(line[i:], "\u00a0"):
			i += 2
		case !isSpace(line[i]):
			to, i = append(to, line[i]), i+1
		case !space:
			to, i = append(to, ' '), i+1
		default:
			i++
		}
	}
	for len(to) > start && to[len(to)-1] == ' ' {
		to = to[:len(to)-1]
	}
	return to
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// blank reports whether a line sets blocks apart.
func blank(line []byte) bool {
	for _, c := range line {
		switch c {
		case '-', '_', '=', '*', ' ':
		default:
			return false
		}
	}
	return true
}

// shown are texts with what their pictures show for the names of these, which are new each time.
func shown(texts []string, parts []message.Part) []string {
	var names []string
	for _, p := range parts {
		if id := strings.Trim(p.Header.Get("Content-ID"), "<> \t"); id != "" && len(names) < 2*maxPictures {
			sum := sha256.Sum256(p.Content)
			names = append(names, "cid:"+id, "cid:"+hex.EncodeToString(sum[:8]))
		}
	}
	if len(names) > 0 {
		r := strings.NewReplacer(names...)
		for i := range texts {
			texts[i] = r.Replace(texts[i])
		}
	}
	return texts
}

const maxPictures = 100 // that stand in a text; of more the names count

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

// reportText is what a report says in words: its text in front of the fields for machines, and
// what the servers said.
func reportText(m *message.Message, r *report.Report) string {
	var texts []string
	new := news{}
	new.add(slices.Concat(m.Received, []string{m.MessageID, m.Header.Get("Date")})...)
	for _, p := range m.Parts() {
		switch {
		case p.Type == "message/delivery-status":
			new.fields(p.Content)
		case p.IsText() && m.ContentType.Type == "multipart/report":
			texts = append(texts, p.Read().Whole)
		case p.IsText():
			texts = append(texts, report.Told(p.Read().Whole))
		case p.Type != "message/rfc822" && p.Type != "text/rfc822-headers":
			sum := sha256.Sum256(p.Content)
			texts = append(texts, p.Filename, string(sum[:]))
		}
	}
	if r != nil {
		for _, rcpt := range r.Recipients {
			texts = append(texts, rcpt.Diagnostic)
		}
	}
	return new.left(strings.Join(texts, "\n\x00\n"))
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
// no version where the gateway is known for it: the first or last block of a text has an ID, and the
// same block came with all mail of the network, with enough subjects, for a while. For all else a
// number is part of what is said.
const (
	numberedMails = 8              // with different subjects
	numberedFor   = 24 * time.Hour // before that the ID may be what a sender wants to be read
	numberedLife  = 30 * 24 * time.Hour
	maxBlock      = 1 << 10 // bytes
)

// Numbered is the blocks of a message in which there are IDs.
type Numbered struct {
	hasher *Hasher
	m      *message.Message
	body   body
	blocks []numbered
}

// numbered is one of them.
type numbered struct {
	is, folded uint64  // as it is, and with one ID for all
	key        [8]byte // of the latter
}

// numbered finds the first and last blocks of texts that have IDs.
func (h *Hasher) numbered(m *message.Message, texts []string, b body) *Numbered {
	n := &Numbered{hasher: h, m: m, body: b}
	for _, text := range texts[:min(len(texts), maxTexts)] {
		first, last := ends(text)
		n.add(text[:first])
		if last > first {
			n.add(text[last:])
		}
	}
	if len(n.blocks) == 0 {
		return nil
	}
	return n
}

// ends is where the first block of a text ends and the last one begins, if they are not too long.
func ends(text string) (first, last int) {
	var line []byte
	began, end := false, 0
	for l := range strings.Lines(text) {
		if end > maxBlock {
			break
		}
		line = unmarked(line[:0], l)
		if is := blank(line); !is {
			began = true
		} else if began {
			first = end
			break
		}
		end += len(l)
	}
	if end == len(text) { // there is one block
		return end, end
	}
	for last, began = len(text), false; last > first && len(text)-last <= maxBlock; {
		begin := strings.LastIndexByte(text[:last-1], '\n') + 1
		line = unmarked(line[:0], text[begin:last])
		if is := blank(line); !is {
			began = true
		} else if began {
			break
		}
		last = begin
	}
	return first, last
}

func (n *Numbered) add(block string) {
	if len(block) > maxBlock {
		return
	}
	words, found := strings.Fields(block), false
	for i, w := range words {
		if isID(w) {
			words[i], found = "id", true
		}
	}
	if !found {
		return
	}
	is, folded := n.hasher.seed.blocks(block), n.hasher.seed.blocks(strings.Join(words, " "))
	if len(is) != 1 || len(folded) != 1 || slices.ContainsFunc(n.blocks, func(o numbered) bool { return o.is == is[0].print }) {
		return
	}
	key := n.hasher.hash(storm.Numbered, []string{strconv.FormatUint(folded[0].print, 36)})
	n.blocks = append(n.blocks, numbered{is[0].print, folded[0].print, key})
}

// Keys are what is known of the network's mail without such blocks, and then of each block.
func (n *Numbered) Keys(network uint64) []storm.Key {
	keys := []storm.Key{unnumbered(network)}
	for _, b := range n.blocks {
		k := unnumbered(network)
		k.Hash = b.key
		keys = append(keys, k)
	}
	return keys
}

// unnumbered is the key of a network's mail without numbered blocks.
func unnumbered(network uint64) (k storm.Key) {
	k.Kind = storm.Numbered
	binary.BigEndian.PutUint64(k.Owner[:], network)
	return k
}

// Counts are to be counted, so that the network is known for its blocks; of a nil Numbered, that there is
// mail without any.
func (n *Numbered) Counts(network uint64) []storm.Count {
	keep := storm.Limit{Keep: numberedLife}
	if n == nil {
		return []storm.Count{{Key: unnumbered(network), Limit: keep}}
	}
	var counts []storm.Count
	mark := n.hasher.Mark(skeleton(n.m.Subject))
	for _, k := range n.Keys(network)[1:] {
		counts = append(counts, storm.Count{Key: k, Limit: keep, Marks: mark})
	}
	return counts
}

// Folded is the version of the message without the IDs in blocks for which its network is known
// by the tallies of Keys; false if it is for none.
func (n *Numbered) Folded(tallies []storm.Tally) (version uint64, ok bool) {
	without := tallies[0]
	b := body{seed: n.body.seed, besides: n.body.besides}
	for _, text := range n.body.texts {
		b.texts = append(b.texts, slices.Clone(text))
	}
	for i, t := range tallies[1:] {
		known := bits.OnesCount64(t.Marks) >= numberedMails && n.m.At.Sub(t.First) >= numberedFor && (without.Seen == 0 || without.Last.Before(t.First))
		if !known {
			continue
		}
		ok = true
		for _, text := range b.texts {
			for j := range text {
				if text[j].print == n.blocks[i].is {
					text[j].print = n.blocks[i].folded
				}
			}
		}
	}
	return b.version(0, 0), ok
}
