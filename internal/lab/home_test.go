package lab

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/store/badgerdb"
)

// home is a site with breakwater: a Postfix with a submission port, at which users of a Dovecot log
// in, and the daemon beside it. ann@example.org has a mailbox there.
type home struct {
	t       *testing.T
	d       *daemon
	mta     *Server
	box     *Server     // also of dora@away.example, who is away, rex@away.example, who takes no mail, and strangers like them
	wall    *Sink       // refuses all that remotes hand on to it
	later   atomic.Bool // the wall puts off instead, so that mail waits at the remotes
	remotes map[string]*Server
}

const ownRules = "all_mail_leaves_here = true\n[batv]\nform = \"subaddress\"\n"

// newHome starts a home, and remotes of some kinds, Postfix among them. Its daemon has learned for
// weeks, up to a time.
func newHome(t *testing.T, learned time.Time, kinds ...string) *home {
	t.Helper()
	Need(t, append([]string{"postfix", "dovecot"}, kinds...)...)
	h := &home{t: t, d: newDaemon(t, "inet", map[string]string{"example.org.toml": ownRules}), remotes: map[string]*Server{}}
	h.assume(learned)
	h.mta = prepare(t, "postfix")
	h.d.configure(fmt.Sprintf("[digest]\nsubmit = \"\"\n[sent]\nprobe = \"smtp://%s\"\n", h.mta.Addr()))
	h.wall = NewSink(t)
	h.wall.Refuse = func(to string) string {
		if h.later.Load() {
			return "450 4.3.2 come back later"
		}
		return fmt.Sprintf("550 5.1.1 <%s>: no such user here", to)
	}
	routes := ""
	for _, kind := range kinds {
		far := Remote(t, kind, h.wall.Port, h.mta.Port)
		h.remotes[kind] = far
		routes += route(kind+".far.example", far.Port) + route("box."+kind+".far.example", far.Port)
	}
	h.mailboxes(h.remotes["postfix"])
	write(t, filepath.Join(h.mta.Dir, "transport"), routes+route("away.example", h.remotes["postfix"].Port))
	write(t, filepath.Join(h.mta.Dir, "mailboxes"), "ann@example.org x\npostmaster@example.org x\n")
	h.mta.start(t, "domain=example.org", "milter="+h.d.listen, fmt.Sprintf("sasl=inet:127.0.0.1:%d", h.box.Port+3), fmt.Sprintf("deliver=lmtp:inet:127.0.0.1:%d", h.box.Port+1),
		"set=myhostname=mx.example.org;milter_default_action=accept;recipient_delimiter=+;local_header_rewrite_clients=;smtpd_authorized_xclient_hosts=127.0.0.0/8")
	h.d.start() // behind the mail server, which it asks about tags
	h.logged("mail leaves with tags")
	return h
}

// logged waits until something stands in the daemon's log.
func (h *home) logged(what string) {
	h.t.Helper()
	waitFor(h.t, what, func() bool { return strings.Contains(h.d.logged(), what) })
}

// mailboxes starts the Dovecot, which is away.example's too, behind its mail server.
func (h *home) mailboxes(far *Server) {
	h.t.Helper()
	accounts := []Account{{User: "ann@example.org", Password: "pw"}}
	scripts := map[string]string{
		"dora@away.example": `require ["vacation"]; vacation :days 1 :addresses ["dora@away.example", "dora@fwd.example"] "I am away.";`,
		"rex@away.example":  `require ["reject"]; reject "I take no mail.";`,
	}
	for user := range scripts {
		accounts = append(accounts, Account{User: user, Password: "pw"}, Account{User: "stranger." + user, Password: "pw"})
	}
	h.box = Dovecot(h.t, Mailboxes{Submit: far.Port, Accounts: accounts})
	for user, text := range scripts {
		h.script(user, text)
		h.script("stranger."+user, text)
	}
	addRoutes(h.t, far, fmt.Sprintf("away.example lmtp:inet:127.0.0.1:%d\n", h.box.Port+1))
}

// route is a line of Postfix's transport map.
func route(domain string, port int) string {
	return fmt.Sprintf("%s smtp:[127.0.0.1]:%d\n", domain, port)
}

// addRoutes has a running Postfix know more routes.
func addRoutes(t testing.TB, s *Server, routes string) {
	t.Helper()
	name := filepath.Join(s.Dir, "transport")
	had, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, string(had)+routes)
	s.Reload(t)
}

// script has a user's mail go through a Sieve script.
func (h *home) script(user, text string) {
	h.t.Helper()
	dir := filepath.Join(h.box.Dir, "mail", user)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	write(h.t, filepath.Join(dir, ".dovecot.sieve"), text+"\n")
	if err := os.Chown(dir, 5000, 5000); err != nil { // the owner of mailboxes, see lab.sh
		h.t.Fatal(err)
	}
}

