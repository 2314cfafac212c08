package stormgen

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"breakwater/internal/message"
)

// failure is somebody in Cc whom nothing reaches any more, and how that is reported.
type failure struct {
	host   string
	client netip.Addr
	rcpts  []string
	status string // RFC 3463
	reply  string // what a server said, or the reporter itself
	write  func(d *draft, r *returned)
}

// failures are what each copy of a mailshot runs into.
var failures = []failure{
	{"mx1.provider.example.com", netip.MustParseAddr("198.51.100.140"), []string{"a.kern@provider.example.com"}, "5.2.2", "552 5.2.2 Quota exceeded", writePostfix},
	{"mx1.provider.example.com", netip.MustParseAddr("198.51.100.140"), []string{"b.lund@provider.example.com"}, "5.2.2", "552 5.2.2 Mailbox is full", writePostfix},
	{"relay3.provider.example.com", netip.MustParseAddr("198.51.100.143"), []string{"late@branch.example.com"}, "4.2.2", "452 4.2.2 Over quota, try later", writePostfix},
	{"vps.shop.example.net", netip.MustParseAddr("203.0.113.9"), []string{"orders@shop.example.net"}, "5.0.0", "mailbox is full: retry timeout exceeded", writeExim},
	{"vps.shop.example.net", netip.MustParseAddr("203.0.113.9"), []string{"gone@shop.example.net"}, "5.0.0", "Unrouteable address", writeExim},
	{"mail.uni.example.org", netip.MustParseAddr("2001:db8:9::25"), []string{"c.maas@uni.example.org", "d.noll@uni.example.org"}, "5.2.2", "552 5.2.2 Disk quota exceeded", writeSendmail},
	{"puffy.example.net", netip.MustParseAddr("203.0.113.201"), []string{"e.oster@puffy.example.net"}, "5.0.0", "552 5.2.2 Over quota", writeOpenSMTPD},
}

// returned is a copy that could not be delivered, about to be reported.
type returned struct {
	failure
	id        string // of the report, at its reporter
	copyID    string // of the copy
	to        string
	at        time.Time
	from      *relay // who had sent the copy
	header    []byte // of the copy
	body      []byte // with the empty line before it
	messageID string
}

// action is the one that goes with the status, RFC 3464 §2.3.3.
func (r *returned) action() string {
	if strings.HasPrefix(r.status, "4") {
		return "delayed"
	}
	return "failed"
}

func (t *tempest) bounce(at time.Time) Item {
	s := t.shots[t.rng.IntN(t.out())]
	f := pick(t.rng, failures)
	h := pick(t.rng, s.hops)
	r := &returned{failure: f, id: queueID(t.rng, 11), copyID: queueID(t.rng, 11), to: s.author, at: at, from: h.relay, messageID: h.messageID}
	var d draft
	d.field("Received", "%s", s.stamped(h, queueID(t.rng, 12), at.Add(-3*time.Second)))
	d.b = append(d.b, h.chain...)
	s.header(&d, h)
	r.header, r.body = d.b, h.content
	var report draft
	f.write(&report, r)
	env := message.Envelope{Client: f.client, Helo: f.host}
	return Item{Group: s.group() + " to " + strings.Join(f.rcpts, ", "), Envelope: arrived(t.rng, env, s.author), Raw: report.b}
}

// original appends the copy, with the Received field that its reporter put on top.
func (r *returned) original(d *draft, trace string, whole bool) {
	d.field("Received", "from %s (%s)\n\t%s; %s", r.from.host, literal(r.from.client), trace, stamp(r.at.Add(-2*time.Second)))
	d.b = append(d.b, r.header...)
	if whole {
		d.b = append(d.b, r.body...)
	}
}

