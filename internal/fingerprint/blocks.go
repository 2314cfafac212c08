package fingerprint

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"breakwater/internal/storm"
)

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
	even := !ragged(text)                           // to look once is faster than at each line
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
		if line := unmarked(text[pos:next]); even {
			all = append(all, line...)
		} else {
			all = spaced(all, line)
		}
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

// unmarked is a line without white space at its ends and the marks in front that quote it.
func unmarked(line string) string {
	for len(line) > 0 && (isSpace(line[0]) || line[0] == '>' || line[0] == '|') {
		line = line[1:]
	}
	for len(line) > 0 && isSpace(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	return line
}

// ragged reports whether there may be more white space in a text than one blank between two words and
// the ends of lines.
func ragged(text string) bool {
	return strings.Contains(text, "  ") || strings.IndexByte(text, '\t') >= 0 || strings.IndexByte(text, 0xc2) >= 0 ||
		strings.Count(text, "\r") != strings.Count(text, "\r\n")
}

// spaced appends a line with one blank for all white space between two words.
func spaced(to []byte, line string) []byte {
	if !ragged(line) {
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
