package badgerdb

import (
	"bufio"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/lab"
	"breakwater/internal/storm"
)

// TestFullDisk fills the disk to the last byte under a store at work, and makes room again.
func TestFullDisk(t *testing.T) {
	disk := lab.SmallDisk(t, 96<<20)
	dir, others := filepath.Join(disk, "store"), filepath.Join(disk, "others")
	var said buffer
	o := Options{MemoryEntries: 6400, MinFree: 40 << 20, FlushEvery: time.Hour, Log: slog.New(slog.NewTextHandler(&said, nil))}
	s := openTest(t, dir, o)
	for i := range 10 {
		mustCount(t, s, i, key(-1)) // a storm
	}
	s.writeNow()
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(others, make([]byte, 96<<20), 0o600) // as much as goes in
	s.writeNow()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "nearly full") || !strings.Contains(err.Error(), dir) {
		t.Fatalf("Err on a full disk: %v", err)
	}
	for i := range 10 {
		mustCount(t, s, 100+i, key(-1))
		mustCount(t, s, 100+i, key(-2))
	}
	const flood = 100_000
	for n := range flood {
		mustCount(t, s, 1000+n/100, key(n))
		if n%10_000 == 0 {
			s.writeNow()
		}
	}
	if n := inMemory(s); n > 6400 {
		t.Errorf("%d tallies in memory, want at most 6400", n)
	}
	if a, b := seen(t, s, key(-1)), seen(t, s, key(-2)); a != 20 || b != 10 {
		t.Errorf("storms are seen %d and %d times, want 20 and 10", a, b)
	}
	kept := 0
	for n := flood - 1000; n < flood; n++ {
		kept += int(seen(t, s, key(n)))
	}
	if kept < 500 {
		t.Errorf("%d of the 1000 newest are known", kept)
	}
	if n := strings.Count(said.String(), "counted in memory alone"); n != 1 {
		t.Errorf("said %d times in a minute", n)
	}
	if err := os.Remove(others); err != nil {
		t.Fatal(err)
	}
	s.writeNow()
	if err := s.Err(); err != nil || !strings.Contains(said.String(), "written to disk again") {
		t.Errorf("Err when there is room again: %v, %s", err, &said)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, o)
	if a, b := seen(t, s, key(-1)), seen(t, s, key(-2)); a != 20 || b != 10 {
		t.Errorf("reopened: storms are seen %d and %d times, want 20 and 10", a, b)
	}
}

// writeNow makes the writer write.
func (s *Store) writeNow() {
	for range 2 { // the first may have begun before
		wrote := s.nextWrite()
		s.wake()
		<-wrote
	}
}

// TestOpenOnFullDisk: Badger would not survive it.
func TestOpenOnFullDisk(t *testing.T) {
	disk := lab.SmallDisk(t, 8<<20)
	if _, err := Open(filepath.Join(disk, "store"), Options{}); err == nil || !strings.Contains(err.Error(), "nearly full") {
		t.Errorf("Open: %v", err)
	}
}

// TestCloseOnFullDisk ends in an error, not in a signal.
func TestCloseOnFullDisk(t *testing.T) {
	disk := lab.SmallDisk(t, 96<<20)
	s := openTest(t, filepath.Join(disk, "store"), Options{MinFree: 40 << 20})
	mustCount(t, s, 1, key(1))
	os.WriteFile(filepath.Join(disk, "others"), make([]byte, 96<<20), 0o600)
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "nearly full") {
		t.Errorf("Close: %v", err)
	}
}

// The folders of child processes.
const (
	killFolder    = "BREAKWATER_STORE_KILL"
	millionFolder = "BREAKWATER_STORE_MILLION"
)

// TestMain is a child of TestKill or BenchmarkMillionKeys when told so.
func TestMain(m *testing.M) {
	var err error
	if dir := os.Getenv(killFolder); dir != "" {
		err = countForEver(dir)
	} else if dir := os.Getenv(millionFolder); dir != "" {
		err = million(dir)
	} else {
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// child is this program again, told by a variable what to do in a folder.
func child(folder, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), folder+"="+dir)
	return cmd
}

// countForEver prints what Observe returned.
func countForEver(dir string) error {
	s, err := Open(dir, Options{})
	for i := 0; err == nil; i++ {
		var got []storm.Tally
		if got, err = count(s, i, key(i%500), key(1_000_000+i)); err == nil {
			fmt.Println(i%500, got[0].Seen, i, time.Now().UnixMilli()) // one write
		}
	}
	return err
}

// TestKill kills a process that counts: what it counted a second before is all there. A
// busy machine may once be late with its writes, but not three times in a row.
func TestKill(t *testing.T) {
	for range 3 {
		all := killed(t, t.TempDir())
		if late := slices.IndexFunc(all, func(x said) bool { return x.lost && x.at < all[len(all)-1].at-1000 }); late < 0 {
			return
		} else {
			t.Logf("%+v is lost, %d ms before the end", all[late], all[len(all)-1].at-all[late].at)
		}
	}
	t.Error("sightings were lost three times")
}

// said is what a child said that it had counted.
type said struct {
	key, unique int
	seen        uint64
	at          int64 // ms
	lost        bool
}

// killed lets a child count for two seconds and kills it.
func killed(t *testing.T, dir string) (all []said) {
	child := child(killFolder, dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var x said
		if _, err := fmt.Sscan(lines.Text(), &x.key, &x.seen, &x.unique, &x.at); err != nil {
			t.Fatalf("child: %s", lines.Text())
		}
		if all = append(all, x); x.at-all[0].at > 2000 {
			child.Process.Kill() // what it said before is still read
		}
	}
	child.Wait()
	if len(all) < 1000 {
		t.Fatalf("%d were counted: not much of a test", len(all))
	}
	s := openTest(t, dir, Options{})
	for i, x := range all {
		all[i].lost = seen(t, s, key(x.key)) < x.seen || seen(t, s, key(1_000_000+x.unique)) != 1
	}
	return all
}

// TestForbidden: files that we may not open are not damaged.
func TestForbidden(t *testing.T) {
	err := explain("store", fmt.Errorf("while opening file: %v", fs.ErrPermission)) // as Badger flattens it
	if !strings.Contains(err.Error(), "belong to the user") || strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}
