package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 123, time.UTC)

// sample is a copy with bytes that are no UTF-8, as they come.
func sample(n int) Copy {
	return Copy{
		At: at.Add(time.Duration(n)), QueueID: fmt.Sprint("Q", n), Client: netip.MustParseAddr("192.0.2.1"), Helo: "mx.example.net",
		From: "shop@example.net", Subject: "Angebot f\xfcr Sie", Failures: []Failure{{"gone@example.org", "failed", "5.1.1"}, {"full@example.org", "delayed", ""}},
		ReversePath: "j\xf6rg@example.net", AuthUser: "\x00",
		Recipients: []Recipient{
			{Addr: "u1@example.test", Class: "personal", Reason: "storm", Rule: "default.toml:3", Storm: "id-00"},
			{Addr: "m\xfcller@example.test"},
		},
	}
}

// mail is a message of about so many bytes that does not compress to nothing.
func mail(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	b := []byte("From: ann@example.net\r\nSubject: offer\r\n\r\n")
	for len(b) < n {
		b = fmt.Appendf(b, "%d good morrow %d\r\n", r.Uint64(), len(b))
	}
	return b
}

func openTest(t testing.TB, dir string, o Options) *Archive {
	t.Helper()
	if o.MinFree == 0 {
		o.MinFree = 1
	}
	if o.stall == 0 {
		o.stall = time.Hour // the disk of whoever runs the tests may be slow
	}
	a, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func mustPut(t testing.TB, a *Archive, c Copy, raw []byte) string {
	t.Helper()
	id, err := a.Put(context.Background(), c, raw)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// ids lists what a folder holds, and what is wrong with it.
func ids(t testing.TB, dir string) (all []string, problems []error) {
	t.Helper()
	r, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	for c, err := range r.All(context.Background()) {
		if err != nil {
			problems = append(problems, err)
			continue
		}
		all = append(all, c.ID)
	}
	if !slices.IsSorted(all) {
		t.Errorf("IDs are not sorted: %v", all)
	}
	return all, problems
}

func closeTest(t testing.TB, a *Archive) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPutAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "archive")
	a := openTest(t, dir, Options{SegmentSize: 20_000})
	messages := [][]byte{nil, {}, []byte("\x00\xff"), mail(10_000), mail(100_000), bytes.Repeat([]byte("a"), 1<<20)}
	copies := []Copy{{}, {At: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)}, {At: time.Date(20_000, 1, 1, 0, 0, 0, 1, time.UTC)},
		{Client: netip.MustParseAddr("::ffff:192.0.2.1")}, {Client: netip.MustParseAddr("fe80::1%eth0")}}
	for n := range 30 {
		messages = append(messages, mail(100*n))
	}
	put := map[string]int{}
	for n, raw := range messages {
		if n >= len(copies) {
			copies = append(copies, sample(n))
		}
		put[mustPut(t, a, copies[n], raw)] = n
	}
	check := func(r *Reader) {
		t.Helper()
		n := 0
		for c, err := range r.All(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			if put[c.ID] != n {
				t.Errorf("copy %d is in place %d", put[c.ID], n)
			}
			got, raw, err := r.Read(c.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(raw, messages[n]) || c.Size != int64(len(raw)) || !reflect.DeepEqual(c, got) {
				t.Errorf("copy %d: %d bytes of %d, %+v, %+v", n, len(raw), len(messages[n]), c, got)
			}
			want := copies[n]
			want.ID, want.Kept, want.SHA256, want.Size = c.ID, c.Kept, c.SHA256, c.Size
			if !want.At.Equal(c.At) {
				t.Errorf("at %v, want %v", c.At, want.At)
			}
			want.At = c.At
			if !reflect.DeepEqual(c, want) {
				t.Errorf("got %+v\nwant %+v", c, want)
			}
			n++
		}
		if n != len(messages) {
			t.Errorf("%d copies, want %d", n, len(messages))
		}
	}
	check(&a.Reader)
	r, err := OpenReadOnly(dir) // while it is being written to
	if err != nil {
		t.Fatal(err)
	}
	check(r)
	closeTest(t, a)
	check(r)
	check(&openTest(t, dir, Options{}).Reader)
	if names, err := segmentNames(dir); err != nil || len(names) < 4 {
		t.Errorf("segments %v, %v", names, err)
	}
	for _, f := range append([]string{dir}, must(filepath.Glob(dir+"/*"))...) {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may look into %s: %v, %v", f, info.Mode(), err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestBigMessages(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{})
	for _, random := range []bool{true, false} {
		raw := make([]byte, MaxMessage)
		if random {
			rand.NewChaCha8([32]byte{}).Read(raw)
		}
		id := mustPut(t, a, sample(1), raw)
		if _, got, err := a.Read(id); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("random %v: %d bytes, %v", random, len(got), err)
		}
	}
	if _, err := a.Put(context.Background(), sample(1), make([]byte, MaxMessage+1)); !errors.Is(err, ErrTooBig) {
		t.Errorf("a byte too many: %v", err)
	}
	c := sample(1)
	for range 1000 {
		c.Recipients = append(c.Recipients, Recipient{Addr: strings.Repeat("a", 64<<10)})
	}
	if id := mustPut(t, a, c, nil); len(must2(a.Read(id)).Recipients) != 1002 {
		t.Error("recipients are missing")
	}
	c.Recipients = append(c.Recipients, c.Recipients...)
	if _, err := a.Put(context.Background(), c, nil); !errors.Is(err, ErrTooBig) {
		t.Errorf("too many recipients: %v", err)
	}
}

