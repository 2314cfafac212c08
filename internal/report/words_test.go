package report

import (
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
)

func TestCodeOf(t *testing.T) {
	for line, want := range map[string]string{
		"550 5.1.1 <bob@example.net>: user unknown": "5.1.1", "550-5.7.26 denied": "5.7.26", "said: 552 mailbox full": "5.0.0", "(#5.1.1)": "5.1.1", "#550 4.4.7 ##": "4.4.7",
		"<<< 421 try later": "4.0.0", "Status: 5.0.0": "5.0.0", "2.1.5 delivered": "2.1.5", "5.1.1": "5.1.1", "451-'4.7.1 x'": "4.7.1",
		"192.5.1.1": "", "host 4.5.6.7 is down": "", "version 5.1.1.2": "", "phone 555 1234": "", "a fund of 4.500.000": "", "5.1.": "", "550": "", "250 ok": "", "x5.1.1": "", "in 550 days": "5.0.0", "5.8.1": "", "": "",
	} {
		if got, ok := codeOf(line); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

const header = "Received: from x\nFrom: Ann <ann@example.org>\nTo: bob@example.net\nSubject: Minutes\n\tof today\nMessage-ID: <o@example.org>\n"

func TestDivide(t *testing.T) {
	tests := []struct{ text, told, subject string }{
		{"Failed.\n\n" + header + "\nHello\n", "Failed.\n\n", "Minutes of today"},
		{"Failed.\n--- Original message follows.\n\n" + header, "Failed.\n", "Minutes of today"},
		{"Failed.\n" + strings.ReplaceAll("\n"+header, "\n", "\n> "), "Failed.\n\n", "Minutes of today"},
		{"Your message\n\n  To: bob@example.net\n  Subject: Minutes\n  Sent: Monday\n\nfailed.\n", "", "Minutes"},
		{"Ihre Nachricht\n\n  An: bob@example.net\n  Betreff: Protokoll\n  Gesendet am: Montag\n\n", "", "Protokoll"},
		{"收件人：bob@example.net\n主题：会议\n日期：今天\n", "", "会议"},
		{"Dear user,\n\nTo: me\nSubject: two fields are no header\n", "", ""},
		{"* From: x\n- Subject: y\n* Date: z\n", "", ""}, {"", "", ""},
	}
	for _, tt := range tests {
		if tt.told == "" {
			tt.told = tt.text
		}
		told, h, _ := divide(tt.text)
		if got := h.Get("Subject"); told != tt.told && strings.TrimRight(told, "> \n") != strings.TrimRight(tt.told, "\n") || got != tt.subject {
			t.Errorf("%q:\ntold %q, want %q\nsubject %q, want %q", tt.text, told, tt.told, got, tt.subject)
		}
	}
}

// TestFailed says who failed in what a reporter tells, and why.
func TestFailed(t *testing.T) {
	const envelope = "From: MAILER-DAEMON@mx.example.net\nTo: ann@example.org\nSubject: Undelivered mail\n\n"
	tests := []struct{ told, want string }{
		{"<bob@example.net>: 550 5.1.1 user unknown\n", "bob@example.net 5.1.1"},
		{"bob@example.net\n  user unknown\n\ncarl@example.com\n  552 5.2.2 mailbox full\n", "bob@example.net , carl@example.com 5.2.2"},
		{"<bob@example.net>:\n550 5.1.1 no\n\n<carl@example.com>:\n452 4.2.2 full\n", "bob@example.net 5.1.1, carl@example.com 4.2.2"},
		{"Sorry ann@example.org, your mail to bob@example.net failed.\n", "bob@example.net "},
		{"bob@example.net\n    (generated from robert@example.com)\n", "bob@example.net  robert@example.com"},
		{"RCPT TO: bob@example.net\nMAIL FROM: carl@example.net\nFor help write to help@example.net\n", "bob@example.net "},
		{"<bob@example.net> failed, see https://example.com/?q=x@example.com\n", "bob@example.net "},
		{"The message could not be delivered to the following recipients:\n\tbobbuilder\n", "bobbuilder@mx.example.net "},
		{"<ann@example.org>:\n552 5.2.2 over quota\n", "ann@example.org 5.2.2"}, // she wrote to herself
		{"Please contact postmaster@mx.example.net.\n", ""},
	}
	for _, tt := range tests {
		m := message.Parse(message.Envelope{}, time.Time{}, []byte(envelope+tt.told))
		var got []string
		for _, r := range recipients(failuresOf(m, tt.told, nil, true), tt.told, Failed) {
			got = append(got, strings.TrimSuffix(r.Final+" "+r.Status+" "+r.Original, " "))
		}
		if g := strings.Join(got, ", "); g != tt.want {
			t.Errorf("%q: %q, want %q", tt.told, g, tt.want)
		}
	}
}
