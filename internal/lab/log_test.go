package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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

// TestWithoutControl: where the control socket or the web server cannot be, mail is filtered all the same.
func TestWithoutControl(t *testing.T) {
	d := newDaemon(t, "unix", nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for what, set := range map[string]func(args []string) []string{
		"control": func(args []string) []string { return append(args, "--control", "/nonexistent/control.sock") },
		"web":     func(args []string) []string { return append(args, "--web", taken.Addr().String()) },
	} {
		web := fmt.Sprintf("127.0.0.1:%d", Ports(t, 1))
		d.web = web
		cmd := d.command(set(d.arguments())...)
		cmd.Stderr = d.log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(d.listen, "unix:")
		waitFor(t, "the daemon", func() bool { return listening(path) })
		deliver(t, "unix", path)
		waitFor(t, "the log to say so", func() bool {
			return strings.Contains(d.logged(), "mail is filtered, but without this socket; trying again\" socket="+what)
		})
		if what == "control" {
			r, err := http.Get("http://" + web + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r.Body)
			if r.Body.Close(); err != nil || r.StatusCode != 200 || !strings.Contains(string(b), "control: ") {
				t.Errorf("%d %s %v", r.StatusCode, b, err)
			}
		}
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
