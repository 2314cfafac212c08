// Package seal is HMAC-SHA-256 (RFC 2104) over lists of texts. Each text is behind its length and the list is behind a
// domain, so that no two lists, and no lists of two domains, are sealed alike.
package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strconv"
	"sync"
)

// Length appends a length to b in a form in which no length begins another. What has been sealed once has to be sealed
// in the same form ever after: new domains take Uvarint.
type Length func(b []byte, n int) []byte

// Uvarint is the form of encoding/binary.
func Uvarint(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// Decimal is digits and a colon.
func Decimal(b []byte, n int) []byte { return append(strconv.AppendInt(b, int64(n), 10), ':') }

// Fixed is a zero byte and four bytes, the highest first.
func Fixed(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(append(b, 0), uint32(n)) }

// Sealer seals with one secret. It is safe for concurrent use.
type Sealer struct {
	length Length
	macs   sync.Pool // of *keyed
}

// keyed is an HMAC with its key, which is half of the work of a short one, and room for what it is of.
type keyed struct {
	mac hash.Hash
	buf []byte
}

// New returns a Sealer.
func New(secret []byte, length Length) *Sealer {
	secret = slices.Clone(secret)
	return &Sealer{length: length, macs: sync.Pool{New: func() any { return &keyed{mac: hmac.New(sha256.New, secret)} }}}
}

// Sum seals texts in a domain.
func (s *Sealer) Sum(domain string, texts ...string) (sum [sha256.Size]byte) {
	m := s.macs.Get().(*keyed)
	defer s.macs.Put(m)
	m.buf = append(m.buf[:0], domain...)
	for _, t := range texts {
		m.buf = append(s.length(m.buf, len(t)), t...)
	}
	m.mac.Reset()
	m.mac.Write(m.buf)
	m.buf = m.mac.Sum(m.buf[:0])
	copy(sum[:], m.buf)
	return sum
}

// Equal compares what was sealed, in a time that does not depend on where it differs.
func Equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
