package lab

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manager is what systemd is to a service with Type=notify, a socket unit and FileDescriptorStoreMax=: it opens
// the listening socket, keeps what the service stores, and hands both to the next process (sd_notify(3),
// sd_listen_fds(3)).
type manager struct {
	t      testing.TB
	socket *os.File
	notify *net.UnixConn

	mu     sync.Mutex
	stored map[string]*os.File
	ready  chan struct{} // one for each READY=1
	most   int           // files stored at once
}

func newManager(t testing.TB, socket, notify string) *manager {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, stored: map[string]*os.File{}, ready: make(chan struct{}, 100)}
	if m.socket, err = ln.File(); err != nil {
		t.Fatal(err)
	}
	if m.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ln.Close()
		m.socket.Close()
		m.notify.Close()
	})
	go m.listen()
	return m
}

// listen does what the service says.
func (m *manager) listen() {
	text, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*253))
	for {
		n, oobn, _, _, err := m.notify.ReadMsgUnix(text, oob)
		if err != nil {
			return
		}
		var fds []int
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(messages) > 0 {
			fds, _ = unix.ParseUnixRights(&messages[0])
		}
		said := map[string]string{}
		for line := range strings.Lines(string(text[:n])) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			said[key] = value
		}
		m.mu.Lock()
		name := said["FDNAME"]
		switch {
		case said["FDSTORE"] == "1" && len(fds) == 1:
			m.stored[name] = os.NewFile(uintptr(fds[0]), name)
			m.most = max(m.most, len(m.stored))
			fds = nil
		case said["FDSTOREREMOVE"] == "1" && m.stored[name] != nil:
			m.stored[name].Close()
			delete(m.stored, name)
		case said["READY"] == "1":
			m.ready <- struct{}{}
		}
		m.mu.Unlock()
		for _, fd := range fds { // of BARRIER=1
			unix.Close(fd)
		}
	}
}

// start starts the service and waits until it is ready.
func (m *manager) start(d *daemon) {
	m.t.Helper()
	if err := m.spawn(d); err != nil {
		m.t.Fatal(err)
	}
	select {
	case <-m.ready:
	case <-time.After(time.Minute):
		m.t.Fatalf("breakwater does not start:\n%s", d.logged())
	}
}

// spawn starts the service with all that it is given.
func (m *manager) spawn(d *daemon) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	files, names := []*os.File{m.socket}, []string{"breakwater.socket"}
	for name, f := range m.stored {
		files, names = append(files, f), append(names, name)
	}
	args := append([]string{"-c", `export LISTEN_PID=$$; exec "$@"`, "sh", d.command().Path}, d.arguments()...)
	d.cmd = exec.Command("sh", args...)
	d.cmd.ExtraFiles = files
	d.cmd.Env = append(append(os.Environ(), d.env...), "NOTIFY_SOCKET="+m.notify.LocalAddr().String(), fmt.Sprint("LISTEN_FDS=", len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	return d.cmd.Start()
}

// restart is systemctl restart.
func (m *manager) restart(d *daemon) {
	m.t.Helper()
	d.stop(syscall.SIGTERM)
	m.start(d)
}

// TestRestartUnderMail restarts the daemon again and again while mail flows through open SMTP sessions: each message
// passes it, and no mailbox gets more copies than without restarts.
func TestRestartUnderMail(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			d := newDaemon(t, "unix", nil)
			m := newManager(t, strings.TrimPrefix(d.listen, "unix:"), d.path("notify"))
			m.start(d)
			sink := NewSink(t)
			s := srv.start(t, Options{
				Milter: d.listen, LMTP: sink.Port, Mailboxes: []string{"u1@example.test", "u2@example.test"},
				Settings: map[string]string{"milter_default_action": "accept"},
			})
			const sessions, mailings = 8, 4
			done := make(chan struct{})
			var sent atomic.Int64
			var senders sync.WaitGroup
			for n := range sessions {
				senders.Go(func() {
					c := Dial(t, s.Addr()) // for all of the test
					defer c.Quit()
					for i := 0; ; i++ {
						select {
						case <-done:
							return
						default:
						}
						raw := fmt.Appendf(nil, "Received: from h%d by g%d id %d; Mon, 2 Mar 2026 08:00:00 +0000\r\n", n, n, i)
						raw = append(raw, ordinary(i%mailings, "x@example.net", "u1@example.test", "u2@example.test").Raw...)
						if code, text := c.Send("x@example.net", []string{"u1@example.test", "u2@example.test"}, raw); code != 250 {
							t.Errorf("session %d: %d %s", n, code, text)
							return
						}
						sent.Add(1)
						time.Sleep(time.Duration(n) * 10 * time.Millisecond) // some are between two messages, some in one
					}
				})
			}
			// One session is in the middle of a message for all of the restarts.
			slow := Dial(t, s.Addr())
			slow.Do("MAIL FROM:<slow@example.net>")
			slow.Do("RCPT TO:<u1@example.test>")
			slow.Do("DATA")
			slow.Write("Subject: slow\r\n\r\n" + strings.Repeat("one line of it\r\n", 5000))

			const restarts = 6
			for range restarts {
				before := sent.Load()
				waitFor(t, "mail to flow", func() bool { return sent.Load() > before+30 })
				m.restart(d)
			}
			before := sent.Load()
			waitFor(t, "mail to flow", func() bool { return sent.Load() > before+30 })
			close(done)
			senders.Wait()
			slow.Write(strings.Repeat("another line\r\n", 5000))
			if code, text := slow.Do("."); code != 250 {
				t.Errorf("the slow session: %d %s", code, text)
			}
			slow.Quit()
			s.Drained(t)

			// Each message was judged, and of each mailing three copies arrived at each mailbox.
			want := 2*int(sent.Load()) + 1
			d.stop(syscall.SIGTERM) // all is in the log then
			if n := strings.Count(d.logged(), "msg=decision "); n != want {
				t.Errorf("%d decisions, want %d", n, want)
			}
			arrived, slowly := 0, 0
			for _, got := range sink.Deliveries() {
				if bytes.Contains(got.Raw, []byte("another line")) {
					slowly++
				} else {
					arrived++
				}
			}
			if arrived != 2*3*mailings || slowly != 1 {
				t.Errorf("%d copies arrived of %d messages, want %d; of the slow one %d", arrived, sent.Load(), 2*3*mailings, slowly)
			}
			if m.most < 2 {
				t.Error("no connection was handed over")
			}
			mta, _ := os.ReadFile(filepath.Join(s.Dir, "maillog"))
			for line := range strings.Lines(string(mta)) {
				if strings.Contains(line, "warning: milter") {
					t.Error("Postfix lost the milter:", line)
				}
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if len(m.stored) > 0 {
				t.Errorf("%d files are still stored", len(m.stored))
			}
			t.Logf("%d messages to two mailboxes, %d restarts, up to %d connections handed over at once: %d copies arrived", sent.Load(), restarts, m.most/2, arrived)
		})
	}
}
