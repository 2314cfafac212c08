package origin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/message"
)

// stamped is mail that we sent, with its token.
func stamped(r *Ring) (raw, token string) {
	m := message.Parse(message.Envelope{QueueID: "1", ReversePath: "ann@example.org"}, start, []byte("From: "+from+"\r\nTo: bob@example.net\r\nSubject: Hello\r\n\r\nHello.\r\n"))
	s, _ := r.Sign(m, "example.org", SignOptions{Token: true})
	for _, f := range s.Fields {
		raw += f.Name + ": " + f.Value + "\r\n"
	}
	return raw + string(m.Raw), s.Fields[len(s.Fields)-1].Value
}

// TestReturned has the token proved from wherever the original sits in a report.
func TestReturned(t *testing.T) {
	r := ring(1)
	original, _ := stamped(r)
	header, _, _ := strings.Cut(original, "\r\n\r\n")
	quoted := "> " + strings.ReplaceAll(header, "\r\n", "\r\n> ") + "\r\n"
	const daemon = "From: Mail Delivery System <MAILER-DAEMON@example.net>\r\nTo: ann@example.org\r\nSubject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	part := func(kind, content string) string {
		return daemon + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nI could not deliver your mail.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" +
			"Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; bob@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: " + kind + "\r\n\r\n" + content + "\r\n--b--\r\n"
	}
	for name, raw := range map[string]string{
		"the message":            part("message/rfc822", original),
		"the header":             part("text/rfc822-headers", header+"\r\n"),
		"the message, cut short": part("message/rfc822", original[:len(original)-4]),
		"in the text":            daemon + "\r\nHi. This is the qmail-send program at example.net.\r\nI'm afraid I wasn't able to deliver your message to the following addresses.\r\n\r\n<bob@example.net>:\r\nno such user\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n" + original,
		"quoted":                 daemon + "\r\nYour message could not be delivered to bob@example.net: no such user.\r\n\r\n" + quoted,
	} {
		m := message.Parse(message.Envelope{Recipients: []message.Recipient{{Addr: "ann@example.org"}}}, start, []byte(raw))
		v := classify.Classify(m)
		c, ok := Read(m, v)
		if !ok {
			t.Errorf("%s: %s claims nothing", name, v.Class)
			continue
		}
		p := r.Prove(Case{Claim: c, At: start, Recipient: "ann@example.org", Tries: []Method{ByToken}})
		if p.Origin != Genuine {
			t.Errorf("%s: %s, %s", name, p.Origin, p.Why())
		}
		if len(c.IDs) != 1 || !c.Date.Equal(start) || fmt.Sprint(c.Partner, c.From) != "[bob@example.net] [ann@example.org]" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, header, want string
	}{
		{"an automatic answer", "From: Bob <bob@example.net>\r\nAuto-Submitted: auto-replied\r\nIn-Reply-To: <3@example.org>\r\nReferences: <1@example.org> <2@example.org>\r\n", "[3@example.org 2@example.org 1@example.org] [bob@example.net]"},
		{"one from another address", "From: Bob <bob@example.net>\r\nAuto-Submitted: auto-replied\r\nReferences:\r\n <1@example.org>\r\n", "[1@example.org] [bob@example.net]"},
		{"a person", "From: Bob <bob@example.net>\r\nIn-Reply-To: <3@example.org>\r\n", "nothing"},
	} {
		m := message.Parse(message.Envelope{ReversePath: "bob@example.net", Recipients: []message.Recipient{{Addr: "ann@example.org"}}}, start, []byte(tt.header+"Subject: Out of office\r\n\r\nI am away.\r\n"))
		c, ok := Read(m, classify.Classify(m))
		got := "nothing"
		if ok {
			got = fmt.Sprint(c.IDs, " ", c.Partner)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestInstant(t *testing.T) {
	for date, want := range map[string]bool{
		"Mon, 2 Mar 2026 08:00:00 +0000 (UTC)": true, "Mon, 2 Mar 2026 09:00 +0100": true, "2 Mar 2026 08:00:00 GMT": true, "Mon, 02 Mar 2026 03:00:00 EST": true, "2026-03-02T08:00:00Z": true,
		"Mon, 2 Mar 2026 08:00:00": false, "2026-03-02 08:00:00": false, "Monday, March 2, 2026 8:00 AM": false, "2-Mar-2026 08:00:00": false, "Mon, 2 Mar 2026 08:00:00 CET": false, "": false,
	} {
		if got := instant(date); got.IsZero() == want || want && !got.Truncate(time.Hour).Equal(start.Truncate(time.Hour)) {
			t.Errorf("%q: %s", date, got)
		}
	}
}

func TestSign(t *testing.T) {
	r := ring(1)
	sign := func(raw string, w SignOptions) (Stamp, string) {
		return r.Sign(message.Parse(message.Envelope{QueueID: "1", ReversePath: "ann@example.org"}, start, []byte(raw)), "example.org", w)
	}
	names := func(s Stamp) string {
		var all []string
		for _, f := range s.Fields {
			all = append(all, f.Name)
		}
		return strings.Join(all, " ")
	}
	s, got := sign("From: a\r\nDate: "+date+"\r\nMessage-ID: "+id+"\r\n\r\n", SignOptions{Token: true})
	if names(s) != TokenField || got != "1@example.org" || s.ReversePath != "" {
		t.Errorf("%+v, %s", s, got)
	}
	s, got = sign("From: a\r\nMessage-ID: \r\n\r\n", SignOptions{Token: true, Tag: SubAddress})
	if names(s) != "Message-ID Date "+TokenField || !strings.HasSuffix(got, "@example.org") || s.Fields[1].Value != date || !strings.HasPrefix(s.ReversePath, "ann+prvs-") {
		t.Errorf("%+v, %s", s, got)
	}
	if again, _ := sign("From: a\r\nMessage-ID: \r\n\r\n", SignOptions{}); names(again) != "Message-ID Date" || again.Fields[0] != s.Fields[0] {
		t.Errorf("%+v", again)
	}
	if other, _ := sign("From: b\r\n\r\n", SignOptions{}); other.Fields[0] == s.Fields[0] {
		t.Error("two messages got one Message-ID")
	}
}

// FuzzRead reads whatever claims to be a report.
func FuzzRead(f *testing.F) {
	r := ring(1)
	original, _ := stamped(r)
	f.Add([]byte("From: MAILER-DAEMON@example.net\r\nSubject: failure notice\r\n\r\n> " + original))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := message.Parse(message.Envelope{Recipients: []message.Recipient{{Addr: "ann@example.org"}}}, start, raw)
		for _, class := range Classes {
			v := classify.Classify(m)
			v.Class = class
			c, ok := Read(m, v)
			if !ok || len(c.IDs) > maxNamed || len(c.Partner) > maxNamed {
				t.Fatalf("%v, %+v", ok, c)
			}
			p := r.Prove(Case{Claim: c, At: start.Add(time.Hour), Asked: start.Add(time.Hour), Recipient: "ann@example.org", Tries: Methods, AllMailLeavesHere: true, LearnsSince: start.AddDate(-1, 0, 0), Covered: true})
			if p.Origin == Genuine && !strings.Contains(string(raw), "s=") {
				t.Errorf("%+v", p)
			}
		}
	})
}
