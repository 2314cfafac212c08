package lab

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/submit"
)

var update = flag.Bool("update", false, "write the README's table of proofs anew")

// home is a site with breakwater: a Postfix with a submission port, at which users of a Dovecot log
// in, and the daemon beside it. ann@example.org has a mailbox there.
type home struct {
	t       *testing.T
	d       *daemon
	mta     *Server
	box     *Server
	wall    *Sink // refuses all that remotes hand on to it
	remotes map[string]*Server
}

const ownRules = "all_mail_leaves_here = true\n[batv]\nform = \"subaddress\"\n"

// newHome starts a home, and remotes of some kinds. Its daemon has learned for weeks, up to a time.
func newHome(t *testing.T, learned time.Time, kinds ...string) *home {
	t.Helper()
	Need(t, append([]string{"postfix", "dovecot"}, kinds...)...)
	h := &home{t: t, d: newDaemon(t, "inet", map[string]string{"example.org.toml": ownRules}), remotes: map[string]*Server{}}
	h.assume(learned)
	h.mta = prepare(t, "postfix")
	h.d.configure(fmt.Sprintf("[digest]\nsubmit = \"\"\n[sent]\nprobe = \"smtp://%s\"\n", h.mta.Addr()))
	h.wall = NewSink(t)
	h.wall.Refuse = func(to string) string { return fmt.Sprintf("550 5.1.1 <%s>: no such user here", to) }
	h.box = Dovecot(t, Mailboxes{Accounts: []Account{{User: "ann@example.org", Password: "pw"}}})
	var routes strings.Builder
	for _, kind := range kinds {
		h.remotes[kind] = Remote(t, kind, h.wall.Port, h.mta.Port)
		fmt.Fprintf(&routes, "%s.far.example smtp:[127.0.0.1]:%d\n", kind, h.remotes[kind].Port)
	}
	write(t, filepath.Join(h.mta.Dir, "transport"), routes.String())
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
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(h.d.logged(), what); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("%q is not in the log:\n%s", what, h.d.logged())
		}
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

// letter is a message in ann's name; date and id are left out where they are empty.
func letter(subject, date, id, body string) string {
	header := "From: Ann Example <ann@example.org>\nTo: <{to}>\nSubject: " + subject + "\n"
	if date != "" {
		header += "Date: " + date + "\n"
	}
	if id != "" {
		header += "Message-ID: <" + id + ">\n"
	}
	return header + "\n" + body + "\n"
}

func stamp(at time.Time) string { return at.Format(time.RFC1123Z) }

// reports are what has arrived in ann's mailbox.
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

// decided waits until the daemon has decided so often about reports to ann of some subject that
// they are of an origin, and returns those lines of its log.
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

// variants of what a remote returns: the whole message, its header alone, or what is left of a long
// one.
var variants = []struct{ name, params, body string }{
	{"whole", "", "Hello.\n"},
	{"header", "RET=HDRS", "Hello.\n"},
	{"long", "", strings.Repeat("This line is one of very many that nobody will ever want to read.\n", 4000)},
}

// TestOrigin sends mail to servers that bounce it, and has others do so in the sender's name. Each
// bounce of what was sent arrives, and all others are absorbed. The README's table says by what each of
// them is proved.
func TestOrigin(t *testing.T) {
	t.Parallel() // most of it is waiting
	h := newHome(t, time.Now(), Remotes...)
	var want int
	for _, kind := range Remotes {
		for _, v := range variants {
			h.submit("nobody@"+kind+".far.example", v.params, letter(kind+" "+v.name, stamp(time.Now()), kind+"."+v.name+"@example.org", v.body))
			want++
		}
	}
	for _, line := range h.decided(origin.Genuine, 0, want) {
		if !strings.Contains(line, "action=deliver") || !strings.Contains(line, `proof="tag of key`) || !strings.Contains(line, "to=ann+prvs-") {
			t.Error(line)
		}
	}
	date := time.Now().Add(-time.Hour)
	for _, kind := range Remotes {
		for _, v := range variants {
			h.forge(kind, "stranger@"+kind+".far.example", v.params, letter(kind+" forged "+v.name, stamp(date), "forged."+kind+"."+v.name+"@example.org", v.body))
		}
	}
	for _, line := range h.decided(origin.Forged, 0, want) {
		if !strings.Contains(line, "action=absorb") || !strings.Contains(line, "rule=default.toml:") {
			t.Error(line)
		}
	}
	h.mta.Drained(t)
	arrived := h.arrived()
	if n := len(h.d.absorbed()); n != want || len(arrived) != want {
		t.Errorf("%d arrived and %d were absorbed, want %d each", len(arrived), n, want)
	}
	h.d.stop(syscall.SIGTERM)
	h.table(arrived)
}

