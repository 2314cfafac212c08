package badgerdb

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"breakwater/internal/storm"
)

// BenchmarkObserve counts five keys at a time, as a message for one mailbox has them.
func BenchmarkObserve(b *testing.B) {
	const known = 1_000_000
	s := openTest(b, b.TempDir(), Options{})
	for n := 0; n < known; n += 5 {
		mustCount(b, s, n, key(n), key(n+1), key(n+2), key(n+3), key(n+4))
	}
	next := 0
	some := func(first int) []storm.Key {
		keys := make([]storm.Key, 5)
		for i := range keys {
			keys[i] = key(first + i)
		}
		return keys
	}
	cold := func(n int) []storm.Key { return some(n * 7919 % known) }
	for _, bb := range []struct {
		name string
		keys func(n int) []storm.Key
	}{
		{"hot", func(int) []storm.Key { return some(0) }},
		{"new", func(n int) []storm.Key { return some(known + 5*n) }},
		{"cold", cold},
		{"mixed", func(n int) []storm.Key { // a storm, new mail, and some that comes again
			return append(append(some(0)[:2], some(known + 5*n)[:2]...), cold(n)[0])
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				next++
				mustCount(b, s, 2*known+next, bb.keys(next)...)
			}
		})
		b.Run(bb.name+"-parallel", func(b *testing.B) {
			first := next
			next += b.N
			b.RunParallel(func(pb *testing.PB) {
				for n := first; pb.Next(); n++ {
					if _, err := count(s, 2*known+n, bb.keys(n)...); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkLookup looks up five keys.
func BenchmarkLookup(b *testing.B) {
	s := openTest(b, b.TempDir(), Options{})
	mustCount(b, s, 1, key(1))
	for n := 0; b.Loop(); n++ {
		seen(b, s, key(n%5))
	}
}

// BenchmarkTallies reports what one tally of a listing costs.
func BenchmarkTallies(b *testing.B) {
	s := openTest(b, b.TempDir(), Options{})
	for n := range 100_000 {
		mustCount(b, s, n, key(n))
	}
	n := 0
	for b.Loop() {
		for _, err := range s.Tallies(b.Context(), start) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/tally")
}

// BenchmarkMillionKeys measures memory in a process of its own, which counts a million
// distinct keys as fast as it can.
func BenchmarkMillionKeys(b *testing.B) {
	for b.Loop() {
		out, err := child(millionFolder, b.TempDir()).Output()
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		var peak, after int
		if _, err := fmt.Sscanf(string(out), "peak %d MiB, after %d MiB", &peak, &after); err != nil || peak <= 0 {
			b.Fatalf("%v: %s", err, out)
		}
		b.ReportMetric(float64(peak), "MiB-peak")
		b.ReportMetric(float64(after), "MiB-after")
	}
}

// million counts a million keys and prints how much anonymous memory that takes, under a
// limit that the collector of a daemon has, too.
func million(dir string) error {
	debug.SetMemoryLimit(100 << 20)
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	peak := 0
	for n := 0; n < 1_000_000; n += 5 {
		if _, err := count(s, n, key(n), key(n+1), key(n+2), key(n+3), key(n+4)); err != nil {
			return err
		}
		if n%10_000 == 0 {
			peak = max(peak, rssAnon())
		}
	}
	debug.FreeOSMemory()
	fmt.Printf("peak %d MiB, after %d MiB\n", peak, rssAnon())
	return s.Close()
}

// rssAnon is the process's anonymous memory in MiB.
func rssAnon() int {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return -1
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int
		if _, err := fmt.Sscanf(lines.Text(), "RssAnon: %d kB", &kib); err == nil {
			return kib >> 10
		}
	}
	return -1
}
