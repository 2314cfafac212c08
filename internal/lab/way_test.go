package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// signed reports whether OpenDKIM has signed what arrived.
func signed(got Delivery) bool {
	return strings.Contains(string(got.Raw), "\nDKIM-Signature: ") || strings.HasPrefix(string(got.Raw), "DKIM-Signature: ")
}

const fraud = "[[rule]]\nname = \"fraud\"\nwhen = 'subject == \"forged\"'\naction = \"absorb\"\n"

// inName is the n-th copy of a mail in the name of ann@example.test, after one more hop each.
func inName(subject string, n int) []byte {
	return fmt.Appendf(nil, "Received: from b.example.net by c.example.net id C%d; Mon, 2 Mar 2026 08:00:%02d +0000\r\n"+
		"Received: from a.example.net by b.example.net id B1; Mon, 2 Mar 2026 08:00:00 +0000\r\nFrom: <ann@example.test>\r\nTo: <u1@example.test>\r\n"+
		"Subject: %s\r\nDate: Mon, 2 Mar 2026 07:59:00 +0000\r\nMessage-ID: <%s@example.test>\r\n\r\nPay this today.\r\n", n, n, subject, subject)
}

// TestReleaseIsNotSigned forges mail of a customer from outside, at a host whose OpenDKIM signs what comes
// from 127.0.0.1. Released, it arrives as it came, by a way that `setup postfix` makes; a digest arrives,
// and what the customer submits is signed.
func TestReleaseIsNotSigned(t *testing.T) {
	Need(t, "postfix", "opendkim")
	signer := prepare(t, "opendkim")
	signer.start(t, "domain=example.test")
	way := fmt.Sprintf("127.0.0.1:%d", Ports(t, 1))
	d := newDaemon(t, "inet", map[string]string{"example.test.toml": "[digest]\nwait = \"1s\"\ninterval = \"1h\"\n" + fraud})
	d.configure(fmt.Sprintf("[digest]\nsubmit = \"smtp://%s\"\nfrom = \"postmaster@example.test\"\n[release]\nsubmit = \"smtp://127.0.0.1:1\"\n", way))
	d.start()
	sink := NewSink(t)
	s := Postfix(t, Options{Milter: d.listen, Milter2: fmt.Sprintf("inet:127.0.0.1:%d", signer.Port), LMTP: sink.Port, Mailboxes: []string{"u1@example.test", "u2@example.test"}})
	d.env = append(d.env, "MAIL_CONFIG="+s.Dir+"/etc") // for postconf

	var originals [][]byte
	outside := Dial(t, s.Addr())
	if code, text := outside.Client(netip.MustParseAddr("203.0.113.77")); code != 220 {
		t.Fatal(code, text)
	}
	for n := range 6 {
		originals = append(originals, inName("forged", n))
		if code, text := outside.Send("ann@example.test", []string{"u1@example.test"}, originals[n]); code != 250 {
			t.Fatal(code, text)
		}
	}
	outside.Quit()
	waitFor(t, "a line for each copy", func() bool { return strings.Count(d.logged(), "msg=decision") == 6 })
	s.Drained(t)
	absorbed := len(d.absorbed())
	if n := len(sink.Deliveries()); n != 0 || absorbed != 6 {
		t.Fatalf("%d arrived, %d were absorbed", n, absorbed)
	}

	setup := d.command("setup", "postfix", "--config-dir", s.Dir+"/etc", "--milter", d.listen, "--submit", "smtp://"+way, "--apply")
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.Reload(t)
	time.Sleep(time.Second) // [digest] wait
	d.stop(syscall.SIGTERM)
	d.start() // looks at once what is due
	waitFor(t, "a digest", func() bool { return strings.Contains(d.logged(), "digest sent") })
	s.Drained(t)
	decisions := strings.Count(d.logged(), "msg=decision")
	ids := d.copies()
	release := func(submit string, more ...string) string {
		t.Helper()
		out := d.run(append([]string{"release", "--archive", d.path("archive"), "--secret", d.path("secret"), "--control", d.path("control"), "--submit", submit}, more...)...)
		s.Drained(t)
		return out
	}
	before := len(sink.Deliveries())
	if out := release("smtp://"+way, "--all"); strings.Contains(out, "warning") {
		t.Error(out)
	}
	if n := len(sink.Deliveries()); n != before+absorbed {
		t.Errorf("%d of %d released copies arrived", n-before, absorbed)
	}
	for i, got := range sink.Deliveries() {
		if signed(got) {
			t.Errorf("delivery %d is signed:\n%s", i, clip(got.Raw))
		}
		if i >= before && (strings.Contains(string(got.Raw), "X-Breakwater") || !slices.ContainsFunc(originals, func(sent []byte) bool { return same(got.Raw, sent) })) {
			t.Errorf("a released copy arrived changed:\n%s", clip(got.Raw))
		}
	}
	if out := d.run("config", "check", "--config", d.path("breakwater.toml")); !strings.Contains(out, "warning: release.submit: ") || strings.Contains(out, "warning: digest.submit") {
		t.Errorf("nobody listens where mail is released, and digests are clear: %s", out)
	}
	if n := strings.Count(d.logged(), "msg=decision"); n != decisions {
		t.Errorf("%d decisions about released mail and digests: %s", n-decisions, d.logged())
	}

	// By the port that all mail comes in at it still passes, once, without a mark that stays, but it is signed:
	// release says so.
	out := release("smtp://"+s.Addr(), "--again", ids[0])
	last := sink.Deliveries()[len(sink.Deliveries())-1]
	if !signed(last) || strings.Contains(string(last.Raw), "X-Breakwater") || len(sink.Deliveries()) != before+absorbed+1 {
		t.Errorf("by the port of all mail:\n%s", clip(last.Raw))
	}
	if !strings.Contains(out, "opendkim") || !strings.Contains(out, "breakwater setup") {
		t.Errorf("no warning: %s", out)
	}
	if !strings.Contains(d.logged(), `reason="released copy `+ids[0]) {
		t.Error("it was counted again")
	}

	customer := Dial(t, s.Submission())
	if code, text := customer.Send("ann@example.test", []string{"u2@example.test"}, inName("genuine", 0)); code != 250 {
		t.Fatal(code, text)
	}
	customer.Quit()
	s.Drained(t)
	if last := sink.Deliveries()[len(sink.Deliveries())-1]; last.To != "u2@example.test" || !signed(last) {
		t.Errorf("what a customer submits is not signed:\n%s", clip(last.Raw))
	}
}

