package fingerprint

import (
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A text is read as words, so that what gateways do to it does not show: case, white space,
// line ends and punctuation are left out. In scripts without spaces each three characters in a
// row are a word. Right-to-left text is read as it is stored, without marks of direction and of
// vowels. Letters with accents and signs such as € and ½ get lost with a charset: texts are
// near without them, but do not say the same. Many a name differs in no more than an accent.

const (
	shingle  = 5       // words
	maxWords = 1 << 15 // of a message; longer texts are not compared, and not read any further
	longWord = 32      // characters; a longer one is no word
)

// seed makes word hashes those of one secret. Hashes are polynomials modulo 2^61-1 in secret
// points: whoever does not know these cannot choose words or texts that collide, or that have
// small hashes, with more than a chance of the length of the text in 2^61.
type seed struct{ word, shingle, last, order uint64 }

const prime = 1<<61 - 1

// mul is a×b modulo prime, a and b below 2^62.
func mul(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	sum := lo&prime + (lo>>61 | hi<<3)
	return sum&prime + sum>>61
}

func newSeed(secret [4]uint64) seed {
	s := seed{word: secret[0]%(prime-2) + 2, shingle: secret[1]%(prime-2) + 2, order: secret[2]}
	s.last = 1
	for range shingle {
		s.last = mul(s.last, s.shingle)
	}
	return s
}

// mix spreads a keyed value over 64 bits.
func (s *seed) mix(x uint64) uint64 {
	x ^= s.order
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return x ^ x>>32
}

// class says what a byte is in a text.
const (
	space = iota
	letter
	mark  // makes a word a number, address or token
	drop  // left out of words
	frail // likewise, but tells what is said
	other // not ASCII
)

var classes = func() (t [256]byte) {
	for c := range t {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80:
			t[c] = letter
		case '0' <= c && c <= '9', strings.IndexByte("@/_=+%$#", byte(c)) >= 0:
			t[c] = mark
		case c == '?', c == '\'':
			t[c] = drop
		case c >= 0x80:
			t[c] = other
		}
	}
	return t
}()

// chars are the characters of a word under way.
type chars struct {
	hash, chunk uint64
	bits, n     int
	frail       uint64 // a hash of those that are, also of such as stand alone before the word
}

func (c *chars) push(s *seed, r uint64, bits int) {
	if c.bits += bits; c.bits > 56 {
		c.hash, c.chunk, c.bits = mul(c.hash, s.word)+c.chunk, 0, bits
	}
	c.chunk = c.chunk<<bits | r
	c.n++
}

// reader reads the texts of a message.
type reader struct {
	*seed
	digest
	seen *table // shingles
	last window
	row  uint64 // the last characters in a script without spaces
	word chars
	// folded says that the word is a number, an address or a token: what may differ in
	// near-duplicates. plain is how many words in a row are none.
	folded bool
	plain  int
}

// read reads one text.
func (r *reader) read(text string) {
	r.last, r.row, r.plain = window{}, 0, 0
	for i := 0; i < len(text) && !r.cut; {
		b := text[i]
		class := classes[b]
		if class == letter {
			r.word.push(r.seed, uint64(b|0x20), 8)
			i, r.row = i+1, 0
			continue
		}
		// Most letters of other alphabets, and most of Chinese, for speed.
		if class == other && b < 0xe0 && i+1 < len(text) {
			if a := alphabets[int(b&0x1f)<<6|int(text[i+1]&0x3f)]; a.class == letter {
				r.word.push(r.seed, uint64(a.fold), 21)
				i, r.row = i+2, 0
				continue
			}
		}
		if 0xe4 <= b && b <= 0xe9 && i+2 < len(text) {
			if c := uint64(b&0xf)<<12 | uint64(text[i+1]&0x3f)<<6 | uint64(text[i+2]&0x3f); c >= 0x4e00 {
				r.end()
				r.ideograph(c)
				i += 3
				continue
			}
		}
		c, size := rune(b), 1
		if class == other {
			c, size = decode(text[i:])
			if c < rune(len(alphabets)) {
				c, class = rune(alphabets[c].fold), alphabets[c].class
			} else {
				c, class = classOf(c)
			}
		}
		i += size
		if b == '-' {
			class = dash(r.word.n, text[i:])
		}
		switch class {
		case letter, mark:
			bits := 21
			if c < utf8.RuneSelf {
				bits = 8
			}
			r.word.push(r.seed, uint64(c), bits)
			r.row, r.folded = 0, r.folded || class == mark
		case frail:
			r.word.frail = mul(r.word.frail, r.seed.word) + uint64(c)
		case space:
			r.end()
		case other:
			r.end()
			r.ideograph(uint64(c))
		}
	}
	r.end()
	if r.word.frail != 0 {
		r.take(0)
	}
}

