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

var (
	at     = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	hasher = New([]byte("0123456789abcdef"))
)

const mail = `Received: from a.example.net by mx.example.test with ESMTP id 4XkT2c9WzQ; Mon, 2 Mar 2026 08:00:00 +0000
From: Ann <ann@example.net>
To: u1@example.test
Subject: Offer
Date: Mon, 2 Mar 2026 07:59:00 +0000
Message-ID: <1@example.net>

Good day, here is the offer.
`

// unstamped is mail by a server that gives it no ID.
var unstamped = strings.Replace(mail, "with ESMTP id 4XkT2c9WzQ", "with SMTP", 1)

const bounce = `From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: u1@example.test
Subject: Undelivered Mail Returned to Sender
Date: Mon, 2 Mar 2026 08:10:00 +0000
Message-ID: <b1@mx.example.net>
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x

Your mail could not be delivered, id 4711.
--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; bob@example.net
Action: failed
Status: 5.1.1

--x
Content-Type: message/rfc822

From: u1@example.test
To: bob@example.net
Subject: Hello
Date: Mon, 2 Mar 2026 08:09:00 +0000
Message-ID: <orig@example.test>

Hello
--x--
`

const reply = `From: bob@example.net
To: u1@example.test
Subject: Automatic reply: Hello
Date: Mon, 2 Mar 2026 08:10:00 +0000
Message-ID: <r1@example.net>
In-Reply-To: <orig@example.test>
Auto-Submitted: auto-replied

I am away.
`

const ticket = `From: desk@example.net
To: u1@example.test
Subject: We have your request
Date: Mon, 2 Mar 2026 08:10:00 +0000
Auto-Submitted: auto-replied

Your ticket is 4711.
`

func prints(t *testing.T, text string) map[storm.Kind][][8]byte {
	t.Helper()
	m := message.Parse(message.Envelope{Client: netip.MustParseAddr("192.0.2.1")}, at, []byte(strings.ReplaceAll(text, "\n", "\r\n")))
	got := map[storm.Kind][][8]byte{}
	all := hasher.Prints(m, classify.Classify(m), 0).Shared
	for _, p := range all {
		if slices.Contains(got[p.Kind], p.Hash) {
			t.Errorf("%v twice", p.Kind)
		}
		got[p.Kind] = append(got[p.Kind], p.Hash)
	}
	return got
}

