package notes

import (
	"encoding/binary"
	"fmt"
	"time"

	"breakwater/internal/storm"
	"breakwater/internal/wire"
)

// AppendBinary appends n in the form that all stores keep: that of tallies, with zeros for all that is of storms.
func (n Note) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, storm.CodecVersion)
	b = append(b, n.Key.Owner[:]...)
	b = append(b, byte(n.Key.Kind))
	b = append(b, n.Key.Hash[:]...)
	b = wire.AppendDuration(append(b, 0, 0, 0), n.Keep) // copies, window, calm
	b = wire.AppendDuration(wire.AppendTime(b, n.First), n.Last.Sub(n.First))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // level
	b = binary.AppendUvarint(b, n.Seen)
	b = append(b, n.Link[:]...)
	b = binary.AppendUvarint(b, n.Bits)
	return append(b, 0, 0, 0, 0, 0, 0), nil // transfers, what was given, storm
}

// UnmarshalBinary reads what AppendBinary wrote. Nothing of b is kept.
func (n *Note) UnmarshalBinary(b []byte) error {
	r := wire.Reader{Rest: b}
	v := r.Byte()
	if (v > storm.CodecVersion || v < storm.CodecOldest) && r.Err == nil {
		return fmt.Errorf("read note: it has version %d, this breakwater reads %d to %d; above, a newer breakwater wrote it", v, storm.CodecOldest, storm.CodecVersion)
	}
	var read Note
	copy(read.Key.Owner[:], r.Take(8))
	read.Key.Kind = storm.Kind(r.Byte())
	copy(read.Key.Hash[:], r.Take(8))
	r.Varint() // copies
	if v == 2 {
		r.Varint()
		r.Varint()
		read.Keep = time.Duration(r.Varint())
		read.First, read.Last = r.Time(), r.Time()
	} else {
		r.Duration()
		r.Duration()
		read.Keep, read.First = r.Duration(), r.Time()
		read.Last = read.First.Add(r.Duration())
	}
	r.Take(8) // level
	read.Seen = r.Uvarint()
	copy(read.Link[:], r.Take(8))
	read.Bits = r.Uvarint()
	if r.Take(2); v > 2 {
		r.Take(4)
	}
	if r.Err != nil {
		return fmt.Errorf("read note: %w", r.Err)
	}
	*n = read
	return nil
}
