package engine

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
)

// letterhead is a mail as a program or person writes it. What is left out is filled in, new
// for each number.
type letterhead struct {
	from, to, subject, date, id, more, text string
	first, last                             string // the Received fields of the first server and of the last one; "none" in last: there are none at all
	client, rcpt, path                      string
}

func (l letterhead) message(n int, at time.Time) *message.Message {
	from := cmp.Or(l.from, "<robot@example.net>")
	var b strings.Builder
	if l.last != "none" {
		fmt.Fprintf(&b, "Received: %s\n", cmp.Or(l.last, fmt.Sprintf("from a.example.net by mx.example.test with ESMTP id T%07d; %s", n, at.Format(time.RFC1123Z))))
		fmt.Fprintf(&b, "Received: %s\n", cmp.Or(l.first, fmt.Sprintf("from pc by a.example.net with ESMTPSA id F%07d; %s", n, at.Format(time.RFC1123Z))))
	}
	fmt.Fprintf(&b, "From: %s\nTo: %s\nSubject: %s\nDate: %s\n", from, cmp.Or(l.to, "<ann@example.test>"), l.subject, cmp.Or(l.date, at.Format(time.RFC1123Z)))
	if l.id != "none" {
		fmt.Fprintf(&b, "Message-ID: <%s>\n", cmp.Or(l.id, fmt.Sprintf("%d@a.example.net", n)))
	}
	b.WriteString(l.more + "\n" + l.text + "\n")
	env := message.Envelope{QueueID: fmt.Sprint("Q", n), Client: netip.MustParseAddr(cmp.Or(l.client, "192.0.2.1")), ReversePath: cmp.Or(l.path, "robot@example.net"),
		Recipients: []message.Recipient{{Addr: cmp.Or(l.rcpt, "ann@example.test")}}}
	if l.path == "<>" {
		env.ReversePath = ""
	}
	return message.Parse(env, at, []byte(strings.ReplaceAll(b.String(), "\n", "\r\n")))
}

const portal = "You have a new message in the portal of our house. For your safety we do not show it here. Please log in with your own name and " +
	"your password to read it, and answer it there. If you cannot log in, call our desk between nine and five on working days, and have your number at hand."

func attach(text, typ string, n int) string {
	return fmt.Sprintf("--b\nContent-Type: text/plain; charset=utf-8\n\n%s\n--b\nContent-Type: %s\nContent-Transfer-Encoding: base64\n\nQUJD%04d\n--b--\n", text, typ, n)
}

const mixed = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"

