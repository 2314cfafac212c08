package milterd

import (
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestListen(t *testing.T) {
	dir := t.TempDir()
	for spec, want := range map[string]string{
		"inet:0.0.0.0:0": "public = true", "inet:192.0.2.1:0": "public = true", "inet6:[::]:0": "public = true", "inet::0": "public = true",
		"unix:/nonexistent/m.sock": "make the folder /nonexistent first",
		"tcp:1":                    "is no address", "": "is no address", "inet:127.0.0.1": "missing port",
	} {
		ln, err := Listen(spec, ListenOptions{})
		if err == nil {
			ln.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
	for _, spec := range []string{"inet:127.0.0.1:0", "inet:localhost:0"} {
		ln, err := Listen(spec, ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
	}
	path := filepath.Join(dir, "sock")
	gid := os.Getgid()
	if os.Getuid() == 0 {
		gid++ // root may give away what it owns
	}
	g, err := user.LookupGroupId(strconv.Itoa(gid))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := Listen("unix:"+path, ListenOptions{Mode: 0o620, Group: g.Name})
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o620 || st.Sys().(*syscall.Stat_t).Gid != uint32(gid) {
		t.Errorf("%v, %+v", st.Mode(), st.Sys())
	}
	if _, err := Listen("unix:"+path, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "another daemon answers") {
		t.Errorf("a live socket: %v", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	if ln, err = Listen("unix:"+path, ListenOptions{}); err != nil {
		t.Fatal("a stale socket:", err)
	}
	ln.Close()
	file := filepath.Join(dir, "file")
	os.WriteFile(file, []byte("precious"), 0o600)
	if _, err := Listen("unix:"+file, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v", err)
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("the file is gone")
	}
	if _, err := Listen("unix:"+filepath.Join(dir, "g"), ListenOptions{Group: "no-such-group"}); err == nil {
		t.Error("no such group")
	}
}

// TestListenBusy: a daemon that does not get round to answer is not dead.
func TestListenBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 10 { // its queue is full
		if c, err := net.Dial("unix", path); err == nil {
			defer c.Close()
		}
	}
	if ln, err := Listen("unix:"+path, ListenOptions{}); err == nil {
		ln.Close()
		t.Error("its socket was taken")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
