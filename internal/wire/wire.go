// Package wire has the values of which everything in the store is made: numbers, times and texts, one
// after the other.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

var errShort = errors.New("ends too early")

// AppendTime appends a time to the nanosecond.
func AppendTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

// AppendDuration appends whole seconds in few bytes, and all else as it is.
func AppendDuration(b []byte, d time.Duration) []byte {
	if d%time.Second == 0 {
		return binary.AppendVarint(b, int64(d/time.Second)<<1)
	}
	return binary.AppendVarint(binary.AppendVarint(b, 1), int64(d))
}

// AppendString appends a text with its length.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Reader takes values off the front of Rest, which it does not keep. After the first error all are zero.
type Reader struct {
	Rest []byte
	Err  error
}

func (r *Reader) fail() { r.Rest, r.Err = nil, errShort }

// Take is the next n bytes.
func (r *Reader) Take(n int) []byte {
	if len(r.Rest) < n {
		r.fail()
		return make([]byte, min(n, 16))
	}
	v := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return v
}

// Byte is the next byte.
func (r *Reader) Byte() byte { return r.Take(1)[0] }

// Uint64 is eight bytes, the highest first.
func (r *Reader) Uint64() uint64 { return binary.BigEndian.Uint64(r.Take(8)) }

// Float is a float64 as the bits of IEEE 754.
func (r *Reader) Float() float64 { return math.Float64frombits(r.Uint64()) }

// Uvarint is an encoding/binary.Uvarint.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.Rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Varint is an encoding/binary.Varint.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.Rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Count is how many items of at least size bytes follow. It believes no more than there is room for.
func (r *Reader) Count(size int) int {
	n := r.Uvarint()
	if n > uint64(len(r.Rest)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

// Text is what AppendString wrote.
func (r *Reader) Text() string { return string(r.Take(r.Count(1))) }

// Time is what AppendTime wrote, in UTC.
func (r *Reader) Time() time.Time {
	sec, nsec := r.Varint(), r.Uvarint()
	return time.Unix(sec, int64(nsec%1e9)).UTC()
}

// Duration is what AppendDuration wrote.
func (r *Reader) Duration() time.Duration {
	x := r.Varint()
	if x&1 == 1 {
		return time.Duration(r.Varint())
	}
	return time.Duration(x>>1) * time.Second
}