func must2(c Copy, _ []byte, err error) Copy { return must(c, err) }

func TestConcurrentPuts(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{SegmentSize: 50_000})
	var wg sync.WaitGroup
	var mu sync.Mutex
	put := map[string][]byte{}
	for w := range 20 {
		wg.Go(func() {
			for i := range 30 {
				raw := mail(w*100 + i)
				id, err := a.Put(context.Background(), sample(w), raw)
				if err != nil {
					t.Error(err)
					return
				}
				if _, got, err := a.Read(id); err != nil || !bytes.Equal(got, raw) {
					t.Errorf("read at once: %d bytes, %v", len(got), err)
				}
				mu.Lock()
				put[id] = raw
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	all, problems := ids(t, dir)
	if len(put) != 600 || len(all) != 600 || problems != nil {
		t.Errorf("%d IDs, %d copies, %v", len(put), len(all), problems)
	}
}

func TestPutIsCanceledOrClosed(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.Put(ctx, sample(1), mail(10)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var put []string
	begun := make(chan struct{}, 8)
	for range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id, err := a.Put(context.Background(), sample(1), mail(10))
				if err != nil {
					if !errors.Is(err, errClosed) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				put = append(put, id)
				mu.Unlock()
				if i == 3 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	closeTest(t, a)
	wg.Wait()
	closeTest(t, a)
	slices.Sort(put)
	if all, problems := ids(t, dir); !slices.Equal(all, put) || problems != nil {
		t.Errorf("%d copies, %d were put, %v", len(all), len(put), problems)
	}
}

// TestPutKeepsItsBytes: Put of a message that has its own memory given back when Put returns,
// as the milter does, on a disk that stalls: what is archived is what was handed over.
func TestPutKeepsItsBytes(t *testing.T) {
	dir := t.TempDir()
	stall := make(chan struct{})
	fs := &faulty{}
	a := openTest(t, dir, Options{files: fs})
	fs.set(func(op string) bool {
		if op == "sync" {
			<-stall
		}
		return false
	})
	var wg sync.WaitGroup
	for n := range 3 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			raw := mail(2000)
			c, _ := copyOf(n, 10)
			_, _ = a.PutAll(ctx, []Entry{{c, "s"}}, raw) // archived or not
			clear(raw)
		})
	}
	time.Sleep(100 * time.Millisecond)
	close(stall)
	wg.Wait()
	entries, raw := storm(9, 2000)
	entries[0].Family = "s"
	id := mustPutAll(t, a, entries, raw)[0]
	got := messages(t, dir) // fails where one is not as its sum says
	for other, m := range got {
		if want := map[bool][]byte{true: raw, false: mail(2000)}[other == id]; !bytes.Equal(m.Raw, want) {
			t.Errorf("%s is not what was handed over", other)
		}
	}
	if _, ok := got[id]; !ok {
		t.Error("the last one is not there")
	}
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{})
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("second: %v", err)
	}
	closeTest(t, a)
	openTest(t, dir, Options{})
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Options{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open of a file: %v", err)
	}
	for _, path := range []string{file, file + "-missing"} {
		if _, err := OpenReadOnly(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("OpenReadOnly: %v", err)
		}
	}
}

// TestIDsAcrossRestarts has a clock that is behind the last ID: IDs go on from there.
func TestIDsAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for range 5 {
		a := openTest(t, dir, Options{})
		a.w.last += id(24 * time.Hour)
		for range 3 {
			want = append(want, mustPut(t, a, sample(1), mail(100)))
		}
		closeTest(t, a)
	}
	if !slices.IsSorted(want) || len(slices.Compact(slices.Clone(want))) != 15 {
		t.Errorf("IDs %v", want)
	}
	if all, _ := ids(t, dir); !slices.Equal(all, want) {
		t.Errorf("%v\nwant %v", all, want)
	}
}
