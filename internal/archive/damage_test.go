package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// written is a folder with one segment, finished or as a killed process leaves it.
func written(t *testing.T, n int, finished bool) (file string, places []place, all []string) {
	t.Helper()
	a := openTest(t, t.TempDir(), Options{})
	for i := range n {
		all = append(all, mustPut(t, a, sample(i), mail(100*i%700)))
	}
	if finished {
		closeTest(t, a)
	}
	name := must(segmentNames(a.dir))[0]
	file = filepath.Join(t.TempDir(), name)
	b := must(os.ReadFile(filepath.Join(a.dir, name)))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for p, err := range (segment{name, bytes.NewReader(b), int64(len(b))}).records() {
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, p)
	}
	if len(places) != n {
		t.Fatalf("%d records, want %d", len(places), n)
	}
	return file, places, all
}

func flip(t *testing.T, file string, offsets ...int64) {
	t.Helper()
	b := must(os.ReadFile(file))
	for _, at := range offsets {
		b[at] ^= 0x20
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamage damages one record of several: it is reported, the others are there, before
// and after the daemon has opened the archive.
func TestDamage(t *testing.T) {
	const victim = 2
	for _, finished := range []bool{true, false} {
		for _, tt := range []struct {
			name   string
			offset func(p place) int64
			listed bool // All does not read messages
		}{
			{"magic", func(p place) int64 { return p.at }, false},
			{"length", func(p place) int64 { return p.at + 17 }, false},
			{"sum", func(p place) int64 { return p.at + headSize - 1 }, false},
			{"copy", func(p place) int64 { return p.at + headSize + int64(p.head.recipients) + 5 }, false},
			{"message", func(p place) int64 { return p.end() - 1 }, true},
		} {
			t.Run(fmt.Sprint(tt.name, finished), func(t *testing.T) {
				file, places, all := written(t, 5, finished)
				flip(t, file, tt.offset(places[victim]))
				want := all
				if !tt.listed {
					want = slices.Delete(slices.Clone(all), victim, victim+1)
				}
				check := func() {
					t.Helper()
					got, problems := ids(t, filepath.Dir(file))
					if !slices.Equal(got, want) {
						t.Errorf("%v, want %v", got, want)
					}
					if !tt.listed && (len(problems) != 1 || !errors.Is(problems[0], ErrDamaged) ||
						!strings.Contains(problems[0].Error(), fmt.Sprintf("%s, offset %d:", filepath.Base(file), places[victim].at))) {
						t.Errorf("reported: %v", problems)
					}
					r := Reader{filepath.Dir(file)}
					for i, id := range all {
						_, _, err := r.Read(id)
						if i == victim && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprint("offset ", places[i].at))) || i != victim && err != nil {
							t.Errorf("read record %d: %v", i, err)
						}
					}
				}
				check()
				a := openTest(t, filepath.Dir(file), Options{})
				check()
				all = append(all, mustPut(t, a, sample(9), mail(10)))
				want = append(want, all[5])
				check()
			})
		}
	}
}

// TestTornTail cuts a segment at each length: what was whole is there and nothing is
// reported; the next Open cuts off the rest, and says so.
func TestTornTail(t *testing.T) {
	for _, tt := range []struct{ records, step, tail int }{
		{3, 7, 0},
		{40, sector, 5000}, // the file is longer, but the sectors were not written
	} {
		file, places, all := written(t, tt.records, false)
		whole := must(os.ReadFile(file))
		dir := filepath.Dir(file)
		tail := tt.tail
		for length := len(whole) / tt.step * tt.step; length >= 0; length -= tt.step {
			b := append(slices.Clone(whole[:length]), make([]byte, tail)...)
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			n := 0
			for n < len(places) && places[n].end() <= int64(length) {
				n++
			}
			var said bytes.Buffer
			a := openTest(t, dir, Options{Log: textLog(&said)})
			got, problems := ids(t, dir)
			if !slices.Equal(got, all[:n]) || problems != nil {
				t.Fatalf("cut at %d, %d zeros: %d copies, want %d; %v", length, tail, len(got), n, problems)
			}
			cut := n == 0 && len(b) > 0 || n > 0 && int64(len(b)) > places[n-1].end()
			if strings.Contains(said.String(), "torn tail") != cut {
				t.Errorf("cut at %d, %d zeros: logged %q", length, tail, &said)
			}
			id := mustPut(t, a, sample(1), mail(10))
			closeTest(t, a)
			if got, problems := ids(t, dir); !slices.Equal(got, append(slices.Clone(all[:n]), id)) || problems != nil {
				t.Fatalf("cut at %d, then put: %v, %v", length, got, problems)
			}
			for _, name := range must(segmentNames(dir))[1:] {
				os.Remove(filepath.Join(dir, name))
			}
		}
	}
}

