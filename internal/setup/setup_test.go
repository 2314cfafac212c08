package setup

import (
	"fmt"
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

// parse reads a configuration in which no parameter refers to another.
func parse(parameters, services, overrides string) Postfix {
	return ParsePostfix(parameters, parameters, services, overrides)
}

func TestPlan(t *testing.T) {
	const ours = "{ inet:127.0.0.1:8891, default_action=accept, protocol=6, connect_timeout=10s, command_timeout=30s, content_timeout=120s }"
	p := parse("smtpd_milters = inet:localhost:11332\n", services, overrides)
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
		"postconf -P '127.0.0.1:10025/inet/smtpd_milters=$milters_besides_breakwater'",
		"postconf -e 'milters_besides_breakwater = inet:localhost:11332'",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(notes) != 4 || !strings.Contains(notes[0], "192.0.2.1:2525") {
		t.Errorf("%q", notes)
	}
}

// TestReinjection: breakwater is not asked again about what a content filter hands back; other milters
// are, and the world's mail is asked about.
func TestReinjection(t *testing.T) {
	const set = "postconf -P '%s/inet/smtpd_milters=%s'"
	for _, tt := range []struct{ main, service, overrides, want string }{
		{"", "127.0.0.1:10025 inet n - y - - smtpd", "", fmt.Sprintf(set, "127.0.0.1:10025", "")},
		{"inet:127.0.0.1:8891", "10025 inet n - y - - smtpd", "10025/inet/content_filter =", fmt.Sprintf(set, "10025", "")},
		{"unix:/opendkim", "10025 inet n - y - - smtpd", "10025/inet/receive_override_options = no_header_body_checks", fmt.Sprintf(set, "10025", "$milters_besides_breakwater")},
		{"{ inet:127.0.0.1:8891, default_action=accept }, { unix:/opendkim, default_action = tempfail }", "[::1]:10025 inet n - y - - smtpd", "",
			fmt.Sprintf(set, "[::1]:10025", "$milters_besides_breakwater") + "\npostconf -e 'milters_besides_breakwater = { unix:/opendkim, default_action = tempfail }'"},
		{"inet:127.0.0.1:8891", "127.0.0.1:10025 inet n - y - - smtpd", "127.0.0.1:10025/inet/receive_override_options = no_header_body_checks,no_milters", ""},
		{"inet:127.0.0.1:8891", "smtp inet n - y - - smtpd", "smtp/inet/receive_override_options = no_address_mappings", ""},
		{"inet:127.0.0.1:8891", "2525 inet n - y - - smtpd", "2525/inet/receive_override_options = no_address_mappings", ""},
		{"inet:127.0.0.1:8891", "127.0.0.1:smtp inet n - y - - smtpd", "", ""},
		{"inet:127.0.0.1:8891", "[::1]:25 inet n - y - - smtpd", "", ""},
	} {
		changes, _ := parse("smtpd_milters = "+tt.main, tt.service, tt.overrides).Plan(Wishes{Milter: "inet:127.0.0.1:8891"})
		var got []string
		for _, c := range changes {
			got = append(got, c.Line())
		}
		if !strings.Contains(strings.Join(got, "\n"), tt.want) || tt.want == "" && len(got) > 0 {
			t.Errorf("%s, %s, %s:\n%s", tt.main, tt.service, tt.overrides, strings.Join(got, "\n"))
		}
	}
}

// TestAddressTaken: what has our address need not be breakwater, and may put mail off when it is away.
func TestAddressTaken(t *testing.T) {
	for _, tt := range []struct{ main, note string }{
		{"smtpd_milters = inet:127.0.0.1:8891", "mail is put off"},
		{"smtpd_milters = { inet:127.0.0.1:8891, command_timeout=5s }\nmilter_default_action = tempfail", "mail is put off"},
		{"smtpd_milters = inet:127.0.0.1:8891\nmilter_default_action = accept", ""},
		{"smtpd_milters = { inet:127.0.0.1:8891, default_action=accept }", ""},
		{"smtpd_milters = inet:localhost:8891", "has the port of breakwater"},
		{"smtpd_milters = { inet:[::1]:8891, default_action=accept }", "has the port of breakwater"},
		{"smtpd_milters = inet:192.0.2.1:8891", ""},
	} {
		_, notes := parse(tt.main+"\nnon_smtpd_milters = inet:127.0.0.1:8891\nrecipient_delimiter = +\ninternal_mail_filter_classes = bounce", "", "").Plan(Wishes{Milter: "inet:127.0.0.1:8891"})
		if len(notes) > 1 || (tt.note == "") != (len(notes) == 0) || !strings.Contains(strings.Join(notes, "\n"), tt.note) {
			t.Errorf("%s: %q", tt.main, notes)
		}
	}
}

// TestReferences follows what parameters refer to, and keeps the references.
func TestReferences(t *testing.T) {
	const rest = "\nrecipient_delimiter = +\ninternal_mail_filter_classes = bounce"
	p := ParsePostfix("smtpd_milters = $rspamd, ${storms}\nnon_smtpd_milters = ${smtpd_milters}"+rest,
		"smtpd_milters = inet:localhost:11332, { inet:127.0.0.1:8891, default_action=accept }\nnon_smtpd_milters = inet:localhost:11332, { inet:127.0.0.1:8891, default_action=accept }"+rest, "", "")
	if changes, notes := p.Plan(Wishes{Milter: "inet:127.0.0.1:8891"}); len(changes)+len(notes) > 0 {
		t.Errorf("%+v, %q", changes, notes)
	}
	p.Full["smtpd_milters"] = "inet:localhost:11332"
	if changes, _ := p.Plan(Wishes{Milter: "inet:127.0.0.1:8891"}); len(changes) != 1 || !strings.HasPrefix(changes[0].New, "$rspamd, ${storms}, { inet:127.0.0.1:8891,") {
		t.Errorf("%+v", changes)
	}
}

// TestPostscreen hands connections to a service that is none of inet.
func TestPostscreen(t *testing.T) {
	_, notes := parse("smtpd_milters = inet:127.0.0.1:8891", "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd", "smtpd/pass/smtpd_milters = unix:/opendkim").Plan(Wishes{Milter: "inet:127.0.0.1:8891"})
	if !strings.Contains(strings.Join(notes, "\n"), "service smtpd has smtpd_milters of its own") {
		t.Errorf("%q", notes)
	}
}

// TestAsksNobody: where the world's mail comes in and no milter is asked, breakwater does not see it.
func TestAsksNobody(t *testing.T) {
	_, notes := parse("smtpd_milters = inet:127.0.0.1:8891", "smtp inet n - y - - smtpd", "smtp/inet/smtpd_milters =").Plan(Wishes{Milter: "inet:127.0.0.1:8891"})
	if !strings.Contains(strings.Join(notes, "\n"), "service smtp has smtpd_milters of its own") {
		t.Errorf("%q", notes)
	}
}

func TestCheckMilter(t *testing.T) {
	for milter, good := range map[string]bool{
		"inet:127.0.0.1:8891": true, "inet:[::1]:8891": true, "inet:mx:8891": true, "unix:/breakwater/milter.sock": true,
		"": false, "127.0.0.1:8891": false, "inet:8891@localhost": false, "inet:localhost:": false, "unix:milter.sock": false, "unix:": false,
	} {
		if err := CheckMilter(milter, false); (err == nil) != good {
			t.Errorf("%q: %v", milter, err)
		}
	}
	for milter, good := range map[string]bool{PostfixSocket: true, "unix:": false, "breakwater/milter.sock": false, SendmailSocket: true} {
		if err := CheckMilter(milter, true); (err == nil) != good {
			t.Errorf("%q of Postfix: %v", milter, err)
		}
	}
}

// TestPaths: a unix socket is the same however its path is said, and one of another folder is not.
func TestPaths(t *testing.T) {
	for milters, done := range map[string]bool{
		"unix:breakwater/milter.sock": true, "unix:/breakwater/milter.sock": true, "local:/breakwater/milter.sock": true,
		"{ unix:/srv/queue/breakwater/milter.sock, default_action=accept }": true,
		"{ unix:breakwater/milter.sock default_action=accept }":             true,
		"unix:/opendkim/milter.sock":                                        false, "unix:/var/spool/postfix/breakwater/milter.sock": false, "inet:breakwater/milter.sock": false,
	} {
		p := parse("smtpd_milters = "+milters+"\nqueue_directory = /srv/queue\n", "smtp inet n - y - - smtpd\n", "")
		changes, notes := p.Plan(Wishes{Milter: PostfixSocket})
		if (len(changes) == 0) != done || strings.Contains(strings.Join(notes, "\n"), "chroot") {
			t.Errorf("%s: %+v, %q", milters, changes, notes)
		}
	}
}

// TestSameForAll: where other mail is asked about as that by SMTP is, nothing is left to be said.
func TestSameForAll(t *testing.T) {
	for _, value := range []string{"$smtpd_milters", "${smtpd_milters}", "inet:other:1 $smtpd_milters"} {
		p := ParsePostfix("smtpd_milters =\nnon_smtpd_milters = "+value, "smtpd_milters =\nnon_smtpd_milters =", "", "")
		changes, notes := p.Plan(Wishes{Milter: PostfixSocket})
		if len(changes) != 1 || strings.Contains(strings.Join(notes, "\n"), "sendmail(1)") {
			t.Errorf("%s: %+v, %q", value, changes, notes)
		}
	}
}

func TestPlanIsDone(t *testing.T) {
	const services = "smtp inet n - y - - smtpd\nsubmission inet n - n - - smtpd\n"
	for _, tt := range []struct {
		milters string
		done    bool
	}{
		{"inet:127.0.0.1:8891", true},
		{"inet:localhost:11332,{ inet:127.0.0.1:8891, default_action=accept }", true},
		{"{inet:127.0.0.1:8891}", true},
		{"inet:127.0.0.1:88910", false}, // another port that begins like ours
		{"", false},
	} {
		p := parse("smtpd_milters = "+tt.milters+"\n", services, "submission/inet/milter_macro_daemon_name = ORIGINATING\n")
		if changes, _ := p.Plan(Wishes{Milter: "inet:127.0.0.1:8891"}); (len(changes) == 0) != tt.done {
			t.Errorf("%q: %+v", tt.milters, changes)
		}
	}
}

func TestChroot(t *testing.T) {
	_, notes := parse("", services, "").Plan(Wishes{Milter: "unix:/breakwater/milter.sock"})
	if !strings.Contains(strings.Join(notes, "\n"), "/var/spool/postfix/breakwater/milter.sock") {
		t.Errorf("%q", notes)
	}
}

func TestSendmail(t *testing.T) {
	for in, want := range map[string]string{
		"inet:127.0.0.1:8891": "S=inet:8891@127.0.0.1,", "inet:[::1]:8891": "S=inet6:8891@::1,", "unix:/run/breakwater/milter.sock": "S=unix:/run/breakwater/milter.sock,",
	} {
		if got := Sendmail(in); !strings.Contains(got, want) || !strings.Contains(got, "{client_addr}") {
			t.Errorf("%s:\n%s", in, got)
		}
	}
}

func TestPlanPrvs(t *testing.T) {
	wishes := Wishes{Milter: "inet:127.0.0.1:8891", Prvs: []string{"example.org"}, Table: "/etc/postfix/breakwater_prvs"}
	const cleanup = "cleanup unix n - y - 0 cleanup\n"
	file := "cat >/etc/postfix/breakwater_prvs <<'END'\n" + PostfixPrvs(wishes.Prvs) + "END"
	for _, tt := range []struct {
		name, main, overrides string
		now                   string
		want                  []string
		note                  string
	}{
		{name: "nothing yet", want: []string{file, "postconf -e 'smtpd_command_filter = pcre:/etc/postfix/breakwater_prvs'", "postconf -e 'recipient_delimiter = +'",
			"postconf -P 'cleanup/unix/recipient_canonical_maps=pcre:/etc/postfix/breakwater_prvs'"}},
		{name: "the operator's own", main: "smtpd_command_filter = pcre:/x\nrecipient_delimiter = -\nrecipient_canonical_maps = hash:/y, hash:/w\n", note: "put these lines into it, too\n" + PostfixPrvs(wishes.Prvs),
			want: []string{file, "postconf -e 'recipient_delimiter = -+'", "postconf -P 'cleanup/unix/recipient_canonical_maps=hash:/y,hash:/w,pcre:/etc/postfix/breakwater_prvs'"}},
		{name: "an override", main: "smtpd_command_filter = pcre:/etc/postfix/breakwater_prvs\nrecipient_delimiter = +-\n", now: PostfixPrvs(wishes.Prvs), overrides: "cleanup/unix/recipient_canonical_maps = hash:/z\n",
			want: []string{"postconf -P 'cleanup/unix/recipient_canonical_maps=hash:/z,pcre:/etc/postfix/breakwater_prvs'"}},
		{name: "done", main: "smtpd_command_filter = pcre:/etc/postfix/breakwater_prvs\nrecipient_delimiter = +-\n", now: PostfixPrvs(wishes.Prvs), overrides: "cleanup/unix/recipient_canonical_maps = pcre:/etc/postfix/breakwater_prvs\n"},
		{name: "blanks", main: "smtpd_command_filter = pcre:/etc/postfix/breakwater_prvs\nrecipient_delimiter = +\nrecipient_canonical_maps = inline:{ a@example.org=b@example.org }\n", now: PostfixPrvs(wishes.Prvs),
			note: "-o { recipient_canonical_maps = inline:{ a@example.org=b@example.org }, pcre:/etc/postfix/breakwater_prvs }"},
		{name: "other domains", main: "smtpd_command_filter = pcre:/etc/postfix/breakwater_prvs\nrecipient_delimiter = +\n", now: "old", overrides: "cleanup/unix/recipient_canonical_maps = pcre:/etc/postfix/breakwater_prvs\n", want: []string{file}},
	} {
		w := wishes
		w.Now = tt.now
		changes, notes := parse("smtpd_milters = inet:127.0.0.1:8891\n"+tt.main, cleanup, tt.overrides).Plan(w)
		var got []string
		for _, c := range changes {
			got = append(got, c.Line())
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") || !strings.Contains(strings.Join(notes, "\n"), tt.note) {
			t.Errorf("%s:\n%s\nnotes:\n%s", tt.name, strings.Join(got, "\n"), strings.Join(notes, "\n"))
		}
	}
}

// TestNotes: the lines for mail that does not come by SMTP keep what is there.
func TestNotes(t *testing.T) {
	_, notes := parse("smtpd_milters = inet:127.0.0.1:8891\nmilter_default_action = accept\nnon_smtpd_milters = inet:other:1\ninternal_mail_filter_classes = notify\n", "", "").Plan(Wishes{Milter: "inet:127.0.0.1:8891"})
	all := strings.Join(notes, "\n")
	for _, want := range []string{"postconf -e 'non_smtpd_milters = inet:other:1, { inet:127.0.0.1:8891, default_action=accept", "postconf -e 'internal_mail_filter_classes = notify, bounce'"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in:\n%s", want, all)
		}
	}
	if _, notes := parse("smtpd_milters = inet:127.0.0.1:8891\nmilter_default_action = accept\nnon_smtpd_milters = inet:127.0.0.1:8891\ninternal_mail_filter_classes = bounce\nrecipient_delimiter = +\n", "", "").Plan(Wishes{Milter: "inet:127.0.0.1:8891"}); len(notes) != 0 {
		t.Errorf("%q", notes)
	}
}

