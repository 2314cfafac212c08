package badgerdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/storm"
)

var (
	start    = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	identity = storm.Limit{Copies: 3, Window: 24 * time.Hour, Calm: 48 * time.Hour, Keep: 48 * time.Hour}
)

// key is the nth key, spread as hashes are.
func key(n int) storm.Key {
	k := storm.Key{Kind: storm.ID}
	binary.BigEndian.PutUint64(k.Owner[:], uint64(n)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(k.Hash[:], uint64(n)*0xc2b2ae3d27d4eb4f+1)
	return k
}

// count counts the ith sighting of keys.
func count(s *Store, i int, keys ...storm.Key) ([]storm.Tally, error) {
	sg := storm.Sighting{At: start.Add(time.Duration(i) * time.Second), Transfer: uint64(i), Class: "personal", Subject: "Offer"}
	for _, k := range keys {
		sg.Counts = append(sg.Counts, storm.Count{Key: k, Limit: identity, Mailbox: "u1@example.test"})
	}
	return s.Observe(context.Background(), sg)
}

func mustCount(t testing.TB, s *Store, i int, keys ...storm.Key) []storm.Tally {
	t.Helper()
	got, err := count(s, i, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func seen(t testing.TB, s *Store, k storm.Key) uint64 {
	t.Helper()
	got, err := s.Lookup(context.Background(), start, []storm.Key{k})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].Seen
}

// inMemory is how much the shards hold, in entries.
func inMemory(s *Store) (n int) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		n += len(sh.dirty) + len(sh.writing) + len(sh.young) + len(sh.old)
		sh.mu.Unlock()
	}
	return n
}

func TestMemoryIsBounded(t *testing.T) {
	const entries, keys = 6400, 50_000
	s := openTest(t, t.TempDir(), Options{MemoryEntries: entries, FlushEvery: time.Hour}) // written when it must be
	most := 0
	for n := range keys {
		mustCount(t, s, n, key(n))
		if n%1000 == 0 {
			most = max(most, inMemory(s))
		}
	}
	if most > entries || most < entries/4 {
		t.Errorf("%d tallies in memory, want at most %d", most, entries)
	}
	for n := range keys {
		if got := seen(t, s, key(n)); got != 1 {
			t.Fatalf("key %d is seen %d times", n, got)
		}
	}
	if n := inMemory(s); n > entries {
		t.Errorf("%d tallies in memory after looking all up, want at most %d", n, entries)
	}
}

// TestLongTalliesAreBounded has labels as long as an attacker can make them.
func TestLongTalliesAreBounded(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{MemoryEntries: 6400, FlushEvery: time.Hour})
	long := strings.Repeat("x", 2<<20)
	sg := storm.Sighting{At: start, Class: "personal", Subject: long}
	var last storm.Tally
	for n := range 300 {
		for i := range 5 {
			sg.Transfer = uint64(i)
			sg.Counts = []storm.Count{{Key: key(n), Limit: identity, Mailbox: long}}
			got, err := s.Observe(context.Background(), sg)
			if err != nil {
				t.Fatal(err)
			}
			last = got[0]
		}
	}
	bytes := 0
	for i := range s.shards {
		s.shards[i].mu.Lock()
		for _, e := range s.shards[i].dirty {
			bytes += len(e.value)
		}
		s.shards[i].mu.Unlock()
	}
	if bytes > 6400*unit {
		t.Errorf("%d bytes in memory", bytes)
	}
	if last.Seen != 5 || last.Storm.Copies != 2 || len(last.Storm.Subject) < maxLabel {
		t.Errorf("%d seen, %d copies, subject of %d", last.Seen, last.Storm.Copies, len(last.Storm.Subject))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := seen(t, openTest(t, dir, Options{}), key(1)); got != 5 {
		t.Errorf("seen %d, want 5", got)
	}
}

