package sweep

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// TestMasters sweeps users by the login of a master.
func TestMasters(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	dovecot, cyrus := lab.Dovecot(t, lab.Mailboxes{}), lab.Cyrus(t, lab.Mailboxes{})
	for name, o := range map[string]session.Options{
		"Dovecot, PLAIN for another": {Server: "imap+plain://" + dovecot.Addr(), User: "u2@example.test", Master: "master", Password: "masterpw"},
		"Dovecot, user*master":       {Server: "imap+plain://" + dovecot.Addr(), User: "u1@example.test*master", Password: "masterpw", Auth: "login"},
		"Cyrus, PLAIN for another":   {Server: "imap+plain://" + cyrus.Addr(), User: "u1@example.test", Master: "cyrus", Password: "cyrus"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &mailbox{t, o}
			b.fill("INBOX", copies(10))
			if p := applied(t, b.sweep(""), "run1"); p.Move() != 7 {
				t.Errorf("%+v", p.Folders)
			}
		})
	}
	wrong := real(t, dovecot)
	wrong.options.Password = "wrong"
	if _, err := session.Dial(t.Context(), wrong.options); !errors.Is(err, session.ErrLogin) {
		t.Errorf("wrong password: %v", err)
	}
}

// TestTokensReal logs in at a real server with a token instead of a password, by both mechanisms.
func TestTokensReal(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot")
	const key = "a key for tokens"
	srv := lab.Dovecot(t, lab.Mailboxes{OAuth: key})
	for i, auth := range []string{"oauthbearer", "xoauth2"} {
		b := real(t, srv)
		b.options.Auth, b.options.Password = auth, lab.Token(key, "u1@example.test", time.Now())
		folder := fmt.Sprint("Box", i)
		b.fill(folder, copies(10))
		s := b.sweep("")
		s.Folders = []string{folder}
		if p := applied(t, s, "run1"); p.Move() != 7 {
			t.Errorf("%s: %+v", auth, p.Folders)
		}
		for name, token := range map[string]string{"another key": lab.Token("other", "u1@example.test", time.Now()), "expired": lab.Token(key, "u1@example.test", time.Now().Add(-2*time.Hour))} {
			b.options.Password = token
			if _, err := session.Dial(t.Context(), b.options); !errors.Is(err, session.ErrLogin) {
				t.Errorf("%s, %s: %v", auth, name, err)
			}
		}
	}
}

// certificate makes one for 127.0.0.1, and writes it to a file as its own authority, with its key.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "ca.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, name
}

// TestTLSReal sweeps by both ways that there are to TLS at a real server, and trusts none
// without its certificate.
func TestTLSReal(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot")
	_, pair := certificate(t)
	_, other := certificate(t)
	srv := lab.Dovecot(t, lab.Mailboxes{TLS: pair})
	for i, server := range []string{"imaps://" + srv.IMAPS(), "imap://" + srv.Addr()} {
		b := &mailbox{t, session.Options{Server: server, CAFile: pair, User: "u1@example.test", Password: "pw"}}
		folder := fmt.Sprint("Box", i)
		b.fill(folder, copies(10))
		s := b.sweep("")
		s.Folders = []string{folder}
		if p := applied(t, s, "run1"); p.Move() != 7 {
			t.Errorf("%s: %+v", server, p.Folders)
		}
		for _, ca := range []string{"", other} {
			s.Server.CAFile = ca
			if err := s.Run(t.Context(), "run2", nil); err == nil || !strings.Contains(err.Error(), "set ca_file") {
				t.Errorf("%s, trusting %q: %v", server, ca, err)
			}
		}
	}
}

// TestTLS connects by both ways there are, and to servers that should not be trusted.
func TestTLS(t *testing.T) {
	cert, ca := certificate(t)
	ms, u := imapmemserver.New(), imapmemserver.NewUser("u", "pw")
	if err := u.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	ms.AddUser(u)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	serve := func(startTLS, implicit *tls.Config) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := imapserver.New(&imapserver.Options{
			NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
				return ms.NewSession(), nil, nil
			},
			Caps: withMove, TLSConfig: startTLS, Logger: log.New(io.Discard, "", 0),
		})
		addr := ln.Addr().String()
		if implicit != nil {
			ln = tls.NewListener(ln, implicit)
		}
		go srv.Serve(ln)
		t.Cleanup(func() { srv.Close() })
		return addr
	}
	starttls, imaps, never := serve(config, nil), serve(nil, config), serve(nil, nil)
	for _, tt := range []struct{ server, ca, wrong string }{
		{"imaps://" + imaps, ca, ""},
		{"imap://" + starttls, ca, ""},
		{"imaps://" + imaps, "", "set ca_file"},
		{"imap://" + starttls, "", "set ca_file"},
		{"imap://" + never, ca, "imaps://"}, // no STARTTLS: no password in clear
		{"imaps://" + never, ca, "imap://"},
		{"imaps://localhost" + imaps[9:], ca, "match localhost"},
		{"imaps://" + imaps, ca + ".away", "no such file"},
		{"imaps://" + imaps + "/?verify=no", ca, "write imaps://"}, // there is no such switch
		{"imap+plain://u:pw@" + starttls, "", "write imaps://"},    // no password in a URL
	} {
		s, err := session.Dial(t.Context(), session.Options{Server: tt.server, CAFile: tt.ca, User: "u", Password: "pw"})
		switch {
		case err == nil && tt.wrong == "":
			s.Close()
		case err == nil || !strings.Contains(err.Error(), tt.wrong) || errors.Is(err, session.ErrLost):
			t.Errorf("%s: %v", tt.server, err)
		}
	}
	away, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := session.Dial(away, session.Options{Server: "imap+plain://198.51.100.1:143", User: "u", Password: "pw"}); err == nil {
		t.Error("a password went to another host in clear")
	}
}