func TestCheckDomains(t *testing.T) {
	if err := CheckDomains([]string{"example.org", "xn--bcher-kva.example"}); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"", "example", "a b.org", "example.org\n", "*.example.org", "a$b.org"} {
		if CheckDomains([]string{"example.org", wrong}) == nil {
			t.Errorf("%q", wrong)
		}
	}
}

// TestUndo: what others have set since stays.
func TestUndo(t *testing.T) {
	p := parse("smtpd_milters = inet:localhost:11332\nrecipient_delimiter =\n", services, overrides)
	done, _ := p.Plan(Wishes{Milter: PostfixSocket, Prvs: []string{"example.org"}, Table: "/t"})
	ours := strings.TrimPrefix(done[0].New, "inet:localhost:11332, ")
	for _, tt := range []struct{ main, overrides, want string }{
		{"smtpd_milters = " + done[0].New + "\nrecipient_delimiter = +", "submission/inet/milter_macro_daemon_name = ORIGINATING\n127.0.0.1:10025/inet/smtpd_milters = $milters_besides_breakwater\n",
			"postconf -e 'smtpd_milters = inet:localhost:11332'\npostconf -PX 'submission/inet/milter_macro_daemon_name'\npostconf -PX '127.0.0.1:10025/inet/smtpd_milters'\npostconf -X 'milters_besides_breakwater'\npostconf -X 'recipient_delimiter'"},
		{"smtpd_milters = unix:/new, " + ours + " inet:localhost:11332\nrecipient_delimiter = -", "",
			"postconf -e 'smtpd_milters = unix:/new, inet:localhost:11332'\npostconf -X 'milters_besides_breakwater'"},
		{"smtpd_milters = " + ours, "", "postconf -X 'smtpd_milters'\npostconf -X 'milters_besides_breakwater'"},
		{"smtpd_milters = unix:/new", "", "postconf -X 'milters_besides_breakwater'"},
	} {
		var got []string
		for _, c := range parse(tt.main, services, tt.overrides).Undo(done) {
			if !strings.Contains(c.Name, "canonical") && c.Name != "smtpd_command_filter" {
				got = append(got, c.Line())
			}
		}
		if strings.Join(got, "\n") != tt.want {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", tt.main, strings.Join(got, "\n"), tt.want)
		}
	}
}