// TestShared changes a message and says which keys it still shares with what it was.
func TestShared(t *testing.T) {
	edit := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				panic(old)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	tests := []struct {
		name   string
		base   string
		change func(string) string
		want   string // kinds in order
	}{
		{"relayed again", mail, func(s string) string { return "Received: from b by c id 2; Mon, 2 Mar 2026 09:00:00 +0000\n" + s }, "id text near repeat"},
		{"zone rewritten", mail, edit("07:59:00 +0000", "08:59:00 +0100"), "id text near repeat"},
		{"display name rewritten", mail, edit("Ann <ann@example.net>", "\"Ann B.\" <ann@EXAMPLE.net>"), "id text near"},
		{"written for another visitor", mail, func(s string) string { return "Reply-To: eve@example.org\n" + s }, "id near"},
		{"written to another", mail, edit("To: u1", "To: u2"), "text"},
		{"of a clock that was never set, relayed anew", strings.Replace(mail, "Date: Mon, 2 Mar 2026", "Date: 1 Jan 1970", 1), edit("4XkT2c9WzQ", "4XkT2c9WzR"), "repeat"},
		{"other Message-ID", mail, edit("<1@example.net>", "<2@example.net>"), "text near repeat"},
		{"no Message-ID", mail, edit("Message-ID: <1@example.net>\n", ""), "text near repeat"},
		{"disclaimer", mail, edit("offer.\n", "offer.\n-- \nScanned.\n"), "id near"},
		{"subject tagged", mail, edit("Subject: ", "Subject: [EXTERN] "), "id near"},
		{"other date", mail, edit("07:59", "07:58"), "repeat"},
		{"no date", mail, edit("Date: Mon, 2 Mar 2026 07:59:00 +0000\n", ""), "repeat"},
		{"other sender", mail, edit("ann@", "bob@"), ""},
		{"by another list", mail, func(s string) string { return "List-Id: <two.example.net>\n" + s }, ""},
		{"other digit", mail, edit("the offer.", "the offer 2."), "id near"},
		{"a line more", mail, func(s string) string { return s + "yes\n" }, "id near"},
		{"another attachment", mail, edit("Message-ID", "Content-Type: application/pdf\nMessage-ID"), "id"},
		{"no stamp, other digit", unstamped, edit("the offer.", "the offer 2."), ""},
		{"no stamp, laid out anew", unstamped, edit("here is the", "\n> here is\n> the"), "id"},
		{"no stamp, another server", unstamped, func(s string) string { return "Received: from b by c id 2; Mon, 2 Mar 2026 09:00:00 +0000\n" + s }, "id text repeat"},
		{"the same bounce again", bounce, edit("<b1@", "<b2@"), "text dsn repeat class"},
		{"the same bounce in other words", bounce, func(s string) string { return edit("4711", "4712")(edit("<b1@", "<b2@")(s)) }, "dsn class"},
		{"another recipient failed", bounce, func(s string) string {
			return edit("bob@example.net\nAction", "eve@example.net\nAction")(edit("<b1@", "<b2@")(s))
		}, "class"},
		{"a delay first", bounce, func(s string) string { return edit("failed", "delayed")(edit("<b1@", "<b2@")(s)) }, "class"},
		{"a bounce of another mail", bounce, func(s string) string { return edit("<orig@", "<orig2@")(edit("08:09", "08:08")(s)) }, "class"},
		{"a bounce of a copy with another Message-ID", bounce, func(s string) string { return edit("<orig@", "<orig2@")(s) }, "dsn class"},
		{"the same reply again", reply, func(s string) string { return edit("08:10", "08:11")(edit("<r1@", "<r2@")(s)) }, "reply repeat class"},
		{"another number, more quoted", reply, func(s string) string {
			return edit("08:10", "08:11")(edit("reply: Hello", "reply: [EXTERN] Re: Hello")(s)) + "12\n> Hello\n"
		}, "reply class"},
		{"another answer to the same mail", reply, func(s string) string { return edit("08:10", "08:11")(edit("away", "back")(s)) }, "class"},
		{"another ticket", ticket, edit("4711", "4712"), "class"},
		{"the same ticket again", ticket, edit("08:10", "08:11"), "reply repeat class"},
		{"a reply to another mail", reply, func(s string) string { return edit("<orig@", "<orig2@")(edit("<r1@", "<r2@")(s)) }, "text repeat class"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := prints(t, tt.base), prints(t, tt.change(tt.base))
			var shared []string
			for _, k := range storm.Kinds {
				if slices.ContainsFunc(a[k], func(x [8]byte) bool { return slices.Contains(b[k], x) }) {
					shared = append(shared, k.String())
				}
			}
			if got := strings.Join(shared, " "); got != tt.want {
				t.Errorf("shares %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDSNNeedsOriginalAndRecipients(t *testing.T) {
	for _, cut := range []string{"Message-ID: <orig@example.test>\n", "Final-Recipient: rfc822; bob@example.net\n"} {
		text := strings.Replace(bounce, cut, "", 1)
		if strings.Contains(cut, "Message-ID") { // From and Date do as well
			if _, ok := prints(t, text)[storm.DSN]; !ok {
				t.Error("no dsn key without the original's Message-ID")
			}
			text = strings.Replace(text, "Date: Mon, 2 Mar 2026 08:09:00 +0000\n", "", 1)
		}
		if _, ok := prints(t, text)[storm.DSN]; ok {
			t.Errorf("a dsn key without %q", cut)
		}
	}
}

// TestNoDate: two mails of a program that writes no Date and one Message-ID are not copies.
func TestNoDate(t *testing.T) {
	for kind := range prints(t, strings.Replace(mail, "Date: Mon, 2 Mar 2026 07:59:00 +0000\n", "", 1)) {
		if kind != storm.Repeat {
			t.Errorf("%v", kind)
		}
	}
}

func TestTruncatedHasNoContentKeys(t *testing.T) {
	m := message.Parse(message.Envelope{Truncated: true}, at, []byte(mail))
	all := hasher.Prints(m, classify.Classify(m), 0).Shared
	for _, p := range all {
		if p.Kind != storm.ID {
			t.Errorf("%v", p.Kind)
		}
	}
}

func TestKeys(t *testing.T) {
	all := []storm.Print{{Kind: storm.ID, Hash: [8]byte{1}}, {Kind: storm.Class, Hash: [8]byte{2}}}
	plain, tagged := hasher.Keys(all, "ann@example.org"), hasher.Keys(all, "ann+x@example.org")
	if plain[0].Owner == tagged[0].Owner || plain[1].Owner != tagged[1].Owner {
		t.Error("sub-addresses are one mailbox for rates by class alone")
	}
	if other := New([]byte("another secret, 16")).Keys(all, "ann@example.org"); other[0].Owner == plain[0].Owner {
		t.Error("owners do not depend on the secret")
	}
}

func TestTransfer(t *testing.T) {
	parse := func(s string) *message.Message { return message.Parse(message.Envelope{}, at, []byte(s)) }
	a := Transfer(parse(mail))
	if b := Transfer(parse(mail + "more")); a != b {
		t.Error("the same transfer, deferred by a filter that changed the body, is another")
	}
	if b := Transfer(parse("Received: from b by c id 2; Mon, 2 Mar 2026 09:00:00 +0000\n" + mail)); a == b {
		t.Error("another hop is the same transfer")
	}
	coarse := "Received: from sbs by c; Mon, 2 Mar 2026 09:00:00 +0000\n"
	if Transfer(parse(coarse+"Received: from a by sbs id 1; x\n"+mail)) == Transfer(parse(coarse+"Received: from a by sbs id 2; x\n"+mail)) {
		t.Error("two of one second are the same transfer where the last server gives no IDs")
	}
	direct := strings.SplitAfterN(mail, "\n", 2)[1]
	if Transfer(parse(direct)) == Transfer(parse(direct+"more")) {
		t.Error("without Received, another message is the same transfer")
	}
}

func BenchmarkPrints(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10, 10 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			raw := []byte(strings.ReplaceAll(mail, "\n", "\r\n") + strings.Repeat("A line of text, as people write it.\r\n", size/37))
			m := message.Parse(message.Envelope{}, at, raw)
			v := classify.Classify(m)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				all := hasher.Prints(m, v, 0).Shared
				hasher.Keys(all, "ann@example.org")
			}
		})
	}
}

