package storm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// CodecVersion is the first byte of every stored tally. Those of CodecOldest, which did not have
// what was given, and wrote all times in full, are read, too.
const (
	CodecVersion = 3
	CodecOldest  = 2
)

var errShort = errors.New("ends too early")

// AppendBinary appends t, without its Answer, in the form that all stores keep.
func (t Tally) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, CodecVersion)
	b = append(b, t.Key.Owner[:]...)
	b = append(b, byte(t.Key.Kind))
	b = append(b, t.Key.Hash[:]...)
	b = binary.AppendVarint(b, int64(t.Limit.Copies))
	for _, d := range []time.Duration{t.Limit.Window, t.Limit.Calm, t.Limit.Keep} {
		b = appendDuration(b, d)
	}
	b = appendDuration(appendTime(b, t.First), t.Last.Sub(t.First))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(t.Level))
	b = binary.AppendUvarint(b, t.Seen)
	b = append(b, t.Link[:]...)
	b = binary.AppendUvarint(b, t.Marks)
	b = binary.AppendUvarint(b, uint64(len(t.Transfers)))
	for _, x := range t.Transfers {
		b = binary.BigEndian.AppendUint64(b, x.Stamp)
		b = binary.BigEndian.AppendUint64(b, x.Network)
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(x.Level))
		b = appendDuration(b, x.Last.Sub(t.First))
	}
	g := t.Given
	if g == nil {
		g = &Given{}
	}
	for _, prints := range [][]uint64{g.Versions, g.Blocks, g.Contents, g.Networks} {
		b = binary.AppendUvarint(b, uint64(len(prints)))
		for _, x := range prints {
			b = binary.BigEndian.AppendUint64(b, x)
		}
	}
	if t.Storm == nil {
		return append(b, 0), nil
	}
	return t.Storm.append(append(b, 1)), nil
}

func (s *Storm) append(b []byte) []byte {
	b = appendTime(b, s.Since)
	b = binary.AppendUvarint(b, s.Copies)
	b = binary.AppendUvarint(b, s.Held)
	b = appendTime(appendTime(b, s.Passed), s.WindowStart)
	b = binary.AppendUvarint(b, uint64(s.WindowCount))
	for _, x := range []string{s.Mailbox, s.Class, s.Subject} {
		b = appendString(b, x)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Sources)))
	for _, x := range s.Sources {
		b = appendString(b, string(x.Client.AsSlice()))
		b = binary.AppendUvarint(b, x.Copies)
	}
	return append(binary.AppendUvarint(b, s.Others), byte(s.Signs))
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

// appendDuration appends whole seconds in few bytes, and all else as it is.
func appendDuration(b []byte, d time.Duration) []byte {
	if d%time.Second == 0 {
		return binary.AppendVarint(b, int64(d/time.Second)<<1)
	}
	return binary.AppendVarint(binary.AppendVarint(b, 1), int64(d))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// UnmarshalBinary reads what AppendBinary wrote. Nothing of b is kept.
func (t *Tally) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	version := r.byte()
	if (version > CodecVersion || version < CodecOldest) && r.err == nil {
		return fmt.Errorf("read tally: it has version %d, this breakwater reads %d to %d; above, a newer breakwater wrote it", version, CodecOldest, CodecVersion)
	}
	var n Tally
	copy(n.Key.Owner[:], r.take(8))
	n.Key.Kind = Kind(r.byte())
	copy(n.Key.Hash[:], r.take(8))
	n.Limit.Copies = int(r.varint())
	for _, d := range []*time.Duration{&n.Limit.Window, &n.Limit.Calm, &n.Limit.Keep} {
		*d = r.duration(version)
	}
	n.First = r.time()
	n.Last = r.timeSince(n.First, version)
	n.Level = r.float()
	n.Seen = r.uvarint()
	copy(n.Link[:], r.take(8))
	n.Marks = r.uvarint()
	for range r.count(17) {
		x := Transfer{Stamp: r.uint64()}
		if version > 2 {
			x.Network = r.uint64()
		}
		x.Level, x.Last = r.float(), r.timeSince(n.First, version)
		n.Transfers = append(n.Transfers, x)
	}
	if version > 2 {
		if g := (Given{Versions: r.prints(), Blocks: r.prints(), Contents: r.prints(), Networks: r.prints()}); len(g.Versions) > 0 {
			n.Given = &g
		}
	}
	if r.byte() == 1 {
		n.Storm = r.storm(version)
	}
	if r.err != nil {
		return fmt.Errorf("read tally: %w", r.err)
	}
	*t = n
	return nil
}

// reader takes values off b. After the first error all are zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.b, r.err = nil, errShort
		return make([]byte, min(n, 16))
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *reader) float() float64 { return math.Float64frombits(r.uint64()) }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.err = nil, errShort
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.b, r.err = nil, errShort
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many items of at least size bytes follow, and believes no more than there is room for.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.b, r.err = nil, errShort
		return 0
	}
	return int(n)
}

func (r *reader) string() string { return string(r.take(r.count(1))) }

func (r *reader) time() time.Time {
	sec, nsec := r.varint(), r.uvarint()
	return time.Unix(sec, int64(nsec%1e9)).UTC()
}

func (r *reader) duration(version byte) time.Duration {
	if version == 2 {
		return time.Duration(r.varint())
	}
	x := r.varint()
	if x&1 == 1 {
		return time.Duration(r.varint())
	}
	return time.Duration(x>>1) * time.Second
}

// timeSince reads a time that is told by how long it is after another one.
func (r *reader) timeSince(first time.Time, version byte) time.Time {
	if version == 2 {
		return r.time()
	}
	return first.Add(r.duration(version))
}

func (r *reader) prints() (all []uint64) {
	n := r.count(8)
	if n == 0 {
		return nil
	}
	all = make([]uint64, n)
	for i := range all {
		all[i] = r.uint64()
	}
	return all
}

func (r *reader) storm(version byte) *Storm {
	s := &Storm{Since: r.time(), Copies: r.uvarint()}
	if version > 2 {
		s.Held = r.uvarint()
	}
	s.Passed, s.WindowStart, s.WindowCount = r.time(), r.time(), int(r.uvarint())
	s.Mailbox, s.Class, s.Subject = r.string(), r.string(), r.string()
	for range r.count(2) {
		client, _ := netip.AddrFromSlice([]byte(r.string()))
		s.Sources = append(s.Sources, Source{client, r.uvarint()})
	}
	s.Others = r.uvarint()
	s.Signs = Signs(r.byte())
	return s
}
