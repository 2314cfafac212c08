package notes

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"testing"
	"time"

	"breakwater/internal/storm"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 123456789, time.UTC)

// TestAdd goes through what becomes of one note.
func TestAdd(t *testing.T) {
	key := storm.Key{Kind: 32, Hash: [8]byte{1}}
	var n Note
	for _, tt := range []struct {
		name  string
		after time.Duration // start
		e     Entry
		want  Note // without its key
		first time.Duration
		last  time.Duration
	}{
		{"first", 0, Entry{Link: [8]byte{1}, Bits: 1}, Note{Seen: 1, Link: [8]byte{1}, Bits: 1}, 0, 0},
		{"again", time.Hour, Entry{Link: [8]byte{2}, Bits: 4}, Note{Seen: 2, Link: [8]byte{1}, Bits: 5}, 0, time.Hour},
		{"a little out of order", time.Hour - time.Minute, Entry{}, Note{Seen: 3, Link: [8]byte{1}, Bits: 5}, 0, time.Hour},
		{"by a clock that was set back", -time.Hour, Entry{}, Note{Seen: 4, Link: [8]byte{1}, Bits: 5}, -time.Hour, -time.Hour},
		{"at the end of its life", 23 * time.Hour, Entry{}, Note{Seen: 5, Link: [8]byte{1}, Bits: 5}, -time.Hour, 23 * time.Hour},
		{"forgotten", 47*time.Hour + 1, Entry{Link: [8]byte{3}}, Note{Seen: 1, Link: [8]byte{3}}, 47*time.Hour + 1, 47*time.Hour + 1},
		{"reset", 48 * time.Hour, Entry{Link: [8]byte{4}, Bits: 2, Reset: true}, Note{Seen: 1, Link: [8]byte{4}, Bits: 2}, 48 * time.Hour, 48 * time.Hour},
	} {
		tt.e.Key, tt.e.Keep = key, 24*time.Hour
		tt.want.Key, tt.want.Keep, tt.want.First, tt.want.Last = key, 24*time.Hour, start.Add(tt.first), start.Add(tt.last)
		before := n
		if n = Add(n, start.Add(tt.after), tt.e); n != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v\nfrom %+v", tt.name, n, tt.want, before)
		}
	}
}

func TestCodec(t *testing.T) {
	for _, want := range []Note{
		{},
		{Key: storm.Key{Owner: [8]byte{1}, Kind: 65, Hash: [8]byte{2}}, Keep: 36 * time.Hour, First: start, Last: start.Add(time.Hour + 1), Seen: 300, Link: [8]byte{7}, Bits: 1 << 63},
		{Key: storm.Key{Kind: 32}, Keep: 1500 * time.Millisecond, First: start, Last: start, Seen: 1},
	} {
		b, err := want.AppendBinary([]byte("kept"))
		if err != nil {
			t.Fatal(err)
		}
		var got Note
		if err := got.UnmarshalBinary(b[4:]); err != nil || got.First.Sub(want.First) != 0 || got.Last.Sub(want.Last) != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		if got.First, got.Last = want.First, want.Last; got != want {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
		for i := range b[4:] {
			if err := got.UnmarshalBinary(b[4 : 4+i]); err == nil {
				t.Errorf("the first %d of %d bytes are a note", i, len(b)-4)
			}
		}
		var tally storm.Tally
		if err := tally.UnmarshalBinary(b[4:]); err != nil || tally.Key != want.Key || tally.Storm != nil {
			t.Errorf("a note has not the form of a tally: %v", err)
		}
	}
}

// TestKept reads the notes among the values of a store of the version before, when they were tallies, and writes
// each as it was.
func TestKept(t *testing.T) {
	f, err := os.Open("../engine/testdata/store-3.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[storm.Kind]int{}
	for r := bufio.NewReader(z); ; {
		key := make([]byte, 17)
		if _, err := io.ReadFull(r, key); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		size, err := binary.ReadUvarint(r)
		if err != nil {
			t.Fatal(err)
		}
		value := make([]byte, size)
		if _, err := io.ReadFull(r, value); err != nil {
			t.Fatal(err)
		}
		kind := storm.Kind(key[8])
		if !Of(kind) {
			continue
		}
		kinds[kind]++
		var n Note
		if err := n.UnmarshalBinary(value); err != nil || n.Seen == 0 || n.Key.Kind != kind {
			t.Fatalf("%+v, %v", n, err)
		}
		if again, _ := n.AppendBinary(nil); !bytes.Equal(again, value) {
			t.Fatalf("of kind %d:\n got %x\nwant %x", kind, again, value)
		}
	}
	for _, k := range []storm.Kind{32, 33, 34, 35, 65, 66, 67, 68} {
		if kinds[k] == 0 {
			t.Errorf("none of kind %d", k)
		}
	}
}

// TestVersion2 reads a note in the form that version 2 wrote: times in full, durations in nanoseconds.
func TestVersion2(t *testing.T) {
	b := append([]byte{2}, make([]byte, 8)...)
	b = append(append(b, 65), make([]byte, 8)...)
	b = append(b, 0, 0, 0)
	b = binary.AppendVarint(b, int64(time.Hour))
	for _, at := range []time.Time{start, start.Add(time.Minute)} {
		b = binary.AppendUvarint(binary.AppendVarint(b, at.Unix()), uint64(at.Nanosecond()))
	}
	b = append(b, make([]byte, 8)...)
	b = binary.AppendUvarint(b, 3)
	b = append(b, 5, 0, 0, 0, 0, 0, 0, 0)
	b = append(binary.AppendUvarint(b, 6), 0, 0)
	var n Note
	want := Note{Key: storm.Key{Kind: 65}, Keep: time.Hour, First: start, Last: start.Add(time.Minute), Seen: 3, Link: [8]byte{5}, Bits: 6}
	if err := n.UnmarshalBinary(b); err != nil || n != want {
		t.Errorf("%+v, %v", n, err)
	}
	if err := n.UnmarshalBinary(append([]byte{4}, b[1:]...)); err == nil {
		t.Error("version 4 is read")
	}
}

func FuzzUnmarshal(f *testing.F) {
	b, _ := Note{Key: storm.Key{Kind: 65}, Keep: time.Hour, First: start, Last: start, Seen: 3, Bits: 6}.AppendBinary(nil)
	f.Add(b)
	f.Add(append([]byte{2}, b[1:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a, c Note
		if a.UnmarshalBinary(b) != nil {
			return
		}
		again, _ := a.AppendBinary(nil)
		if err := c.UnmarshalBinary(again); err != nil {
			t.Fatalf("%v of %+v", err, a)
		}
	})
}
