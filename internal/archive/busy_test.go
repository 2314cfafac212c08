package archive

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// worked is how long processors have worked for this process, whatever else they have to do.
func worked(t testing.TB) time.Duration {
	var u unix.Rusage
	noError(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestManyFamiliesAreQuick has as many families as copies would have at a host of many
// domains: to look what expires and to mark must not take the square of their number.
func TestManyFamiliesAreQuick(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{})
	for n := range 6000 {
		c, _ := copyOf(n, 10)
		mustPutAll(t, a, []Entry{{c, fmt.Sprint(n % 3000)}}, []byte("x"))
	}
	begun := worked(t)
	expire(t, a, time.Now())
	k := must(NewMarker(a.dir))
	k.sync = func(*os.File) error { return nil } // it is not the disk that is measured
	for m, err := range a.Outlines(context.Background()) {
		noError(t, err)
		noError(t, k.Released(m, m.Recipients[0].Addr))
	}
	noError(t, k.Close())
	if took := worked(t) - begun; took > 10*time.Second { // a tenth of a second; the square takes a minute
		t.Errorf("took %v", took)
	}
}

// TestExpireWhileWriting has writers, readers and markers at once.
func TestExpireWhileWriting(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{SegmentSize: 20_000, Retention: func(d string) Retention {
		return Retention{Keep: map[string]time.Duration{"gone.test": time.Nanosecond}[d]}
	}})
	var wg sync.WaitGroup
	var mu sync.Mutex
	want := map[string][]byte{}
	stop := make(chan struct{})
	for w := range 3 {
		wg.Go(func() {
			for i := range 150 {
				c, raw := copyOf(w*1000+i, 500)
				c.Domain = fmt.Sprintf("d%d.test", w)
				gone := c
				gone.Domain = "gone.test"
				ids, err := a.PutAll(context.Background(), []Entry{{c, "s"}, {gone, "s"}}, raw)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				want[ids[0]] = raw
				mu.Unlock()
			}
		})
	}
	side := sync.WaitGroup{}
	side.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := a.Expire(context.Background(), time.Now()); err != nil {
				t.Error(err)
			}
			messages(t, dir)
		}
	})
	wg.Wait()
	close(stop)
	side.Wait()
	expire(t, a, time.Now().Add(2*day))
	got := messages(t, dir)
	for id, raw := range want {
		if !bytes.Equal(got[id].Raw, raw) {
			t.Fatalf("%s is lost", id)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d copies, want %d", len(got), len(want))
	}
}

// BenchmarkExpire writes a segment of 10,000 copies anew, half of which are gone.
func BenchmarkExpire(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		a := openTest(b, b.TempDir(), Options{Retention: func(d string) Retention {
			return Retention{Keep: map[string]time.Duration{"a.test": day}[d]}
		}})
		for i := range 10 {
			stormAt(b, a, []string{"a.test", "b.test"}[i%2], i*100, i*100+100)
		}
		before := used(b, a.dir)
		b.StartTimer()
		done, err := a.Expire(context.Background(), time.Now().Add(2*day))
		if err != nil || done.Copies != 500 {
			b.Fatal(done, err)
		}
		b.ReportMetric(100*float64(done.Bytes)/float64(before), "%freed")
		closeTest(b, a)
	}
}
