package engine

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
)

// piece is one message of a sequence.
type piece struct {
	after time.Duration // since the beginning
	to    string        // "" is u1@example.test
	from  string        // "" is robot@example.net
	id    string        // Message-ID; "" for none
	date  time.Duration // of its Date, since the beginning; -1 for none
	extra string        // more header fields
	body  string
}

func (p piece) message(n int) *message.Message {
	from, to := p.from, p.to
	if from == "" {
		from = "robot@example.net"
	}
	if to == "" {
		to = "u1@example.test"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from a by b id %d; %s\nFrom: <%s>\nTo: <%s>\n", n, start.Format(time.RFC1123Z), from, to)
	if p.date >= 0 {
		fmt.Fprintf(&b, "Date: %s\n", start.Add(p.date).Format(time.RFC1123Z))
	}
	if p.id != "" {
		fmt.Fprintf(&b, "Message-ID: <%s>\n", p.id)
	}
	b.WriteString(p.extra)
	if !strings.Contains(p.extra, "\n\n") {
		b.WriteString("\n")
	}
	b.WriteString(p.body)
	env := message.Envelope{QueueID: fmt.Sprint("Q", n), Client: netip.MustParseAddr("192.0.2.1"), ReversePath: from, Recipients: []message.Recipient{{Addr: to}}}
	return message.Parse(env, start.Add(p.after), []byte(strings.ReplaceAll(b.String(), "\n", "\r\n")))
}

// every makes n pieces, one after another; each has a Message-ID and a Date of its own that
// change may take away.
func every(n int, gap time.Duration, change func(i int, p *piece)) []piece {
	ps := make([]piece, n)
	for i := range ps {
		at := time.Duration(i) * gap
		ps[i] = piece{after: at, date: at, id: fmt.Sprintf("m%d@example.net", i), extra: "Subject: Notice\n", body: "Text.\n"}
		change(i, &ps[i])
	}
	return ps
}

func attachment(name string, data []byte) string {
	return "Content-Type: multipart/mixed; boundary=b\nSubject: \n\n--b\nContent-Type: text/plain\n\n\n--b\nContent-Type: application/pdf; name=" + name +
		"\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(data) + "\n--b--\n"
}

func dsn(original, rcpt, action, status string) string {
	return "Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; " + rcpt +
		"\nAction: " + action + "\nStatus: " + status + "\n\n--b\nContent-Type: text/rfc822-headers\n\n" + original + "\n--b--\n"
}

// TestNeverAbsorbed plays mail that looks like a storm and is none: all of it is delivered.
func TestNeverAbsorbed(t *testing.T) {
	const day = 24 * time.Hour
	newsletter := "From: <news@example.test>\nSubject: News\nDate: Mon, 2 Mar 2026 07:00:00 +0000\nMessage-ID: <news@example.test>\n"
	tests := map[string][]piece{
		"one-time codes": every(50, 30*time.Second, func(i int, p *piece) { p.body = fmt.Sprintf("Your code is %06d.\n", i*7919) }),
		"an alert that flaps every minute for a day": every(1440, time.Minute, func(int, *piece) {}),
		"cron every five minutes for a day":          every(288, 5*time.Minute, func(_ int, p *piece) { p.extra = "Subject: Cron <root@host> backup\nAuto-Submitted: auto-generated\n" }),
		"build notifications": every(40, 20*time.Second, func(i int, p *piece) {
			p.extra, p.body = "Subject: Build failed\nAuto-Submitted: auto-generated\n", fmt.Sprintf("Build %d failed.\n", i)
		}),
		"a newsletter to two aliases": {
			{id: "n@example.net", extra: "Subject: News\nList-Id: <n.example.net>\n", to: "u1+a@example.test", body: "News.\n"},
			{id: "n@example.net", extra: "Subject: News\nList-Id: <n.example.net>\n", to: "u1+b@example.test", body: "News.\n"},
		},
		"a busy list thread": every(200, 10*time.Second, func(i int, p *piece) {
			p.from = fmt.Sprintf("p%d@example.net", i%9)
			p.extra = "Subject: Re: [l] Plan\nList-Id: <l.example.net>\nIn-Reply-To: <first@example.net>\n"
			p.body = fmt.Sprintf("Point %d.\n> Plan\n", i)
		}),
		"ten people answer yes": every(10, time.Second, func(i int, p *piece) {
			p.from, p.extra, p.body = fmt.Sprintf("p%d@example.net", i), "Subject: Re: Lunch?\nIn-Reply-To: <lunch@example.test>\n", "yes\n"
		}),
		"order mails of a shop":            every(60, 10*time.Second, func(i int, p *piece) { p.extra = fmt.Sprintf("Subject: Order %d\n", i) }),
		"equal From, To, Subject and Date": every(100, 0, func(i int, p *piece) { p.body = fmt.Sprintf("Job %d is done.\n", i) }),
		"one Message-ID for all mail":      every(100, time.Second, func(i int, p *piece) { p.id, p.body = "const@example.net", fmt.Sprintf("Job %d.\n", i) }),
		"no Message-ID and no Date":        every(30, time.Second, func(i int, p *piece) { p.id, p.date, p.body = "", -1, fmt.Sprintf("Job %d.\n", i) }),
		"one Message-ID and no Date":       every(30, time.Second, func(i int, p *piece) { p.id, p.date, p.body = "const@example.net", -1, fmt.Sprintf("Job %d.\n", i) }),
		"ten mails without Message-ID":     every(10, time.Minute, func(_ int, p *piece) { p.id = "" }),
		"scans of one copier":              every(20, 15*time.Second, func(i int, p *piece) { p.extra, p.body = attachment("scan.pdf", fmt.Appendf(nil, "%%PDF %d", i)), "" }),
		"photos at one moment, no subject": every(20, 0, func(i int, p *piece) {
			p.extra, p.body = attachment("photo.jpg", bytes.Repeat([]byte{byte(i)}, 90_000)), ""
		}),
		"equal in their first 256 KiB": every(8, 0, func(i int, p *piece) {
			p.body = strings.Repeat("A line of text, as people write it.\n", 9000) + fmt.Sprint("end ", i, "\n")
		}),
		"one mail cross-posted to four lists": every(4, time.Second, func(i int, p *piece) {
			p.id, p.date, p.extra = "x@example.net", 0, fmt.Sprintf("Subject: Call\nList-Id: <l%d.example.net>\n", i)
		}),
		"updates of one invitation": every(8, time.Minute, func(i int, p *piece) {
			p.extra = "Subject: Invitation: Meeting\nContent-Type: text/calendar; method=REQUEST\n"
			p.body = fmt.Sprintf("BEGIN:VCALENDAR\nUID:1\nSEQUENCE:%d\nEND:VCALENDAR\n", i)
		}),
		"web forms of equal text": every(25, 2*time.Minute, func(_ int, p *piece) { p.body = "Please call me back.\n" }),
		"bounces of one mailing": every(137, time.Second, func(i int, p *piece) {
			p.from, p.extra, p.body = "MAILER-DAEMON@mx.example.net", dsn(newsletter, fmt.Sprintf("r%d@example.net", i), "failed", "5.1.1"), ""
		}),
		"bounces of distinct mails to one address": every(30, time.Second, func(i int, p *piece) {
			p.from, p.body = "MAILER-DAEMON@mx.example.net", ""
			p.extra = dsn(strings.ReplaceAll(newsletter, "<news@example.test>", fmt.Sprintf("<m%d@example.test>", i)), "r@example.net", "failed", "5.1.1")
		}),
		"bounces that show nothing of the original": every(30, time.Second, func(i int, p *piece) {
			p.from, p.extra, p.body = "MAILER-DAEMON@mx.example.net", dsn("", fmt.Sprintf("r%d@example.net", i%3), "failed", "5.1.1"), ""
			p.extra = strings.Replace(p.extra, "Sorry.", fmt.Sprint("Sorry, ", i), 1)
		}),
		"VERP bounces": every(30, time.Second, func(i int, p *piece) {
			p.from, p.to, p.body = "MAILER-DAEMON@mx.example.net", fmt.Sprintf("news+r%d=example.net@example.test", i), ""
			p.extra = dsn(newsletter, "list@example.net", "failed", "5.1.1")
		}),
		"bounces in words of distinct mails": every(20, time.Second, func(i int, p *piece) {
			p.from, p.extra = "MAILER-DAEMON@mx.example.net", "Subject: failure notice\n"
			p.body = fmt.Sprintf("Hi. This is the qmail-send program at mx.example.net.\n\n<r%d@example.net>:\n550 User unknown\n", i)
		}),
		"an Exim that warns daily and then fails": every(6, day, func(i int, p *piece) {
			action := "delayed"
			if i == 5 {
				action = "failed"
			}
			p.from, p.extra, p.body = "MAILER-DAEMON@mx.example.net", dsn(newsletter, "r@example.net", action, "4.0.0"), ""
			p.extra = strings.Replace(p.extra, "Sorry.", fmt.Sprint("after hours: ", 24*i), 1)
		}),
		"acknowledgements of twelve tickets, numbered in the subject": every(12, time.Minute, func(i int, p *piece) {
			p.extra = fmt.Sprintf("Subject: [Ticket#%d] received\nAuto-Submitted: auto-replied\n", 40_000+i)
		}),
		"acknowledgements of twelve tickets, numbered in the text": every(12, time.Minute, func(i int, p *piece) {
			p.extra, p.body = "Subject: We have your request\nAuto-Submitted: auto-replied\n", fmt.Sprintf("Its number is %d.\n", 40_000+i)
		}),
		"out of office to distinct mails": every(12, time.Minute, func(i int, p *piece) {
			p.extra, p.body = fmt.Sprintf("Subject: Out of office\nAuto-Submitted: auto-replied\nIn-Reply-To: <m%d@example.test>\n", i), "Away.\n"
		}),
		"receipts of one reader": every(12, time.Minute, func(i int, p *piece) {
			p.extra = fmt.Sprintf("Subject: Read: Plan %d\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"+
				"--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; r@example.net\nOriginal-Message-ID: <m%d@example.test>\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n", i, i)
			p.body = ""
		}),
	}
	for name, ps := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, nil)
			for i, p := range ps {
				if got := actions(t, e, p.message(i)); got != "deliver" {
					t.Fatalf("message %d of %d: %s", i+1, len(ps), got)
				}
			}
		})
	}
}

// TestSentAgainByHand sends a mail once more when its storm is over.
func TestSentAgainByHand(t *testing.T) {
	e := newEngine(t, nil)
	storm := every(20, time.Minute, func(_ int, p *piece) { p.id, p.date = "one@example.net", 0 })
	for i, p := range storm {
		actions(t, e, p.message(i))
	}
	again := storm[0]
	again.after = 3 * 24 * time.Hour
	if got := actions(t, e, again.message(99)); got != "deliver" {
		t.Errorf("three days later: %s", got)
	}
}