// TestReleaseBySendmail: by the daemon that `setup sendmail` prints, no milter is asked about what is released, nor about
// digests, and all arrives without a mark. By the port of all mail it passes, too.
func TestReleaseBySendmail(t *testing.T) {
	Need(t, "sendmail")
	way := fmt.Sprintf("127.0.0.1:%d", Ports(t, 1))
	d := newDaemon(t, "unix", map[string]string{"example.test.toml": "[digest]\nwait = \"1s\"\ninterval = \"1h\"\n" + fraud})
	d.configure(fmt.Sprintf("[digest]\nsubmit = \"smtp://%s\"\nfrom = \"postmaster@example.test\"\n", way))
	d.start()
	sink := NewSink(t)
	var lines string
	for line := range strings.Lines(d.run("setup", "sendmail", "--submit", "smtp://"+way)) {
		if strings.HasPrefix(line, "DAEMON_OPTIONS(") {
			lines += line
		}
	}
	s := Sendmail(t, Options{Milter: d.listen, LMTP: sink.Port, Macros: lines})
	outside := Dial(t, s.Addr())
	for n := range 6 {
		if code, text := outside.Send("ann@example.test", []string{"u1@example.test"}, inName("forged", n)); code != 250 {
			t.Fatal(code, text)
		}
	}
	outside.Quit()
	time.Sleep(time.Second) // [digest] wait
	d.stop(syscall.SIGTERM)
	d.start() // looks at once what is due
	waitFor(t, "a digest", func() bool { return strings.Contains(d.logged(), "digest sent") })
	s.Drained(t)
	if n := len(d.absorbed()); n != 6 || len(sink.Deliveries()) != 1 {
		t.Fatalf("%d were absorbed, %d arrived", n, len(sink.Deliveries()))
	}
	release := []string{"release", "--archive", d.path("archive"), "--secret", d.path("secret"), "--control", d.path("control"), "--submit"}
	for _, by := range []struct {
		addr      string
		more      []string
		decisions int
	}{{way, []string{"--all"}, 6}, {s.Addr(), []string{"--all", "--again"}, 12}} {
		before := len(sink.Deliveries())
		d.run(append(append(slices.Clone(release), "smtp://"+by.addr), by.more...)...)
		s.Drained(t)
		got := sink.Deliveries()[before:]
		if len(got) != 6 {
			t.Errorf("by %s, %d of 6 released copies arrived", by.addr, len(got))
		}
		for _, g := range got {
			if strings.Contains(string(g.Raw), "X-Breakwater") {
				t.Errorf("by %s, a mark arrived:\n%s", by.addr, clip(g.Raw))
			}
		}
		if n := strings.Count(d.logged(), "msg=decision"); n != by.decisions {
			t.Errorf("by %s: %d decisions, want %d", by.addr, n, by.decisions)
		}
	}
}
