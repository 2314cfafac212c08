// Package session is an IMAP session that loses no mail and hangs nowhere: every command has
// a deadline, FETCH is streamed and bounded, and nothing is expunged but by UID EXPUNGE of
// messages that the caller names.
//
// It is the only package that knows the IMAP library, whose own way to move messages expunges
// without waiting for the copy where a server has no MOVE. That is never called there.
package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// DefaultTimeout is how long a server may be silent in a command.
const DefaultTimeout = 2 * time.Minute

// Options say how to connect and log in.
type Options struct {
	Server   string // imaps://HOST[:PORT], imap://HOST[:PORT] with STARTTLS, or imap+plain://HOST:PORT on loopback
	CAFile   string // certificates to trust besides those of the system, PEM
	Auth     string // plain, login, oauthbearer or xoauth2; "" is plain
	User     string // whose mailbox
	Master   string // who logs in for User, by SASL PLAIN; "" is User
	Password string // or the token
	Timeout  time.Duration
	Traffic  *Traffic // counted, if not nil
}

// Traffic counts what goes over the wire.
type Traffic struct{ Commands, Read, Written atomic.Int64 }

// Session is a connection that is logged in. It is for one goroutine.
type Session struct {
	Move, UIDPlus, CondStore, SpecialUse bool // what the server can do

	c         *imapclient.Client
	timeout   time.Duration
	traffic   *Traffic
	namespace *imap.NamespaceData
	delim     rune
	in        selected
}

// errTimeout is what ends a command whose server is silent.
var errTimeout = errors.New("the server does not answer")

// ErrLost means that there is no connection, or none any more: a new one may work.
var ErrLost = errors.New("no connection")

// ErrLogin means that the server does not let us in: trying again would not help.
var ErrLogin = errors.New("login refused")

// Dial connects and logs in. The error is no ErrLost where it would be the same again.
func Dial(ctx context.Context, o Options) (*Session, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Traffic == nil {
		o.Traffic = &Traffic{}
	}
	s := &Session{timeout: o.Timeout, traffic: o.Traffic}
	u, err := ParseServer(o.Server)
	if err != nil {
		return nil, err
	}
	roots, err := trusted(o.CAFile)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conn, startTLS, err := dial(ctx, u, roots, o.Traffic)
	if err != nil {
		return nil, unreached(o.Server, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if startTLS == nil {
		s.c = imapclient.New(conn, nil)
		err = s.c.WaitGreeting()
	} else {
		s.c, err = imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: startTLS})
	}
	if err != nil {
		conn.Close()
		return nil, unreached(o.Server, err)
	}
	if err := s.login(ctx, o); err != nil {
		s.Close()
		return nil, fmt.Errorf("log in at %s as %s: %w", o.Server, o.User, err)
	}
	return s, nil
}

// unreached says why a server is not reached, and what can be done about it. All but what is
// known to be for good may be better the next time.
func unreached(server string, err error) error {
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var no *imap.Error
	var name *net.DNSError
	hint := ""
	switch {
	case errors.As(err, &authority):
		hint = "; set ca_file if it is signed by a private CA"
	case errors.As(err, &certificate), errors.Is(err, errClear), errors.As(err, &name) && name.IsNotFound:
	case errors.As(err, &record):
		hint = "; imap:// is for ports where TLS begins with STARTTLS"
	case errors.As(err, &no) && no.Type != imap.StatusResponseTypeBye: // to STARTTLS
		hint = "; imaps:// is for ports where TLS is there from the start"
	default:
		return fmt.Errorf("%w to %s: %w", ErrLost, server, err)
	}
	return fmt.Errorf("connect to %s: %w%s", server, err, hint)
}

var errClear = errors.New("it is not loopback: imap+plain would show the password to the network")

// dial opens the connection. Where TLS is still to be begun by STARTTLS, its configuration is
// returned; without TLS only loopback is dialled.
func dial(ctx context.Context, u *url.URL, roots *x509.CertPool, traffic *Traffic) (net.Conn, *tls.Config, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, nil, err
	}
	conn := &counted{raw, traffic}
	config := &tls.Config{ServerName: u.Hostname(), RootCAs: roots, NextProtos: []string{"imap"}}
	switch u.Scheme {
	case "imaps":
		t := tls.Client(conn, config)
		if err := t.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, nil, err
		}
		return t, nil, nil
	case "imap":
		return conn, config, nil
	}
	if tcp, ok := raw.RemoteAddr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		conn.Close()
		return nil, nil, errClear
	}
	return conn, nil, nil
}

// ParseServer reads the URL of a server, with its port.
func ParseServer(server string) (*url.URL, error) {
	ports := map[string]string{"imaps": "993", "imap": "143", "imap+plain": "143"}
	u, err := url.Parse(server)
	if err != nil || ports[u.Scheme] == "" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("server %q: write imaps://HOST, imap://HOST for STARTTLS, or imap+plain://127.0.0.1", server)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), ports[u.Scheme])
	}
	return u, nil
}

func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s has no certificate in PEM", file)
	}
	return pool, nil
}

