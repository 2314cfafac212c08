package fingerprint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

var arrival = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// said is what a message says whose header and body are given.
func said(header, body string) storm.Saying {
	raw := "Received: from a by b with ESMTP id 4XkT2c9WzQ; x\nFrom: Ann <ann@example.net>\nDate: Mon, 2 Mar 2026 07:59:00 +0000\nMessage-ID: <1@example.net>\n" + header + "\n" + body + "\n"
	m := message.Parse(message.Envelope{}, arrival, []byte(strings.ReplaceAll(raw, "\n", "\r\n")))
	return hasher.Prints(m, classify.Classify(m), 0).Says
}

// TestVersions says which messages say the same: all that a reader may take for something else is
// something else.
func TestVersions(t *testing.T) {
	const html = "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n"
	both := func(text, markup string) string {
		return "--b\nContent-Type: text/plain; charset=utf-8\n\n" + text + "\n--b\nContent-Type: text/html; charset=utf-8\n\n" + markup + "\n--b--"
	}
	const alternative = "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n"
	const attached = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
	file := func(name, content string) string {
		return "--b\n\nSee the file.\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=" + name + "\n\n" + content + "\n--b--"
	}
	const related = "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n"
	pictures := func(a, b, one, two string) string {
		names := strings.NewReplacer("LEFT", a, "RIGHT", b, "FIRST", min(a, b), "SECOND", max(a, b))
		return names.Replace("--b\nContent-Type: text/html\n\n<img src=\"cid:LEFT\">left <img src=\"cid:RIGHT\">right\n--b\nContent-Type: image/png\nContent-ID: <FIRST>\n\n" + one +
			"\n--b\nContent-Type: image/png\nContent-ID: <SECOND>\n\n" + two + "\n--b--")
	}
	const answer = "Auto-Submitted: auto-replied\nIn-Reply-To: <q@example.test>\n"
	const bounced = "Return-Path: <>\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\nSubject: Undelivered\n"
	bounce := func(text, id, returned string) string {
		return "--b\n\n" + text + "\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\nX-Postfix-Queue-ID: " + id + "\nArrival-Date: Mon, 2 Mar 2026 08:00:17 +0000\n\n" +
			"Final-Recipient: rfc822; r@example.net\nAction: failed\nStatus: 5.2.2\n\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <sent@example.test>\n" + returned + "\n--b--"
	}
	type mail struct{ header, body string }
	text := func(body string) mail { return mail{"Subject: Offer\n", body} }
	page := func(body string) mail { return mail{"Subject: Offer\n" + html, body} }
	tests := []struct {
		name string
		a, b mail
		same bool
	}{
		{"the same", text("Pay 5."), text("Pay 5."), true},
		{"wrapped anew", text("Pay five by noon."), text("Pay five\nby   noon."), true},
		{"quoted", text("Pay 5.\n\nBy noon."), text("> Pay 5.\n>\n> By noon."), true},
		{"base64", text("Pay 5."), mail{"Subject: Offer\nContent-Transfer-Encoding: base64\n", "UGF5IDUu"}, true},
		{"quoted-printable", text("Pay 5."), mail{"Subject: Offer\nContent-Transfer-Encoding: quoted-printable\n", "Pay=205."}, true},
		{"HTML", text("Pay 5.\n\nBy noon."), page("<html><body><p>Pay 5.</p><p><b>By</b> noon.</p></body></html>"), true},
		{"HTML beside it", text("Pay 5."), mail{"Subject: Offer\n" + alternative, both("Pay 5.", "<p>Pay 5.</p>")}, true},
		{"a blank line more", text("Pay 5.\n\nBy noon."), text("Pay 5.\n\n\n-- \nBy noon."), true},
		{"a line twice in a row", text("Pay 5.\nThis mail is confidential."), text("Pay 5.\nThis mail is confidential.\nThis mail is confidential."), true},
		{"a block twice in a row", text("Pay 5.\n\nThis mail was scanned by us."), text("Pay 5.\n\nThis mail was scanned by us.\n\nThis mail was scanned by us."), true},
		{"items", text("Order:\nbread\nbread"), text("Order:\nbread"), false},
		{"which line", text("0\n0\n1\n0"), text("0\n1\n0\n0"), false},
		{"how many blocks", text("yes\n\nyes"), text("yes"), false},
		{"a gateway's tag in Subject", text("Pay 5."), mail{"Subject: [EXTERN] Re: Offer\n", "Pay 5."}, true},
		{"a file, encoded otherwise", mail{"Subject: Offer\n" + attached, file("a.pdf", "PDF 1")}, mail{"Subject: Offer\n" + attached, strings.Replace(file("a.pdf", "UERGIDE="), "attachment;", "attachment; x=y;\nContent-Transfer-Encoding: base64\nX-A: b;", 1)}, false}, // a header more

		{"a number", text("Pay 5."), text("Pay 6."), false},
		{"a sign", text("Pay -5."), text("Pay 5."), false},
		{"a decimal point", text("Pay 1.5."), text("Pay 15."), false},
		{"another decimal point", text("Pay 1.5."), text("Pay 1,5."), false},
		{"less and more", text("Sell at < 5."), text("Sell at > 5."), false},
		{"question", text("You pay."), text("You pay?"), false},
		{"case", text("The code is aBc."), text("The code is abc."), false},
		{"an accent", text("Ask Hùng."), text("Ask Hưng."), false},
		{"how many", text("ok ok ok"), text("ok ok ok ok"), false},
		{"which", text("0 0 1 0 0 0 0 0 0"), text("0 0 0 0 0 0 1 0 0"), false},
		{"the order of blocks", text("Ann:\n\nyes\n\nBen:\n\nno"), text("Ann:\n\nno\n\nBen:\n\nyes"), false},
		{"a block again", text("yes\n\nno"), text("yes\n\nno\n\nyes"), false},
		{"a smiley", text("Well :-)"), text("Well :-("), false},
		{"a zero-width character", text("Pay 5."), text("Pay\u200b 5."), false},
		{"digits of another script", text("Pay 5."), text("Pay ٥."), false},
		{"a subject", text("Yes."), mail{"Subject: Offer 2\n", "Yes."}, false},
		{"the case of a code in Subject", mail{"Subject: Code aB\n", "x"}, mail{"Subject: Code ab\n", "x"}, false},
		{"where answers go", text("Yes."), mail{"Subject: Offer\nReply-To: mallory@example.org\n", "Yes."}, false},
		{"an alternative that says something else", text("We accept."), mail{"Subject: Offer\n" + alternative, both("We accept.", "<p>We refuse.</p>")}, false},
		{"a link", page("<a href=\"https://example.net/1\">here</a>"), page("<a href=\"https://example.net/2\">here</a>"), false},
		{"the case of a link", page("<a href=\"https://example.net/a\">here</a>"), page("<a href=\"https://example.net/A\">here</a>"), false},
		{"two links, exchanged", page("<a href=1>yes</a> <a href=2>no</a>"), page("<a href=2>yes</a> <a href=1>no</a>"), false},
		{"struck out", page("<p>100</p>"), page("<p><s>100</s></p>"), false},
		{"an exponent", page("<p>105</p>"), page("<p>10<sup>5</sup></p>"), false},
		{"hidden", page("<p>Yes.</p>"), page("<p style=\"display:none\">Yes.</p>"), false},
		{"in the title alone", page("<p>Yes.</p>"), page("<title>Yes.</title>"), false},
		{"written by a style", page("<style>p:after{content:'5'}</style><p>Pay</p>"), page("<style>p:after{content:'6'}</style><p>Pay</p>"), false},
		{"a picture for sharp screens", page("<p>x</p><img srcset=\"1.png 2x\">"), page("<p>x</p><img srcset=\"2.png 2x\">"), false},
		{"a charset that nobody should read", mail{"Subject: Offer\nContent-Type: text/plain; charset=iso-2022-kr\n", "Pay 5."}, mail{"Subject: Offer\nContent-Type: text/plain; charset=iso-2022-kr\n", "Pay 6."}, false},
		{"bytes that are none of the charset", mail{"Subject: Offer\nContent-Type: text/plain; charset=utf-8\n", "Pay \xff."}, mail{"Subject: Offer\nContent-Type: text/plain; charset=utf-8\n", "Pay \xfe."}, false},
		{"a byte of a file", mail{"Subject: Offer\n" + attached, file("a.pdf", "PDF 1")}, mail{"Subject: Offer\n" + attached, file("a.pdf", "PDF 2")}, false},
		{"pictures under other names", mail{"Subject: Offer\n" + related, pictures("a", "b", "1", "2")}, mail{"Subject: Offer\n" + related, pictures("c", "d", "1", "2")}, true},
		{"pictures, exchanged", mail{"Subject: Offer\n" + related, pictures("a", "b", "1", "2")}, mail{"Subject: Offer\n" + related, pictures("b", "a", "1", "2")}, false},
		{"an alternative that is empty", text("We accept."), mail{"Subject: Offer\n" + alternative, both("We accept.", "<p></p>")}, false},
		{"within a multipart that has no boundary", mail{"Subject: Offer\n" + attached, "--b\n\nYes.\n--b\nContent-Type: multipart/mixed\n\nNot at all.\n--b--"}, mail{"Subject: Offer\n" + attached, "--b\n\nYes.\n--b\nContent-Type: multipart/mixed\n\nSurely.\n--b--"}, false},
		{"parts of a subject", mail{"Subject: Vote: yes: no: yes\n", "x"}, mail{"Subject: Vote: yes: no\n", "x"}, false},
		{"subjects of tags alone", mail{"Subject: [SPAM]\n", "x"}, mail{"Subject: [EXTERN]\n", "x"}, false},
		{"the name of a file behind much else", mail{"Subject: Offer\n" + attached, strings.Replace(file("a.pdf", ""), "--b\nContent-Type: app", "--b\nContent-Type: text/csv\n\n"+strings.Repeat("0,1,2,3,4,5,6,7\n", 20000)+"\n--b\nContent-Type: app", 1)},
			mail{"Subject: Offer\n" + attached, strings.Replace(file("b.pdf", ""), "--b\nContent-Type: app", "--b\nContent-Type: text/csv\n\n"+strings.Repeat("0,1,2,3,4,5,6,7\n", 20000)+"\n--b\nContent-Type: app", 1)}, false},
		{"the name of a file", mail{"Subject: Offer\n" + attached, file("a.pdf", "PDF 1")}, mail{"Subject: Offer\n" + attached, file("b.pdf", "PDF 1")}, false},

		{"an answer's number", mail{answer + "Subject: Ticket\n", "Your number is 17."}, mail{answer + "Subject: Ticket\n", "Your number is 18."}, false},
		{"an answer's quotation", mail{answer + "Subject: Ticket\n", "Ben says:\n\n> it is mended"}, mail{answer + "Subject: Ticket\n", "Ben says:\n\n> it is lost"}, false},
		{"an answer to an answer", mail{answer + "Subject: Auto: Auto: Hello\n", "I am away."}, mail{answer + "Subject: Auto: Hello\n", "I am away."}, true},
		{"an answer to an answer about something else", mail{answer + "Subject: Auto: Auto: Hello 1\n", "I am away."}, mail{answer + "Subject: Auto: Hello 2\n", "I am away."}, false},
		{"a bounce's IDs and times", mail{bounced, bounce("4XkT0001 of 2 Mar 2026 08:00:17: full", "4XkT0001", "Received: a")}, mail{bounced, bounce("4XkT0002 of 2 Mar 2026 08:00:17: full", "4XkT0002", "Received: b")}, true},
		{"an ID that is no ID of the bounce", mail{bounced, bounce("Ask for 4XkT0001", "4XkT9", "")}, mail{bounced, bounce("Ask for 4XkT0002", "4XkT9", "")}, false},
		{"what a bounce says", mail{bounced, bounce("The mailbox is full.", "4XkT9", "")}, mail{bounced, bounce("She has moved to b@example.net.", "4XkT9", "")}, false},
		{"what a bounce says at its end", mail{bounced, bounce("Full.", "4XkT9", "\n--b\nContent-Type: text/plain\n\nCall 17.")}, mail{bounced, bounce("Full.", "4XkT9", "\n--b\nContent-Type: text/plain\n\nCall 18.")}, false},
	}
	for _, tt := range tests {
		a, b := said(tt.a.header, tt.a.body), said(tt.b.header, tt.b.body)
		if got := a.Versions[0] == b.Versions[0]; got != tt.same {
			t.Errorf("%s: the same is %v, want %v", tt.name, got, tt.same)
		}
	}
	if a, b := said("Subject: x\n", "y"), said("Subject: x\nFrom: Ben <ann@example.net>\n", "y"); a.Versions[0] != b.Versions[0] {
		t.Error("the first From counts")
	}
}