// TestWanted plays mail that looks like a storm, and that somebody waits for: every distinct
// message arrives.
func TestWanted(t *testing.T) {
	old := "Thu, 01 Jan 1970 00:00:00 +0000"
	aliases := func(n, of int) letterhead { // message n/of comes by one of several addresses that are forwarded
		return letterhead{id: fmt.Sprintf("m%d@a.example.net", n/of), first: fmt.Sprintf("from pc by a.example.net with ESMTPSA id A%07d; x", n/of), to: "<ops@example.org>",
			date: start.Add(time.Duration(n/of) * 5 * time.Minute).Format(time.RFC1123Z)}
	}
	tests := []struct {
		name  string
		count int
		every time.Duration
		make  func(n int) letterhead
		of    int // so many in a row are copies of one message, of which one will do
	}{
		{"alarm of a device whose clock was never set, direct", 20, time.Hour, func(n int) letterhead {
			return letterhead{subject: "Alarm", text: "Motion at the door.", date: old, id: "none", last: "none"}
		}, 1},
		{"alarm of a device whose clock was never set, relayed", 20, time.Hour, func(n int) letterhead {
			return letterhead{subject: "Alarm", text: "Motion at the door.", date: old}
		}, 1},
		{"alarm of a device whose clock was never set, long text", 20, time.Hour, func(n int) letterhead {
			return letterhead{subject: "Alarm", text: portal, date: old}
		}, 1},
		{"alarm of a device with a fixed Date and Message-ID", 20, time.Hour, func(n int) letterhead {
			return letterhead{subject: "Alarm", text: "Motion at the door.", date: old, id: "1@camera", last: "none"}
		}, 1},
		{"a program that writes the day alone into Date", 20, 20 * time.Minute, func(n int) letterhead {
			return letterhead{subject: "New order", text: "There is a new order. Please log in.", date: "Mon, 02 Mar 2026 00:00:00 +0100"}
		}, 1},
		{"missed calls, the number in the display name", 100, 10 * time.Second, func(n int) letterhead {
			return letterhead{from: fmt.Sprintf("\"0431 %04d\" <pbx@example.net>", n), subject: "Missed call", text: "You have missed a call."}
		}, 1},
		{"web form, the visitor in Reply-To", 100, 10 * time.Second, func(n int) letterhead {
			return letterhead{subject: "Contact form", more: fmt.Sprintf("Reply-To: v%d@example.org\n", n), text: "Please call me back."}
		}, 1},
		{"letters of a campaign, the citizen in the display name", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{from: fmt.Sprintf("\"Citizen %d\" <noreply@example.net>", n), subject: "Save the quay", text: portal}
		}, 1},
		{"letters of a campaign, each from its citizen, to two", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{from: fmt.Sprintf("<c%d@example.net>", n), to: "<ann@example.test>, <ben@example.test>", subject: "Save the quay", text: portal}
		}, 1},
		{"accounts made for many, all forwarded to one", 100, 5 * time.Second, func(n int) letterhead {
			return letterhead{to: fmt.Sprintf("<u%d@example.org>", n), subject: "Welcome", text: "Your account is ready."}
		}, 1},
		{"one call of a mail service for many, personal text", 40, time.Second, func(n int) letterhead {
			return letterhead{to: fmt.Sprintf("<u%d@example.org>", n), subject: "Your account", id: "call@service", date: start.Format(time.RFC1123Z),
				first: "from MTA by ismtpd-9 (SG) with ESMTP id 9xJH2kLmQ; " + start.Format(time.RFC1123Z), text: fmt.Sprintf("Hello u%d, your password is %x. ", n, n*7919) + portal}
		}, 1},
		{"one call of a mail service for many, other Message-IDs", 40, time.Second, func(n int) letterhead {
			return letterhead{to: fmt.Sprintf("<u%d@example.org>", n), subject: "Your account", date: start.Format(time.RFC1123Z),
				first: "from MTA by ismtpd-9 (SG) with ESMTP id 9xJH2kLmQ; " + start.Format(time.RFC1123Z), text: fmt.Sprintf("Hello u%d, your password is %x. ", n, n*7919) + portal}
		}, 1},
		{"an alert in many words by five addresses that are forwarded", 200, time.Minute, func(n int) letterhead {
			l := aliases(n, 5)
			l.subject, l.text = "web1 is down", portal
			return l
		}, 5},
		{"order mails by five addresses that are forwarded", 300, time.Minute, func(n int) letterhead {
			l := aliases(n, 5)
			l.subject, l.text = "Your order", fmt.Sprintf("Order %d. ", n/5)+portal
			return l
		}, 5},
		{"five addresses, short alerts", 200, time.Minute, func(n int) letterhead {
			l := aliases(n, 5)
			l.subject, l.text = "web1 is down", "web1 is down"
			return l
		}, 5},
		{"what a ticket system says of one ticket", 12, 10 * time.Minute, func(n int) letterhead {
			return letterhead{subject: "Re: [Ticket#4711] Printer", more: "Auto-Submitted: auto-replied\nIn-Reply-To: <q1@example.test>\n",
				text: []string{"We have your request.", "Ben has taken it.", "Ben asks: which room is it in?", "A part was ordered.", "The part has come.", "Ben will be with you at noon.", "The printer has been mended.",
					"The ticket is closed.", "The ticket is open again.", "Eve has taken it.", "Eve asks: is it on?", "The ticket is closed for good."}[n]}
		}, 1},
		{"what a robot says of one job", 8, time.Minute, func(n int) letterhead {
			return letterhead{subject: "Job 17", path: "<>", more: "Auto-Submitted: auto-replied\nIn-Reply-To: <q1@example.test>\n",
				text: []string{"queued", "running", "waiting for paper", "running again", "out of ink", "running once more", "done", "bill"}[n]}
		}, 1},
		{"commands answered one by one", 8, time.Second, func(n int) letterhead {
			return letterhead{subject: "Results of your commands", path: "<>", more: "Auto-Submitted: auto-replied\nIn-Reply-To: <q1@example.test>\n",
				text: "Here is the file that you asked for, by the list server.\n" + strings.Repeat(fmt.Sprintf("Line %c of it, as it stands in the archive.\n", 'a'+n), 20)}
		}, 1},
		{"one text sent to many, each of whom forwards it with FYI", 20, time.Minute, func(n int) letterhead {
			return letterhead{from: fmt.Sprintf("<p%d@example.net>", n), subject: "Fwd: Plan", text: "FYI\n\n> " + portal}
		}, 1},
		{"one forwards many", 40, 5 * time.Second, func(n int) letterhead {
			return letterhead{subject: "Fwd:", more: mixed, text: attach("FYI", "message/rfc822", n)}
		}, 1},
		{"sent again with a corrected attachment", 6, time.Minute, func(n int) letterhead {
			return letterhead{subject: "Minutes", more: mixed, text: attach(portal, "application/pdf", n)}
		}, 1},
		{"encrypted mails", 40, time.Second, func(n int) letterhead {
			return letterhead{subject: "...", more: "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\n",
				text: fmt.Sprintf("--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n\nhQEMA%08d\n-----END PGP MESSAGE-----\n--b--", n)}
		}, 1},
		{"inline PGP in one second", 40, 0, func(n int) letterhead {
			return letterhead{subject: "...", text: portal + fmt.Sprintf("\n-----BEGIN PGP MESSAGE-----\n\nhQEMA%08dabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n-----END PGP MESSAGE-----", n)}
		}, 1},
		{"S/MIME in one second", 40, 0, func(n int) letterhead {
			return letterhead{subject: "...", more: "Content-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64\n", text: fmt.Sprintf("MIIB%08d", n)}
		}, 1},
		{"newsletters that are one picture", 20, 0, func(n int) letterhead {
			return letterhead{subject: "Offer", more: "Content-Type: text/html\n", text: fmt.Sprintf("<html><body><img src=\"https://img.example.net/%d.png\"></body></html>", n)}
		}, 1},
		{"pictures on a server under one long text, in one second", 20, 0, func(n int) letterhead {
			return letterhead{subject: "Motion", more: "Content-Type: text/html\n", text: fmt.Sprintf("<p>%s</p><img src=\"https://img.example.net/%d.png\">", portal, n)}
		}, 1},
		{"links under one long text, in one second", 20, 0, func(n int) letterhead {
			return letterhead{subject: "Motion", more: "Content-Type: text/html\n", text: fmt.Sprintf("<p>%s</p><a href=\"https://img.example.net/%d\">here</a>", portal, n)}
		}, 1},
		{"one text with other inline pictures, in one second", 20, 0, func(n int) letterhead {
			return letterhead{subject: "Motion", more: mixed, text: attach(portal, "image/png", n)}
		}, 1},
		{"empty mails whose subject says it", 50, time.Second, func(n int) letterhead { return letterhead{subject: fmt.Sprint("Code ", n)} }, 1},
		{"an answer in one word, from each of ten", 40, time.Second, func(n int) letterhead {
			return letterhead{from: fmt.Sprintf("<p%d@example.net>", n%10), subject: "Re: Lunch", text: "yes"}
		}, 1},
		{"forms to be sent, in one second", 20, 0, func(n int) letterhead {
			return letterhead{subject: "Approve", more: "Content-Type: text/html\n", text: fmt.Sprintf("<p>%s</p><form action=\"https://flow.example.net/%d\"><button>Approve</button></form>", portal, n)}
		}, 1},
		{"votes of one second, the voter in Reply-To", 20, 0, func(n int) letterhead {
			return letterhead{subject: "Vote", more: fmt.Sprintf("Reply-To: p%d@example.org\n", n), text: "Yes."}
		}, 1},
		{"the same in many words", 20, 0, func(n int) letterhead {
			return letterhead{subject: "Vote", more: fmt.Sprintf("Reply-To: p%d@example.org\n", n), text: portal}
		}, 1},
		{"trigger files, empty, whose names say it", 60, 0, func(n int) letterhead {
			return letterhead{subject: "EDI", more: mixed, text: fmt.Sprintf("--b\nContent-Type: text/plain\n\n\n--b\nContent-Type: application/octet-stream; name=order%d.trg\n\n\n--b--\n", n)}
		}, 1},
		{"trigger files, in a minute", 60, time.Second, func(n int) letterhead {
			return letterhead{subject: "EDI", more: mixed, text: fmt.Sprintf("--b\nContent-Type: text/plain\n\n\n--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"order%d.trg\"\n\n\n--b--\n", n)}
		}, 1},
		{"calendar", 10, time.Second, func(n int) letterhead {
			return letterhead{subject: "Updated invitation: Harbour", more: mixed, text: attach(portal, "text/calendar; method=REQUEST", n)}
		}, 1},
		{"delay warnings by the hour, and failure", 8, time.Hour, func(n int) letterhead {
			action := map[bool]string{true: "failed", false: "delayed"}[n == 7]
			return letterhead{subject: "Warning", path: "<>", more: "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
				text: "--b\n\nNot delivered yet.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; r@example.net\nAction: " + action +
					"\nStatus: 4.0.0\n\n--b\nContent-Type: text/rfc822-headers\n\nFrom: <ann@example.test>\nMessage-ID: <m1@example.test>\n\n--b--"}
		}, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t, nil)
			got := map[int]int{}
			why := ""
			for n := range tt.count {
				j, err := e.Judge(context.Background(), tt.make(n).message(n, start.Add(time.Duration(n)*tt.every)))
				ds := j.Decisions
				if err != nil {
					t.Fatal(err)
				}
				if ds[0].Action == "deliver" {
					got[n/tt.of]++
				} else if why == "" {
					why = fmt.Sprintf("%d: %s, %s", n+1, ds[0].Class, ds[0].Reason)
				}
			}
			want := (tt.count + tt.of - 1) / tt.of
			if len(got) != want {
				t.Errorf("%d of %d arrive; %s", len(got), want, why)
			}
		})
	}
}

