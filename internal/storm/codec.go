package storm

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"

	"breakwater/internal/wire"
)

// CodecVersion is the first byte of every stored tally, and of every note (see package notes), which has the
// same form. Those of CodecOldest, which did not have what was given, and wrote all times in full, are read, too.
const (
	CodecVersion = 3
	CodecOldest  = 2
)

// AppendBinary appends t, without its Answer, in the form that all stores keep.
func (t Tally) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, CodecVersion)
	b = append(b, t.Key.Owner[:]...)
	b = append(b, byte(t.Key.Kind))
	b = append(b, t.Key.Hash[:]...)
	b = binary.AppendVarint(b, int64(t.Limit.Copies))
	for _, d := range []time.Duration{t.Limit.Window, t.Limit.Calm, t.Limit.Keep} {
		b = wire.AppendDuration(b, d)
	}
	b = wire.AppendDuration(wire.AppendTime(b, t.First), t.Last.Sub(t.First))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(t.Level))
	b = binary.AppendUvarint(b, t.Seen)
	b = append(b, t.Link[:]...)
	b = append(b, 0) // where notes have their bits
	b = binary.AppendUvarint(b, uint64(len(t.Transfers)))
	for _, x := range t.Transfers {
		b = binary.BigEndian.AppendUint64(b, x.ID)
		b = binary.BigEndian.AppendUint64(b, x.Network)
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(x.Level))
		b = wire.AppendDuration(b, x.Last.Sub(t.First))
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
	b = wire.AppendTime(b, s.Since)
	b = binary.AppendUvarint(b, s.Copies)
	b = binary.AppendUvarint(b, s.Held)
	b = wire.AppendTime(wire.AppendTime(b, s.Passed), s.WindowStart)
	b = binary.AppendUvarint(b, uint64(s.WindowCount))
	for _, x := range []string{s.Mailbox, s.Class, s.Subject} {
		b = wire.AppendString(b, x)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Sources)))
	for _, x := range s.Sources {
		b = wire.AppendString(b, string(x.Client.AsSlice()))
		b = binary.AppendUvarint(b, x.Copies)
	}
	return append(binary.AppendUvarint(b, s.Others), byte(s.Signs))
}

// UnmarshalBinary reads what AppendBinary wrote. Nothing of b is kept.
func (t *Tally) UnmarshalBinary(b []byte) error {
	r := reader{wire.Reader{Rest: b}}
	version := r.Byte()
	if (version > CodecVersion || version < CodecOldest) && r.Err == nil {
		return fmt.Errorf("read tally: it has version %d, this breakwater reads %d to %d; above, a newer breakwater wrote it", version, CodecOldest, CodecVersion)
	}
	var n Tally
	copy(n.Key.Owner[:], r.Take(8))
	n.Key.Kind = Kind(r.Byte())
	copy(n.Key.Hash[:], r.Take(8))
	n.Limit.Copies = int(r.Varint())
	for _, d := range []*time.Duration{&n.Limit.Window, &n.Limit.Calm, &n.Limit.Keep} {
		*d = r.duration(version)
	}
	n.First = r.Time()
	n.Last = r.timeSince(n.First, version)
	n.Level = r.Float()
	n.Seen = r.Uvarint()
	copy(n.Link[:], r.Take(8))
	r.Uvarint() // of notes
	for range r.Count(17) {
		x := Transfer{ID: r.Uint64()}
		if version > 2 {
			x.Network = r.Uint64()
		}
		x.Level, x.Last = r.Float(), r.timeSince(n.First, version)
		n.Transfers = append(n.Transfers, x)
	}
	if version > 2 {
		if g := (Given{Versions: r.prints(), Blocks: r.prints(), Contents: r.prints(), Networks: r.prints()}); len(g.Versions) > 0 {
			n.Given = &g
		}
	}
	if r.Byte() == 1 {
		n.Storm = r.storm(version)
	}
	if r.Err != nil {
		return fmt.Errorf("read tally: %w", r.Err)
	}
	*t = n
	return nil
}

// reader reads tallies of all versions.
type reader struct{ wire.Reader }

func (r *reader) duration(version byte) time.Duration {
	if version == 2 {
		return time.Duration(r.Varint())
	}
	return r.Duration()
}

// timeSince reads a time that is told by how long it is after another one.
func (r *reader) timeSince(first time.Time, version byte) time.Time {
	if version == 2 {
		return r.Time()
	}
	return first.Add(r.duration(version))
}

func (r *reader) prints() (all []uint64) {
	n := r.Count(8)
	if n == 0 {
		return nil
	}
	all = make([]uint64, n)
	for i := range all {
		all[i] = r.Uint64()
	}
	return all
}

func (r *reader) storm(version byte) *Storm {
	s := &Storm{Since: r.Time(), Copies: r.Uvarint()}
	if version > 2 {
		s.Held = r.Uvarint()
	}
	s.Passed, s.WindowStart, s.WindowCount = r.Time(), r.Time(), int(r.Uvarint())
	s.Mailbox, s.Class, s.Subject = r.Text(), r.Text(), r.Text()
	for range r.Count(2) {
		client, _ := netip.AddrFromSlice([]byte(r.Text()))
		s.Sources = append(s.Sources, Source{client, r.Uvarint()})
	}
	s.Others = r.Uvarint()
	s.Signs = Signs(r.Byte())
	return s
}