// script is an IMAP server that says what a test tells it to.
func script(t *testing.T, answer func(line string) string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER] hello\r\n")
				buf := make([]byte, 4096)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					for line := range strings.Lines(string(buf[:n])) {
						io.WriteString(c, answer(strings.TrimSpace(line)))
					}
				}
			}()
		}
	}()
	return "imap+plain://" + ln.Addr().String()
}

// TestTokens looks at what is sent for the mechanisms with tokens.
func TestTokens(t *testing.T) {
	for auth, want := range map[string]string{
		"xoauth2":     "AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHRva2VuAQE=",
		"oauthbearer": "AUTHENTICATE OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHRva2VuAQE=",
	} {
		var mu sync.Mutex
		var got []string
		server := script(t, func(line string) string {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, line)
			tag, command, _ := strings.Cut(line, " ")
			if strings.HasPrefix(command, "CAPABILITY") {
				return "* CAPABILITY IMAP4rev1\r\n" + tag + " OK done\r\n"
			}
			return tag + " OK done\r\n"
		})
		s, err := session.Dial(t.Context(), session.Options{Server: server, Auth: auth, User: "u", Password: "token"})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		mu.Lock()
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s: sent %q", auth, got)
		}
		mu.Unlock()
	}
}

// TestSilent has a server that says nothing any more: the command ends all the same.
func TestSilent(t *testing.T) {
	server := script(t, func(line string) string {
		tag, command, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(command, "EXAMINE"):
			return ""
		case strings.HasPrefix(command, "CAPABILITY"):
			return "* CAPABILITY IMAP4rev1\r\n" + tag + " OK done\r\n"
		}
		return tag + " OK done\r\n"
	})
	s, err := session.Dial(t.Context(), session.Options{Server: server, User: "u", Password: "pw", Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begun := time.Now()
	if _, err := s.Select(t.Context(), "INBOX", true); !errors.Is(err, session.ErrLost) || time.Since(begun) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

// TestLimiter bounds connections to each server.
func TestLimiter(t *testing.T) {
	l := session.Limiter{Max: 2}
	a, err := l.Wait(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Wait(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Wait(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.Wait(ctx, "one"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("a third connection to a server for two:", err)
	}
	a()
	if _, err := l.Wait(t.Context(), "one"); err != nil {
		t.Error(err)
	}
}

// TestNoRawMove keeps the library's ways to lose mail where they are guarded.
func TestNoRawMove(t *testing.T) {
	guarded := map[string]string{".Move(set(": "change.go", ".UIDExpunge(": "change.go", ".Copy(set(": "change.go"}
	files, err := filepath.Glob("session/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		for _, never := range []string{".c.Expunge(", "UnselectAndExpunge(", ".Collect()"} {
			if strings.Contains(text, never) {
				t.Errorf("%s calls %s", name, never)
			}
		}
		for call, home := range guarded {
			if n := strings.Count(text, call); n > 0 && filepath.Base(name) != home || n > 1 {
				t.Errorf("%s calls %s %d times", name, call, n)
			}
		}
		if n := strings.Count(text, "s.c.Move("); n > 1 || n == 1 && !strings.Contains(text, "if !s.Move || !s.c.Caps().Has(imap.CapMove) {\n\t\treturn Copied{}, errNoMove\n\t}\n\tvar c Copied\n\terr := s.do(ctx, func() error {\n\t\td, err := s.c.Move(") {
			t.Errorf("%s calls Move without having asked the server for MOVE", name)
		}
	}
	b := memory(t, withUIDPlus)
	b.fill("INBOX", copies(3))
	s := b.session()
	defer s.Close()
	if _, err := s.Select(t.Context(), "INBOX", false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.MoveTo(t.Context(), []uint32{1, 2}, "Nowhere"); err == nil {
		t.Error("a server without MOVE moved")
	}
	if n := len(b.contents()["INBOX"]); n != 3 {
		t.Errorf("%d of 3 messages are left", n)
	}
	nothing := memory(t, imap.CapSet{imap.CapIMAP4rev1: {}})
	bare := nothing.session()
	defer bare.Close()
	if err := bare.Expunge(t.Context(), []uint32{1}); err == nil {
		t.Error("expunged without UIDPLUS")
	}
}