// TestBackPressure has no room in memory and a writer that hangs: Observe waits, as long as
// its context does.
func TestBackPressure(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{MemoryEntries: 1})
	sh := s.shard(key(1))
	other := 2
	for s.shard(key(other)) != sh {
		other++
	}
	hung := &s.shards[0]
	if hung == sh {
		t.Fatal("choose another key")
	}
	hung.mu.Lock()
	mustCount(t, s, 1, key(1))
	sg := storm.Sighting{At: start, Counts: []storm.Count{{Key: key(other), Limit: identity}}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Observe(ctx, sg); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Observe while the writer hangs: %v", err)
	}
	mustCount(t, s, 2, key(1)) // takes no more room
	go hung.mu.Unlock()
	if got, err := s.Observe(context.Background(), sg); err != nil || got[0].Seen != 1 {
		t.Errorf("Observe when it goes on: %+v, %v", got, err)
	}
}

func TestExpires(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		last time.Time
		keep time.Duration
		want time.Time
	}{
		{start, time.Hour, now.Add(time.Hour + keepMargin)},                 // a replay of old mail
		{now.AddDate(10, 0, 0), time.Hour, now.Add(time.Hour + keepMargin)}, // a clock that was ahead
		{now, 0, time.Unix(0, 0)},
	} {
		got := expires(tt.keep, now)
		if got != uint64(tt.want.Unix()) {
			t.Errorf("last %v, keep %v: %v, want %v", tt.last, tt.keep, time.Unix(int64(got), 0).UTC(), tt.want)
		}
	}
}

// TestDiskForgets checks that the end of a tally's life reaches the disk.
func TestDiskForgets(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{FlushEvery: time.Hour})
	value := append([]byte(nil), must(s.shard(key(1)).encode(storm.Tally{Key: key(1), Seen: 1}))...)
	for n, e := range map[int]entry{
		1: {value, uint64(time.Now().Add(time.Hour).Unix())}, 2: {value, uint64(time.Now().Add(-time.Second).Unix())}, 3: {value, 0},
	} {
		sh := s.shard(key(n))
		sh.mu.Lock()
		sh.put(key(n), e)
		sh.mu.Unlock()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{})
	if a, b, c := seen(t, s, key(1)), seen(t, s, key(2)), seen(t, s, key(3)); a != 1 || b != 0 || c != 1 {
		t.Errorf("alive %d, expired %d, for ever %d", a, b, c)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, Options{})
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("second: %v", err)
	}
}

