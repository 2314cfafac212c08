package archive

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"
)

const (
	maxBase  = 8 << 20  // bytes of the longest message that others are kept as differences to
	maxBases = 32 << 20 // bytes of all bases that are remembered

	// The fast encoder finds what is alike in up to so many bytes; a slower one takes more.
	fastBase = 128 << 10

	unlike = 16 // times as long, a base is no use: it costs more time than it saves room

	block      = 4 << 10 // bytes of a disk that are lost together
	spareEvery = 4 << 20 // bytes of a segment between spares of one base

	dictID = 1 // in the frames; which base it is stands in the record's head
)

// base is a record of the segment in hand that others of its family differ little from.
type base struct {
	record           record
	strings, message []byte // as they were before compression
	at               int64  // where the record is
	spared           int64  // where its newest spare ends; 0: there is none
}

func (b *base) size() int { return len(b.strings) + len(b.message) + headSize }

func (b *base) end() int64 { return b.at + b.record.head.length() }

// apart is where the first block begins that holds nothing of the base.
func (b *base) apart() int64 { return (b.end() + block - 1) / block * block }

// packer makes the records of one segment. The first copy of a family is its base, written
// whole, and once more, now and then: were it lost, all would be. No difference lies in
// another block than its base unless there is a spare in a third one, so that the loss of
// one block is the loss of no copy outside it.
type packer struct {
	at     int64            // of the next record in the segment
	bases  map[string]*base // by family
	recent []string         // families, oldest first
	size   int              // of all bases

	plain   *zstd.Encoder
	strings *zstd.Encoder // with the dictionary of current
	message *zstd.Encoder // likewise
	slow    *zstd.Encoder // likewise, for a long base; nil if there was none
	current *base
}

