package setup

import (
	"slices"
	"strings"
	"testing"
)

// TestWay: a port of loopback for what breakwater hands back is made once, and is not asked about.
func TestWay(t *testing.T) {
	milter := "{ inet:127.0.0.1:8891, default_action=accept }"
	wishes := Wishes{Milter: "inet:127.0.0.1:8891", Ways: []string{Way}}
	const done = "\n127.0.0.1:8897 inet n - n - - smtpd -o smtpd_milters= -o receive_override_options=no_milters,no_header_body_checks\n"
	const doneOptions = "127.0.0.1:8897/inet/smtpd_milters =\n127.0.0.1:8897/inet/receive_override_options = no_milters,no_header_body_checks\n"
	for _, tt := range []struct {
		name, services, overrides string
		ways                      []string
		change, note              string // parts of it; "" is none
	}{
		{name: "nothing yet", services: "smtp inet n - n - - smtpd", change: "postconf -M '127.0.0.1:8897/inet=127.0.0.1:8897 inet n - n - - smtpd -o syslog_name="},
		{name: "in a chroot", services: "smtp inet n - y - - smtpd", change: "127.0.0.1:8897 inet n - y - - smtpd"},
		{name: "done", services: done, overrides: doneOptions},
		{name: "with milters", services: "127.0.0.1:8897 inet n - n - - smtpd", note: "goes through inet:127.0.0.1:8891"},
		{name: "with milters, still", services: "127.0.0.1:8897 inet n - n - - smtpd", note: "postconf -M '127.0.0.1:8897/inet=127.0.0.1:8897 inet n"},
		{name: "with a content filter", services: "8897 inet n - n - - smtpd", overrides: doneOptions + "8897/inet/smtpd_milters =\n8897/inet/content_filter = smtp:[127.0.0.1]:10024\n", note: "goes through the filter smtp:[127.0.0.1]:10024"},
		{name: "on another address", services: "192.0.2.1:8897 inet n - n - - smtpd", overrides: "192.0.2.1:8897/inet/smtpd_milters = " + milter, change: "postconf -M '127.0.0.1:8897/inet"},
		{name: "port 25", ways: []string{"127.0.0.1:25"}, services: "smtp inet n - n - - smtpd", note: "goes through inet:127.0.0.1:8891"},
		{name: "port 25 behind postscreen", ways: []string{"127.0.0.1:25"}, services: "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd", note: "goes through inet:127.0.0.1:8891"},
		{name: "two", ways: []string{"127.0.0.1:8897", "[::1]:8898"}, services: done, overrides: doneOptions, change: "postconf -M '[::1]:8898/inet=[::1]:8898 inet"},
	} {
		w := wishes
		if tt.ways != nil {
			w.Ways = tt.ways
		}
		const rest = "\nnon_smtpd_milters = $smtpd_milters\nrecipient_delimiter = +\ninternal_mail_filter_classes = bounce"
		changes, notes := parse("smtpd_milters = "+milter+rest, tt.services, tt.overrides).Plan(w)
		line := ""
		for _, c := range changes {
			if c.Name == "" {
				line += c.Line()
				if c.Args()[0] != "-M" || c.Why == "" {
					t.Errorf("%s: %+v", tt.name, c)
				}
			}
		}
		note := strings.Join(slices.DeleteFunc(notes, func(n string) bool { return !strings.HasPrefix(n, "mail that breakwater hands back") }), "\n")
		if !strings.Contains(line, tt.change) || (tt.change == "") != (line == "") || !strings.Contains(note, tt.note) || (tt.note == "") != (note == "") {
			t.Errorf("%s: %q, notes %q", tt.name, line, notes)
		}
	}
	for _, option := range wayOptions { // postconf -M splits at blanks
		if strings.ContainsAny(option, " \t{}'") {
			t.Errorf("%q", option)
		}
	}
}

// TestWayTaken: Postfix ends if it cannot have a port.
func TestWayTaken(t *testing.T) {
	p := parse("", "", "")
	p.Who = func(address string) Listener { return Listener{Program: "amavisd", Listens: address == "inet:"+Way} }
	changes, notes := p.way(Way)
	if len(changes) != 0 || len(notes) != 1 || !strings.Contains(notes[0], "amavisd listens at 127.0.0.1:8897") {
		t.Errorf("%+v, %q", changes, notes)
	}
}

// TestWarning names what mail goes through, and says nothing of a way that is clear or not known.
func TestWarning(t *testing.T) {
	p := ParsePostfix("", "smtpd_milters = inet:127.0.0.1:8891, unix:breakwater/milter.sock\n", "smtp inet n - n - - smtpd\n127.0.0.1:8897 inet n - n - - smtpd", "127.0.0.1:8897/inet/receive_override_options = no_milters\n")
	p.Who = func(address string) Listener {
		return map[string]Listener{"inet:127.0.0.1:8891": {Program: "opendkim", Process: 17}, "unix:breakwater/milter.sock": {Program: "breakwater", Process: 18, Ours: true}}[address]
	}
	for _, tt := range []struct{ setting, addr, want string }{
		{"release.submit", "127.0.0.1:25", "goes through inet:127.0.0.1:8891 (opendkim, process 17), unix:breakwater/milter.sock (breakwater, process 18); released mail is filtered again, and signed as yours"},
		{"digest.submit", "[::1]:25", "digests are filtered"},
		{"release.submit", "127.0.0.1:8897", ""},
		{"release.submit", "127.0.0.1:10026", ""},
		{"release.submit", "127.0.0.1:587", "mail servers filter and sign what comes in at port 587"},
	} {
		if got := p.Warning(tt.setting, tt.addr); !strings.Contains(got, tt.want) || (tt.want == "") != (got == "") {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

func TestSendmailWays(t *testing.T) {
	want := "DAEMON_OPTIONS(`Name=breakwater, Family=inet, Addr=127.0.0.1, Port=8897, M=E, InputMailFilters=')dnl\n" +
		"DAEMON_OPTIONS(`Name=breakwater2, Family=inet6, Addr=::1, Port=25, M=E, InputMailFilters=')dnl\n"
	if got := SendmailWays([]string{Way, "[::1]:25"}); got != want {
		t.Error(got)
	}
}
