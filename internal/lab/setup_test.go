package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSetupPostfix lets `setup postfix` change a real Postfix: mail then passes breakwater,
// and after --undo no more, with the files as they were.
func TestSetupPostfix(t *testing.T) {
	Need(t, "postfix")
	d := newDaemon(t, "inet", nil).start()
	sink := NewSink(t)
	s := Postfix(t, Options{LMTP: sink.Port, Mailboxes: []string{"u1@example.test"}})
	etc := filepath.Join(s.Dir, "etc")
	submission := fmt.Sprintf("%d/inet", s.Port+1)
	postfix := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], append([]string{"-c", etc}, args[1:]...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	// As a master.cf stands that nobody prepared for milters.
	postfix("postconf", "-P", submission+"/smtpd_sasl_auth_enable=yes")
	postfix("postconf", "-PX", submission+"/milter_macro_daemon_name")
	write(t, filepath.Join(etc, "others"), "/^old@example.test$/ u1@example.test\n")
	postfix("postconf", "-e", "recipient_canonical_maps=pcre:"+filepath.Join(etc, "others"))
	postfix("postconf", "-e", "milter_protocol=2") // too old for us, if setup left it at that
	files := func() string {
		t.Helper()
		var all string
		for _, name := range []string{"main.cf", "master.cf"} {
			b, err := os.ReadFile(filepath.Join(etc, name))
			if err != nil {
				t.Fatal(err)
			}
			all += string(b)
		}
		return all
	}
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	way := fmt.Sprintf("127.0.0.1:%d", Ports(t, 1))
	setup := func(status int, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, append([]string{"setup", "postfix", "--config-dir", etc, "--milter", d.listen, "--submit", "smtp://" + way}, args...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != status {
			t.Fatalf("setup %s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	send := func() {
		t.Helper()
		session := Dial(t, s.Addr())
		m := ordinary(1, "ann@example.net", "u1@example.test")
		if code, text := session.Send("ann@example.net", to(m.Item), m.Raw); code != 250 {
			t.Fatal(code, text)
		}
		session.Quit()
	}
	seen := func() int { return strings.Count(d.logged(), "msg=decision") }

	before := files()
	plan := setup(1)
	for _, want := range []string{"postconf -e 'smtpd_milters = ", "{ " + d.listen + ", default_action=accept", "postconf -P '" + submission + "/milter_macro_daemon_name=ORIGINATING'", "postconf -M '" + way + "/inet="} {
		if !strings.Contains(plan, want) {
			t.Errorf("%q is not in the plan:\n%s", want, plan)
		}
	}
	if files() != before {
		t.Fatal("showing the plan changed something")
	}
	send()
	setup(0, "--apply", "--prvs", "example.test")
	s.Reload(t)
	send()
	waitFor(t, "the log line of the second message", func() bool { return seen() > 0 })
	if n := seen(); n != 1 {
		t.Errorf("%d messages passed breakwater, want the second alone", n)
	}
	for _, args := range [][]string{nil, {"--prvs", "example.test"}} {
		if out := setup(0, args...); !strings.Contains(out, "nothing is to be set") {
			t.Error(out)
		}
	}
	if out := setup(1, "--prvs", "example.test,example.org"); !strings.Contains(out, "cat >"+filepath.Join(etc, "breakwater_prvs")) || !strings.Contains(out, `(example\.org)$/`) {
		t.Error(out)
	}
	maps, err := exec.Command("postconf", "-c", etc, "-P", "cleanup/unix/recipient_canonical_maps").Output()
	if want := "pcre:" + filepath.Join(etc, "others") + ",pcre:" + filepath.Join(etc, "breakwater_prvs"); err != nil || !strings.Contains(string(maps), want) {
		t.Errorf("%q, %v; want %q", maps, err, want)
	}
	setup(2, "--apply", "--milter", "inet:127.0.0.1:1")
	if c := Dial(t, way); c != nil { // unfiltered, and for this host's domains alone
		if code, text := c.Send("ann@example.net", []string{"u1@example.net"}, ordinary(2, "ann@example.net", "u1@example.net").Raw); code/100 != 5 {
			t.Error(code, text)
		}
		c.Quit()
	}
	// Somebody else's change is not undone unasked.
	postfix("postconf", "-e", "mail_name=Other")
	if out := setup(1, "--undo"); !strings.Contains(out, "main.cf was changed since") {
		t.Error(out)
	}
	if out := setup(1, "--undo"); !strings.Contains(out, "\n  postconf -c "+etc+" -X 'smtpd_milters'") || !strings.Contains(out, "\n  postconf -c "+etc+" -PX '"+submission+"/milter_macro_daemon_name'") || !strings.Contains(out, "\n  postconf -c "+etc+" -MX '"+way+"/inet'") {
		t.Error(out)
	}
	setup(0, "--undo", "--force")
	if kept, err := os.ReadFile(filepath.Join(etc, "main.cf.before-undo")); err != nil || !strings.Contains(string(kept), "mail_name = Other") {
		t.Errorf("no copy is kept: %q, %v", kept, err)
	}
	if files() != before {
		t.Errorf("after --undo:\n%s\nbefore:\n%s", files(), before)
	}
	if _, err := os.Stat(filepath.Join(etc, "breakwater_prvs")); !os.IsNotExist(err) {
		t.Error("after --undo, there is a table left:", err)
	}
	s.Reload(t)
	send()
	if n := seen(); n != 1 {
		t.Errorf("%d messages passed breakwater after the undo", n)
	}
	setup(2, "--undo")
}

// TestSetupNamesOthers: OpenDKIM at the address of our milter is not taken for breakwater, and breakwater is known under
// every name of its address.
func TestSetupNamesOthers(t *testing.T) {
	Need(t, "postfix", "opendkim")
	signer := prepare(t, "opendkim")
	signer.start(t, "domain=example.test")
	taken := fmt.Sprintf("inet:127.0.0.1:%d", signer.Port)
	d := newDaemon(t, "inet", nil).start()
	s := Postfix(t, Options{Milter: strings.Replace(taken, "127.0.0.1", "localhost", 1), Milter2: "{ " + strings.Replace(d.listen, "127.0.0.1", "localhost", 1) + " default_action=accept }"})
	for _, milter := range []string{taken, strings.Replace(taken, "127.0.0.1", "localhost", 1)} {
		cmd := d.command("setup", "postfix", "--config-dir", s.Dir+"/etc", "--milter", milter, "--submit", "lmtp:///none", "--apply")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), milter+" is not breakwater's: opendkim, process ") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if out := d.run("setup", "postfix", "--config-dir", s.Dir+"/etc", "--milter", d.listen, "--submit", "lmtp:///none"); !strings.Contains(out, "nothing is to be set") {
		t.Error(out)
	}
}
