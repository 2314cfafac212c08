package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var errFault = errors.New("input/output error")

// faulty is a file system that fails where fault says so.
type faulty struct {
	osFiles
	mu    sync.Mutex
	fault func(op string) bool
}

func (f *faulty) err(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil && f.fault(op) {
		return fmt.Errorf("%s: %w", op, errFault)
	}
	return nil
}

func (f *faulty) set(fault func(op string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *faulty) Create(name string) (file, error) {
	if err := f.err("create"); err != nil {
		return nil, err
	}
	real, err := f.osFiles.Create(name)
	return &faultyFile{real, f}, err
}

func (f *faulty) SyncDir(dir string) error {
	return errors.Join(f.err("syncdir"), f.osFiles.SyncDir(dir))
}

func (f *faulty) Free(dir string) (int64, error) {
	if f.err("free") != nil {
		return 1 << 10, nil
	}
	return f.osFiles.Free(dir)
}

type faultyFile struct {
	file
	f *faulty
}

// Write writes half of b when it fails.
func (f *faultyFile) Write(b []byte) (int, error) {
	if err := f.f.err("write"); err != nil {
		n, _ := f.file.Write(b[:len(b)/2])
		return n, err
	}
	if f.f.err("short") != nil {
		return f.file.Write(b[:len(b)/2]) // and says nothing
	}
	return f.file.Write(b)
}

func (f *faultyFile) Sync() error  { return errors.Join(f.f.err("sync"), f.file.Sync()) }
func (f *faultyFile) Close() error { return errors.Join(f.f.err("close"), f.file.Close()) }
func (f *faultyFile) Truncate(n int64) error {
	if err := f.f.err("truncate"); err != nil {
		return err
	}
	return f.file.Truncate(n)
}

// stalling is a file system whose fsync waits while it is on.
type stalling struct {
	osFiles
	on    atomic.Bool
	stall chan struct{}
}

func (s *stalling) Create(name string) (file, error) {
	f, err := s.osFiles.Create(name)
	return &stallingFile{f, s}, err
}

type stallingFile struct {
	file
	s *stalling
}

func (f *stallingFile) Sync() error {
	if f.s.on.Load() {
		<-f.s.stall
	}
	return f.file.Sync()
}

// TestOneFault fails once, with records before and after.
func TestOneFault(t *testing.T) {
	for _, tt := range []struct {
		fail  []string
		fresh bool // before the first record of a segment
	}{
		{fail: []string{"write"}}, {fail: []string{"short"}}, {fail: []string{"sync"}}, {fail: []string{"write", "truncate"}},
		{fail: []string{"sync", "truncate", "close"}}, {fail: []string{"short", "truncate"}},
		{fail: []string{"create"}, fresh: true}, {fail: []string{"syncdir"}, fresh: true}, {fail: []string{"sync"}, fresh: true},
		{fail: []string{"write", "truncate"}, fresh: true},
	} {
		t.Run(fmt.Sprint(tt.fail, tt.fresh), func(t *testing.T) {
			dir := t.TempDir()
			fs := &faulty{}
			a := openTest(t, dir, Options{files: fs})
			var want []string
			if !tt.fresh {
				want = append(want, mustPut(t, a, sample(1), mail(1000)), mustPut(t, a, sample(2), mail(1000)))
			}
			fs.set(func(op string) bool { return slices.Contains(tt.fail, op) })
			if _, err := a.Put(context.Background(), sample(3), mail(200_000)); err == nil || !strings.Contains(err.Error(), dir) && !strings.Contains(err.Error(), suffix) && !errors.Is(err, errFault) {
				t.Errorf("Put: %v", err)
			}
			if a.Err() == nil {
				t.Error("Err is nil after a fault")
			}
			fs.set(nil)
			want = append(want, mustPut(t, a, sample(4), mail(1000)), mustPut(t, a, sample(5), mail(1000)))
			if err := a.Err(); err != nil {
				t.Errorf("Err after success: %v", err)
			}
			acknowledged(t, dir, want)
			closeTest(t, a)
			acknowledged(t, dir, want)
			b := openTest(t, dir, Options{})
			acknowledged(t, dir, want)
			want = append(want, mustPut(t, b, sample(6), mail(1000)))
			acknowledged(t, dir, want)
		})
	}
}

// TestRemoved has somebody remove the segment that is written to, as to make room: what is put into
// it from then on is not said to be archived.
func TestRemoved(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{})
	mustPut(t, a, sample(1), mail(1000))
	segments, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	if err := os.Remove(segments[0]); err != nil {
		t.Fatal(err)
	}
	if id, err := a.Put(context.Background(), sample(2), mail(1000)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", id, err)
	}
	want := []string{mustPut(t, a, sample(3), mail(1000))}
	acknowledged(t, dir, want)
	closeTest(t, a)
	acknowledged(t, dir, want)
}