// TestRenamed: a segment under another name is reported, not cut off as torn.
func TestRenamed(t *testing.T) {
	file, _, _ := written(t, 3, false)
	before := must(os.ReadFile(file))
	other := filepath.Join(filepath.Dir(file), id(1e18).String()+suffix)
	if err := os.Rename(file, other); err != nil {
		t.Fatal(err)
	}
	openTest(t, filepath.Dir(file), Options{})
	if after := must(os.ReadFile(other)); !bytes.HasPrefix(after, before) {
		t.Error("records were cut off")
	}
	if got, problems := ids(t, filepath.Dir(file)); len(got) != 0 || len(problems) != 1 {
		t.Errorf("%v, %v", got, problems)
	}
}

// TestForgedRecord mails somebody else's segment: when the record around it is damaged, it
// is not taken for records of ours.
func TestForgedRecord(t *testing.T) {
	file, places, _ := written(t, 1, true)
	forged := must(os.ReadFile(file))
	dir := t.TempDir()
	a := openTest(t, dir, Options{})
	noise := make([]byte, 4000) // zstd stores it as it is
	rand.NewChaCha8([32]byte{}).Read(noise)
	mustPut(t, a, sample(1), append(noise, forged[places[0].at:]...))
	last := mustPut(t, a, sample(2), mail(100))
	closeTest(t, a)
	own := filepath.Join(dir, must(segmentNames(dir))[0])
	if !bytes.Contains(must(os.ReadFile(own)), []byte(magic+string(forged[len(magic):headSums]))) {
		t.Fatal("zstd did not store it literally: no test")
	}
	flip(t, own, 0)
	if got, problems := ids(t, dir); !slices.Equal(got, []string{last}) || len(problems) != 1 {
		t.Errorf("%v, %v", got, problems)
	}
}

// TestReadError: a segment that cannot be read hides no other.
func TestReadError(t *testing.T) {
	file, _, all := written(t, 2, true)
	bad := filepath.Join(filepath.Dir(file), id(1e18).String()+suffix)
	if err := os.Mkdir(bad, 0o700); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	a := openTest(t, filepath.Dir(file), Options{Log: textLog(&said)})
	if !strings.Contains(said.String(), filepath.Base(bad)) {
		t.Errorf("logged %q", &said)
	}
	all = append(all, mustPut(t, a, sample(1), mail(10)))
	if got, problems := ids(t, filepath.Dir(file)); !slices.Equal(got, all) || len(problems) != 1 {
		t.Errorf("%v, want %v; %v", got, all, problems)
	}
}

