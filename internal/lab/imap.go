package lab

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	Submit     int       // Dovecot: SMTP port for what Sieve scripts send
	OAuth      string    // Dovecot: the key of tokens, see Token; "" for no OAuth
	TLS        string    // Dovecot: a file with a certificate and its key, PEM; "" for no TLS
}

// Dovecot starts an IMAP server of Dovecot, which keeps Maildirs in Dir/mail. "master", with
// password masterpw, may log in for anyone, as user*master. It ends with the test.
func Dovecot(t testing.TB, o Mailboxes) *Server {
	t.Helper()
	s := &Server{Kind: "dovecot", Dir: Folder(t), Port: Ports(t, 5)}
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
	if o.Submit != 0 {
		args = append(args, fmt.Sprint("submit=", o.Submit))
	}
	if o.OAuth != "" {
		args = append(args, "oauth="+o.OAuth)
	}
	if o.TLS != "" {
		args = append(args, "tls="+o.TLS)
	}
	s.start(t, args...)
	return s
}

// IMAPS is where a Dovecot with TLS speaks it from the start.
func (s *Server) IMAPS() string { return fmt.Sprintf("127.0.0.1:%d", s.Port+4) }

// Token is a JSON Web Token (RFC 7519) for a user, signed by a key.
func Token(key, user string, at time.Time) string {
	part := func(v map[string]any) string {
		b, _ := json.Marshal(v) // of texts and numbers
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]any{"alg": "HS256", "typ": "JWT"}) + "." + part(map[string]any{"sub": user, "email": user, "iat": at.Unix(), "exp": at.Add(time.Hour).Unix()})
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
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