func writePostfix(d *draft, r *returned) {
	boundary := fmt.Sprintf("%s.%d/%s", r.copyID, r.at.Unix(), r.host)
	subject, about := "Undelivered Mail Returned to Sender", "could not\nbe delivered to one or more recipients. It's attached below."
	if r.action() == "delayed" {
		subject, about = "Delayed Mail (still being retried)", "has not\nbeen delivered to one or more recipients yet. It is tried further."
	}
	d.field("Received", "by %s (Postfix)\n\tid %s; %s", r.host, r.id, stamp(r.at))
	d.field("Date", "%s", stamp(r.at))
	d.field("From", "Mail Delivery System <MAILER-DAEMON@%s>", r.host)
	d.field("Subject", "%s", subject)
	d.field("To", "%s", r.to)
	d.field("Auto-Submitted", "auto-replied")
	d.field("Message-Id", "<%s.%s@%s>", r.at.Format("20060102150405"), r.id, r.host)
	d.field("MIME-Version", "1.0")
	d.field("Content-Type", "multipart/report; report-type=delivery-status;\n\tboundary=\"%s\"", boundary)
	d.line("\nThis is a MIME-encapsulated message.\n\n--%s", boundary)
	d.line("Content-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n")
	d.line("This is the mail system at host %s.\n\nI'm sorry to have to inform you that your message %s\n", r.host, about)
	for _, rcpt := range r.rcpts {
		d.line("<%s>: host %s said: %s (in reply to RCPT TO command)", rcpt, r.host, r.reply)
	}
	d.line("\n--%s\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n", boundary)
	d.line("Reporting-MTA: dns; %s\nX-Postfix-Queue-ID: %s\nX-Postfix-Sender: rfc822; %s\nArrival-Date: %s", r.host, r.copyID, r.to, stamp(r.at.Add(-2*time.Second)))
	for _, rcpt := range r.rcpts {
		d.line("\nFinal-Recipient: rfc822; %s\nOriginal-Recipient: rfc822;%s\nAction: %s\nStatus: %s", rcpt, rcpt, r.action(), r.status)
		d.line("Remote-MTA: dns; %s\nDiagnostic-Code: smtp; %s", r.host, r.reply)
	}
	d.line("\n--%s\nContent-Description: Undelivered Message\nContent-Type: message/rfc822\n", boundary)
	r.original(d, fmt.Sprintf("by %s (Postfix) with ESMTP id %s\n\tfor <%s>", r.host, r.copyID, r.rcpts[0]), true)
	d.line("\n--%s--", boundary)
}

func writeExim(d *draft, r *returned) {
	boundary := fmt.Sprintf("%d-eximdsn-%d", r.at.Unix(), len(r.id)+int(r.at.Unix()%1000))
	d.field("Received", "from Debian-exim by %s with local (Exim 4.96)\n\tid 1t%s-0000; %s", r.host, r.id, stamp(r.at))
	d.field("X-Failed-Recipients", "%s", strings.Join(r.rcpts, ",\n  "))
	d.field("Auto-Submitted", "auto-replied")
	d.field("From", "Mail Delivery System <Mailer-Daemon@%s>", r.host)
	d.field("To", "%s", r.to)
	d.field("References", "<%s>", r.messageID)
	d.field("Content-Type", "multipart/report; report-type=delivery-status; boundary=%s", boundary)
	d.field("MIME-Version", "1.0")
	d.field("Subject", "Mail delivery failed: returning message to sender")
	d.field("Message-Id", "<E1t%s-0000@%s>", r.id, r.host)
	d.field("Date", "%s", stamp(r.at))
	d.line("\n--%s\nContent-type: text/plain; charset=us-ascii\n", boundary)
	d.line("This message was created automatically by mail delivery software.\n")
	d.line("A message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n")
	for _, rcpt := range r.rcpts {
		d.line("  %s\n    %s", rcpt, r.reply)
	}
	d.line("\n--%s\nContent-type: message/delivery-status\n\nReporting-MTA: dns; %s", boundary, r.host)
	for _, rcpt := range r.rcpts {
		d.line("\nAction: %s\nFinal-Recipient: rfc822;%s\nStatus: %s", r.action(), rcpt, r.status)
	}
	d.line("\n--%s\nContent-type: message/rfc822\n", boundary)
	d.line("Return-path: <%s>", r.to)
	r.original(d, fmt.Sprintf("by %s with esmtp (Exim 4.96)\n\t(envelope-from <%s>) id 1t%s-0001", r.host, r.to, r.copyID), true)
	d.line("\n--%s--", boundary)
}

