package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/origin"
	"breakwater/internal/submit"
)

// TestOriginAnswers has real servers answer, refuse and bounce what ann sent, and what others forged a
// moment ago. Her own mail server asks about the bounces that it makes itself.
func TestOriginAnswers(t *testing.T) {
	t.Parallel() // most of it is waiting
	h := newHome(t, time.Now(), "exim", "postfix")

	// A Dovecot far away: dora is away, and rex and rita refuse, by a read receipt (RFC 5429 §2.1.2).
	scripts := map[string]string{
		"dora@off.example": "require \"vacation\";\nvacation :days 1 \"I am away.\";\n",
		"rex@off.example":  "require \"reject\";\nreject \"I do not take mail here.\";\n",
		"rita@off.example": "require \"reject\";\nreject \"Nor do I.\";\n",
	}
	var accounts []Account
	for user := range scripts {
		accounts = append(accounts, Account{User: user, Password: "pw"})
	}
	far := Dovecot(t, Mailboxes{Accounts: accounts, Submit: h.mta.Port})
	for user, script := range scripts {
		home := filepath.Join(far.Dir, "mail", user)
		if err := os.MkdirAll(home, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(home, ".dovecot.sieve"), script)
		if err := os.Chown(home, 5000, 5000); err != nil { // the owner of mailboxes, see lab.sh
			t.Fatal(err)
		}
	}
	addRoutes(t, h.mta, fmt.Sprintf("off.example lmtp:inet:127.0.0.1:%d\nclosed.example smtp:[127.0.0.1]:%d\n", far.Port+1, h.wall.Port))
	h.set("internal_mail_filter_classes=bounce", "non_smtpd_milters="+h.d.listen)

	n := 0
	mail := func() string { // of this moment
		n++
		return letter(fmt.Sprint("letter ", n), stamp(time.Now()), fmt.Sprintf("answers.%d@example.org", n), "Hello.")
	}
	send := func(to string) func() { return func() { h.submit(to, "", mail()) } }
	// forged has somebody hand far's Dovecot mail in ann's name.
	forged := func(to string) func() {
		return func() {
			conn, err := submit.Dial(context.Background(), submit.Target{Network: "tcp", Address: fmt.Sprintf("127.0.0.1:%d", far.Port+1), LMTP: true})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			raw := strings.ReplaceAll(strings.Replace(mail(), "{to}", to, 1), "\n", "\r\n")
			if answers, err := conn.Send(context.Background(), "ann@example.org", []string{to}, bytes.NewReader([]byte(raw))); err != nil || answers[0] != nil {
				t.Fatal(answers, err)
			}
		}
	}
	spam := func() { // forged this very moment, and bounced at once
		raw := mail()
		h.forge("exim", fmt.Sprintf("stranger%d@exim.far.example", n), "", raw)
	}
	class := func(name, line, want string) {
		t.Helper()
		if !strings.Contains(line, "class="+want+" ") {
			t.Errorf("%s is no %s: %s", name, want, line)
		}
	}

	tagless := strings.Replace(ownRules, "subaddress", "off", 1)
	h.reload(tagless)
	class("Exim's answer", h.expect("Exim's autoreply", origin.Genuine, "", send("away@box.exim.far.example")), "auto-reply")
	class("rex's refusal", h.expect("Pigeonhole's reject", origin.Genuine, "token of key", send("rex@off.example")), "mdn")
	class("a bounce of our own", h.expect("a bounce of our own", origin.Genuine, "token of key", send("x@closed.example")), "dsn")

	// The minute in which the daemon starts is taken for seen, and the next one is its own to tell of.
	minute := time.Now().Add(10 * time.Second).Truncate(time.Minute)
	time.Sleep(time.Until(minute)) // where this one is nearly over
	minute = minute.Add(time.Minute)
	h.again(tagless, func() { h.assume(minute) })
	time.Sleep(time.Until(minute) + 500*time.Millisecond)
	h.expect("a bounce of what was forged just now", origin.Forged, "saw all mail of that time", spam)
	class("rita's refusal", h.expect("a refusal of what was forged just now", origin.Forged, "saw all mail of that time", forged("rita@off.example")), "mdn")
	h.expect("an answer to what was forged just now", origin.Unknown, "", forged("dora@off.example"))

	// What our own mail server bounces is neither refused nor deferred, whatever the rules say.
	h.reload(tagless + "[dsn]\ngenuine = \"reject\"\n")
	before := h.count(origin.Genuine)
	send("y@closed.example")()
	if line := h.decided(origin.Genuine, before, 1)[0]; !strings.Contains(line, "action=absorb") {
		t.Error("a bounce of our own that is to be rejected:", line)
	}
	h.mta.Drained(t)

	// A program's mail: first asked about, then not. Its bounce says so, as anybody can, and no other is judged by it.
	program := func() {
		raw, to := mail(), fmt.Sprintf("nobody%d@exim.far.example", n)
		h.mta.Run(t, strings.Replace(raw, "{to}", to, 1), "sendmail", "-f", "ann@example.org", "-i", to)
	}
	h.set("internal_mail_filter_classes=")
	h.reload(tagless)
	h.expect("a program's mail", origin.Genuine, "token of key", program)
	h.set("non_smtpd_milters=")
	h.expect("a program's mail that nobody saw", origin.Unknown, "went through mx.example.org, where the index did not see it", program)
	h.expect("after that", origin.Forged, "saw all mail of that time", spam)
	h.again(tagless, nil)
	h.expect("just after a restart", origin.Unknown, "did not see all mail", spam)
}

// set changes main.cf of the home's mail server.
func (h *home) set(settings ...string) {
	h.t.Helper()
	h.mta.Exec(h.t, append([]string{"postconf", "-e"}, settings...)...)
	h.mta.Reload(h.t)
}

// reload has the daemon go on by other rules.
func (h *home) reload(rules string) {
	h.t.Helper()
	write(h.t, h.d.path("rules/example.org.toml"), rules)
	h.d.run("rules", "reload", "--control", h.d.path("control"))
}
