package stormgen

import (
	"fmt"
	"strings"
)

// What people write.

// tongue is a language and the way in which its speakers' programs write it.
type tongue struct {
	charset, encoding string
	subject           string
	text              string // with a verb for a number that tells letters apart
}

var tongues = []tongue{
	{"us-ascii", "7bit", "Our meeting on Thursday", "Hello,\n\ncould we move the meeting to three o'clock? File %d is complete now.\n\nBest regards\n"},
	{"utf-8", "quoted-printable", "Rückfrage zum Angebot", "Guten Tag,\n\nzum Angebot %d hätten wir noch eine Rückfrage: Gilt der Preis für beide Größen?\n\nMit freundlichen Grüßen\n"},
	{"iso-8859-1", "8bit", "Schlüssel für den Keller", "Hallo,\n\nder Schl\xfcssel Nr. %d liegt beim Hausmeister. Gr\xfc\xdfe\n"},
	{"utf-8", "8bit", "Réunion de demain", "Bonjour,\n\nje vous confirme notre réunion de demain, dossier n° %d. À bientôt !\n\nCordialement\n"},
	{"utf-8", "base64", "会議の件", "お世話になっております。\n\n会議 %d の件、承知いたしました。\n\nよろしくお願いいたします。\n"},
	{"utf-8", "base64", "Счёт за март", "Добрый день!\n\nСчёт № %d получен, оплатим на этой неделе.\n\nС уважением\n"},
	{"utf-8", "quoted-printable", "Faktura do zlecenia", "Dzień dobry,\n\nw załączeniu uwagi do zlecenia %d. Proszę o potwierdzenie.\n\nPozdrawiam\n"},
	{"utf-8", "8bit", "Presupuesto del taller", "Buenos días:\n\n¿podrían enviarnos el presupuesto %d antes del viernes?\n\nUn saludo\n"},
}

var lastNames = strings.Fields(`Albers Brück Conrad Dorn Engel Falk Groth Hühn Iden Jahn Kröger Lenz
	Mertens Nagel Ott Petri Quast Rühl Stamm Thiel Uhl Vogt Wirth Xander Zorn`)

func personal(l *letter) []Item {
	t := pick(l.Rand, tongues)
	from, to := l.person(l.IntN(200)), pick(l.Rand, l.boxes)
	subject := t.subject
	if l.IntN(3) == 0 {
		subject = "Re: " + subject
	}
	d := l.begin(from, to, subject)
	if strings.HasPrefix(subject, "Re: ") {
		d.field("In-Reply-To", "<%s>", l.id())
	}
	d.single(part{typ: "text/plain; charset=" + t.charset, encoding: t.encoding, content: fmt.Sprintf(t.text, 1000+l.n)})
	return []Item{l.send(d, addr(from), to)}
}

// shortAnswer is one of ten people who say yes to the same question.
func shortAnswer(l *letter) []Item {
	from, to := l.person(l.n), l.box(10)
	d := l.begin(from, to, fmt.Sprintf("Re: Who comes to the picnic on day %d?", l.n/10))
	d.field("In-Reply-To", "<picnic-%d@%s>", l.n/10, "club.example.org")
	d.single(part{typ: "text/plain; charset=us-ascii", content: pick(l.Rand, []string{"Yes\n", "yes\n", "Yes, me too.\n"})})
	return []Item{l.send(d, addr(from), to)}
}

func withAttachment(l *letter) []Item {
	from, to := l.person(l.IntN(200)), pick(l.Rand, l.boxes)
	d := l.begin(from, to, "Die Unterlagen für Sie")
	d.multipart("multipart/mixed", "----=_Part_"+queueID(l.Rand, 12),
		part{typ: "text/html; charset=utf-8", encoding: "quoted-printable",
			content: fmt.Sprintf("<html><body><p>Anbei die Unterlagen zum Vorgang %d.</p>\n<img src=\"cid:logo\"></body></html>\n", l.n)},
		part{typ: "image/png; name=\"logo.png\"", encoding: "base64", disposition: "inline", content: "\x89PNG\r\n\x1a\n" + randomBytes(l.Rand, 400)},
		part{typ: "application/pdf", encoding: "base64", disposition: fmt.Sprintf("attachment; filename=\"vorgang-%d.pdf\"", l.n), content: "%PDF-1.4\n" + randomBytes(l.Rand, 2000+l.IntN(20000))})
	return []Item{l.send(d, addr(from), to)}
}

