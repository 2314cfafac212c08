package engine

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/store/badgerdb"
)

// BenchmarkCompare looks up what is known of texts and counts them, in the real store, beside their
// fingerprints: 8 shingles or more and the 3 keys of the first hop. All are counted, as it is
// done once an hour, but in "memory, again".
func BenchmarkCompare(b *testing.B) {
	const few = 500
	dir := b.TempDir()
	e := newEngine(b, nil)
	open := func(o badgerdb.Options) *badgerdb.Store {
		s, err := badgerdb.Open(dir, o)
		if err != nil {
			b.Fatal(err)
		}
		e.Store = s
		return s
	}
	s := open(badgerdb.Options{})
	fill(b, e, few)
	b.Run("memory", func(b *testing.B) {
		run(b, e, func(i int) (int, time.Duration) { return i % few, time.Duration(1+i/few) * 2 * time.Hour })
	})
	b.Run("memory, again", func(b *testing.B) {
		run(b, e, func(i int) (int, time.Duration) { return i % few, 0 })
	})
	next := 0
	b.Run("new", func(b *testing.B) {
		run(b, e, func(int) (int, time.Duration) { next++; return 1<<30 + next, 0 })
	})
	families := 50_000
	if os.Getenv("BREAKWATER_SOAK") != "" {
		families = 1_000_000
	}
	fillAll := sync.OnceFunc(func() { fill(b, e, families) })
	for _, name := range []string{"disk", "disk, pages dropped"} {
		b.Run(name, func(b *testing.B) {
			fillAll()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			if name != "disk" {
				forget(b, dir)
			}
			s = open(badgerdb.Options{MemoryEntries: 1000})
			run(b, e, func(int) (int, time.Duration) { next++; return next * 7919 % families, 2 * time.Hour })
		})
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// fill counts the first n texts.
func fill(b *testing.B, e *Engine, n int) {
	for i := range n {
		if err := printed(e, letter(i)).compare(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// printed is a message that is to be compared.
func printed(e *Engine, m *message.Message) *judging {
	x := e.begin(m)
	x.j.Verdict.Class = classify.Personal
	p := e.Hasher.Prints(m, x.j.Verdict, 0)
	x.near = p.Near
	return x
}

// run looks up b.N texts and counts them; text says which one comes as the ith, and how late.
// Beside the time it tells the processor time of the caller, whatever else the machine does.
func run(b *testing.B, e *Engine, text func(i int) (number int, late time.Duration)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	var used time.Duration
	b.ResetTimer()
	all := make([]*judging, 500)
	for i := range b.N {
		if i%len(all) == 0 {
			b.StopTimer()
			for j := range min(len(all), b.N-i) {
				number, late := text(i + j)
				m := letter(number)
				m.At = m.At.Add(late)
				all[j] = printed(e, m)
			}
			b.StartTimer()
			used -= spent(b)
		}
		if err := all[i%len(all)].compare(b.Context()); err != nil {
			b.Fatal(err)
		}
		if i%len(all) == len(all)-1 || i == b.N-1 {
			used += spent(b)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/message")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "µs-CPU/message")
}

// spent is the processor time that this thread has used.
func spent(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// forget has the kernel forget what it has read of the files in a folder.
func forget(b *testing.B, dir string) {
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