func TestSkeleton(t *testing.T) {
	for subject, want := range map[string]string{
		"Offer": "offer", " Re: AW:  offer": "offer", "[EXTERN] Re: [External] WG: Offer 47": "offer 47", "回复：报价": "报价", "转发: Re: x": "x",
		"[Ticket#47] Offer": "[ticket#47] offer", "[alpha] Build": "[alpha] build", "Report: Monday": "report: monday", "***SPAM*** Offer": "offer", "": "", "Re:": "", "[extern]": "",
	} {
		if got := Skeleton(subject); got != want {
			t.Errorf("%q: %q, want %q", subject, got, want)
		}
	}
}

// TestHandedAtOnce: of two copies that come at once each is the first for some of what the store
// keeps of the first one. They have a print in common all the same.
func TestHandedAtOnce(t *testing.T) {
	text := strings.Repeat("the harbour office will be closed because the quay is being repaired and nobody can reach the door. ", 2)
	copies := func(more string) *Near {
		raw := strings.ReplaceAll(strings.Replace(mail, "Good day, here is the offer.\n", text+more, 1), "\n", "\r\n")
		n := hasher.Prints(message.Parse(message.Envelope{}, at, []byte(raw)), classify.Verdict{Class: classify.Personal}, 0).Near
		return n
	}
	for first := range 4 { // keys that a has noted when b looks
		kept := kept{}
		a, b := copies(""), copies("-- this mail is for its reader alone and was looked at by our gateway")
		var ofB Copies
		ofA, err := a.Compare(halted{kept, first, func() { ofB, _ = b.Compare(kept, 0) }}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(ofA.Prints, func(p storm.Print) bool { return slices.Contains(ofB.Prints, p) }) {
			t.Errorf("%d keys noted: %v, %v", first, ofA.Prints, ofB.Prints)
		}
	}
}

// kept is a Memory.
type kept map[storm.Key]notes.Note

func (k kept) Noted(keys []storm.Key) ([]notes.Note, error) {
	found := make([]notes.Note, len(keys))
	for i, key := range keys {
		found[i] = k[key]
	}
	return found, nil
}

func (k kept) Note(entries []notes.Entry) ([]notes.Note, error) {
	noted := make([]notes.Note, len(entries))
	for i, e := range entries {
		k[e.Key] = notes.Add(k[e.Key], at, e)
		noted[i] = k[e.Key]
	}
	return noted, nil
}

func (kept) InOutbreak([8]byte) (bool, error) { return false, nil }

// halted is a Memory that does something else after some of what it notes.
type halted struct {
	kept
	after int
	do    func()
}

func (h halted) Note(entries []notes.Entry) ([]notes.Note, error) {
	first, _ := h.kept.Note(entries[:h.after])
	h.do()
	rest, _ := h.kept.Note(entries[h.after:])
	return append(first, rest...), nil
}
