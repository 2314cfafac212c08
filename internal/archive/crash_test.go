package archive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"breakwater/internal/lab"
)

func textLog(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

const childFolder = "BREAKWATER_ARCHIVE_CHILD"

// TestMain is the child of TestKill when told so: it archives until it is killed, and
// prints what Put returned.
func TestMain(m *testing.M) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		os.Exit(m.Run())
	}
	a, err := Open(dir, Options{MinFree: 1, SegmentSize: 100_000})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				n := w*1000 + i%1000
				id, err := a.Put(context.Background(), sample(n), mail(n))
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println(id, n) // one write
			}
		})
	}
	wg.Wait()
}

// TestKill kills a process that archives, several times in one folder.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	put := map[string]int{}
	for round := range 4 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childFolder+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for seen := 0; lines.Scan(); seen++ {
			var id string
			var n int
			if _, err := fmt.Sscan(lines.Text(), &id, &n); err != nil {
				t.Fatalf("child: %s", lines.Text())
			}
			put[id] = n
			if seen == 150+round {
				child.Process.Kill() // what it said before is still read
			}
		}
		child.Wait()
		a := openTest(t, dir, Options{})
		for id, n := range put {
			c, raw, err := a.Read(id)
			if err != nil || !bytes.Equal(raw, mail(n)) || c.QueueID != fmt.Sprint("Q", n) {
				t.Fatalf("round %d, %s: %d bytes, %v", round, id, len(raw), err)
			}
		}
		if _, problems := ids(t, dir); problems != nil {
			t.Error(problems)
		}
		closeTest(t, a)
	}
	if len(put) < 600 {
		t.Errorf("%d were put, want 600", len(put))
	}
}

// TestFullDisk fills a disk, by what is archived and by others, down to the last byte.
func TestFullDisk(t *testing.T) {
	for name, minFree := range map[string]int64{"MinFree": 1 << 20, "last byte": 1} {
		t.Run(name, func(t *testing.T) {
			disk := lab.SmallDisk(t, 4<<20)
			dir := filepath.Join(disk, "archive")
			a := openTest(t, dir, Options{MinFree: minFree})
			raw := mail(50_000)
			var put []string
			fill := func() error {
				for n := range 1000 {
					id, err := a.Put(context.Background(), sample(n), raw)
					if err != nil {
						return err
					}
					put = append(put, id)
				}
				return nil
			}
			if err := fill(); err == nil || minFree > 1 && !errors.Is(err, ErrFull) {
				t.Fatalf("full: %v after %d", err, len(put))
			}
			if a.Err() == nil {
				t.Error("Err is nil on a full disk")
			}
			others := filepath.Join(disk, "others")
			os.WriteFile(others, make([]byte, 4<<20), 0o600) // as much as goes in
			if err := fill(); err == nil || len(put) < 20 {
				t.Fatalf("full of others: %v after %d", err, len(put))
			}
			acknowledged(t, dir, put)
			closing := a.Close() // cannot finish the segment where there is no byte left
			if closing != nil && !strings.Contains(closing.Error(), "no space left") {
				t.Error(closing)
			}
			if err := os.Remove(others); err != nil {
				t.Fatal(err)
			}
			acknowledged(t, dir, put)
			a = openTest(t, dir, Options{MinFree: 1})
			put = append(put, mustPut(t, a, sample(1), nil))
			acknowledged(t, dir, put)
		})
	}
}

func BenchmarkPut(b *testing.B) {
	raw := mail(4000)
	for _, writers := range []int{1, 20} {
		b.Run(fmt.Sprint("archive-", writers), func(b *testing.B) {
			dir := b.TempDir()
			a := openTest(b, dir, Options{})
			concurrently(b, writers, func(int) error {
				_, err := a.Put(context.Background(), sample(1), raw)
				return err
			})
			closeTest(b, a)
			var size int64
			for _, name := range must(segmentNames(dir)) {
				size += must(os.Stat(filepath.Join(dir, name))).Size()
			}
			b.ReportMetric(float64(size)/float64(b.N), "bytes/copy")
		})
		b.Run(fmt.Sprint("file-", writers), func(b *testing.B) {
			dir := b.TempDir()
			concurrently(b, writers, func(n int) error {
				f, err := os.Create(filepath.Join(dir, fmt.Sprint(n)))
				if err != nil {
					return err
				}
				_, err = f.Write(raw)
				return errors.Join(err, f.Sync(), f.Close())
			})
		})
	}
}

// concurrently makes b.N calls from several goroutines.
func concurrently(b *testing.B, writers int, call func(n int) error) {
	b.ReportAllocs()
	share(writers, b.N, call, func(err error) { b.Error(err) })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "put/s")
}

// share makes n calls from several goroutines.
func share(writers, n int, call func(n int) error, failed func(error)) {
	numbers := make(chan int)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for n := range numbers {
				if err := call(n); err != nil {
					failed(err)
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	wg.Wait()
}