func newPacker() (*packer, error) {
	p := &packer{bases: map[string]*base{}}
	for _, enc := range []**zstd.Encoder{&p.plain, &p.strings, &p.message} {
		var err error
		if *enc, err = newEncoder(zstd.SpeedFastest, 1<<20); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// newEncoder compresses with little memory: most copies are of a few kilobytes.
func newEncoder(level zstd.EncoderLevel, window int) (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
}

// reset forgets all bases: the next record begins a segment.
func (p *packer) reset() {
	clear(p.bases)
	p.at = 0
	p.recent, p.size, p.current, p.slow = nil, 0, nil, nil
}

// pack makes the record of a copy, and before it a spare of its base where one is due.
// Copies of one family are alike; those of the family "" are like no other.
func (p *packer) pack(i id, e entry) ([]record, error) {
	strings, message := appendCopy(nil, e.copy), e.raw
	r := record{states: e.states, head: head{id: i, recipients: uint32(len(e.states)), size: uint32(len(message)), sha: e.sha}}
	b := p.bases[e.family]
	if b == nil || len(message) < len(b.message)/unlike || p.tooNear(b) {
		r.fill(p.plain.EncodeAll(strings, nil), p.plain.EncodeAll(message, nil))
		if b == nil && e.family != "" && len(strings)+len(message) <= maxBase {
			p.remember(e.family, &base{record: r, strings: strings, message: bytes.Clone(message), at: p.at})
		}
		return p.place(r), nil
	}
	if err := p.differ(b); err != nil {
		return nil, err
	}
	r.head.base = b.record.head.id
	enc := p.message
	if p.slow != nil {
		enc = p.slow
	}
	r.fill(p.strings.EncodeAll(strings, nil), enc.EncodeAll(message, nil))
	if !p.spareDue(b) {
		return p.place(r), nil
	}
	spare := b.record
	spare.head.base = spare.head.id
	b.spared = p.at + spare.head.length()
	return p.place(spare, r), nil
}

func (p *packer) place(records ...record) []record {
	for _, r := range records {
		p.at += r.head.length()
	}
	return records
}

// tooNear reports whether a difference to b would be lost with a block that it does not lie in: b has
// no spare, ends in this block and begins in another.
func (p *packer) tooNear(b *base) bool {
	return b.spared == 0 && p.at < b.apart() && b.at/block != (b.end()-1)/block
}

// spareDue reports whether b is to be written once more.
func (p *packer) spareDue(b *base) bool {
	if b.spared == 0 {
		return p.at >= b.apart()
	}
	return p.at-b.spared > max(spareEvery, 8*b.record.head.length())
}

func (r *record) fill(strings, message []byte) {
	r.strings, r.message = strings, message
	r.head.strings, r.head.message = uint32(len(strings)), uint32(len(message))
	r.head.stringsSum, r.head.messageSum = sum(strings), sum(message)
}

// remember keeps a base in memory, and gives up the oldest ones for it: their families
// begin anew when they come again.
func (p *packer) remember(family string, b *base) {
	for p.size += b.size(); p.size > maxBases && len(p.recent) > 0; p.recent = p.recent[1:] {
		p.size -= p.bases[p.recent[0]].size()
		delete(p.bases, p.recent[0])
	}
	p.bases[family] = b
	p.recent = append(p.recent, family)
}

// differ makes the encoders write differences to b.
func (p *packer) differ(b *base) error {
	if p.current == b {
		return nil
	}
	p.current, p.slow = nil, nil
	err := p.strings.ResetWithOptions(nil, zstd.WithEncoderDictRaw(dictID, b.strings))
	if len(b.message) <= fastBase {
		err = errors.Join(err, p.message.ResetWithOptions(nil, zstd.WithEncoderDictRaw(dictID, b.message)))
	} else {
		var serr error
		p.slow, serr = newEncoder(zstd.SpeedBetterCompression, 1<<bits.Len(uint(2*len(b.message))))
		if serr == nil {
			serr = p.slow.ResetWithOptions(nil, zstd.WithEncoderDictRaw(dictID, b.message))
		}
		err = errors.Join(err, serr)
	}
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	p.current = b
	return nil
}

// unpacker reads the records of one segment.
type unpacker struct {
	segment
	dec      *zstd.Decoder
	bases    []baseAt // by ID, spares first; nil until one is asked for
	messages baseMemory
	strings  baseMemory
	size     int // of what is remembered of bases
}

// baseAt is where a record is that may be a base.
type baseAt struct {
	id   id
	rank int // 0 for a spare
	at   int64
}

// baseMemory is what is known of bases: one half of them, and which cannot be read.
type baseMemory struct {
	got  map[id][]byte
	lost map[id]error
}

func newBaseMemory() baseMemory { return baseMemory{map[id][]byte{}, map[id]error{}} }

func newUnpacker(s segment) (*unpacker, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(2*MaxMessage), zstd.WithDecoderMaxMemory(2*MaxMessage))
	if err != nil {
		return nil, err
	}
	return &unpacker{segment: s, dec: dec, messages: newBaseMemory(), strings: newBaseMemory()}, nil
}

func (u *unpacker) close() { u.dec.Close() }

// decode undoes the compression of a piece of a record.
func (u *unpacker) decode(p place, packed []byte, want uint32, dict func() ([]byte, error)) ([]byte, error) {
	if sum(packed) != want {
		return nil, ErrDamaged
	}
	option := zstd.WithDecoderDictDelete()
	if p.head.delta() {
		d, err := dict()
		if err != nil {
			return nil, fmt.Errorf("the copy that it was like: %w", err)
		}
		option = zstd.WithDecoderDictRaw(dictID, d)
	}
	if err := u.dec.ResetWithOptions(nil, option); err != nil {
		return nil, err
	}
	b, err := u.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return b, nil
}

// stringsAt reads the copy of a record as strings, and what became of its recipients.
func (u *unpacker) stringsAt(p place) (strings []byte, states []state, err error) {
	b := make([]byte, int64(p.head.recipients)+int64(p.head.strings))
	if err := u.readAt(b, p.at+headSize); err != nil {
		return nil, nil, err
	}
	states, b = b[:p.head.recipients], b[p.head.recipients:]
	strings, err = u.decode(p, b, p.head.stringsSum, func() ([]byte, error) {
		return u.ofBase(u.strings, p.head.base, func(p place) ([]byte, error) {
			b, _, err := u.stringsAt(p)
			return b, err
		})
	})
	if err != nil {
		return nil, nil, u.damage(p.at, err)
	}
	return strings, states, nil
}

// copyAt reads the copy of a record, without its message.
func (u *unpacker) copyAt(p place) (Copy, []state, error) {
	b, states, err := u.stringsAt(p)
	if err != nil {
		return Copy{}, nil, err
	}
	c, err := p.head.parseCopy(b)
	if err != nil {
		return Copy{}, nil, u.damage(p.at, err)
	}
	return c, states, nil
}

// messageAt reads the message of a record, and checks it.
func (u *unpacker) messageAt(p place) ([]byte, error) {
	b := make([]byte, p.head.message)
	if err := u.readAt(b, p.end()-int64(p.head.message)); err != nil {
		return nil, err
	}
	raw, err := u.decode(p, b, p.head.messageSum, func() ([]byte, error) { return u.ofBase(u.messages, p.head.base, u.messageAt) })
	if err == nil && (uint32(len(raw)) != p.head.size || sha256.Sum256(raw) != p.head.sha) {
		err = ErrDamaged
	}
	if err != nil {
		return nil, u.damage(p.at, err)
	}
	return raw, nil
}

func (u *unpacker) readAt(b []byte, at int64) error {
	if _, err := u.r.ReadAt(b, at); err != nil && !(errors.Is(err, io.EOF) && len(b) == 0) {
		return u.damage(at, err)
	}
	return nil
}

// ofBase is what read gets of a base: of its spares, or where they are damaged of itself. A base
// that cannot be read is tried once.
func (u *unpacker) ofBase(known baseMemory, base id, read func(place) ([]byte, error)) ([]byte, error) {
	if b, ok := known.got[base]; ok {
		return b, nil
	}
	if err := known.lost[base]; err != nil {
		return nil, err
	}
	err := error(ErrDamaged)
	for p := range u.places(base) {
		var b []byte
		if b, err = read(p); err == nil {
			if u.size += len(b); u.size > maxBases {
				clear(u.messages.got)
				clear(u.strings.got)
				u.size = len(b)
			}
			known.got[base] = b
			return b, nil
		}
	}
	known.lost[base] = err
	return nil, err
}

// places yields where a base is: its spares, and then itself.
func (u *unpacker) places(base id) iter.Seq[place] {
	return func(yield func(place) bool) {
		if u.bases == nil { // one look at all heads
			u.bases = []baseAt{}
			for p, err := range u.records() {
				if err == nil && !p.head.delta() {
					at := baseAt{p.head.id, 1, p.at}
					if p.head.spare() {
						at.rank = 0
					}
					u.bases = append(u.bases, at)
				}
			}
			slices.SortStableFunc(u.bases, func(a, b baseAt) int {
				return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.rank, b.rank))
			})
		}
		first, _ := slices.BinarySearchFunc(u.bases, base, func(b baseAt, i id) int { return cmp.Compare(b.id, i) })
		for _, b := range u.bases[first:] {
			if b.id != base {
				return
			}
			if h, ok, _ := u.headAt(b.at); ok && !yield(place{h, b.at}) {
				return
			}
		}
	}
}

