package wire

import (
	"encoding/binary"
	"testing"
	"time"
)

// TestReader reads each value back, and nothing of one that is cut off.
func TestReader(t *testing.T) {
	at := time.Date(2026, 3, 2, 8, 0, 0, 123456789, time.UTC)
	b := []byte{7}
	b = binary.BigEndian.AppendUint64(b, 1<<63|5)
	b = binary.AppendUvarint(b, 300)
	b = binary.AppendVarint(b, -300)
	b = AppendString(b, "Grüße")
	b = AppendTime(b, at)
	for _, d := range []time.Duration{0, time.Hour, -time.Second, 1, -1500 * time.Millisecond} {
		b = AppendDuration(b, d)
	}
	read := func(b []byte) (ok bool, err error) {
		r := Reader{Rest: b}
		ok = r.Byte() == 7 && r.Uint64() == 1<<63|5 && r.Uvarint() == 300 && r.Varint() == -300 && r.Text() == "Grüße" && r.Time().Equal(at)
		for _, d := range []time.Duration{0, time.Hour, -time.Second, 1, -1500 * time.Millisecond} {
			ok = r.Duration() == d && ok
		}
		return ok && len(r.Rest) == 0, r.Err
	}
	if ok, err := read(b); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	for n := range b {
		if ok, err := read(b[:n]); ok || err == nil {
			t.Errorf("the first %d of %d bytes are read: %v, %v", n, len(b), ok, err)
		}
	}
}

// TestCount believes no more than there is room for, whatever is written.
func TestCount(t *testing.T) {
	r := Reader{Rest: append(binary.AppendUvarint(nil, 1<<60), make([]byte, 100)...)}
	if n := r.Count(8); n != 0 || r.Err == nil {
		t.Errorf("%d items, %v", n, r.Err)
	}
	r = Reader{Rest: append([]byte{12}, make([]byte, 100)...)}
	if n := r.Count(8); n != 12 || r.Err != nil {
		t.Errorf("%d items, %v", n, r.Err)
	}
}
