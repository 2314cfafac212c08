package archive

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// flaky is a file of which some reads fail, and only once each.
type flaky struct {
	io.ReaderAt
	n     int // reads so far
	fails []int
}

func (f *flaky) ReadAt(b []byte, at int64) (int, error) {
	if f.n++; slices.Contains(f.fails, f.n-1) {
		return 0, errFault
	}
	return f.ReaderAt.ReadAt(b, at)
}

// TestFlakyReads recovers what a killed process left, while reads fail now and then: whatever was archived is
// there afterwards, and where a read failed the file is left as it is, or is as if none had.
func TestFlakyReads(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{})
	for n := range 4 {
		mustPut(t, a, sample(n), mail(n))
	}
	name := a.w.name
	left := must(os.ReadFile(filepath.Join(a.dir, name)))
	for what, data := range map[string][]byte{"whole": left, "torn": append(bytes.Clone(left), left[:headSize+7]...)} {
		t.Run(what, func(t *testing.T) {
			// recover finishes the file in a folder of its own, and returns how many reads that took.
			recover := func(fails ...int) (dir string, reads int, err error) {
				dir = t.TempDir()
				noError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
				s, f, err := openSegment(dir, name, os.O_RDWR)
				noError(t, err)
				defer f.Close()
				r := &flaky{ReaderAt: f, fails: fails}
				s.r = r
				_, err = s.finish(f, slog.New(slog.DiscardHandler))
				return dir, r.n, err
			}
			dir, reads, err := recover()
			noError(t, err)
			want := must(os.ReadFile(filepath.Join(dir, name)))
			for first := range reads + 2 {
				for second := first + 1; second < reads+2; second++ {
					dir, _, err := recover(first, second)
					got := must(os.ReadFile(filepath.Join(dir, name)))
					if err == nil && !bytes.Equal(got, want) || err != nil && !bytes.Equal(got, data) {
						t.Fatalf("reads %d and %d fail: %v, and %d bytes of %d are left", first, second, err, len(got), len(data))
					}
					if all, problems := ids(t, dir); len(all) != 4 || problems != nil {
						t.Fatalf("reads %d and %d fail: %v are left, %v", first, second, all, problems)
					}
				}
			}
		})
	}
}

// TestFlakyReader reads an archive while reads fail now and then: nothing is taken for damaged.
func TestFlakyReader(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{})
	for n := range 4 {
		mustPut(t, a, sample(n), mail(n))
	}
	name := a.w.name
	closeTest(t, a)
	for first := range 40 {
		for second := first + 1; second < 40; second++ {
			s, f, err := openSegment(a.dir, name, os.O_RDONLY)
			noError(t, err)
			s.r = &flaky{ReaderAt: f, fails: []int{first, second}}
			u := must(newUnpacker(s))
			got, failed := 0, false
			for m, err := range u.copies(u.whole) {
				switch {
				case err == nil && m.ID != "":
					got++
				case bytes.Contains([]byte(err.Error()), []byte(ErrDamaged.Error())):
					t.Fatalf("reads %d and %d fail: %v", first, second, err)
				default:
					failed = true
				}
			}
			if got < 4 && !failed {
				t.Fatalf("reads %d and %d fail: %d copies, and no error", first, second, got)
			}
			u.close()
			f.Close()
		}
	}
}