// listThread is a post in a thread of thirty under one subject.
func listThread(l *letter) []Item {
	from, to := l.person(l.IntN(200)), l.box(30)
	thread := l.n / 30
	d := l.begin(from, "gardeners@lists.example.org", fmt.Sprintf("Re: [gardeners] Tomatoes, week %d", thread))
	d.field("References", "<tomatoes-%d@lists.example.org>", thread)
	d.field("List-Id", "Gardeners <gardeners.lists.example.org>")
	d.field("List-Unsubscribe", "<mailto:gardeners-leave@lists.example.org>")
	d.field("Precedence", "list")
	d.single(part{typ: "text/plain; charset=utf-8", encoding: "8bit",
		content: fmt.Sprintf("> Are yours red already?\n\n%s\n(%d in the glasshouse)\n", pick(l.Rand, []string{"Not yet.", "Since Sunday.", "Noch grün, leider."}), l.n)})
	return []Item{l.send(d, "gardeners-bounces@lists.example.org", to)}
}

// crossPost is one message that its reader gets by four lists.
func crossPost(l *letter) []Item {
	from, to, id := l.person(l.IntN(200)), pick(l.Rand, l.boxes), l.id()
	var items []Item
	for _, list := range []string{"announce", "users", "admins", "translators"} {
		d := &draft{}
		d.field("Received", "from localhost (localhost [127.0.0.1])\n\tby lists.example.org (Postfix) with ESMTP id %s; %s", queueID(l.Rand, 11), stamp(l.at))
		l.fields(d, from, list+"@lists.example.org", fmt.Sprintf("Release %d.%d", l.n/10, l.n%10))
		d.field("Message-ID", "<%s>", id)
		d.field("List-Id", "<%s.lists.example.org>", list)
		d.field("Precedence", "list")
		d.single(part{typ: "text/plain; charset=us-ascii", content: fmt.Sprintf("Release %d.%d is out. Have fun with it.\n", l.n/10, l.n%10)})
		items = append(items, l.send(d, list+"-bounces@lists.example.org", to))
	}
	return items
}

// invitation is an appointment that changes three times.
func invitation(l *letter) []Item {
	to := l.box(4)
	from := l.person(l.n / 4)
	begin := l.at.AddDate(0, 0, 7).Format("20060102T150405Z")
	d := l.begin(from, to, fmt.Sprintf("Invitation: planning round %d", l.n/4))
	ics := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:round-%d@cal.example.org\r\nSEQUENCE:%d\r\nDTSTART:%s\r\nSUMMARY:Planning round\r\nORGANIZER:mailto:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		l.n/4, l.n%4, begin, addr(from))
	d.multipart("multipart/alternative", "cal-"+queueID(l.Rand, 12),
		part{typ: "text/plain; charset=us-ascii", content: fmt.Sprintf("Please come. Room %d.\n", l.n%4+1)},
		part{typ: "text/calendar; method=REQUEST; charset=utf-8", encoding: "base64", content: ics})
	return []Item{l.send(d, addr(from), to)}
}

// readReceipt is an MDN, RFC 8098.
func readReceipt(l *letter) []Item {
	from, to, of := l.person(l.IntN(200)), pick(l.Rand, l.boxes), l.id()
	d := l.begin(from, to, fmt.Sprintf("Read: Offer %d", l.n))
	d.multipart("multipart/report; report-type=disposition-notification", "mdn-"+queueID(l.Rand, 12),
		part{typ: "text/plain; charset=us-ascii", content: "Your message was displayed.\n"},
		part{typ: "message/disposition-notification", content: fmt.Sprintf("Reporting-UA: reader.example; Mailer 7\nFinal-Recipient: rfc822;%s\nOriginal-Message-ID: <%s>\nDisposition: manual-action/MDN-sent-manually; displayed\n", addr(from), of)})
	return []Item{l.send(d, "", to)}
}
