package setup

import (
	"strings"
	"testing"
)

const services = `smtp       inet  n       -       y       -       -       smtpd
submission inet  n       -       y       -       -       smtpd -o syslog_name=postfix/submission
127.0.0.1:10025 inet n - n - - smtpd -o content_filter=
127.0.0.1:10026 inet n - n - - smtpd -o smtpd_milters=
192.0.2.1:2525 inet n - n - - smtpd -o smtpd_milters=inet:other:1
pickup     unix  n       -       y       60      1       pickup
`

const overrides = `submission/inet/syslog_name = postfix/submission
127.0.0.1:10025/inet/content_filter =
127.0.0.1:10026/inet/smtpd_milters =
192.0.2.1:2525/inet/smtpd_milters = inet:other:1
`

func TestPlan(t *testing.T) {
	const ours = "{ inet:127.0.0.1:8891, default_action=accept, protocol=6, connect_timeout=10s, command_timeout=30s, content_timeout=120s }"
	p := ParsePostfix("smtpd_milters = inet:localhost:11332\n", services, overrides)
	changes, notes := p.Plan(Wishes{Milter: "inet:127.0.0.1:8891"})
	var got []string
	for _, c := range changes {
		got = append(got, c.Line())
		if c.Why == "" || len(c.Args()) != 2 {
			t.Errorf("%+v", c)
		}
	}
	want := []string{
		"postconf -e 'smtpd_milters = inet:localhost:11332, " + ours + "'",
		"postconf -P 'submission/inet/milter_macro_daemon_name=ORIGINATING'",
		"postconf -P '127.0.0.1:10025/inet/smtpd_milters='",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(notes) != 3 || !strings.Contains(notes[0], "192.0.2.1:2525") {
		t.Errorf("%q", notes)
	}
}

func TestPlanIsDone(t *testing.T) {
	p := ParsePostfix("smtpd_milters = inet:127.0.0.1:8891\n", "smtp inet n - y - - smtpd\nsubmission inet n - n - - smtpd\n", "submission/inet/milter_macro_daemon_name = ORIGINATING\n")
	if changes, _ := p.Plan(Wishes{Milter: "inet:127.0.0.1:8891"}); len(changes) != 0 {
		t.Errorf("%+v", changes)
	}
}

func TestChroot(t *testing.T) {
	_, notes := ParsePostfix("", services, "").Plan(Wishes{Milter: "unix:/breakwater/milter.sock"})
	if !strings.Contains(strings.Join(notes, "\n"), "/var/spool/postfix/breakwater/milter.sock") {
		t.Errorf("%q", notes)
	}
}

func TestSendmail(t *testing.T) {
	for in, want := range map[string]string{"inet:127.0.0.1:8891": "S=inet:8891@127.0.0.1,", "unix:/run/breakwater/milter.sock": "S=unix:/run/breakwater/milter.sock,"} {
		got, err := Sendmail(in)
		if err != nil || !strings.Contains(got, want) || !strings.Contains(got, "{client_addr}") {
			t.Errorf("%s: %v\n%s", in, err, got)
		}
	}
	if _, err := Sendmail("inet:nonsense"); err == nil {
		t.Error("no error")
	}
}
