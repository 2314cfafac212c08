package archive

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// powered is a file system that knows what would be left if the power failed now: of each
// file what was synced, and of each folder the files that were there when it was synced.
type powered struct {
	osFiles
	mu     sync.Mutex
	synced map[string]int64 // bytes of files
	listed map[string]bool  // files that their folder knows
	lying  bool             // Sync says that it did, and did not
}

type poweredFile struct {
	file
	p    *powered
	name string
	size int64
}

func (p *powered) Create(name string) (file, error) {
	f, err := p.osFiles.Create(name)
	return &poweredFile{file: f, p: p, name: name}, err
}

func (p *powered) SyncDir(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		p.listed[name] = true
	}
	return err
}

func (f *poweredFile) Write(b []byte) (int, error) {
	n, err := f.file.Write(b)
	f.size += int64(n)
	return n, err
}

func (f *poweredFile) Sync() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if !f.p.lying {
		f.p.synced[f.name] = f.size
	}
	return nil
}

// fail makes a copy of the folder as it would be after the power failed.
func (p *powered) fail(t *testing.T, dir string) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	left := t.TempDir()
	for name, size := range p.synced {
		if !p.listed[name] {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, filepath.Base(name)), b[:size], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return left
}

// TestPowerFails lets the power fail at some time: what Put has acknowledged is there. With a
// disk that lies about fsync it is not, which shows that the test sees the difference.
func TestPowerFails(t *testing.T) {
	for _, lying := range []bool{false, true} {
		fs := &powered{synced: map[string]int64{}, listed: map[string]bool{}, lying: lying}
		dir := t.TempDir()
		a := openTest(t, dir, Options{SegmentSize: 30_000, files: fs})
		var mu sync.Mutex
		put := map[string][]byte{}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					entries, raw := storm(w*10_000+i, 2000)
					ids, err := a.PutAll(context.Background(), entries, raw)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					put[ids[0]] = raw
					mu.Unlock()
				}
			})
		}
		lost := 0
		for range 5 {
			time.Sleep(20 * time.Millisecond)
			mu.Lock()
			acknowledged := map[string][]byte{}
			for id, raw := range put {
				acknowledged[id] = raw
			}
			mu.Unlock()
			left := fs.fail(t, dir)
			b := openTest(t, left, Options{})
			got := messages(t, left)
			for id, raw := range acknowledged {
				if !bytes.Equal(got[id].Raw, raw) {
					lost++
				}
			}
			closeTest(t, b)
		}
		close(stop)
		wg.Wait()
		if len(put) < 50 || (lost > 0) != lying {
			t.Errorf("lying %v: %d of %d are lost", lying, lost, len(put))
		}
	}
}