// TestTaken: another program at the address of our milter is named, and breakwater under another name of its address
// is breakwater.
func TestTaken(t *testing.T) {
	p := parse("smtpd_milters = { inet:localhost:8891, default_action=accept }\nnon_smtpd_milters = $smtpd_milters\nrecipient_delimiter = +\ninternal_mail_filter_classes = bounce", "", "")
	for _, tt := range []struct {
		who  Listener
		err  string
		todo int
	}{
		{Listener{Program: "opendkim", Process: 17}, "inet:127.0.0.1:8891 is not breakwater's: opendkim, process 17 listens there", 1},
		{Listener{Program: "breakwater", Process: 17, Ours: true}, "", 0},
		{Listener{}, "", 1},
	} {
		p.Who = func(string) Listener { return tt.who }
		err := p.Taken("inet:127.0.0.1:8891")
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%+v: %v", tt.who, err)
		}
		if changes, _ := p.Plan(Wishes{Milter: "inet:127.0.0.1:8891"}); len(changes) != tt.todo {
			t.Errorf("%+v: %+v", tt.who, changes)
		}
		if changes, _ := p.Plan(Wishes{Milter: "inet:127.0.0.1:8896"}); len(changes) != 1 {
			t.Errorf("%+v, at another port: %+v", tt.who, changes)
		}
	}
}

// TestUndoExpanded: what is set as $name is known again, though its value is told.
func TestUndoExpanded(t *testing.T) {
	done := []Change{{Service: "10025/inet", Name: "smtpd_milters", New: "$" + besides}, {Service: Way + "/inet", New: Way + " inet n - n - - smtpd"}}
	p := ParsePostfix("", "", "10025 inet n - n - - smtpd -o smtpd_milters=$milters_besides_breakwater\n"+Way+" inet n - n - - smtpd", "10025/inet/smtpd_milters = inet:other:1\n")
	var got []string
	for _, c := range p.Undo(done) {
		got = append(got, c.Line())
	}
	if want := "postconf -PX '10025/inet/smtpd_milters'\npostconf -MX '127.0.0.1:8897/inet'"; strings.Join(got, "\n") != want {
		t.Errorf("%q", got)
	}
	if got := parse("", "", "").Undo(done); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
