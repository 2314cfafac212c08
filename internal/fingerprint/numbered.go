package fingerprint

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

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
		line = spaced(line[:0], unmarked(l))
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
		line = spaced(line[:0], unmarked(text[begin:last]))
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
	key := n.hasher.hash(kindGateway, []string{strconv.FormatUint(folded[0].print, 36)})
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
	k.Kind = kindGateway
	binary.BigEndian.PutUint64(k.Owner[:], network)
	return k
}

// Counts are to be counted, so that the network is known for its blocks; of a nil Numbered, that there is
// mail without any.
func (n *Numbered) Counts(network uint64) []notes.Entry {
	if n == nil {
		return []notes.Entry{{Key: unnumbered(network), Keep: numberedLife}}
	}
	var counts []notes.Entry
	bit := n.hasher.Bit(Skeleton(n.m.Subject))
	for _, k := range n.Keys(network)[1:] {
		counts = append(counts, notes.Entry{Key: k, Keep: numberedLife, Bits: bit})
	}
	return counts
}

// Folded is the version of the message without the IDs in blocks for which its network is known
// by the notes of Keys; false if it is for none.
func (n *Numbered) Folded(found []notes.Note) (version uint64, ok bool) {
	without := found[0]
	b := body{seed: n.body.seed, besides: n.body.besides}
	for _, text := range n.body.texts {
		b.texts = append(b.texts, slices.Clone(text))
	}
	for i, t := range found[1:] {
		known := bits.OnesCount64(t.Bits) >= numberedMails && n.m.At.Sub(t.First) >= numberedFor && (without.Seen == 0 || without.Last.Before(t.First))
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