func FuzzSegment(f *testing.F) {
	pack := must(newPacker())
	name := id(1e18).String() + suffix
	var whole []byte
	for i := range 5 {
		raw, family := mail(50*i), ""
		if i > 1 {
			family = "storm"
		}
		for _, r := range must(pack.pack(id(1e18+i), entry{copy: sample(i), family: family, raw: raw, sha: sha256.Sum256(raw), states: make([]state, 2)})) {
			whole = r.append(whole, name)
		}
	}
	f.Add(whole, uint16(0), byte(0))
	f.Add(head{}.append(bytes.Clone(whole), name), uint16(100), byte(1))
	f.Add(whole[:len(whole)-5], uint16(8), byte(0x20))
	f.Add([]byte(magic+magic), uint16(0), byte(0))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, change byte) {
		if int(at) < len(b) {
			b[at] ^= change
		}
		// Heads whose sum is right, so that what is behind it is tried, too.
		for i := 0; i+headSize <= len(b); i++ {
			if bytes.HasPrefix(b[i:], []byte(magic)) && change&1 == 0 {
				binary.BigEndian.PutUint32(b[i+headSums:], headSum(b[i:i+headSums], name))
			}
		}
		u := must(newUnpacker(segment{name, bytes.NewReader(b), int64(len(b))}))
		defer u.close()
		end := int64(0)
		for p, err := range u.records() {
			if err != nil {
				continue
			}
			if p.at < end || p.end() > u.segment.size {
				t.Fatalf("a record at %d to %d of %d, behind one that ends at %d", p.at, p.end(), u.segment.size, end)
			}
			end = p.end()
			c, states, err := u.copyAt(p)
			if err == nil {
				if again, err := p.head.parseCopyAgain(c); err != nil || again.ID != c.ID || len(states) != len(c.Recipients) {
					t.Fatalf("%+v: %v", c, err)
				}
			}
			_, _ = u.messageAt(p)
		}
		if whole, _, _ := u.segment.whole(); whole > u.segment.size {
			t.Fatalf("whole up to %d of %d", whole, u.segment.size)
		}
		_, _ = u.find(id(1e18))
	})
}

// parseCopyAgain writes a copy and reads it.
func (h head) parseCopyAgain(c Copy) (Copy, error) {
	h.recipients = uint32(len(c.Recipients))
	return h.parseCopy(appendCopy(nil, c))
}

func FuzzCopy(f *testing.F) {
	f.Add("ann@example.net", "\xff", "mx", int64(5), uint32(1))
	f.Fuzz(func(t *testing.T, from, to, helo string, sec int64, nsec uint32) {
		c := sample(0)
		c.ReversePath, c.Helo, c.Recipients = from, helo, []Recipient{{Addr: to}, {Storm: from, Notify: helo}, {}}
		got, err := head{}.parseCopyAgain(c)
		if err != nil || got.ReversePath != from || got.Helo != helo || !slices.Equal(got.Recipients, c.Recipients) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

// TestOldCopies: copies as format 2 wrote them, where no rule says who is told and where one does.
// One text too many is no copy.
func TestOldCopies(t *testing.T) {
	texts := func(all ...string) (b []byte) {
		for _, s := range all {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
		return b
	}
	fixed := texts("1772438400.000000123", "Q1", "192.0.2.1", "mx", "", "s@example.net", "a.test", "s@example.net", "offer", "1", "gone@example.org", "failed", "5.1.1")
	plain := append(bytes.Clone(fixed), texts("ann@a.test", "", "", "", "id-1-2", "bob@a.test", "", "", "", "")...)
	telling := append(bytes.Clone(fixed), texts("ann@a.test", "", "", "", "id-1-2", "mailbox", "bob@a.test", "", "", "", "", "")...)
	h := head{old: true, id: id(1772438460e9), recipients: 2}
	for _, tt := range []struct {
		b      []byte
		notify string
	}{{plain, ""}, {telling, "mailbox"}} {
		c, err := h.parseCopy(tt.b)
		want := []Recipient{{Addr: "ann@a.test", Storm: "id-1-2", Notify: tt.notify}, {Addr: "bob@a.test"}}
		if err != nil || !slices.Equal(c.Recipients, want) || c.Domain != "a.test" || c.QueueID != "Q1" || len(c.Failures) != 1 || !c.At.Equal(at) || !c.Kept.Equal(h.id.time()) {
			t.Errorf("%+v, %v", c, err)
		}
		for _, more := range []string{"\x00", "\x00\x00\x00"} {
			if c, err := h.parseCopy([]byte(string(tt.b) + more)); !errors.Is(err, ErrDamaged) {
				t.Errorf("%+v, %v", c, err)
			}
		}
	}
}

func BenchmarkAll(b *testing.B) {
	a := openTest(b, b.TempDir(), Options{})
	for i := range 200 {
		mustPut(b, a, sample(i), mail(3000))
	}
	n := 0
	for b.Loop() {
		for _, err := range a.All(context.Background()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/copy")
}
