// Package lab runs real mail servers for tests: private instances of Postfix, Sendmail, Exim,
// OpenSMTPD, Courier, Dovecot and Cyrus, with their whole state in a folder, and the peers that
// tests need around them.
//
// The servers come from Debian's packages; lab.sh says how.
package lab

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// dir is where lab.sh is.
func dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Need makes sure that servers can be run. Where BREAKWATER_LAB is set, as .ci/test does, they are
// installed, which takes root, and a missing one fails the test; else it is skipped, so that
// go test ./... changes nothing on a machine.
func Need(t testing.TB, servers ...string) {
	t.Helper()
	if os.Getenv("BREAKWATER_LAB") == "" {
		t.Skip("real servers run where BREAKWATER_LAB is set; .ci/test sets it")
	}
	Root(t)
	run(t, append([]string{"install"}, servers...)...)
}

// Root makes sure that the test is run by root. Else it is skipped; where BREAKWATER_LAB is set it
// fails, since nothing is optional there.
func Root(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("BREAKWATER_LAB") != "" {
		t.Fatal("the test needs root")
	}
	t.Skip("the test needs root")
}

func run(t testing.TB, args ...string) {
	t.Helper()
	output(t, args...)
}

// output runs lab.sh and returns what it writes.
func output(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command("bash", append([]string{filepath.Join(dir(), "lab.sh")}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("lab.sh %s: %v\n%s", strings.Join(args, " "), err, out.Bytes())
	}
	return out.String()
}

// Options of a server. What is for one kind of server only says so.
type Options struct {
	Milter    string            // as Listen of our milter has it: inet:127.0.0.1:PORT or unix:/PATH
	Milter2   string            // another one behind it
	LMTP      int               // port on loopback that mail is delivered to
	Domains   []string          // hosted; example.test if empty
	Mailboxes []string          // Postfix: addresses there are
	Settings  map[string]string // Postfix: main.cf
	Local     []string          // Sendmail: domains whose users have to be in its aliases
	Aliases   string            // Sendmail: the file
	Macros    string            // Sendmail: what stands in its sendmail.mc before the mailers
}

// Server is a running mail server.
type Server struct {
	Kind string // the name of its file in servers, such as postfix
	Dir  string
	Port int // of SMTP on loopback; of submission is the next one; or of IMAP

	args []string // of its start
}

// Addr is where the server takes mail from others.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Submission is where the server takes mail of its own users.
func (s *Server) Submission() string { return fmt.Sprintf("127.0.0.1:%d", s.Port+1) }

// Postfix starts one. It ends with the test.
func Postfix(t testing.TB, o Options) *Server {
	t.Helper()
	s := prepare(t, "postfix")
	var boxes strings.Builder
	for _, m := range o.Mailboxes {
		fmt.Fprintf(&boxes, "%s %s/\n", m, strings.ReplaceAll(m, "@", "_"))
	}
	write(t, filepath.Join(s.Dir, "mailboxes"), boxes.String())
	milters := o.Milter
	if o.Milter2 != "" {
		milters += ", " + o.Milter2
	}
	// One connection may say several clients, so that any client may say another.
	set := []string{"local_header_rewrite_clients=", "smtpd_authorized_xclient_hosts=0.0.0.0/0, [::]/0", "inet_protocols=all", "smtpd_recipient_limit=2000"}
	set = append(set, "virtual_mailbox_domains="+strings.Join(o.domains(), " "), "smtpd_milters="+milters)
	for k, v := range o.Settings {
		set = append(set, k+"="+v)
	}
	s.start(t, fmt.Sprintf("deliver=lmtp:inet:127.0.0.1:%d", o.LMTP), "set="+strings.Join(set, ";"))
	return s
}

// Sendmail starts one. It ends with the test.
func Sendmail(t testing.TB, o Options) *Server {
	t.Helper()
	s := prepare(t, "sendmail")
	var table strings.Builder
	for _, d := range o.domains() {
		fmt.Fprintf(&table, "%s lablmtp:[127.0.0.1]\n", d)
	}
	write(t, filepath.Join(s.Dir, "mailertable"), table.String())
	write(t, filepath.Join(s.Dir, "relay-domains"), strings.Join(o.domains(), "\n")+"\n")
	write(t, filepath.Join(s.Dir, "aliases"), "postmaster: root\n"+o.Aliases)
	for _, d := range o.Local {
		o.Macros += fmt.Sprintf("LOCAL_DOMAIN(`%s')dnl\n", d)
	}
	write(t, filepath.Join(s.Dir, "more.m4"), o.Macros)
	args := []string{fmt.Sprintf("lmtp=%d", o.LMTP)}
	if o.Milter != "" {
		args = append(args, "milter="+sendmailSocket(o.Milter), "milter_flags=")
	}
	s.start(t, args...)
	return s
}

// Service sets a service of Postfix's master.cf, such as "x/unix=x unix - - n - - smtp".
func (s *Server) Service(t testing.TB, entry string) {
	t.Helper()
	s.Run(t, "", "postconf", "-M", entry)
	s.Reload(t)
}

// Reload has a Postfix read its configuration anew, and waits until no process is left that has
// the old one: one that waits for a connection may still get it. No connection may be open.
func (s *Server) Reload(t testing.TB) {
	t.Helper()
	old := s.processes(t)
	s.Run(t, "", "postfix", "reload")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now := s.processes(t)
		left := slices.DeleteFunc(slices.Clone(old), func(pid string) bool { return !slices.Contains(now, pid) })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("20 s after a reload there are processes of before: %s", left)
		}
	}
}

