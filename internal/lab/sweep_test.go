package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestSweepCommand sweeps all users of a Dovecot by its master, as the timer does, and takes it
// back for one of them.
func TestSweepCommand(t *testing.T) {
	Need(t, "dovecot")
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	srv := Dovecot(t, Mailboxes{})
	for _, user := range []string{"u1@example.test", "u2@example.test"} {
		fillMaildir(t, srv, user, 40)
	}
	dir := t.TempDir()
	creds := filepath.Join(dir, "creds")
	if err := os.Mkdir(creds, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(creds, "imap"), "masterpw\n")
	config := filepath.Join(dir, "breakwater.toml")
	write(t, config, fmt.Sprintf(`
rules   = %q
secret  = %q
control = ""
[sweep]
state = %q
[[sweep.account]]
server = "imap+plain://%s"
master = "master"
master_separator = "*"
users_command = ["printf", "u1@example.test\nu2@example.test\n"]
credential = "imap"
`, abs(t, "../../rules"), filepath.Join(dir, "secret"), filepath.Join(dir, "sweep"), srv.Addr()))
	run := func(status int, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, append(args, "--config", config)...)
		cmd.Env = append(os.Environ(), "CREDENTIALS_DIRECTORY="+creds)
		var out, complaint bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaint
		err := cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != status {
			t.Fatalf("%v: status %d, %v\n%s%s", args, got, err, out.Bytes(), complaint.Bytes())
		}
		return out.String() + complaint.String()
	}
	if out := run(0, "sweep"); strings.Count(out, "37 to Breakwater/Absorbed: personal") != 2 || !strings.Contains(out, "--apply does it") {
		t.Errorf("plan:\n%s", out)
	}
	if out := run(1, "sweep", "--apply"); !strings.Contains(out, "max_share is 50%; nothing was changed") {
		t.Errorf("guard:\n%s", out)
	}
	out := run(0, "sweep", "--apply", "--max-share", "0.95", "--json")
	runs := regexp.MustCompile(`"run":"([^"]+)"`).FindAllStringSubmatch(out, -1)
	if len(runs) != 2 || runs[0][1] != runs[1][1] {
		t.Fatalf("apply:\n%s", out)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "{") && !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	if out := run(0, "undo", "--list"); strings.Count(out, "applied") != 2 {
		t.Errorf("list:\n%s", out)
	}
	if out := run(0, "undo", runs[0][1], "u1@example.test"); !strings.Contains(out, "37 of 37 messages are back") {
		t.Errorf("undo:\n%s", out)
	}
	if out := run(0, "sweep", "--apply"); strings.Count(out, "0 move, 0 get") != 2 {
		t.Errorf("again:\n%s", out)
	}
	if out := run(0, "sweep", "--resume"); !strings.Contains(out, "no run was cut off") {
		t.Errorf("resume:\n%s", out)
	}
	run(1, "undo", "nonsense")
	for user, want := range map[string]int{"u1@example.test": 40, "u2@example.test": 3} {
		if got := strings.TrimSpace(srv.Exec(t, "doveadm", "search", "-u", user, "mailbox", "INBOX")); strings.Count(got, "\n")+1 != want {
			t.Errorf("%s has %d messages in INBOX, not %d", user, strings.Count(got, "\n")+1, want)
		}
	}
}

// fillMaildir puts copies of one message into the INBOX of a Dovecot's user.
func fillMaildir(t *testing.T, srv *Server, user string, n int) {
	t.Helper()
	cur := filepath.Join(srv.Dir, "mail", user, "Maildir", "cur")
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(filepath.Dir(cur), sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for i := range n {
		at := start.Add(time.Duration(i) * time.Minute)
		file := filepath.Join(cur, fmt.Sprintf("%d.M%dP1.lab:2,S", at.Unix(), i))
		write(t, file, fmt.Sprintf("Delivered-To: %s\r\nReceived: from mx by mail with ESMTP id %d; %s\r\nReceived: from pc by mail.example.net with ESMTP id 4Fq7Xz2s1Tz; Mon, 2 Mar 2026 07:59:10 +0000\r\n"+
			"From: ann@example.net\r\nSubject: Offer\r\nDate: Mon, 2 Mar 2026 07:59:00 +0000\r\nMessage-ID: <offer@example.net>\r\n\r\nGood day.\r\n", user, i, at.Format(time.RFC1123Z)))
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", "5000:5000", filepath.Join(srv.Dir, "mail", user)).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v\n%s", err, out)
	}
}

func abs(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSweepTogether sweeps six accounts at once, with no more connections to their server than
// are set.
func TestSweepTogether(t *testing.T) {
	Need(t, "dovecot")
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var all []Account
	for i := range 6 {
		all = append(all, Account{User: fmt.Sprintf("u%d@example.test", i), Password: fmt.Sprint("pw", i)})
	}
	srv := Dovecot(t, Mailboxes{Accounts: all})
	dir := t.TempDir()
	door := newDoor(t, srv.Addr())
	var config strings.Builder
	fmt.Fprintf(&config, "rules = %q\nsecret = %q\ncontrol = \"\"\n[sweep]\nstate = %q\nconnections = 2\n", abs(t, "../../rules"), filepath.Join(dir, "secret"), filepath.Join(dir, "sweep"))
	for i, a := range all {
		fillMaildir(t, srv, a.User, 40)
		pw := filepath.Join(dir, a.User)
		write(t, pw, a.Password+"\n")
		if err := os.Chmod(pw, 0o600); err != nil {
			t.Fatal(err)
		}
		secret := fmt.Sprintf("password_file = %q", pw)
		if i%2 == 1 {
			secret = fmt.Sprintf("password_command = [\"cat\", %q]", pw)
		}
		fmt.Fprintf(&config, "[[sweep.account]]\nserver = \"imap+plain://%s\"\nuser = %q\n%s\n", door.Addr(), a.User, secret)
	}
	file := filepath.Join(dir, "breakwater.toml")
	write(t, file, config.String())
	out, err := exec.Command(name, "sweep", "--apply", "--max-share", "1", "--config", file).CombinedOutput()
	if err != nil || strings.Count(string(out), "to take it back") != 6 {
		t.Errorf("%v\n%s", err, out)
	}
	if most := door.most.Load(); most != 2 {
		t.Errorf("%d connections at once, not 2", most)
	}
	for _, a := range all {
		if got := strings.Fields(srv.Exec(t, "doveadm", "mailbox", "status", "-u", a.User, "messages", "INBOX")); got[len(got)-1] != "messages=3" {
			t.Errorf("%s: %s", a.User, got)
		}
	}
}

// door is a way to a server that counts who is in.
type door struct {
	net.Listener
	in, most atomic.Int64
}

func newDoor(t *testing.T, to string) *door {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	d := &door{Listener: ln}
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			in := d.in.Add(1)
			d.most.Store(max(d.most.Load(), in)) // only here
			go d.pass(client, to)
		}
	}()
	return d
}

// pass lets a client through. He is out when he takes his leave: who comes next does not come sooner.
func (d *door) pass(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go io.Copy(client, server)
	for r := bufio.NewReader(client); ; {
		line, err := r.ReadString('\n')
		if strings.HasSuffix(line, " LOGOUT\r\n") {
			d.in.Add(-1)
		}
		if _, werr := io.WriteString(server, line); err != nil || werr != nil {
			return
		}
	}
}