// copies yields the copies of the segment: each once, though a base is there twice. A base
// that is damaged is reported, and comes from its spare.
func (u *unpacker) copies(read func(place) (Message, error)) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		got := map[id]bool{} // bases, and what may be one
		for p, err := range u.records() {
			var m Message
			if err == nil && p.head.spare() && got[p.head.id] {
				continue
			}
			if err == nil {
				m, err = read(p)
			}
			if err == nil && !p.head.delta() {
				got[p.head.id] = true
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// outline reads a record without its message. What is to be erased has no recipients.
func (u *unpacker) outline(p place) (Message, error) {
	c, states, err := u.copyAt(p)
	if err != nil {
		return Message{}, err
	}
	c.Recipients = living(c.Recipients, states)
	return Message{Copy: c, segment: u.name, place: p}, nil
}

// living leaves out the recipients who are forgotten.
func living(rs []Recipient, states []state) []Recipient {
	var left []Recipient
	for i, r := range rs {
		r.Released = states[i] == released
		if states[i] != forgotten {
			left = append(left, r)
		}
	}
	return left
}

// whole reads a record with its message.
func (u *unpacker) whole(p place) (Message, error) {
	m, err := u.outline(p)
	if err == nil {
		m.Raw, err = u.messageAt(p)
	}
	if err != nil {
		return Message{}, err
	}
	return m, nil
}
