package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"breakwater/internal/setup"
)

// TestSocketOfTheMTA: a socket that the MTA's group alone may connect to is used by a Postfix in a chroot
// and by one that is not, at one address, and by Sendmail. Other accounts are kept out.
func TestSocketOfTheMTA(t *testing.T) {
	for _, tt := range []struct {
		server, chroot, milter string
	}{
		{"postfix", "y", setup.PostfixSocket}, {"postfix", "n", setup.PostfixSocket}, {"sendmail", "", ""},
	} {
		t.Run(tt.server+" "+tt.chroot, func(t *testing.T) {
			Need(t, "postfix", tt.server)
			d := newDaemon(t, "unix", nil)
			write(t, d.path("breakwater.toml"), "[digest]\nsubmit = \"\"\n") // with the modes and groups that are shipped
			sink := NewSink(t)
			o := Options{LMTP: sink.Port, Mailboxes: []string{"u1@example.test"}, Milter: tt.milter}
			var s *Server
			var path string
			if tt.server == "postfix" {
				o.Settings = map[string]string{"milter_default_action": "tempfail"}
				s = Postfix(t, o)
				folder := filepath.Join(s.Dir, "spool", "breakwater")
				path = filepath.Join(folder, "milter.sock")
				if err := os.Mkdir(folder, 0o755); err != nil {
					t.Fatal(err)
				}
				s.Run(t, "", "postconf", "-F", fmt.Sprintf("%d/inet/chroot=%s", s.Port, tt.chroot))
				s.Reload(t)
			} else {
				folder := d.path("run") // as /run/breakwater is
				path = filepath.Join(folder, "milter.sock")
				if err := os.Mkdir(folder, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(folder, 4242, 4242); err != nil {
					t.Fatal(err)
				}
				o.Milter = "unix:" + path
				s = Sendmail(t, o)
			}
			d.listen = "unix:" + path
			d.start()
			if code, text := Dial(t, s.Addr()).Send("ann@example.net", []string{"u1@example.test"}, ordinary(1, "ann@example.net", "u1@example.test").Raw); code != 250 {
				t.Errorf("%d %s", code, text)
			}
			waitFor(t, "the decision", func() bool { return strings.Contains(d.logged(), "msg=decision") })
			if out, err := as("nobody", "test", "-w", path); err == nil {
				t.Errorf("nobody may connect: %s", out)
			}
			if out, err := as("postfix", "test", "-w", path); err != nil {
				t.Errorf("postfix may not connect: %v %s", err, out)
			}
		})
	}
}

// as runs a command as another user.
func as(user string, args ...string) ([]byte, error) {
	return exec.Command("runuser", append([]string{"-u", user, "--"}, args...)...).CombinedOutput()
}
