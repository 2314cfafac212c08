package classify

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/message"
)

// TestBombs plays mails that keep a reader of bounces busy. It reads their first 256 KB at
// most, in a time that grows with them and no faster.
func TestBombs(t *testing.T) {
	const daemon = "From: MAILER-DAEMON@example.net\nSubject: Undelivered mail\n"
	report := daemon + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
	many := func(s string) string { return strings.Repeat(s, 1<<20/len(s)) }
	bombs := map[string]string{
		"fields":            daemon + "\n" + many("From: x\n"),
		"quoted fields":     daemon + "\n" + many("> From: x\n"),
		"marks in turn":     daemon + "\n" + many("From: x\n> From: x\n"),
		"listed fields":     daemon + "\n" + many("* From: x\n- Subject: x\n"),
		"fields and blanks": daemon + "\n" + many("From: x\n\n"),
		"folded field":      daemon + "\n" + "From: x\n" + many(" x\n"),
		"Received":          daemon + "\n" + many("Received: x\n"),
		"addresses":         daemon + "\n" + many("<a@b.example>: 550 5.1.1 unknown\n"),
		"one line of them":  daemon + "\n" + many("a@b.example "),
		"long address":      daemon + "\n" + many("a") + "@" + many("b"),
		"at signs":          daemon + "\n" + many("@"),
		"dotted":            daemon + "\n" + many("a@b."),
		"codes":             daemon + "\n" + many("550 5.1.1 "),
		"digits":            daemon + "\n" + many("5.5"),
		"beginnings":        daemon + "\n" + many("deliver"),
		"empty lines":       daemon + "\n" + many("\n"),
		"colons":            daemon + "\n" + many(":\nx\n"),
		"groups":            report + many("Final-Recipient: rfc822; a@b.example\n\n"),
		"status parts":      report + many("--b\nContent-Type: message/delivery-status\n\n"+strings.Repeat("Final-Recipient: rfc822; a@b.example\n\n", 400)),
		"no groups":         report + many("x\n"),
		"one group":         report + many("Final-Recipient: rfc822; a@b.example\n"),
		"no boundary":       daemon + "Content-Type: multipart/report; report-type=delivery-status\n\n" + many("Status: 5.1.1\n"),
		"failed recipients": daemon + "X-Failed-Recipients: " + many("a@b.example, ") + "\n\nx\n",
		"HTML":              daemon + "Content-Type: text/html\n\n" + many("<td>From: x<br>"),
		"vacation":          "From: a@b.example\nSubject: Out of office\n\n" + many("auto on "),
		"form":              "From: a@b.example\nX-Mailer: PHPMailer\n\n" + many("お問い合わせ"),
		"subject":           "From: a@b.example\nSubject: " + many("re: ") + "\n\nx\n",
		"tags":              "From: a@b.example\nList-Id: x\nSubject: " + many("[x] ") + "\n\nx\n",
		"attributions":      "From: a@b.example\nSubject: x\n\n" + many("On 2 Mar 2026 at 9:12 Ann <a@b.example>\n"),
		"heads":             "From: a@b.example\nSubject: x\n\n" + many("Date: x\n\n"),
		"half heads":        "From: a@b.example\nSubject: x\n\n" + many("From: x\nno\n"),
		"dashes":            "From: a@b.example\nSubject: x\n\n" + many("---\n"),
		"blockquotes":       "From: a@b.example\nContent-Type: text/html\n\n" + many("<blockquote>"),
		"quoters":           "From: a@b.example\nContent-Type: text/html\n\n" + many("<div class='gmail_quote'></div>x"),
		"classes":           "From: a@b.example\nContent-Type: text/html\n\n<div class='" + many("x ") + "'>",
		"delivered to":      daemon + "\n" + many("delivered to a@b.example\n"),
		"several finals":    report + "Final-Recipient: rfc822; " + many("a@b.example,"),
		"open multiparts":   report + many("--b\nContent-Type: multipart/report; boundary=b\n\n"),
		"many messages":     report + many("--b\nContent-Type: message/rfc822\n\nFrom: x\n\n"),
	}
	for name, text := range bombs {
		t.Run(name, func(t *testing.T) {
			begun := used(t)
			v := Classify(message.Parse(message.Envelope{}, time.Time{}, []byte(text)))
			if took := used(t) - begun; took > 2*time.Second {
				t.Errorf("%v for %d bytes", took, len(text))
			}
			if r := v.Report; r != nil && len(r.Recipients) > 1000 {
				t.Errorf("%d recipients", len(r.Recipients))
			}
		})
	}
}

// used is the time that processors have worked for this process: how long a bomb takes must not
// hang on what else the host does.
func used(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