// table proves each report by each rung alone, and compares what comes out with the README.
func (h *home) table(reports []*message.Message) {
	h.t.Helper()
	proved := map[string][]string{}
	for _, rung := range origin.Rungs {
		write(h.t, h.d.path("rules/example.org.toml"), ownRules+fmt.Sprintf("[origin]\nproofs = [%q]\n", rung))
		h.store(func(e *engine.Engine) {
			for _, m := range reports {
				v := classify.Classify(m)
				what := about(v)
				ps, err := e.Origins(context.Background(), m, v)
				if err != nil || what == "" || len(ps) != 1 {
					h.t.Errorf("%s: %v, %v; %s", what, ps, err, m.Raw[:min(len(m.Raw), 2000)])
					continue
				}
				if ps[0].Origin == origin.Genuine {
					proved[what] = append(proved[what], string(rung))
				}
			}
		})
	}
	var rows strings.Builder
	for _, kind := range Remotes {
		row := "| " + map[string]string{"postfix": "Postfix", "sendmail": "Sendmail", "exim": "Exim", "opensmtpd": "OpenSMTPD", "courier": "Courier"}[kind]
		for _, v := range variants {
			got := proved[kind+" "+v.name]
			if len(got) == 0 {
				got = []string{"-"}
			}
			row += " | " + strings.Join(got, ", ")
		}
		rows.WriteString(row + " |\n")
	}
	const head = "| bounce of | the whole message | its header (RET=HDRS) | a long message |\n|---|---|---|---|\n"
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		h.t.Fatal(err)
	}
	begin := bytes.Index(readme, []byte(head))
	if begin < 0 {
		h.t.Fatal("the README has no table of proofs")
	}
	begin += len(head)
	end := begin + bytes.Index(readme[begin:], []byte("\n\n")) + 1
	if *update {
		if err := os.WriteFile("../../README.md", slices.Concat(readme[:begin], []byte(rows.String()), readme[end:]), 0o644); err != nil {
			h.t.Fatal(err)
		}
		return
	}
	if got := string(readme[begin:end]); got != rows.String() {
		h.t.Errorf("the README says\n%s\nbut it is\n%s", got, rows.String())
	}
}

// about is the subject of what a report is about.
func about(v classify.Verdict) string {
	if v.Report == nil {
		return ""
	}
	return v.Report.Original.Subject
}