// TestAuthors: the whole of From says who writes.
func TestAuthors(t *testing.T) {
	seen := map[uint64]string{}
	for _, from := range []string{"ann@example.net", "Ann <ann@example.net>", "\"0431 17\" <ann@example.net>", "\"0431 18\" <ann@example.net>", "ann@example.net, ben@example.net", "mallory@example.net", "=?utf-8?q?An=C3=A9?= <ann@example.net>"} {
		m := message.Parse(message.Envelope{}, arrival, []byte("From: "+from+"\r\nSubject: x\r\nDate: Mon, 2 Mar 2026 07:59:00 +0000\r\n\r\nYes.\r\n"))
		v := hasher.Prints(m, classify.Classify(m), 0).Says.Versions[0]
		if other := seen[v]; other != "" {
			t.Errorf("%s says the same as %s", from, other)
		}
		seen[v] = from
	}
}

// TestParts: banners at the ends of a text can be told from the text.
func TestParts(t *testing.T) {
	plain := said("Subject: x\n", "Dear Ann,\n\npay 5 by noon.\n\nYours, Ben")
	for n, body := range []string{"BEWARE\n\nDear Ann,\n\npay 5 by noon.\n\nYours, Ben", "Dear Ann,\n\npay 5 by noon.\n\nYours, Ben\n\n-- \nSCANNED",
		"BEWARE\n\nDear Ann,\n\npay 5 by noon.\n\nYours, Ben\n\nSCANNED", "Dear Ann,\n\npay 5 by noon.\n\nYours, Ben\n\nSCANNED\n\nCONFIDENTIAL"} {
		body = strings.NewReplacer("BEWARE", "This message came from outside; mind its links.", "SCANNED", "This message was scanned by our gateway.", "CONFIDENTIAL", "Its content is for its addressees alone.").Replace(body)
		more := said("Subject: x\n", body)
		if !slices.ContainsFunc(more.Parts, func(p storm.Part) bool { return p.Version == plain.Versions[0] && len(p.Without) == 1+n/2 }) {
			t.Errorf("the text is no part of %q", body)
		}
	}
	for _, body := range []string{"Dear Ann,\n\npay 5 by noon.\n\nYours, Ben\n\nNo.", "Dear Ann,\n\npay 5 by noon.\n\nYours, Ben\n\nThis message was scanned by us as no. 7."} {
		if more := said("Subject: x\n", body); len(more.Parts) > 0 {
			t.Errorf("the end of %q is taken for a banner", body)
		}
	}
	if more := said("Subject: x\n", "Dear Ann,\n\npay 5 by noon.\n\nThis message came from outside; mind its links.\n\nYours, Ben"); slices.ContainsFunc(more.Parts, func(p storm.Part) bool { return p.Version == plain.Versions[0] }) {
		t.Error("a block in the midst is taken for a banner")
	}
}