// login authenticates and asks what the server can do.
func (s *Session) login(ctx context.Context, o Options) error {
	who, as := o.User, ""
	if o.Master != "" {
		who, as = o.Master, o.User
	}
	err := s.do(ctx, func() error {
		switch o.Auth {
		case "", "plain":
			if s.c.Caps().Has(imap.AuthCap(sasl.Plain)) {
				return s.c.Authenticate(sasl.NewPlainClient(as, who, o.Password))
			}
			if as != "" {
				return errors.New("the server has no SASL PLAIN, which a master login needs")
			}
			return s.c.Login(who, o.Password).Wait()
		case "login":
			return s.c.Login(who, o.Password).Wait()
		case "oauthbearer":
			return s.c.Authenticate(&oauthbearer{sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: who, Token: o.Password})})
		case "xoauth2":
			return s.c.Authenticate(&xoauth2{who, o.Password})
		}
		return fmt.Errorf("auth %q: there are plain, login, oauthbearer, xoauth2", o.Auth)
	})
	if err != nil && !errors.Is(err, ErrLost) {
		return fmt.Errorf("%w: %w", ErrLogin, err)
	}
	if err != nil {
		return err
	}
	return s.capabilities(ctx)
}

func (s *Session) capabilities(ctx context.Context) error {
	return s.do(ctx, func() (err error) {
		caps := s.c.Caps() // asked anew after the login
		s.Move, s.UIDPlus = caps.Has(imap.CapMove), caps.Has(imap.CapUIDPlus)
		s.CondStore, s.SpecialUse = caps.Has(imap.CapCondStore), caps.Has(imap.CapSpecialUse)
		if caps.Has(imap.CapNamespace) {
			s.namespace, err = s.c.Namespace().Wait()
		}
		return err
	})
}

// oauthbearer is the SASL mechanism of RFC 7628. Of an error the server sends a challenge, and says NO
// only when that is answered (§3.2.3); the library ends the exchange there, as if it were lost.
type oauthbearer struct{ sasl.Client }

func (*oauthbearer) Next([]byte) ([]byte, error) { return []byte{1}, nil }

// xoauth2 is the SASL mechanism of that name, which has no standard: of an error the server
// sends a challenge, to be answered with nothing.
type xoauth2 struct{ user, token string }

func (x *xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

func (x *xoauth2) Next([]byte) ([]byte, error) { return nil, nil }

// Close logs out if the server still answers, and closes the connection.
func (s *Session) Close() {
	if s.c.State() != imap.ConnStateLogout {
		ctx, cancel := context.WithTimeout(context.Background(), min(s.timeout, 5*time.Second))
		defer cancel()
		s.do(ctx, func() error { return s.c.Logout().Wait() }) // all that counts is done
	}
	s.c.Close()
}

// do runs one command. It ends with ctx, or when the server was silent for the time-out.
func (s *Session) do(ctx context.Context, command func() error) error {
	return s.watch(ctx, s.timeout, func(func()) error { return command() })
}

// watch is do for a command that brings much: it calls alive at each sign of life, and may take as long as
// limit all the same.
func (s *Session) watch(ctx context.Context, limit time.Duration, command func(alive func()) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.traffic.Commands.Add(1)
	var silent atomic.Bool
	end := func() {
		silent.Store(true)
		s.c.Close()
	}
	timer := time.AfterFunc(s.timeout, end)
	defer time.AfterFunc(limit, end).Stop()
	stop := context.AfterFunc(ctx, func() { s.c.Close() })
	err := command(func() { timer.Reset(s.timeout) })
	timer.Stop()
	stop()
	var no *imap.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case silent.Load():
		return fmt.Errorf("%w: %w", ErrLost, errTimeout)
	case errors.As(err, &no):
		return err
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

// leave closes the connection in the midst of an answer that is not read to its end, and says why. rest reads
// what has come of it, which the closing waits for.
func (s *Session) leave(rest func() error, format string, args ...any) error {
	go s.c.Close()
	_ = rest()
	return fmt.Errorf(format, args...)
}

// Refused reports whether err is a server's NO: the command did nothing.
func Refused(err error) bool {
	var no *imap.Error
	return errors.As(err, &no) && no.Type == imap.StatusResponseTypeNo
}

// Expunged reports whether err says that some of the messages of a command are gone (RFC 5530).
func Expunged(err error) bool {
	var no *imap.Error
	return errors.As(err, &no) && no.Code == "EXPUNGEISSUED"
}

// counted counts what goes over a connection.
type counted struct {
	net.Conn
	traffic *Traffic
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.Read.Add(int64(n))
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.traffic.Written.Add(int64(n))
	return n, err
}

// Limiter bounds the connections to each server.
type Limiter struct {
	Max int // 0: 4

	mu    sync.Mutex
	slots map[string]chan struct{}
}

// Wait waits for a place at a server; the caller frees it.
func (l *Limiter) Wait(ctx context.Context, server string) (free func(), err error) {
	l.mu.Lock()
	if l.slots == nil {
		l.slots = map[string]chan struct{}{}
	}
	if l.slots[server] == nil {
		n := l.Max
		if n <= 0 {
			n = 4
		}
		l.slots[server] = make(chan struct{}, n)
	}
	slot := l.slots[server]
	l.mu.Unlock()
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
