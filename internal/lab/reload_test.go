package lab

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestReload gives a daemon other rules again and again while mail flows, some of them broken. Every
// mail is judged by one set of rules for all its recipients, and is in the mailboxes or in the archive.
func TestReload(t *testing.T) {
	Need(t, "postfix")
	d := newDaemon(t, "unix", nil)
	d.web = fmt.Sprintf("127.0.0.1:%d", Ports(t, 1))
	name := d.path("rules/default.toml")
	shipped, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	// put replaces the file at once, as editors and configuration tools do.
	put := func(more string) {
		write(t, name+".new", string(shipped)+more)
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	one := func(action string) string {
		return fmt.Sprintf("[[rule]]\nname = \"all %s\"\nwhen = 'subject startsWith \"Mail \"'\naction = %q\n", action, action)
	}
	put(one("deliver"))
	d.start()
	rcpts := []string{"ann@example.org", "bob@example.org", "carl@example.net"}
	sink := NewSink(t)
	s := Postfix(t, Options{
		Milter: d.listen, LMTP: sink.Port, Domains: []string{"example.org", "example.net"}, Mailboxes: rcpts,
		Settings: map[string]string{"enable_long_queue_ids": "yes"}, // a short one may come again within a minute
	})

	done := make(chan struct{})
	var sent atomic.Int64
	var senders sync.WaitGroup
	for range 3 {
		senders.Go(func() {
			c := Dial(t, s.Addr())
			for {
				select {
				case <-done:
					c.Quit()
					return
				default:
				}
				n := sent.Add(1)
				raw := fmt.Appendf(nil, "From: x@example.com\r\nSubject: Mail %d\r\nMessage-ID: <%d@example.com>\r\n\r\nNumber %d.\r\n", n, n, n)
				if code, text := c.Send("x@example.com", rcpts, raw); code != 250 {
					t.Errorf("mail %d: %d %s", n, code, text)
				}
			}
		})
	}

	reload := func() (string, error) {
		out, err := d.command("rules", "reload", "--control", d.path("control")).CombinedOutput()
		return string(out), err
	}
	const rounds = 12
	for i := range rounds {
		put(one([]string{"absorb", "deliver"}[i%2]))
		if i%3 == 0 {
			d.cmd.Process.Signal(syscall.SIGHUP)
			waitFor(t, "a reload", func() bool { return strings.Count(d.logged(), `msg="rules reloaded"`) == i+1 })
		} else if out, err := reload(); err != nil {
			t.Fatal(err, out)
		}
		time.Sleep(50 * time.Millisecond)
	}
	put(one("absorb") + "[limit.id]\ncopiez = 3\n")
	out, err := reload()
	if err == nil || !strings.Contains(out, "default.toml:") || !strings.Contains(out, "the old ones stay in force") {
		t.Errorf("a broken file: %v\n%s", err, out)
	}
	waitFor(t, "the log to say that the file is broken", func() bool {
		return strings.Contains(d.logged(), `msg="rules not reloaded, the old ones stay in force"`)
	})
	before := len(d.decided())
	waitFor(t, "mail by the old rules", func() bool { return len(d.decided()) > before+20 })
	close(done)
	senders.Wait()
	s.Drained(t)

	by := map[string]string{} // queue ID: the rule that decided
	seen := map[string]int{}
	for _, line := range d.decided() {
		id, rule := attribute(line, "qid"), attribute(line, "action")
		if by[id] != "" && by[id] != rule {
			t.Errorf("%s is judged by two sets of rules:\n%s", id, line)
		}
		by[id] = rule
		seen[rule]++
	}
	if seen["absorb"] == 0 || seen["deliver"] == 0 || len(seen) != 2 {
		t.Errorf("decisions: %v", seen)
	}
	for _, line := range d.decided()[before:] {
		if attribute(line, "action") != "deliver" {
			t.Errorf("not by the old rules: %s", line)
		}
	}
	if n := len(sink.Deliveries()) + len(d.absorbed()); n != 3*int(sent.Load()) {
		t.Errorf("%d of %d are in mailboxes or the archive", n, 3*int(sent.Load()))
	}
	if !strings.Contains(d.logged(), `msg="rules not reloaded, the old ones stay in force"`) {
		t.Error("the log says nothing of the broken file")
	}
	page := d.metrics()
	for _, want := range []string{`breakwater_rules_reloads_total{result="error"} 1`, fmt.Sprintf(`breakwater_rules_reloads_total{result="ok"} %d`, rounds)} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	t.Logf("%d mails, %d reloads, decisions %v", sent.Load(), rounds, seen)
}

// decided are the lines of the log that tell a decision.
func (d *daemon) decided() (lines []string) {
	for line := range strings.Lines(d.logged()) {
		if strings.Contains(line, " action=") && strings.Contains(line, " qid=") {
			lines = append(lines, line)
		}
	}
	return lines
}

// attribute is the value of one of a line of the log, without quotes.
func attribute(line, name string) string {
	_, rest, _ := strings.Cut(line, " "+name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return strings.TrimSpace(value)
}

func (d *daemon) metrics() string {
	d.t.Helper()
	r, err := http.Get("http://" + d.web + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}