// TestDamagedFolder damages each file in turn: Open says what to do, or the store works.
func TestDamagedFolder(t *testing.T) {
	dir, killed := t.TempDir(), t.TempDir()
	for round := range 3 { // so that there are some tables
		s := openTest(t, dir, Options{})
		for n := range 2000 {
			mustCount(t, s, round, key(n))
		}
		if round == 2 {
			s.writeNow()
			if err := os.CopyFS(killed, os.DirFS(dir)); err != nil { // with a log
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	refused := map[string]bool{}
	files := append(must(filepath.Glob(dir+"/*")), must(filepath.Glob(killed+"/*.mem"))...)
	for _, file := range files {
		for name, damage := range map[string]func([]byte) []byte{
			"byte":    func(b []byte) []byte { b[len(b)/3] ^= 0xff; return b },
			"flipped": func(b []byte) []byte { return bytes.Map(func(r rune) rune { return r ^ 0x7f }, b) },
			"cut":     func(b []byte) []byte { return b[:len(b)/2] },
			"empty":   func([]byte) []byte { return nil },
		} {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(filepath.Dir(file))); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(copied, filepath.Base(file))
			if err := os.WriteFile(path, damage(must(os.ReadFile(path))), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(copied, Options{})
			if err != nil {
				refused[filepath.Ext(file)] = true
				if !strings.Contains(err.Error(), copied) || !strings.Contains(err.Error(), "move the folder away") {
					t.Errorf("%s %s: %v", filepath.Base(file), name, err)
				}
				continue
			}
			for n := range 2000 {
				if _, err := count(s, 1, key(n)); err != nil && !strings.Contains(err.Error(), "read tally") {
					t.Errorf("%s %s: %v", filepath.Base(file), name, err)
				}
			}
			s.Close()
		}
	}
	if !refused[".sst"] || !refused[""] { // tables, and MANIFEST
		t.Errorf("damaged files that are refused: %v", refused)
	}
}

// TestKilledWhileCreating has the files of a process that was killed in the middle of
// creating them.
func TestKilledWhileCreating(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	mustCount(t, s, 1, key(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"09999.mem": 0, "009999.vlog": 0, "09998.mem": 8 << 20, "009999.sst": 1 << 20, "009998.sst": 0} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := seen(t, openTest(t, dir, Options{}), key(1)); got != 1 {
		t.Errorf("seen %d times, want 1", got)
	}
}

// TestUnreadableTally has a stored tally of a version to come: it is counted anew.
func TestUnreadableTally(t *testing.T) {
	var said buffer
	s := openTest(t, t.TempDir(), Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	for n := range 3 {
		sh := s.shard(key(n))
		sh.mu.Lock()
		sh.put(key(n), entry{value: []byte{99, 1, 2}})
		sh.mu.Unlock()
		if got := mustCount(t, s, n, key(n))[0].Seen; got != 1 {
			t.Errorf("seen %d, want 1", got)
		}
	}
	if n := strings.Count(said.String(), "counted anew"); n != 1 || !strings.Contains(said.String(), "version 99") || !strings.Contains(said.String(), "newer breakwater") {
		t.Errorf("said %d times: %s", n, &said)
	}
}

// TestFailedWrite has a tally that Badger does not take: nothing is lost of the others.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{FlushEvery: time.Hour})
	for n := range 300 {
		mustCount(t, s, 1, key(n))
	}
	sh := s.shard(key(-1))
	sh.mu.Lock()
	sh.put(key(-1), entry{value: make([]byte, 17<<20)})
	sh.mu.Unlock()
	s.writeNow()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "write tallies to "+dir) {
		t.Errorf("Err: %v", err)
	}
	for n := range 300 {
		if got := mustCount(t, s, 2, key(n))[0].Seen; got != 2 && s.shard(key(n)) != sh {
			t.Fatalf("key %d: seen %d after a failed write, want 2", n, got)
		}
	}
	sh.mu.Lock()
	sh.put(key(-1), entry{value: []byte{1}})
	sh.mu.Unlock()
	s.writeNow()
	if err := s.Err(); err != nil {
		t.Errorf("Err when all can be written: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{})
	for n := range 300 {
		if got := seen(t, s, key(n)); got != 2 && s.shard(key(n)) != sh {
			t.Fatalf("key %d: seen %d when reopened, want 2", n, got)
		}
	}
}

// TestBeingWritten looks at a tally while the writer has it.
func TestBeingWritten(t *testing.T) {
	for _, written := range []bool{true, false} {
		s := openTest(t, t.TempDir(), Options{FlushEvery: time.Hour})
		check := func(when string, want uint64) {
			t.Helper()
			if got := seen(t, s, key(1)); got != want {
				t.Errorf("%s: looked up as seen %d times, want %d", when, got, want)
			}
			var all []uint64
			for tally, err := range s.Tallies(context.Background(), start) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, tally.Seen)
			}
			if !slices.Equal(all, []uint64{want}) {
				t.Errorf("%s: shown as seen %v times, want once %d", when, all, want)
			}
		}
		sh := s.shard(key(1))
		mustCount(t, s, 1, key(1))
		sh.take()
		check("being written", 1)
		mustCount(t, s, 2, key(1))
		check("counted while being written", 2)
		sh.settle(written)
		check("counted while it was written", 2)
		s.writeNow()
		check("written", 2)
	}
}
