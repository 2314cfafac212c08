package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// copyOf is the nth copy of a mailshot of about so many bytes, as servers re-send it: with
// Received fields of its own and another recipient.
func copyOf(n, bytes int) (Copy, []byte) {
	c := sample(n)
	c.Domain = "example.test"
	c.Recipients = []Recipient{{Addr: fmt.Sprintf("u%d@example.test", n), Class: "personal", Reason: fmt.Sprint("id storm, copy ", n), Rule: "default.toml:38", Storm: fmt.Sprintf("id-5b3c88e01f-%08x", n%800)}}
	var b []byte
	for hop := range 3 {
		b = fmt.Appendf(b, "Received: from relay%d.example.net ([192.0.2.%d]) by mx%d.example.net with ESMTP id %08x; Mon, 2 Mar 2026 %02d:%02d:%02d +0000\r\n",
			hop, n%250, hop, uint32(n*7919+hop)*2654435761, n/3600%24, n/60%60, n%60)
	}
	return c, append(b, mail(bytes)...)
}

func storm(n, bytes int) ([]Entry, []byte) {
	c, raw := copyOf(n, bytes)
	return []Entry{{Copy: c, Family: "id-5b3c88e01f"}}, raw
}

func mustPutAll(t testing.TB, a *Archive, copies []Entry, raw []byte) []string {
	t.Helper()
	ids, err := a.PutAll(context.Background(), copies, raw)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestStorm keeps the copies of a storm as differences, over several segments, and a few
// messages among them that are like no other.
func TestStorm(t *testing.T) {
	for _, tt := range []struct {
		bytes, copies int
		segment       int64
		perCent       int64
	}{{200, 500, 20_000, 45}, {4000, 2000, 100_000, 7}, {100_000, 60, 4 << 20, 5}, {3 << 20, 12, 0, 20}} {
		t.Run(fmt.Sprint(tt.bytes), func(t *testing.T) {
			dir := t.TempDir()
			a := openTest(t, dir, Options{SegmentSize: tt.segment})
			want := map[string][]byte{}
			var total int64
			for n := range tt.copies {
				entries, raw := storm(n, tt.bytes)
				want[mustPutAll(t, a, entries, raw)[0]] = raw
				total += int64(len(raw))
				if n%100 == 50 {
					single := mail(n)
					want[mustPut(t, a, sample(n), single)] = single
				}
			}
			closeTest(t, a)
			n := 0
			for m, err := range a.Messages(context.Background()) {
				if err != nil || !bytes.Equal(m.Raw, want[m.ID]) {
					t.Fatalf("%s: %d bytes of %d, %v", m.ID, len(m.Raw), len(want[m.ID]), err)
				}
				n++
			}
			_, used, err := segments(dir)
			if err != nil || n != len(want) || used*100 > total*tt.perCent {
				t.Errorf("%d of %d copies, %d bytes of %d (%.1f%%), %v", n, len(want), used, total, 100*float64(used)/float64(total), err)
			}
			for id, raw := range want {
				if c, got, err := a.Read(id); err != nil || !bytes.Equal(got, raw) || c.ID != id {
					t.Fatalf("read %s: %v", id, err)
				}
				if n--; n < len(want)-20 {
					break
				}
			}
		})
	}
}

// TestFamiliesOfDomains: copies of two domains share nothing, though it is one storm.
func TestFamiliesOfDomains(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{})
	raw := mail(5000)
	for range 3 {
		var both []Entry
		for _, domain := range []string{"example.test", "example.org"} {
			both = append(both, Entry{Copy: Copy{Domain: domain, Recipients: []Recipient{{Addr: "u@" + domain}}}, Family: "id-1"})
		}
		mustPutAll(t, a, both, raw)
	}
	u, done, err := a.open(must(segmentNames(a.dir))[0])
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	domains := map[id]string{}
	for p, err := range u.records() {
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := u.copyAt(p)
		if err != nil {
			t.Fatal(err)
		}
		if had, ok := domains[p.head.base]; ok && p.head.delta() && had != c.Domain {
			t.Errorf("a copy of %s is kept as the difference to one of %s", c.Domain, had)
		}
		domains[p.head.id] = c.Domain
	}
	if len(domains) != 6 {
		t.Errorf("%d copies, want 6", len(domains))
	}
}