// acknowledged checks that all that was archived is there, that what failed is there whole
// if at all, and that nothing is reported as damaged.
func acknowledged(t *testing.T, dir string, want []string) {
	t.Helper()
	all, problems := ids(t, dir)
	for _, err := range problems {
		t.Errorf("reported: %v", err)
	}
	for _, id := range want {
		if !slices.Contains(all, id) {
			t.Errorf("%s is lost", id)
		}
	}
	r := Reader{dir}
	for _, id := range all {
		if _, _, err := r.Read(id); err != nil {
			t.Error(err)
		}
	}
}

// TestRandomFaults has several writers and a disk that fails in all ways now and then.
func TestRandomFaults(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 7))
	fs := &faulty{fault: func(string) bool { return r.IntN(8) == 0 }} // called under its lock
	var want []string
	failed := 0
	for range 4 {
		a, err := Open(dir, Options{MinFree: 1 << 20, SegmentSize: 30_000, files: fs})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		for w := range 4 {
			wg.Go(func() {
				for i := range 50 {
					raw := mail(w*1000 + i)
					id, err := a.Put(context.Background(), sample(w), raw)
					mu.Lock()
					if err != nil {
						failed++
					} else {
						want = append(want, id)
						if _, got, err := a.Read(id); err != nil || !bytes.Equal(got, raw) {
							t.Errorf("read at once: %v", err)
						}
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if err := a.Close(); err != nil && !errors.Is(err, errFault) && !errors.Is(err, io.ErrShortWrite) {
			t.Error(err)
		}
		acknowledged(t, dir, want)
	}
	closeTest(t, openTest(t, dir, Options{}))
	acknowledged(t, dir, want)
	if failed < 50 || len(want) < 50 {
		t.Errorf("%d failed, %d did not: not much of a test", failed, len(want))
	}
}

func TestNearlyFull(t *testing.T) {
	fs := &faulty{}
	dir := t.TempDir()
	a := openTest(t, dir, Options{MinFree: 1 << 20, files: fs})
	id := mustPut(t, a, sample(1), mail(1000))
	fs.set(func(op string) bool { return op == "free" })
	if _, err := a.Put(context.Background(), sample(1), mail(1000)); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Put: %v", err)
	}
	if err := a.Err(); !errors.Is(err, ErrFull) {
		t.Errorf("Err: %v", err)
	}
	fs.set(nil)
	if err := a.Err(); err != nil {
		t.Errorf("Err when there is room again: %v", err)
	}
	acknowledged(t, dir, []string{id, mustPut(t, a, sample(1), mail(1000))})
	if names, _ := filepath.Glob(filepath.Join(dir, "*"+suffix)); len(names) != 1 {
		t.Errorf("a full disk is no reason for a new segment: %v", names)
	}
}

// TestFullDiskIsNoShare: where there is no room for anybody, nobody is told to have used up a share.
func TestFullDiskIsNoShare(t *testing.T) {
	disk := &faulty{}
	a := openTest(t, t.TempDir(), Options{MinFree: 1 << 20, files: disk, Shares: []Share{{Name: "domain", Part: 1, Of: (*Copy).Domains}}})
	mustPut(t, a, sample(1), mail(1))
	disk.set(func(op string) bool { return op == "free" })
	_, err := a.Put(context.Background(), sample(2), mail(2))
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "make room there") || len(a.FullShares()) > 0 {
		t.Errorf("%v, full shares: %v", err, a.FullShares())
	}
}
