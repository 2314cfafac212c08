package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// faulty builds breakwater once with a clock that can be set, and with files that fail. Nothing of it is in the
// source of breakwater: what changes is Go's own time and os, by the overlay of go build.
var faulty = sync.OnceValues(func() (string, error) {
	name, err := binary()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(name)
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	std := filepath.Join(strings.TrimSpace(string(root)), "src")
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	put := func(file, text string) error {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		overlay.Replace[filepath.Join(std, file)] = changed
		return os.WriteFile(changed, []byte(text), 0o600)
	}
	for file, text := range faultsOfGo {
		if err := put(file, text); err != nil {
			return "", err
		}
	}
	for file, changes := range changesToGo {
		b, err := os.ReadFile(filepath.Join(std, file))
		if err != nil {
			return "", err
		}
		text := string(b)
		for _, c := range changes {
			if strings.Count(text, c.before) != 1 {
				return "", fmt.Errorf("%s of %s is not what it was: there is no one %q in it", file, runtime.Version(), c.before)
			}
			text = strings.Replace(text, c.before, c.before+c.more, 1)
		}
		if err := put(file, text); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	list, name := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "breakwater-faulty")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-race", "-overlay", list, "-o", name, "breakwater/cmd/breakwater").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build breakwater with faults: %w\n%s", err, out)
	}
	return name, nil
})

// faultsOfGo are files more in Go's packages.
var faultsOfGo = map[string]string{
	"time/faults.go": `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var faults = func() *[8]atomic.Int64 {
	name, ok := syscall.Getenv("` + faultsEnv + `")
	if !ok {
		return nil
	}
	fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	b, err := syscall.Mmap(fd, 0, 4096, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*[8]atomic.Int64)(unsafe.Pointer(&b[0]))
}()

// Fault is what the test says of one kind of fault.
func Fault(kind int) int64 {
	if faults == nil {
		return 0
	}
	return faults[kind].Load()
}

func shifted(sec int64, nsec int32) (int64, int32) {
	by := int64(nsec) + Fault(0)
	sec, by = sec+by/1e9, by%1e9
	if by < 0 {
		sec, by = sec-1, by+1e9
	}
	return sec, int32(by)
}
`,
	"os/faults.go": `package os

import (
	"syscall"
	"time"
)

var faulty = func() string {
	name, _ := syscall.Getenv("` + faultsEnv + `")
	for len(name) > 0 && name[len(name)-1] != '/' {
		name = name[:len(name)-1]
	}
	return name
}()

// fault is EIO as often as the test says, for the files beside what it says it by; and syncs take as long.
func (f *File) fault(kind int, op string) error {
	if faulty == "" || len(f.name) < len(faulty) || f.name[:len(faulty)] != faulty {
		return nil
	}
	if op == "sync" {
		time.Sleep(time.Duration(time.Fault(4)))
	}
	if int64(runtime_rand()%1000) >= time.Fault(kind) {
		return nil
	}
	return &PathError{Op: op, Path: f.name, Err: syscall.EIO}
}
`,
}

// change is what is put behind a place of a file.
type change struct{ before, more string }

var changesToGo = map[string][]change{
	"time/time.go": {{"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", "\tsec, nsec = shifted(sec, nsec)\n"}},
	"os/file.go": {
		{"func (f *File) Read(b []byte) (n int, err error) {\n\tif err := f.checkValid(\"read\"); err != nil {\n\t\treturn 0, err\n\t}\n", failing(readFault, "read", "return 0, err")},
		{"func (f *File) ReadAt(b []byte, off int64) (n int, err error) {\n\tif err := f.checkValid(\"read\"); err != nil {\n\t\treturn 0, err\n\t}\n", failing(readFault, "read", "return 0, err")},
		// What fails was written by half.
		{"func (f *File) Write(b []byte) (n int, err error) {\n\tif err := f.checkValid(\"write\"); err != nil {\n\t\treturn 0, err\n\t}\n", failing(writeFault, "write", "n, _ := f.write(b[:len(b)/2])\n\t\treturn max(n, 0), err")},
		{"func (f *File) WriteAt(b []byte, off int64) (n int, err error) {\n\tif err := f.checkValid(\"write\"); err != nil {\n\t\treturn 0, err\n\t}\n", failing(writeFault, "write", "n, _ := f.pwrite(b[:len(b)/2], off)\n\t\treturn max(n, 0), err")},
	},
	"os/file_posix.go": {{"func (f *File) Sync() error {\n\tif err := f.checkValid(\"sync\"); err != nil {\n\t\treturn err\n\t}\n", failing(syncFault, "sync", "return err")}},
	"os/dir_unix.go":   {{"func (f *File) readdir(n int, mode readdirMode) (names []string, dirents []DirEntry, infos []FileInfo, err error) {\n", failing(readFault, "readdirent", "return nil, nil, nil, err")}},
}

func failing(kind int, op, then string) string {
	return fmt.Sprintf("\tif err := f.fault(%d, %q); err != nil {\n\t\t%s\n\t}\n", kind, op, then)
}

const faultsEnv = "BREAKWATER_LAB_FAULTS"

// Kinds of faults: how far the clock is set, in nanoseconds; of how many of a thousand calls fail; and how long syncs take,
// in nanoseconds.
const (
	clockFault = iota
	readFault
	writeFault
	syncFault
	slowFault
	kindsOfFaults
)

// faults are what a faulty breakwater suffers now.
type faults []atomic.Int64

// withFaults has d be a breakwater whose faults are set by what is returned, from the next start on.
func (d *daemon) withFaults() faults {
	d.t.Helper()
	name, err := faulty()
	if err != nil {
		d.t.Fatal(err)
	}
	page := d.path("faults")
	write(d.t, page, strings.Repeat("\x00", 4096))
	f, err := os.OpenFile(page, os.O_RDWR, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		d.t.Fatal("mmap:", err)
	}
	d.program = name
	d.env = append(d.env, faultsEnv+"="+page)
	return unsafe.Slice((*atomic.Int64)(unsafe.Pointer(&b[0])), kindsOfFaults)
}

// TestFaults shows that a faulty breakwater suffers what it is told to, and the shipped one does not.
func TestFaults(t *testing.T) {
	d := newDaemon(t, "unix", nil)
	f := d.withFaults()
	check := func() (string, error) {
		cmd := d.command("rules", "check", d.path("rules"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil {
		t.Fatalf("without a fault: %v\n%s", err, out)
	}
	f[readFault].Store(1000)
	if out, err := check(); err == nil || !strings.Contains(out, unix.EIO.Error()) {
		t.Errorf("files can be read: %v\n%s", err, out)
	}
	d.program = ""
	if out, err := check(); err != nil {
		t.Errorf("the shipped breakwater: %v\n%s", err, out)
	}
	f[readFault].Store(0)
	name, _ := faulty()
	d.program = name
	f[clockFault].Store(int64(40 * 24 * time.Hour))
	d.start()
	want := time.Now().Add(40 * 24 * time.Hour).Format("2006-01-02")
	if log := d.logged(); !strings.Contains(log, "time="+want) {
		t.Errorf("its clock does not show %s:\n%s", want, log)
	}
}