// TestDamagedBase damages a base, or its spare: no copy is lost. Damages to both are reported
// for each copy that needs them.
func TestDamagedBase(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{})
	var all []string
	const copies = 20
	for n := range copies {
		entries, raw := storm(n, 3000)
		all = append(all, mustPutAll(t, a, entries, raw)...)
	}
	closeTest(t, a)
	name := must(segmentNames(a.dir))[0]
	whole := must(os.ReadFile(filepath.Join(a.dir, name)))
	var at []place // of the base and its spare
	for p, err := range (segment{name, bytes.NewReader(whole), int64(len(whole))}).records() {
		if err != nil {
			t.Fatal(err)
		}
		if !p.head.delta() {
			at = append(at, p)
		}
	}
	if len(at) != 2 || at[1].head.base != at[0].head.id || at[1].head.id != at[0].head.id {
		t.Fatalf("%+v", at)
	}
	for _, tt := range []struct {
		name    string
		offsets []int64
		lost    int
		seen    int // damages that Messages comes upon
	}{
		{"head of the base", []int64{at[0].at + 20}, 0, 1},
		{"message of the base", []int64{at[0].end() - 1}, 0, 1},
		{"head of the spare", []int64{at[1].at + 20}, 0, 1},
		{"strings of the spare", []int64{at[1].at + headSize + 5}, 0, 0},
		{"both messages", []int64{at[0].end() - 1, at[1].end() - 1}, copies, copies + 1},
		{"one message, the other's strings", []int64{at[0].end() - 1, at[1].at + headSize + 5}, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			flip(t, file, tt.offsets...)
			got := map[string]bool{}
			reported := 0
			for m, err := range (&Reader{dir}).Messages(context.Background()) {
				if err != nil && !errors.Is(err, ErrDamaged) {
					t.Error(err)
				}
				if err != nil {
					reported++
				} else if got[m.ID] {
					t.Errorf("%s comes twice", m.ID)
				}
				got[m.ID] = err == nil
			}
			delete(got, "")
			if reported != tt.seen || len(got) != copies-tt.lost {
				t.Errorf("%d copies, %d reported; want %d lost", len(got), reported, tt.lost)
			}
			lost := 0
			for _, id := range all {
				if _, _, err := (&Reader{dir}).Read(id); err != nil {
					lost++
				}
			}
			if lost != tt.lost {
				t.Errorf("Read: %d lost, want %d", lost, tt.lost)
			}
		})
	}
}

// TestManyFamilies has more bases than are remembered.
func TestManyFamilies(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{})
	want := map[string][]byte{}
	r := rand.New(rand.NewPCG(3, 3))
	for n := range 60 {
		family := r.IntN(20)
		raw := fmt.Appendf(mail(3<<20+family), "copy %d", n)
		c, _ := copyOf(n, 10)
		want[mustPutAll(t, a, []Entry{{c, fmt.Sprint(family)}}, raw)[0]] = raw
	}
	if p := a.w.packer; p.size > maxBases+4<<20 || len(p.bases) != len(p.recent) || len(p.bases) > 12 {
		t.Errorf("%d bytes in %d bases, %d in their order", p.size, len(p.bases), len(p.recent))
	}
	for id, raw := range want {
		if _, got, err := a.Read(id); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("%s: %v", id, err)
		}
	}
}

// BenchmarkStorm prints what an absorbed copy of 4 KB costs on disk, how many are absorbed a
// second by 20 writers, each waiting for fsync, how many times that is what plain files with
// fsync take, and how much memory is in use in the end. With -benchtime 400000x it is the
// storm that it was all written for.
func BenchmarkStorm(b *testing.B) {
	for _, families := range []int{1, 50} {
		b.Run(fmt.Sprint("storms-", families), func(b *testing.B) {
			dir := b.TempDir()
			a := openTest(b, dir, Options{})
			raws := make([][]byte, 1000)
			for n := range raws {
				_, raws[n] = copyOf(n, 3700)
			}
			concurrently(b, 20, func(n int) error {
				c, _ := copyOf(n, 10)
				_, err := a.PutAll(context.Background(), []Entry{{c, fmt.Sprint(n % families)}}, raws[n%1000])
				return err
			})
			perCopy := b.Elapsed() / time.Duration(b.N)
			b.StopTimer()
			closeTest(b, a)
			var memory runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&memory)
			b.ReportMetric(float64(memory.HeapAlloc)/1e6, "MB-heap")
			b.ReportMetric(float64(used(b, dir))/float64(b.N), "bytes/copy")
			b.ReportMetric(100*float64(used(b, dir))/float64(b.N*len(raws[0])), "%raw")
			b.ReportMetric(float64(plainFiles(b, raws))/float64(perCopy), "x-files")
		})
	}
}

// plainFiles is how long a file with fsync takes, with 20 writers.
func plainFiles(b *testing.B, raws [][]byte) time.Duration {
	dir := b.TempDir()
	begun := time.Now()
	share(20, len(raws), func(n int) error {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			return err
		}
		_, err = f.Write(raws[n])
		return errors.Join(err, f.Sync(), f.Close())
	}, func(err error) { b.Error(err) })
	return time.Since(begun) / time.Duration(len(raws))
}