// dash says what a dash is that stands behind some characters of a word and before a text.
func dash(behind int, before string) byte {
	next := byte(space)
	if before != "" {
		next = classes[before[0]]
	}
	switch {
	case behind == 0 && next == mark:
		return mark // the sign of a number
	case behind > 0 && (next == space || next == drop):
		return frail // of a mark, such as A-
	}
	return space
}

// ideograph takes the word that ends with c, in a script without spaces.
func (r *reader) ideograph(c uint64) {
	r.row = r.row<<21 | c
	r.take(r.row & (prime >> 1))
}

// end ends a word, if there is one under way.
func (r *reader) end() {
	if r.word.n > 0 {
		r.endWord()
	}
}

func (r *reader) endWord() {
	w := &r.word
	hash := w.chunk
	if w.hash != 0 {
		hash += mul(w.hash, r.seed.word)
	}
	r.folded = r.folded || w.n > longWord
	r.take(mul(hash, r.seed.word) + uint64(w.n))
	*w, r.folded = chars{}, false
}

// take takes a word by its hash, which is below 2^62.
func (r *reader) take(hash uint64) {
	if r.words++; r.words > maxWords {
		r.cut = true
		return
	}
	if r.plain++; r.folded {
		r.plain = 0
	}
	x := r.mix(r.last.add(r.seed, hash))
	said := x
	if r.word.frail != 0 {
		said, r.word.frail = r.mix(x+r.word.frail), 0
	}
	if !r.seen.add(said) {
		return
	}
	r.sum += said
	switch {
	case r.plain < shingle:
	case len(r.least) < smallest:
		if r.least = append(r.least, x); len(r.least) == smallest {
			for i := smallest/2 - 1; i >= 0; i-- {
				sink(r.least, i, r.least[i])
			}
		}
	case x < r.least[0]:
		sink(r.least, 0, x)
	}
}