func writeSendmail(d *draft, r *returned) {
	boundary := fmt.Sprintf("%s.%d/%s", r.id, r.at.Unix(), r.host)
	d.field("Received", "from localhost (localhost)\n\tby %s (8.17.1/8.17.1) id %s; %s", r.host, r.id, stamp(r.at))
	d.field("Date", "%s", stamp(r.at))
	d.field("From", "Mail Delivery Subsystem <MAILER-DAEMON@%s>", r.host)
	d.field("Message-Id", "<%s.%s@%s>", r.at.Format("200601021504"), r.id, r.host)
	d.field("To", "<%s>", r.to)
	d.field("MIME-Version", "1.0")
	d.field("Content-Type", "multipart/report; report-type=delivery-status;\n\tboundary=\"%s\"", boundary)
	d.field("Subject", "Returned mail: see transcript for details")
	d.field("Auto-Submitted", "auto-generated (failure)")
	d.line("\nThis is a MIME-encapsulated message\n\n--%s\n", boundary)
	d.line("The original message was received at %s\nfrom %s\n", stamp(r.at.Add(-2*time.Second)), r.from.host)
	d.line("   ----- The following addresses had permanent fatal errors -----")
	for _, rcpt := range r.rcpts {
		d.line("<%s>\n    (reason: %s)", rcpt, r.reply)
	}
	d.line("\n   ----- Transcript of session follows -----\n>>> DATA\n<<< %s\n", r.reply)
	d.line("--%s\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; %s\nReceived-From-MTA: DNS; %s\nArrival-Date: %s",
		boundary, r.host, r.from.host, stamp(r.at.Add(-2*time.Second)))
	for _, rcpt := range r.rcpts {
		d.line("\nFinal-Recipient: RFC822; %s\nAction: %s\nStatus: %s\nDiagnostic-Code: SMTP; %s\nLast-Attempt-Date: %s", rcpt, r.action(), r.status, r.reply, stamp(r.at))
	}
	d.line("\n--%s\nContent-Type: message/rfc822\n\nReturn-Path: <%s>", boundary, r.to)
	r.original(d, fmt.Sprintf("by %s (8.17.1/8.17.1) with ESMTP id %s\n\tfor <%s>", r.host, r.copyID, r.rcpts[0]), true)
	d.line("\n--%s--", boundary)
}

func writeOpenSMTPD(d *draft, r *returned) {
	boundary := fmt.Sprintf("%d/%s", 1e18+r.at.UnixNano()%1e17, r.host)
	d.field("Received", "from %s (%s [local])\n\tby %s (OpenSMTPD) with ESMTPA id %s\n\tfor <%s>;\n\t%s", r.host, r.host, r.host, r.id, r.to, stamp(r.at))
	d.field("Subject", "Delivery status notification: failed")
	d.field("From", "Mailer Daemon <MAILER-DAEMON@%s>", r.host)
	d.field("To", "%s", r.to)
	d.field("Date", "%s", stamp(r.at))
	d.field("MIME-Version", "1.0")
	d.field("Content-Type", "multipart/mixed;boundary=\"%s\"", boundary)
	d.field("Message-ID", "<%s@%s>", strings.ToLower(r.id), r.host)
	d.line("\nThis is a MIME-encapsulated message.\n\n--%s\nContent-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n", boundary)
	d.line("    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n")
	d.line("    An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n")
	for _, rcpt := range r.rcpts {
		d.line("%s: %s", rcpt, r.reply)
	}
	d.line("\n    Below is a copy of the original message:\n\n--%s\nContent-Description: Delivery Report\nContent-Type: message/delivery-status\n", boundary)
	d.line("Reporting-MTA: dns; %s", r.host)
	for _, rcpt := range r.rcpts {
		d.line("\nFinal-Recipient: rfc822; %s\nAction: %s\nStatus: %s", rcpt, r.action(), r.status)
	}
	d.line("\n--%s\nContent-Description: Message headers\nContent-Type: text/rfc822-headers\n", boundary)
	r.original(d, fmt.Sprintf("by %s (OpenSMTPD) with ESMTP id %s\n\tfor <%s>", r.host, strings.ToLower(r.copyID), r.rcpts[0]), false)
	d.line("\n--%s--", boundary)
}
