package lab

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/milterd/client"
)

// tool finds a program of systemd's package.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("BREAKWATER_LAB") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return path
}

func TestUnits(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, unit := range []string{"breakwater.service", "breakwater.socket", "breakwater-sweep.service", "breakwater-sweep.timer"} {
		text, err := os.ReadFile("../../systemd/" + unit)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, unit), strings.ReplaceAll(string(text), "/usr/local/bin/breakwater", name))
	}
	file := func(unit string) string { return filepath.Join(dir, unit) }
	out, err := exec.Command(analyze, "verify", "--man=no", file("breakwater.service"), file("breakwater.socket"), file("breakwater-sweep.service"), file("breakwater-sweep.timer")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	for unit, threshold := range map[string]string{"breakwater.service": "25", "breakwater-sweep.service": "35"} { // the sweep reaches other hosts
		if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold="+threshold, "--no-pager", file(unit)).CombinedOutput(); err != nil {
			t.Errorf("security of %s: %v\n%s", unit, err, out)
		}
	}
}

// deliver plays one message to the milter and expects it to be accepted.
func deliver(t testing.TB, network, addr string) {
	t.Helper()
	c, err := client.Dial(context.Background(), network, addr, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	res, err := c.Send(client.Mail{QueueID: "Q1", Client: netip.MustParseAddr("192.0.2.1"), From: "a@example.net", To: []string{"b@example.test"}, Raw: []byte("Subject: x\r\n\r\ny\r\n")})
	if err != nil || res.Verdict != client.Accept {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestSocketActivation hands breakwater a socket as systemd does. It uses that one.
func TestSocketActivation(t *testing.T) {
	activate := tool(t, "systemd-socket-activate")
	port := Ports(t, 1)
	d := newDaemon(t, "inet", nil)
	d.under = []string{activate, "--listen", fmt.Sprintf("127.0.0.1:%d", port)}
	for _, name := range []string{"PATH", "HOME"} {
		d.under = append(d.under, "--setenv", name)
	}
	// The first connection is what starts it.
	go func() {
		for t.Context().Err() == nil {
			if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				c.Close()
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	d.start()
	deliver(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if c, err := net.Dial("tcp", strings.TrimPrefix(d.listen, "inet:")); err == nil {
		c.Close()
		t.Error("it listens on an address of its own as well")
	}
}

// TestNotify is systemd to breakwater: it is told of the start, that it lives, and of the end.
func TestNotify(t *testing.T) {
	d := newDaemon(t, "unix", nil)
	pc, err := net.ListenPacket("unixgram", d.path("notify"))
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	said := make(chan string, 100)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, _, err := pc.ReadFrom(buf)
			if err != nil {
				close(said)
				return
			}
			said <- string(bytes.TrimSpace(buf[:n]))
		}
	}()
	expect := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-said:
				if got == want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s does not come", want)
			}
		}
	}
	d.env = []string{"NOTIFY_SOCKET=" + d.path("notify"), "WATCHDOG_USEC=600000"}
	d.start()
	expect("READY=1")
	expect("WATCHDOG=1")
	expect("WATCHDOG=1")
	d.stop(syscall.SIGTERM)
	expect("STOPPING=1")
}