// decode is utf8.DecodeRuneInString, faster for what is known to be UTF-8.
func decode(s string) (r rune, size int) {
	switch b := s[0]; {
	case b < 0xe0 && len(s) > 1:
		return rune(b&0x1f)<<6 | rune(s[1]&0x3f), 2
	case b < 0xf0 && len(s) > 2:
		return rune(b&0xf)<<12 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return utf8.DecodeRuneInString(s)
}

// classOf says what a character that is not ASCII is in a text, and what it is read as.
func classOf(r rune) (rune, byte) {
	switch {
	case r < 0x250 && r != 0xa0, 0x1e00 <= r && r < 0x2000: // Latin and, above that, Greek with accents
		return signOf(r)
	case 0x410 <= r && r <= 0x42f:
		return r + 0x20, letter
	case 0x430 <= r && r <= 0x44f, 0xac00 <= r && r <= 0xd7a3:
		return r, letter
	case 0x4e00 <= r && r < 0xa000, spaceless(r):
		return r, other
	case 0x2190 <= r && r < 0x3000, 0x1f000 <= r && r < 0x20000: // arrows, ticks, crosses, emoji
		return r, mark
	case 0xff01 <= r && r <= 0xff5e: // ASCII at the width of CJK
		r -= 0xfee0
		return unicode.ToLower(r), classes[r]
	case r == 0x640 || 0x591 <= r && r <= 0x5c7 || 0x64b <= r && r <= 0x65f: // strokes and vowels
		return r, drop
	case unicode.IsDigit(r):
		return r, mark
	case unicode.IsLetter(r) || unicode.Is(unicode.Mc, r) || unicode.Is(unicode.Mn, r):
		return unicode.ToLower(r), letter
	case unicode.IsSpace(r):
		return r, space
	}
	return signOf(r)
}

// signOf is classOf for what is no letter of a word.
func signOf(r rune) (rune, byte) {
	if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.In(r, unicode.Sc, unicode.Sm, unicode.So) {
		return unicode.ToLower(r), frail
	}
	return r, drop
}

// alphabets is what classOf says of the characters of most alphabets, for speed.
var alphabets = func() (t [0x1000]struct {
	fold  uint16
	class byte
}) {
	for r := range t {
		fold, class := classOf(rune(r))
		t[r].fold, t[r].class = uint16(fold), class
	}
	return t
}()

// spaceless reports whether r is of a script that writes no spaces between words.
func spaceless(r rune) bool {
	switch {
	case r < 0xe00 || 0xac00 <= r && r < 0xf900:
		return false
	case r < 0xf00, // Thai, Lao
		0x1000 <= r && r < 0x10a0, 0x1780 <= r && r < 0x1800, // Myanmar, Khmer
		0x3041 <= r && r < 0x3100, 0x3400 <= r && r < 0x4dc0, 0x4e00 <= r && r < 0xa000, // kana, Han
		0xf900 <= r && r < 0xfb00, 0xff66 <= r && r < 0xff9e, 0x20000 <= r && r < 0x40000:
		return true
	}
	return false
}

// digest is what is kept of the texts of a message.
type digest struct {
	sum   uint64   // of all distinct shingles: the same for texts that say the same
	least []uint64 // the smallest hashes of shingles without numbers and the like, ascending
	words int
	cut   bool // there are more than maxWords
}

var tables = sync.Pool{New: func() any { return new(table) }}

// digest reads texts, apart from each other: no shingle is of two.
func (s *seed) digest(texts []string) digest {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	r := reader{seed: s, digest: digest{least: make([]uint64, 0, smallest)}, seen: tables.Get().(*table)}
	defer tables.Put(r.seen)
	r.seen.reset(min(size/2, maxWords)) // a word and the space behind it
	for _, t := range texts {
		r.read(t)
	}
	slices.Sort(r.least)
	r.least = slices.Compact(r.least)
	return r.digest
}

// window is the last words of a text.
type window struct {
	ring [shingle]uint64
	next int // in ring: the word that leaves the window next
	hash uint64
}

// add moves on by a word, and returns the hash of the last ones, or of all if they are fewer.
func (w *window) add(s *seed, word uint64) uint64 {
	// hash×shingle - left×last + word, modulo prime.
	left := w.ring[w.next]
	hi, lo := bits.Mul64(w.hash, s.shingle)
	hi2, lo2 := bits.Mul64(prime<<1-left, s.last)
	lo, carry := bits.Add64(lo, lo2, 0)
	hi += hi2 + carry
	sum := lo&prime + (lo>>61 | hi<<3) + word
	if sum = sum&prime + sum>>61; sum >= prime {
		sum -= prime // the same whatever came before
	}
	w.hash, w.ring[w.next] = sum, word
	if w.next++; w.next == shingle {
		w.next = 0
	}
	return sum
}

// sink puts x into a heap, the largest first, in the place of what is at i.
func sink(heap []uint64, i int, x uint64) {
	for child := 2*i + 1; child < len(heap); child = 2*i + 1 {
		if right := child + 1; right < len(heap) && heap[right] > heap[child] {
			child = right
		}
		if heap[child] <= x {
			break
		}
		heap[i], i = heap[child], child
	}
	heap[i] = x
}

// table is a set of hashes, of which it keeps a half: that two are taken for one is unlikely,
// and makes texts differ if anything.
type table []uint32

// reset empties t and makes room for n hashes.
func (t *table) reset(n int) {
	size := 1 << bits.Len(uint(n+n/3+8))
	if cap(*t) < size {
		*t = make(table, size)
		return
	}
	*t = (*t)[:size]
	clear(*t)
}

// add reports whether x is new.
func (t table) add(x uint64) bool {
	half := uint32(x>>32) | 1 // 0 is an empty slot
	for i := x & uint64(len(t)-1); ; i = (i + 1) & uint64(len(t)-1) {
		switch t[i] {
		case half:
			return false
		case 0:
			t[i] = half
			return true
		}
	}
}