func TestSourceOf(t *testing.T) {
	relay := func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.25") }
	hosts := []string{"mx.example.test"}
	const outside = "from a.example.net (a.example.net [198.51.100.7]) by mx2.example.test with ESMTP id 1; x"
	tests := []struct {
		name     string
		env      message.Envelope
		received []string
		want     Source
	}{
		{"the client", message.Envelope{Client: netip.MustParseAddr("203.0.113.9")}, []string{outside}, Source{Addr: netip.MustParseAddr("203.0.113.9")}},
		{"a login", message.Envelope{Client: netip.MustParseAddr("203.0.113.9"), AuthUser: "ann"}, nil, Source{Login: "ann"}},
		{"a login at a relay", message.Envelope{Client: netip.MustParseAddr("192.0.2.25"), AuthUser: "ann"}, []string{outside}, Source{Addr: netip.MustParseAddr("198.51.100.7")}},
		{"behind a relay", message.Envelope{Client: netip.MustParseAddr("192.0.2.25")}, []string{outside, "from x (x [203.0.113.66]) by y; x"}, Source{Addr: netip.MustParseAddr("198.51.100.7")}},
		{"behind two relays", message.Envelope{Client: netip.MustParseAddr("192.0.2.25")}, []string{"from r (r [192.0.2.25]) by s; x", outside}, Source{Addr: netip.MustParseAddr("198.51.100.7")}},
		{"a relay that tells nothing", message.Envelope{Client: netip.MustParseAddr("192.0.2.25")}, []string{"by mx2.example.test with QMQP; x", outside}, Source{Addr: netip.MustParseAddr("192.0.2.25")}},
		{"a filter of this host", message.Envelope{Client: netip.MustParseAddr("127.0.0.1")}, []string{"from localhost (localhost [127.0.0.1]) by localhost with ESMTP; x", strings.ReplaceAll(outside, "mx2.", "mx.")}, Source{Addr: netip.MustParseAddr("198.51.100.7")}},
		{"a program of this host that makes fields up", message.Envelope{Client: netip.MustParseAddr("127.0.0.1")}, []string{outside}, Source{Addr: netip.MustParseAddr("127.0.0.1")}},
		{"a program of this host", message.Envelope{Client: netip.MustParseAddr("127.0.0.1"), ReversePath: "root@example.test"}, nil, Source{Local: "local root@example.test"}},
		{"sendmail(1)", message.Envelope{Local: true, ReversePath: "www@example.test"}, []string{outside}, Source{Local: "local www@example.test"}},
		{"in a mailbox", message.Envelope{Rebuilt: true}, []string{"from mx (mx [10.0.0.1]) by imap; x", outside}, Source{Addr: netip.MustParseAddr("198.51.100.7")}},
		{"in a mailbox, no address", message.Envelope{Rebuilt: true}, []string{"from mx by imap; x"}, Source{}},
		{"not known", message.Envelope{}, []string{outside}, Source{}},
	}
	for _, tt := range tests {
		if got := SourceOf(&message.Message{Envelope: tt.env, Received: tt.received}, relay, hosts); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	of := func(s string) uint64 { return hasher.Network(Source{Addr: netip.MustParseAddr(s)}) }
	if of("198.51.100.7") != of("198.51.100.99") || of("198.51.100.7") == of("198.51.101.7") || of("2001:db8:1:2::1") != of("2001:db8:1:3::1") || of("2001:db8:1::1") == of("2001:db8:2::1") {
		t.Error("networks are not /24 and /48")
	}
	if hasher.Network(Source{Login: "Ann"}) != hasher.Network(Source{Login: "ann"}) || hasher.Network(Source{Login: "ann"}) == hasher.Network(Source{Local: "ann"}) {
		t.Error("logins")
	}
}

// TestNumbered: a network is known for a block with an ID after a day with enough different mail, as
// long as it puts the block into all of its mail.
func TestNumbered(t *testing.T) {
	at := arrival
	known := map[storm.Key]notes.Note{}
	play := func(n int, text string) (folded uint64, ok bool) {
		m := message.Parse(message.Envelope{}, at, fmt.Appendf(nil, "From: Ann <ann@example.net>\r\nSubject: Mail %c\r\n\r\n%s", 'a'+n, text))
		p := hasher.Prints(m, classify.Classify(m), 1)
		var tallies []notes.Note
		if p.Numbered != nil {
			for _, k := range p.Numbered.Keys(1) {
				tallies = append(tallies, known[k])
			}
			folded, ok = p.Numbered.Folded(tallies)
		}
		for _, c := range p.Numbered.Counts(1) {
			known[c.Key] = notes.Add(known[c.Key], at, c)
		}
		return folded, ok
	}
	scanned := func(n int) string {
		return fmt.Sprintf("Dear Ann,\r\n\r\nhow are you?\r\n\r\nScan-ID: 8f14e45f%04d\r\n", n)
	}
	for n := range 24 {
		if _, ok := play(n, scanned(n)); ok {
			t.Fatalf("known after %d mails and hours", n)
		}
		at = at.Add(time.Hour)
	}
	a, ok := play(1, scanned(100))
	if b, also := play(1, scanned(101)); !ok || !also || a != b {
		t.Errorf("not known after a day: %v %v", ok, also)
	}
	if c, _ := play(2, scanned(101)); c == a {
		t.Error("other subjects are one version")
	}
	if c, ok := play(1, strings.Replace(scanned(102), "how", "who", 1)); !ok || c == a {
		t.Error("other words are one version")
	}
	if _, ok := play(1, strings.Replace(scanned(102), "Scan-ID", "Password", 1)); ok {
		t.Error("another block is known")
	}
	play(1, "No scanner saw this.")
	at = at.Add(time.Hour)
	if _, ok := play(1, scanned(103)); ok {
		t.Error("known, though not all mail has it")
	}
}

func TestIsID(t *testing.T) {
	for word, want := range map[string]bool{"8f14e45fceea167a": true, "4XkT2c9WzQ": true, "a1b2-c3d4-e5f6": true, "(8f14e45f).": true,
		"DE89370400440532013000": false, "12345678901234": false, "harbour-office": false, "ab12": false, "https://example.net/8f14e45f": false, "ann17@example.net": false} {
		if got := isID(word); got != want {
			t.Errorf("%s: %v", word, got)
		}
	}
}

// FuzzSays: any texts at all are told in bounded time, and what differs in a letter is another version.
func FuzzSays(f *testing.F) {
	f.Add("Dear Ann,\n\npay 5.\n\n-- \nScan-ID: 8f14e45fceea167a", "<p>Pay <b>5</b>.</p><img src=x>")
	f.Add("> > \n|\n====\n\u00a0", "<style>x</style><!--[if mso]>y<![endif]--><")
	f.Fuzz(func(t *testing.T, text, markup string) {
		if strings.ContainsRune(text+markup, '\r') || strings.Contains(text+markup, "--b") {
			return
		}
		const header = "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n"
		body := func(more string) string {
			return "--b\nContent-Type: text/plain; charset=utf-8\n\n" + text + more + "\n--b\nContent-Type: text/html; charset=utf-8\n\n" + markup + "\n--b--"
		}
		a, b, c := said(header, body("")), said(header, body("")), said(header, body("\n\nOne more."))
		if a.Versions[0] != b.Versions[0] {
			t.Error("a version changes")
		}
		if a.Versions[0] == c.Versions[0] && !strings.Contains(text+markup, "One more.") {
			t.Error("a block more is no other version")
		}
	})
}

func BenchmarkSays(b *testing.B) {
	text := strings.Repeat("The harbour office will be closed from Monday on, because the quay is being repaired.\n\n", 12)
	m := message.Parse(message.Envelope{}, arrival, []byte("From: Ann <ann@example.net>\r\nSubject: x\r\n\r\n"+text))
	v := classify.Classify(m)
	c := hasher.content(m, true)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		hasher.says(m, v, c)
	}
}