// TestTwists plays storms of one message to one mailbox, with what servers do to it on the way.
func TestTwists(t *testing.T) {
	const once = "from pc by a.example.net with ESMTPSA id 4XkT2c9WzQ; Mon, 2 Mar 2026 07:58:00 +0000"
	const date = "Mon, 02 Mar 2026 07:58:00 +0000"
	footer := func(n int) string {
		return strings.Repeat("\n--\nThis mail is for its reader alone and was looked at by our gateway.", n%20)
	}
	noID := func(n int) string {
		return "from sbs by mx.example.test with Microsoft SMTPSVC(6.0.3790.3959); " + start.Add(time.Duration(n)*time.Second).Format(time.RFC1123Z)
	}
	tests := []struct {
		name  string
		count int
		every time.Duration
		make  func(n int) letterhead
		most  int
	}{
		{"a picture and a few words, Message-ID and text anew", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{subject: "Our offer", date: date, first: once, more: mixed, text: attach("Look!"+footer(n), "image/png", 1)}
		}, 6}, // three of a few words, and three with so many footers that there is a text to compare
		{"a few words, Message-ID and text anew", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{subject: "[EXTERN] Our offer", date: date, first: once, text: "Look at this!" + footer(n)}
		}, 6},
		{"a few words, and a number of the gateway, which may be one of the sender", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{subject: "Our offer", date: date, first: once, text: fmt.Sprintf("Look at this!\nScanned: %d", n)}
		}, 200},
		{"a few words, Date and text anew", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{subject: "Our offer", id: "one", first: once, text: "Look at this!" + footer(n)}
		}, 13}, // of the first footers, until there is a text to compare
		{"all in one second, by a server that gives no IDs", 100, 0, func(n int) letterhead {
			first := once + fmt.Sprintf("\nReceived: from pop by pop with ESMTP id Q%05d; x", n)
			return letterhead{subject: "Our offer", date: date, id: "one", first: first, last: noID(0), text: portal}
		}, 3},
		{"much, anew in all but the first hop", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{from: fmt.Sprintf("\"Shop %d\" <via%d@example.org>", n%3, n%3), subject: fmt.Sprintf("[gw%d] Our offer", n%3), first: once, text: portal + footer(n)}
		}, 4},
		{"From in other words, which may say who calls", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{from: fmt.Sprintf("\"Shop (%d)\" <shop@example.net>", n), date: date, subject: "Our offer", first: noID(n), text: portal}
		}, 200},
		{"much, no first hop, a footer more each time", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{from: "<shop@example.net>", date: date, subject: "Our offer", first: noID(n), text: portal + footer(n)}
		}, 60},
		{"To as each server writes it", 200, 5 * time.Second, func(n int) letterhead {
			return letterhead{to: []string{"<ann@example.test>, <ben@example.test>", "<ann@office.local>, <ben@office.local>", "undisclosed-recipients:;"}[n%3],
				subject: "Our offer", first: once, text: portal + footer(n)}
		}, 13}, // for each, of a few words more
		{"out of office to each copy", 100, 5 * time.Second, func(n int) letterhead {
			return letterhead{subject: "Out of office", path: "<>", more: "Auto-Submitted: auto-replied\nIn-Reply-To: <one@example.net>\n",
				text: fmt.Sprintf("I am away until Monday. Your mail of %s was noted.\n\n> Look at this!%s", date, strings.ReplaceAll(footer(n), "\n", "\n> "))}
		}, 3},
		{"bounces of copies with other Message-IDs", 100, 5 * time.Second, func(n int) letterhead {
			return letterhead{subject: "Undelivered", path: "<>", more: "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
				text: "--b\n\nThe mailbox is full.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; r@example.net\nAction: failed" +
					"\nStatus: 5.2.2\n\n--b\nContent-Type: text/rfc822-headers\n\nFrom: <ann@example.test>\nSubject: " + strings.Repeat("[EXTERN] ", n%5) + fmt.Sprintf("Our offer\nDate: %s\nMessage-ID: <m%d@example.test>\n\n--b--", date, n)}
		}, 3},
		{"a ticket for each copy, with a key in letters that somebody may need", 300, 5 * time.Second, func(n int) letterhead {
			return letterhead{subject: "Your ticket", path: "<>", more: "Auto-Submitted: auto-replied\nIn-Reply-To: <one@example.net>\n", text: fmt.Sprintf("Its key is %c%c.", 'a'+n%26, 'a'+n/26)}
		}, 300},
		{"two answering machines that answer each other", 600, 2 * time.Second, func(n int) letterhead {
			return letterhead{subject: strings.Repeat("Automatic reply: ", min(n, 200)) + "Hello", path: "<>", more: fmt.Sprintf("Auto-Submitted: auto-replied\nIn-Reply-To: <q%d@example.test>\n", n), text: "I am away."}
		}, 400}, // 300, and 100 that leak away meanwhile
		{"a storm that goes on for ten days, no first hop", 960, 15 * time.Minute, func(n int) letterhead {
			return letterhead{subject: "Our offer", date: date, first: noID(n), text: "Look at this!"}
		}, 3},
		{"all anew in the midst of a storm", 400, 5 * time.Second, func(n int) letterhead {
			if n < 70 {
				return letterhead{from: "<shop@example.net>", subject: "Our offer", date: date, id: "one", first: once, text: portal}
			}
			return letterhead{from: "<shop@example.net>", subject: "Our offer", text: portal}
		}, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t, nil)
			got := 0
			for n := range tt.count {
				j, err := e.Judge(context.Background(), tt.make(n).message(n, start.Add(time.Duration(n)*tt.every)))
				ds := j.Decisions
				if err != nil {
					t.Fatal(err)
				}
				if ds[0].Action == "deliver" {
					got++
				}
			}
			if got > tt.most || got == 0 {
				t.Errorf("%d of %d arrive", got, tt.count)
			}
			t.Log(got)
		})
	}
}