// processes are the process IDs of a Postfix but its master.
func (s *Server) processes(t testing.TB) []string {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(s.Dir, "spool", "pid", "master.pid"))
	if err != nil {
		t.Fatal(err)
	}
	master := strings.TrimSpace(string(pid))
	children, err := os.ReadFile(filepath.Join("/proc", master, "task", master, "children"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(children))
}

// Run runs a command with the server's configuration and returns what it prints. in is its input.
func (s *Server) Run(t testing.TB, in string, args ...string) string {
	t.Helper()
	cmd := exec.Command("bash", append([]string{filepath.Join(dir(), "lab.sh"), "exec", s.Kind, s.Dir}, args...)...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", args, err, out)
	}
	return string(out)
}

// sendmailSocket writes a socket's name as Sendmail does.
func sendmailSocket(spec string) string {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(spec, "inet:"))
	if err != nil || strings.HasPrefix(spec, "unix:") {
		return spec
	}
	return "inet:" + port + "@" + host
}

func (o Options) domains() []string {
	if len(o.Domains) == 0 {
		return []string{"example.test"}
	}
	return o.Domains
}

// Folder makes a folder that daemons without root can pass.
func Folder(t testing.TB) string {
	t.Helper()
	d, err := os.MkdirTemp("", "lab-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

func prepare(t testing.TB, kind string) *Server {
	t.Helper()
	return &Server{Kind: kind, Dir: Folder(t), Port: Ports(t, 3)}
}

func (s *Server) start(t testing.TB, args ...string) {
	t.Helper()
	s.args = append([]string{"start", s.Kind, s.Dir, fmt.Sprint(s.Port)}, args...)
	run(t, s.args...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", s.Kind, s.Log())
		}
		run(t, "stop", s.Kind, s.Dir)
	})
}

// Restart stops the server, and starts it again after a pause.
func (s *Server) Restart(t testing.TB, pause time.Duration) {
	t.Helper()
	run(t, "stop", s.Kind, s.Dir)
	time.Sleep(pause)
	run(t, s.args...)
}

// Ports are given out in blocks below those that systems take for outgoing connections
// (Linux: 32768 and up), one of which could else be taken before a server listens on it.
const (
	firstPort = 10_000
	lastPort  = 32_000
	portBlock = 200
)

// block is the ports that are this process's. Each block's first port is listened on to the
// end of the process, so that no other one takes it. next is the first not given out yet.
var block struct {
	sync.Mutex
	owned     []net.Listener
	next, end int
}

// Ports finds n free ports in a row and returns the first. No test gets a port of another one.
func Ports(t testing.TB, n int) int {
	t.Helper()
	block.Lock()
	defer block.Unlock()
	for {
		for ; block.next+n <= block.end; block.next++ {
			if first := block.next; free(first, n) {
				block.next += n
				return first
			}
		}
		start := max(firstPort, block.end)
		for ; ; start += portBlock {
			if start+portBlock > lastPort {
				t.Fatalf("no %d free ports in a row", n)
			}
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", start))
			if err == nil {
				block.owned = append(block.owned, ln)
				block.next, block.end = start+1, start+portBlock
				break
			}
		}
	}
}

// free tells whether nobody listens on n ports from the first on.
func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		ln.Close()
	}
	return true
}

// Log is the last of what the server logged.
func (s *Server) Log() string {
	name := map[string]string{"postfix": "maillog", "sendmail": "log", "dovecot": "log", "cyrus": "log", "exim": "exim-mainlog", "opensmtpd": "log", "courier": "log", "opendkim": "log"}[s.Kind]
	b, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-8000):])
}

// Queued is how many messages the server has not delivered yet.
func (s *Server) Queued() int {
	if s.Kind == "sendmail" {
		return s.count("qf", ".")
	}
	return s.count("", "incoming", "active", "deferred", "maildrop")
}

// Held is how many messages the server holds in quarantine.
func (s *Server) Held() int {
	if s.Kind == "sendmail" {
		return s.count("hf", ".")
	}
	return s.count("", "hold")
}

// count counts files with a prefix in folders of the spool.
func (s *Server) count(prefix string, folders ...string) (n int) {
	for _, f := range folders {
		filepath.WalkDir(filepath.Join(s.Dir, "spool", f), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasPrefix(d.Name(), prefix) {
				n++
			}
			return nil
		})
	}
	return n
}

// Drained waits until the server has delivered all that it has.
func (s *Server) Drained(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if s.Queued() == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s still has %d messages queued", s.Kind, s.Queued())
		}
	}
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
