package stormgen

import (
	"fmt"
	"time"
)

// What programs write.

func noMessageID(l *letter) []Item {
	to := l.box(10)
	d := &draft{}
	d.field("Received", "from shop by %s with local id %s; %s", l.server.host, queueID(l.Rand, 11), stamp(l.at))
	l.fields(d, "Shop <orders@shop.example.org>", to, "Your order")
	d.line("\nThank you. Your order %d is on its way.", 70_000+l.n)
	return []Item{l.send(d, "www-data@"+l.server.host, to)}
}

// newsletter goes to several mailboxes, in one transaction or in one for each.
func newsletter(l *letter) []Item {
	to := make([]string, 0, 4)
	for i := range min(4, len(l.boxes)) {
		to = append(to, l.boxes[(l.n+i)%len(l.boxes)])
	}
	if l.n%2 == 0 {
		return []Item{l.send(l.issue("subscribers@news.example.com"), "bounce@news.example.com", to...)}
	}
	var items []Item
	for i, box := range to {
		items = append(items, l.send(l.issue(box), fmt.Sprintf("bounce+%d.%d@news.example.com", l.n, i), box))
	}
	return items
}

func (l *letter) issue(to string) *draft {
	d := l.begin("The Weekly <weekly@news.example.com>", to, fmt.Sprintf("The Weekly, issue %d", l.n))
	d.field("List-Id", "<weekly.news.example.com>")
	d.field("List-Unsubscribe", "<https://news.example.com/off>")
	d.field("Precedence", "bulk")
	d.multipart("multipart/alternative", "nl-"+queueID(l.Rand, 12),
		part{typ: "text/plain; charset=utf-8", encoding: "quoted-printable", content: paragraphs[l.n%len(paragraphs)] + fmt.Sprintf("\n\nIssue %d\n", l.n)},
		part{typ: "text/html; charset=utf-8", encoding: "quoted-printable", content: "<html><body><p>" + paragraphs[l.n%len(paragraphs)] + "</p></body></html>\n"})
	return d
}

// alert differs in a number; every other time it is the last one again, with another Date.
func alert(l *letter) []Item {
	to := l.box(same)
	text := fmt.Sprintf("PROBLEM: web%02d, disk /var %d%% full", l.n%7, 80+l.n%20)
	if l.n%2 == 1 {
		text = fmt.Sprintf("PROBLEM: switch%d does not answer", l.n/same)
	}
	d := l.begin("Monitor <monitor@watch.example.org>", to, text)
	d.field("Auto-Submitted", "auto-generated")
	d.single(part{typ: "text/plain; charset=us-ascii", content: text + "\n"})
	return []Item{l.send(d, "monitor@watch.example.org", to)}
}

// cron says the same each time. It is no relay: there is no Received field.
func cron(l *letter) []Item {
	to := l.box(same)
	host := fmt.Sprintf("db%d.example.org", l.n/same)
	d := &draft{}
	l.fields(d, "root@"+host+" (Cron Daemon)", to, "Cron <root@"+host+"> test -x /usr/sbin/report && report")
	d.field("Message-ID", "<%s>", l.id())
	d.field("X-Cron-Env", "<LOGNAME=root>")
	d.field("Auto-Submitted", "auto-generated")
	d.line("\nreport: nothing to do")
	return []Item{l.send(d, "root@"+host, to)}
}

func buildNotice(l *letter) []Item {
	to := l.box(20)
	d := l.begin("Build <build@ci.example.net>", to, fmt.Sprintf("Build failed: main #%d", 4000+l.n))
	d.field("Auto-Submitted", "auto-generated")
	d.field("X-Auto-Response-Suppress", "All")
	d.single(part{typ: "text/plain; charset=utf-8", content: fmt.Sprintf("Build %d failed after %d s.\n", 4000+l.n, 60+l.IntN(60))})
	return []Item{l.send(d, "build@ci.example.net", to)}
}

func parcelNotice(l *letter) []Item {
	to := l.box(5)
	d := l.begin("Paketdienst <auto-reply@parcel.example.com>", to, "Ihr Paket kommt heute")
	d.single(part{typ: "text/html; charset=utf-8", encoding: "quoted-printable",
		content: fmt.Sprintf("<html><body>Sendung <b>%012d</b> wird heute zugestellt, Stopp %d.</body></html>\n", 900_000+l.n, l.IntN(80))})
	return []Item{l.send(d, "bounces@parcel.example.com", to)}
}

func oneTimeCode(l *letter) []Item {
	to := l.box(20)
	d := l.begin("Login <no-reply@bank.example.com>", to, "Your code")
	d.single(part{typ: "text/plain; charset=us-ascii", content: fmt.Sprintf("Your code is %06d. Tell it to nobody.\n", (l.n*7919+13)%1_000_000)})
	return []Item{l.send(d, "no-reply@bank.example.com", to)}
}

// ticket acknowledges one of many requests; only the number differs.
func ticket(l *letter) []Item {
	to := l.box(30)
	d := l.begin("Support <support@desk.example.net>", to, fmt.Sprintf("[Ticket#%d] We have got your request", 20_000+l.n))
	d.field("Auto-Submitted", "auto-replied")
	if l.n%2 == 0 {
		d.field("In-Reply-To", "<%s>", l.id())
	}
	d.single(part{typ: "text/plain; charset=us-ascii", content: "We have got your request and will answer soon.\n"})
	return []Item{l.send(d, "", to)}
}

// scan is a sheet from the copier. The copier is no relay: there is no Received field.
func scan(l *letter) []Item {
	to := l.box(20)
	d := &draft{}
	l.fields(d, "copier@office.example.org", to, "Scanned from the copier on the second floor")
	d.field("Message-ID", "<%s>", l.id())
	d.multipart("multipart/mixed", "scan-"+queueID(l.Rand, 8),
		part{typ: "text/plain; charset=us-ascii", content: "Please find the scanned file attached.\n"},
		part{typ: "application/pdf; name=\"scan.pdf\"", encoding: "base64", disposition: "attachment; filename=\"scan.pdf\"", content: "%PDF-1.3\n" + randomBytes(l.Rand, 1000+l.IntN(30_000))})
	return []Item{l.send(d, "copier@office.example.org", to)}
}

// singleBounce is a DSN for a letter of its own.
func singleBounce(l *letter) []Item {
	f, to := pick(l.Rand, failures), l.box(10)
	l.at = l.at.Add(-time.Minute)
	sent := l.begin(to, f.rcpts[0], "Our offer")
	r := &returned{failure: f, id: queueID(l.Rand, 11), copyID: queueID(l.Rand, 11), to: to, at: l.at.Add(time.Minute), from: &office, messageID: l.last,
		header: sent.b, body: []byte("\r\nPlease find our offer below.\r\n")}
	l.server = server{f.host, f.client}
	d := &draft{}
	f.write(d, r)
	return []Item{l.send(d, "", to)}
}

// away answers one letter, for somebody who is not in.
func away(l *letter) []Item {
	r, to := pick(l.Rand, responders), l.box(10)
	a := &answer{responder: r, id: queueID(l.Rand, 12), to: to, at: l.at, subject: fmt.Sprintf("Order %d", 500+l.n), messageID: l.id(), number: 30_000 + l.n}
	d := &draft{}
	a.field(d)
	r.write(d, a)
	return []Item{{Envelope: arrived(l.Rand, r.envelope(), to), Raw: d.b}}
}