// store opens the daemon's store as an engine, while the daemon is down.
func (h *home) store(change func(*engine.Engine)) {
	h.t.Helper()
	secret, err := os.ReadFile(h.d.path("secret"))
	if os.IsNotExist(err) {
		secret = []byte(strings.Repeat("ab", 32) + "\n")
		err = os.WriteFile(h.d.path("secret"), secret, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(secret)))
	if err != nil {
		h.t.Fatal(err)
	}
	set, err := rules.Load(os.DirFS(h.d.path("rules")))
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := badgerdb.Open(h.d.path("store"), badgerdb.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	e := &engine.Engine{Store: s, Rules: func() *rules.Set { return set }, Hasher: fingerprint.New(key), Site: engine.Site{SubmitDaemons: []string{"ORIGINATING"}}}
	if text, err := os.ReadFile(h.d.path("keys")); err == nil {
		ring, err := origin.ParseRing(string(text))
		if err != nil {
			h.t.Fatal(err)
		}
		e.Ring = func() *origin.Ring { return ring }
	}
	change(e)
	if err := s.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// assume prepares the daemon's store as it is after weeks.
func (h *home) assume(learned time.Time) {
	h.t.Helper()
	h.store(func(e *engine.Engine) {
		if err := e.AssumeIndex(context.Background(), learned, learned); err != nil {
			h.t.Fatal(err)
		}
	})
}

// again restarts the daemon, with rules and what is to be done in between.
func (h *home) again(rules string, between func()) {
	h.t.Helper()
	h.d.stop(syscall.SIGTERM)
	write(h.t, h.d.path("rules/example.org.toml"), rules)
	if between != nil {
		between()
	}
	h.d.start()
}

// submit sends a message of ann, logged in, with parameters of MAIL.
func (h *home) submit(to, params, raw string) {
	h.t.Helper()
	s := Dial(h.t, h.mta.Submission())
	defer s.Quit()
	if code, text := s.Do("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00ann@example.org\x00pw"))); code != 235 {
		h.t.Fatal("AUTH:", code, text)
	}
	h.hand(s, "ann@example.org", to, params, raw)
}

// forge has somebody hand a remote a message in ann's name.
func (h *home) forge(kind, to, params, raw string) {
	h.t.Helper()
	s := Dial(h.t, h.remotes[kind].Addr())
	defer s.Quit()
	h.hand(s, "ann@example.org", to, params, raw)
}

func (h *home) hand(s *Session, from, to, params, raw string) {
	h.t.Helper()
	for _, command := range []string{fmt.Sprintf("MAIL FROM:<%s> %s", from, params), fmt.Sprintf("RCPT TO:<%s>", to)} {
		if code, text := s.Do("%s", strings.TrimSpace(command)); code != 250 {
			h.t.Fatal(command, code, text)
		}
	}
	raw = strings.Replace(raw, "{to}", to, 1)
	if code, text := s.Data([]byte(strings.ReplaceAll(raw, "\n", "\r\n"))); code != 250 {
		h.t.Fatal(code, text)
	}
}

// letter is a message in ann's name, which Sendmail and Courier put into quotes; date and id are left
// out where they are empty.
func letter(subject, date, id, body string) string {
	header := "From: Ann B. Example <ann@example.org>\nTo: <{to}>\nSubject: " + subject + "\n"
	if date != "" {
		header += "Date: " + date + "\n"
	}
	if id != "" {
		header += "Message-ID: <" + id + ">\n"
	}
	return header + "\n" + body + "\n"
}

func stamp(at time.Time) string { return at.Format(time.RFC1123Z) }

// arrived is what is in ann's mailbox, as it came to whom its To names.
func (h *home) arrived() (all []*message.Message) {
	h.t.Helper()
	for _, sub := range []string{"new", "cur"} {
		names, err := filepath.Glob(filepath.Join(h.box.Dir, "mail/ann@example.org/Maildir", sub, "*"))
		if err != nil {
			h.t.Fatal(err)
		}
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil {
				h.t.Fatal(err)
			}
			raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
			m := message.Parse(message.Envelope{}, time.Now(), raw)
			to := message.Addresses(m.Header.Get("To"))
			if len(to) > 0 {
				m.Recipients = []message.Recipient{{Addr: to[0]}}
			}
			all = append(all, m)
		}
	}
	return all
}

// decided waits until the daemon has found n more reports than before to be of an origin, and returns
// those lines of its log.
func (h *home) decided(o origin.Origin, before, n int) []string {
	h.t.Helper()
	var lines []string
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		lines = nil
		for line := range strings.Lines(h.d.logged()) {
			if strings.Contains(line, "msg=decision") && strings.Contains(line, "origin="+string(o)) {
				lines = append(lines, line)
			}
		}
		if len(lines) >= before+n {
			return lines[before:]
		}
	}
	h.t.Fatalf("%d reports are %s, want %d; log:\n%s", len(lines), o, before+n, h.d.logged())
	return nil
}

func (h *home) count(o origin.Origin) int { return strings.Count(h.d.logged(), "origin="+string(o)) }

// expect has do bring about one report, and returns the line of the log that decides about it: it is of an
// origin, for a reason, and absorbed if it is forged, or else delivered.
func (h *home) expect(name string, o origin.Origin, why string, do func()) string {
	h.t.Helper()
	before := h.count(o)
	do()
	line := h.decided(o, before, 1)[0]
	if want := map[bool]string{true: "action=absorb", false: "action=deliver"}[o == origin.Forged]; !strings.Contains(line, why) || !strings.Contains(line, want) {
		h.t.Errorf("%s: %s", name, line)
	}
	return line
}