// TestOriginInTime goes through what time does to proofs: late bounces, restarts, gaps, clocks that
// are wrong, and mail that is older than the index.
func TestOriginInTime(t *testing.T) {
	t.Parallel() // most of it is waiting
	now := time.Now()
	gap := now.Add(-3 * time.Hour) // nothing was seen since
	h := newHome(t, gap, "postfix")
	nobody := "nobody@postfix.far.example"
	step := func(name string, o origin.Origin, why string, do func()) {
		t.Helper()
		before := h.count(o)
		do()
		line := h.decided(o, before, 1)[0]
		if want := map[bool]string{true: "action=absorb", false: "action=deliver"}[o == origin.Forged]; !strings.Contains(line, why) || !strings.Contains(line, want) {
			t.Errorf("%s: %s", name, line)
		}
	}
	forge := func(date time.Time, id string) func() {
		return func() { h.forge("postfix", nobody, "", letter(id, stamp(date), id+"@example.org", "Pills.\n")) }
	}
	tagless := strings.Replace(ownRules, "subaddress", "off", 1)
	h.again(tagless, nil)
	step("covered", origin.Forged, "saw all mail of that time", forge(gap.Add(-time.Hour), "covered"))
	step("just before the gap", origin.Unknown, "did not see all", forge(gap.Add(-5*time.Minute), "before"))
	step("in the gap", origin.Unknown, "did not see all", forge(now.Add(-time.Hour), "gap"))
	step("older than the index", origin.Unknown, "older than what the index knows", forge(now.AddDate(0, 0, -20), "old"))
	step("nearly as old", origin.Unknown, "older than what the index knows", forge(now.AddDate(0, 0, -10), "nearly"))
	step("a clock that is three hours slow", origin.Genuine, "token of key", func() { h.submit(nobody, "", letter("slow", stamp(gap.Add(-time.Hour)), "slow@example.org", "Hello.")) })
	step("neither Message-ID nor Date", origin.Genuine, "token of key", func() { h.submit(nobody, "", letter("bare", "", "", "Hello.")) })
	if sent := h.last(); sent.MessageID == "" || sent.Date == "" || sent.Header.Get(origin.TokenField) == "" {
		t.Errorf("it came back with %v", sent.Header)
	}
	only := func(rung origin.Rung) string { return tagless + fmt.Sprintf("[origin]\nproofs = [%q]\n", rung) }
	h.again(only(origin.ByMessageID), nil)
	step("no Message-ID, by ours alone", origin.Genuine, "we sent Message-ID", func() { h.submit(nobody, "", letter("bare", "", "", "Hello.")) })

	// Mail waits in the queue while the daemon is restarted, or is away as it is sent.
	h.hold(true)
	h.submit(nobody, "", letter("restart", stamp(now), "restart@example.org", "Hello."))
	h.again(only(origin.ByMessageID), nil)
	step("a restart in between", origin.Genuine, "we sent Message-ID <restart@example.org>", func() { h.hold(false) })
	h.hold(true)
	h.again(tagless, func() {
		h.submit("new@postfix.far.example", "", letter("away", stamp(now), "away@example.org", "Hello."))
		h.submit("newer@postfix.far.example", "", letter("away, clock wrong", stamp(gap.Add(-time.Hour)), "wrong@example.org", "Hello."))
	})
	before := h.count(origin.Unknown)
	h.hold(false)
	lines := strings.Join(h.decided(origin.Unknown, before, 2), "")
	if strings.Count(lines, "action=deliver") != 2 || !strings.Contains(lines, "did not see all mail") || !strings.Contains(lines, "went through mx.example.org, where the index did not see it") {
		t.Errorf("sent past the daemon: %s", lines)
	}
	if out := h.d.run("storms", "learning", "--control", h.d.path("control")); !strings.Contains(out, "example.org: learning until") {
		t.Errorf("the domain does not learn anew: %s", out)
	}

	// Mail of three days ago is bounced only now, and has nothing but its Message-ID or its
	// recipient to prove it.
	late := func(rung origin.Rung, to, id string) {
		h.again(only(rung), func() {
			h.store(func(e *engine.Engine) {
				m := message.Parse(message.Envelope{AuthUser: "ann", DaemonName: "ORIGINATING", ReversePath: "ann@example.org", Recipients: []message.Recipient{{Addr: to}}}, now.AddDate(0, 0, -3),
					[]byte(strings.ReplaceAll(letter(id, stamp(now.AddDate(0, 0, -3)), id+"@example.org", "Hello."), "\n", "\r\n")))
				if _, err := e.Judge(context.Background(), m); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
	late(origin.ByMessageID, nobody, "late")
	step("three days late, by Message-ID", origin.Genuine, "we sent Message-ID <late@example.org>", forge(now.AddDate(0, 0, -3), "late"))
	late(origin.ByCorrespondent, "carl@postfix.far.example", "other")
	step("three days late, by correspondents", origin.Genuine, "wrote to carl@postfix.far.example", func() {
		h.forge("postfix", "carl@postfix.far.example", "", letter("unheard", stamp(now.AddDate(0, 0, -3)), "unheard@example.org", "Hello."))
	})
}

// TestOriginPrvs wants tags in the prvs form: mail leaves without them until the mail server takes
// mail to such addresses.
func TestOriginPrvs(t *testing.T) {
	t.Parallel() // most of it is waiting
	h := newHome(t, time.Now(), "postfix")
	const prvs = "[batv]\nform = \"prvs\"\n[origin]\nproofs = [\"tag\", \"message-id\"]\n"
	bounced := func(id, rcpt, proof, addressed string) {
		t.Helper()
		before := h.count(origin.Genuine)
		h.submit("nobody@postfix.far.example", "", letter(id, stamp(time.Now()), id+"@example.org", "Hello."))
		if line := h.decided(origin.Genuine, before, 1)[0]; !strings.Contains(line, "to="+rcpt) || !strings.Contains(line, proof) {
			t.Errorf("%s: %s", id, line)
		}
		h.mta.Drained(t)
		for _, m := range h.arrived() {
			if about(classify.Classify(m)) == id && !strings.Contains(m.Header.Get("To"), addressed) {
				t.Errorf("%s: the bounce is for %s, want %s", id, m.Header.Get("To"), addressed)
			}
		}
	}
	h.again(prvs, nil)
	h.logged("mail leaves without tags: the mail server does not take mail")
	bounced("unprepared", "ann@example.org ", "we sent Message-ID", "ann@example.org")
	setupPostfix(t, h.mta, h.d.listen, "--prvs", "example.org")
	h.again(prvs, nil)
	h.logged("mail leaves with tags\" domain=example.org form=prvs")
	bounced("prepared", "ann+prvs-", "tag of key", "prvs=")
	if n := len(h.arrived()); n != 2 {
		t.Errorf("%d arrived, want 2", n)
	}
}

// hold has the home's mail to others wait, or go.
func (h *home) hold(wait bool) {
	h.t.Helper()
	value := map[bool]string{true: "smtp", false: ""}[wait]
	for _, args := range [][]string{{"postconf", "-e", "defer_transports=" + value}, {"postfix", "reload"}, {"postqueue", "-f"}} {
		h.mta.Exec(h.t, args...)
	}
}

// last is what the newest report in ann's mailbox shows of its original.
func (h *home) last() struct {
	MessageID, Date string
	Header          message.Header
} {
	h.t.Helper()
	all := h.arrived()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		all = h.arrived()
		for _, m := range all {
			if v := classify.Classify(m); about(v) == "bare" {
				o := v.Report.Original
				return struct {
					MessageID, Date string
					Header          message.Header
				}{o.MessageID, o.Date, o.Header}
			}
		}
	}
	h.t.Fatalf("no report of it among %d", len(all))
	panic("unreachable")
}

// TestOriginRoundabout sends mail to a list, a forwarder that rewrites senders, and somebody who is
// away: what comes back of all that is genuine.
func TestOriginRoundabout(t *testing.T) {
	t.Parallel() // most of it is waiting
	h := newHome(t, time.Now(), "postfix")
	relay := func(from, to string, raw []byte, port int) {
		conn, err := submit.Dial(context.Background(), submit.Target{Network: "tcp", Address: fmt.Sprintf("127.0.0.1:%d", port)})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if answers, err := conn.Send(context.Background(), from, []string{to}, bytes.NewReader(raw)); err != nil || answers[0] != nil {
			t.Errorf("to %s: %v, %v", to, answers, err)
		}
	}
	far := h.remotes["postfix"]
	// The forwarder: bob@fwd.example is nobody at the remote. It takes bounces to what it made of senders.
	const made = "SRS0=abcd=XY=example.org="
	fwd := NewSink(t)
	fwd.Take = func(d Delivery) {
		if local, ok := strings.CutPrefix(d.To, made); ok {
			relay(d.From, strings.TrimSuffix(local, "@fwd.example")+"@example.org", d.Raw, h.mta.Port)
			return
		}
		local, _, _ := strings.Cut(d.From, "@")
		relay(made+local+"@fwd.example", "nobody@postfix.far.example", d.Raw, far.Port)
	}
	// The list: it sends to ann and to carl, who is away.
	list := NewSink(t)
	list.Take = func(d Delivery) {
		header, body, _ := bytes.Cut(d.Raw, []byte("\r\n\r\n"))
		raw := slices.Concat([]byte("List-Id: <all.lists.example>\r\nPrecedence: list\r\n"), bytes.Replace(header, []byte("Subject: "), []byte("Subject: [all] "), 1), []byte("\r\n\r\n"), body, []byte("-- \r\nThe list.\r\n"))
		relay("all-bounces@lists.example", "ann@example.org", raw, h.mta.Port)
		answer := fmt.Sprintf("From: Carl <carl@away.example>\r\nTo: <ann@example.org>\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\nDate: %s\r\nMessage-ID: <away@away.example>\r\nIn-Reply-To: %s\r\n\r\nI am away.\r\n",
			stamp(time.Now()), parsed(d.Raw).Get("Message-ID"))
		relay("", "ann@example.org", []byte(answer), h.mta.Port)
	}
	// The one with a real automatic answer: a Dovecot with a vacation script, behind the remote.
	away := Dovecot(t, Mailboxes{Accounts: []Account{{User: "dora@away.example", Password: "pw"}}, Submit: h.mta.Port})
	script := filepath.Join(away.Dir, "mail/dora@away.example")
	if err := os.MkdirAll(script, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(script, ".dovecot.sieve"), "require [\"vacation\"];\nvacation :days 1 :addresses [\"dora@away.example\"] \"I am away.\";\n")
	if err := os.Chown(script, 5000, 5000); err != nil { // the owner of mailboxes, see lab.sh
		t.Fatal(err)
	}
	// What remotes send back to the forwarder goes there.
	for _, s := range []*Server{far, h.mta} {
		routes, err := os.ReadFile(filepath.Join(s.Dir, "transport"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(s.Dir, "transport"), string(routes)+fmt.Sprintf("fwd.example smtp:[127.0.0.1]:%d\nlists.example smtp:[127.0.0.1]:%d\naway.example lmtp:inet:127.0.0.1:%d\n", fwd.Port, list.Port, away.Port+1))
		s.Exec(t, "postfix", "reload")
	}
	for _, tt := range []struct{ name, to, proof string }{
		{"a forwarder with SRS", "bob@fwd.example", "tag of key"},
		{"a list, and who answers to it", "all@lists.example", "we sent Message-ID"},
		{"who is away", "dora@away.example", "we sent Message-ID"},
	} {
		before := h.count(origin.Genuine)
		h.submit(tt.to, "", letter(tt.name, stamp(time.Now()), strings.Split(tt.to, "@")[0]+"@example.org", "Hello."))
		if line := h.decided(origin.Genuine, before, 1)[0]; !strings.Contains(line, "action=deliver") || !strings.Contains(line, tt.proof) {
			t.Errorf("%s: %s", tt.name, line)
		}
	}
	h.mta.Drained(t)
	for deadline := time.Now().Add(20 * time.Second); len(h.arrived()) < 4 && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
	}
	if n := len(h.arrived()); n != 4 { // three reports and ann's own mail by the list
		t.Errorf("%d arrived, want 4", n)
	}
	if n := h.count(origin.Unknown) + h.count(origin.Forged); n != 0 {
		t.Errorf("%d are not genuine:\n%s", n, h.d.logged())
	}
}

func parsed(raw []byte) message.Header {
	h, _, _ := message.ParseHeader(raw)
	return h
}
