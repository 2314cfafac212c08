package lab

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Account is a user of an IMAP server.
type Account struct {
	User, Password string
	Quota          string // Dovecot: as in 2M; "" for none
}

// Mailboxes are the settings of an IMAP server.
type Mailboxes struct {
	Accounts   []Account // none: u1@example.test and u2@example.test, password pw
	Capability string    // Dovecot: all that it says it can do; "" for what it can
	Separator  string    // between the parts of a folder's name: / or ., "" for /
	Below      bool      // Cyrus: all folders are below INBOX
}

// Dovecot starts an IMAP server of Dovecot, which keeps Maildirs in Dir/mail. "master", with
// password masterpw, may log in for anyone, as user*master. It ends with the test.
func Dovecot(t testing.TB, o Mailboxes) *Server {
	t.Helper()
	s := &Server{Kind: "dovecot", Dir: Folder(t), Port: Ports(t, 4)}
	var users strings.Builder
	for _, a := range o.Accounts {
		fmt.Fprintf(&users, "%s:{PLAIN}%s::::::", a.User, a.Password)
		if a.Quota != "" {
			fmt.Fprintf(&users, "userdb_quota_rule=*:storage=%s", a.Quota)
		}
		fmt.Fprintln(&users)
	}
	if len(o.Accounts) > 0 {
		write(t, filepath.Join(s.Dir, "users"), users.String())
	}
	args := []string{}
	if o.Capability != "" {
		args = append(args, "capability="+o.Capability)
	}
	if o.Separator != "" {
		args = append(args, "separator="+o.Separator)
	}
	s.start(t, args...)
	return s
}

// Cyrus starts an IMAP server of Cyrus. "cyrus", with password cyrus, may log in for anyone, by
// an authorization identity. It ends with the test.
func Cyrus(t testing.TB, o Mailboxes) *Server {
	t.Helper()
	s := &Server{Kind: "cyrus", Dir: Folder(t), Port: Ports(t, 3)}
	var users strings.Builder
	for _, a := range o.Accounts {
		fmt.Fprintf(&users, "%s:%s\n", a.User, a.Password)
	}
	if len(o.Accounts) > 0 {
		write(t, filepath.Join(s.Dir, "users"), users.String())
	}
	args := []string{}
	if o.Separator != "" {
		args = append(args, "separator="+o.Separator)
	}
	if o.Below {
		args = append(args, "altnamespace=no")
	}
	s.start(t, args...)
	return s
}

// Exec runs a command as the server sees the machine, and returns what it says.
func (s *Server) Exec(t testing.TB, args ...string) string {
	t.Helper()
	return output(t, append([]string{"exec", s.Kind, s.Dir}, args...)...)
}
