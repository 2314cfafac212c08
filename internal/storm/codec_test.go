package storm

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func sample(copies int) Tally {
	var t Tally
	for i := range copies {
		t = Add(t, Sighting{At: start.Add(time.Duration(i) * 1234567891), Transfer: uint64(i) << 50, Client: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Class: "dsn", Subject: "Grüße", Signs: Connector | Resent,
			Network: uint64(i / 3), Saying: Saying{Versions: []uint64{uint64(i / 2), uint64(i%2) << 60}, Content: uint64(i), Parts: []Part{{9, []uint64{uint64(i), 7}}}}},
			Count{Key: Key{Owner: [8]byte{1, 2}, Kind: DSN, Hash: [8]byte{9}}, Limit: identity, Link: [8]byte{5}, Mailbox: "u1@example.test"})
	}
	t.Answer = Answer{}
	return t
}

func TestCodec(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 500} {
		want := sample(n)
		b, err := want.AppendBinary([]byte("kept"))
		if err != nil {
			t.Fatal(err)
		}
		var got Tally
		if err := got.UnmarshalBinary(b[4:]); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("after %d copies:\n got %+v\nwant %+v", n, got, want)
		}
		for i := range b[4:] {
			if err := got.UnmarshalBinary(b[4 : 4+i]); err == nil {
				t.Errorf("the first %d of %d bytes are a tally", i, len(b)-4)
			}
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, n := range []int{0, 1, 4, 40} {
		b, _ := sample(n).AppendBinary(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var a, c Tally
		if a.UnmarshalBinary(b) != nil {
			return
		}
		again, _ := a.AppendBinary(nil)
		if err := c.UnmarshalBinary(again); err != nil {
			t.Fatalf("%v of %+v", err, a)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	b.ReportAllocs()
	t := sample(2)
	var buf []byte
	for b.Loop() {
		buf, _ = t.AppendBinary(buf[:0])
		_ = t.UnmarshalBinary(buf)
	}
}
