package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/milterd/client"
)

// TestNobodyReadsTheLog: a daemon whose standard error is a full pipe answers all mail, drops log lines
// and counts them, and ends when it is told to.
func TestNobodyReadsTheLog(t *testing.T) {
	d := newDaemon(t, "unix", nil)
	d.web = fmt.Sprintf("127.0.0.1:%d", Ports(t, 1))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := d.command(d.arguments()...)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func(cmd *exec.Cmd) { cmd.Process.Kill() }(cmd)
	waitFor(t, "the daemon", func() bool { return listening(strings.TrimPrefix(d.listen, "unix:")) })

	c, err := client.Dial(context.Background(), "unix", strings.TrimPrefix(d.listen, "unix:"), client.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	to := make([]string, 50)
	for i := range to {
		to[i] = fmt.Sprintf("%s%d@example.test", strings.Repeat("long", 14), i)
	}
	sent := 0
	for !strings.Contains(d.metrics(), "breakwater_log_lines_dropped_total ") || strings.Contains(d.metrics(), "breakwater_log_lines_dropped_total 0\n") {
		for range 50 {
			sent++
			m := client.Mail{QueueID: fmt.Sprint("Q", sent), Client: netip.MustParseAddr("192.0.2.1"), From: "a@example.net", To: to, Raw: fmt.Appendf(nil, "Subject: %d\r\n\r\ny\r\n", sent)}
			if res, err := c.Send(m); err != nil || res.Verdict != client.Accept {
				t.Fatalf("message %d: %+v, %v", sent, res, err)
			}
		}
		if sent > 20_000 {
			t.Fatal("no log line is dropped")
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the daemon does not end")
	}
}

// listening tells whether somebody listens on a unix socket.
func listening(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return err == nil
}
