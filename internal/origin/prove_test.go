package origin

import (
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
)

const (
	hour = time.Hour
	days = 24 * hour
)

// forged is a case that has all it takes to be forged: a report of a minute ago.
func forged() Case {
	h, _, _ := message.ParseHeader([]byte("Received: from mx.example.net by mta.example.net with ESMTP; x\r\nFrom: ann@example.org\r\nDate: " + date + "\r\nMessage-ID: <x@example.org>\r\n\r\n"))
	return Case{
		Claim: Claim{IDs: []string{"x@example.org"}, Sent: h, Date: start, Partner: []string{"bob@example.net"}, From: []string{"ann@example.org"}},
		At:    start.Add(time.Minute), Asked: start.Add(time.Minute), Recipient: "ann@example.org", Tries: Methods, Hosts: []string{"mx.example.org"},
		Covered: true, Life: Life, AllMailLeavesHere: true, LearnsSince: start.Add(-8 * days), Learns: 7 * days,
	}
}

// TestProve takes one thing after the other from a case that is forged.
func TestProve(t *testing.T) {
	r := ring(1)
	through := func(field string) func(*Case) {
		return func(c *Case) {
			c.Sent = append(message.Header{{Name: "Received", Value: field}}, c.Sent...)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*Case)
		want   Origin
		by     Method
		why    string
	}{
		{"nothing", func(*Case) {}, Forged, "", "saw all mail of that time"},

		{"a tag", func(c *Case) { c.Recipient = r.Tagged(c.Recipient, SubAddress, start) }, Genuine, ByTag, "tag of key"},
		{"a token", func(c *Case) { c.Sent = returned(r.Token("example.org", from, date, id, start)) }, Genuine, ByToken, "token of key"},
		{"a Message-ID", func(c *Case) { c.KnownID = "x@example.org" }, Genuine, ByMessageID, "<x@example.org>"},
		{"a correspondent", func(c *Case) { c.KnownPartner = "bob@example.net" }, Genuine, ByCorrespondent, "bob@example.net"},

		{"a) mail leaves elsewhere", func(c *Case) { c.AllMailLeavesHere = false }, Unknown, "", "may leave elsewhere"},
		{"b) no Date", func(c *Case) { c.Date = time.Time{} }, Unknown, "", "no date"},
		{"c) before learning ended", func(c *Case) { c.LearnsSince = start.Add(-7*days + time.Second) }, Unknown, "", "still learning"},
		{"c) just when it ended", func(c *Case) { c.LearnsSince = start.Add(-7 * days) }, Forged, "", "saw all"},
		{"c) nothing learned", func(c *Case) { c.LearnsSince = time.Time{} }, Unknown, "", "still learning"},
		{"c) nine days old", func(c *Case) { c.Asked, c.LearnsSince = start.Add(9*days), start.Add(-30*days) }, Forged, "", "saw all"},
		{"c) older", func(c *Case) { c.Asked, c.LearnsSince = start.Add(9*days+1), start.Add(-30*days) }, Unknown, "", "older than"},
		{"c) in a gap", func(c *Case) { c.Covered = false }, Unknown, "", "did not see all"},
		{"d) postmaster", func(c *Case) { c.Recipient = "Postmaster@example.org" }, Unknown, "", "for others"},
		{"d) a list", func(c *Case) { c.Recipient = "staff-owner@example.org" }, Unknown, "", "for others"},
		{"d) SRS", func(c *Case) { c.Recipient = "SRS0=HHH=TT=example.net=bob@example.org" }, Unknown, "", "for others"},
		{"e) a token of another host", func(c *Case) { c.Sent = returned(ring(9).Token("example.org", from, date, id, start)) }, Forged, "", "saw all"},
		{"e) a token that is none", func(c *Case) { c.Sent = returned("x") }, Forged, "", "saw all"},
		{"e) a token of another domain", func(c *Case) { c.Sent = returned(r.Token("example.net", from, date, id, start)) }, Forged, "", "saw all"},
		{"e) one that was cut", func(c *Case) { c.Sent = returned(r.Token("example.net", from, date, id, start)[:50]) }, Forged, "", "saw all"},
		{"e) a token that has expired", func(c *Case) { c.Sent = returned(r.Token("example.org", from, date, id, start.Add(-31*days))) }, Unknown, "", "has expired"},
		{"e) a token that was cut", func(c *Case) { c.Sent = returned(r.Token("example.org", from, date, id, start)[:50]) }, Unknown, "", "does not fit"},
		{"e) a tag of another host", func(c *Case) { c.Recipient = ring(9).Tagged(c.Recipient, Prvs, start) }, Forged, "", "saw all"},
		{"e) a tag that is made up", func(c *Case) { c.Recipient = "ann+prvs-1234abcdef@example.org" }, Forged, "", "saw all"},
		{"e) a tag that has expired", func(c *Case) { c.Recipient = r.Tagged(c.Recipient, SubAddress, start.Add(-15*days)) }, Unknown, "", "has expired"},
		{"e) a Message-ID of another domain", func(c *Case) { c.SentIDs = []string{"x@example.org"} }, Unknown, "", "not known to be of the recipient's domain"},
		{"e) a token that is not wanted", func(c *Case) {
			c.Sent = returned(r.Token("example.org", from, date, id, start))
			c.Tries = []Method{ByTag, ByMessageID, ByCorrespondent}
		}, Unknown, "", "a token of ours holds"},
		{"e) the index is not wanted", func(c *Case) { c.Tries = []Method{ByTag, ByToken} }, Unknown, "", "does not want the index"},
		{"e) no Message-ID to look up", func(c *Case) { c.IDs = nil }, Unknown, "", "no Message-ID"},

		{"from another account", func(c *Case) { c.From = []string{"ann@example.com"} }, Unknown, "", "not said to be from"},
		{"from who knows whom", func(c *Case) { c.From = nil }, Unknown, "", "not said to be from"},
		{"from the domain in capitals", func(c *Case) { c.From = []string{"x@example.com", "Sales@EXAMPLE.org"} }, Forged, "", "saw all"},

		{"it came in here, and was forwarded", through("from spam.example.net by MX.example.org with ESMTP id 1 for <bob@example.org>; x"), Unknown, "", "went through mx.example.org"},
		{"a user of ours sent it", through("from pc.example.net by mx.example.org with ESMTPSA id 1; x"), Unknown, "", "did not see it"},
		{"a program of ours sent it", through("by mx.example.org (Postfix, from userid 33) id 1; x"), Unknown, "", "did not see it"},
		{"Sendmail's program sent it", through("(from root@localhost) by mx.example.org (8.17.1/8.17.1/Submit) id 1; x"), Unknown, "", "did not see it"},
		{"another host has our name in its own", through("from mx.example.org by mta.example.net with ESMTPSA id 1; x"), Forged, "", "saw all"},
	} {
		c := forged()
		tt.change(&c)
		p := r.Prove(c)
		if p.Origin != tt.want || p.By != tt.by || !strings.Contains(p.Why(), tt.why) {
			t.Errorf("%s: %s by %q: %s; want %s by %q: %s", tt.name, p.Origin, p.By, p.Why(), tt.want, tt.by, tt.why)
		}
		if unseen := p.By == ByToken || strings.Contains(tt.why, "token of ours holds"); p.Unseen != unseen { // the index knows nothing of its mail
			t.Errorf("%s: unseen %v", tt.name, p.Unseen)
		}
		if excused := tt.name == "c) before learning ended"; p.Excused != excused {
			t.Errorf("%s: excused %v", tt.name, p.Excused)
		}
	}
}

// TestTokenOfCustomer checks tokens of several domains: those that belong to the recipient's customer
// hold, and no others.
func TestTokenOfCustomer(t *testing.T) {
	r := ring(1)
	for _, tt := range []struct {
		domain string
		alone  Origin // nothing is said of who belongs together
		of     Origin // example.org and example.net do
	}{
		{"example.org", Genuine, Genuine}, {"EXAMPLE.org", Genuine, Genuine}, {"example.net", Forged, Genuine}, {"sub.example.org", Forged, Forged}, {"", Forged, Forged},
	} {
		c := forged()
		c.Sent = returned(r.Token(tt.domain, from, date, id, start))
		if p := r.Prove(c); p.Origin != tt.alone || p.Signed() != (tt.alone == Genuine) {
			t.Errorf("%q alone: %+v", tt.domain, p)
		}
		c.Belongs = func(domain string) bool {
			return strings.EqualFold(domain, "example.org") || domain == "example.net"
		}
		if p := r.Prove(c); p.Origin != tt.of || p.Signed() != (tt.of == Genuine) {
			t.Errorf("%q of a customer: %+v", tt.domain, p)
		}
	}
}

// TestUnseenMail takes one thing after the other from a case in which a token proves mail that the index
// should know: then it need not.
func TestUnseenMail(t *testing.T) {
	r := ring(1)
	for _, tt := range []struct {
		name   string
		change func(*Case)
		want   bool
	}{
		{"nothing", func(*Case) {}, true},
		{"though a tag proves it, too", func(c *Case) { c.Recipient = r.Tagged(c.Recipient, SubAddress, start) }, true},
		{"though nothing is tried", func(c *Case) { c.Tries = nil }, true},
		{"the index knows another", func(c *Case) { c.SentIDs = []string{"0@example.org"} }, true},
		{"the index knows it", func(c *Case) { c.SentIDs = []string{"0@example.org", "1@example.org"} }, false},
		{"a token of another domain", func(c *Case) { c.Sent = returned(r.Token("example.net", from, date, id, start)) }, false},
		{"a token of another host", func(c *Case) { c.Sent = returned(ring(9).Token("example.org", from, date, id, start)) }, false},
		{"a token on other mail", func(c *Case) { c.Sent = returned(r.Token("example.org", from, date, id, start), "<1@", "<2@") }, false},
		{"no token", func(c *Case) { c.Sent = forged().Sent }, false},
		{"mail leaves elsewhere", func(c *Case) { c.AllMailLeavesHere = false }, false},
		{"nothing learned", func(c *Case) { c.LearnsSince = time.Time{} }, false},
		{"in a gap", func(c *Case) { c.Covered = false }, false},
		{"in a gap, and the report says another time", func(c *Case) { c.Date = start.Add(-hour) }, false},
		{"no Message-ID", func(c *Case) { c.Sent = returned(r.Token("example.org", from, date, "<>", start), id, "<>") }, false},
		{"nine days old", func(c *Case) { c.Asked = start.Add(9 * days) }, true},
		{"older", func(c *Case) { c.Asked = start.Add(9*days + 1) }, false},
		{"sent long ago with a date of today", func(c *Case) { c.Sent = returned(r.Token("example.org", from, date, id, start.Add(-10*days))) }, false},
	} {
		c := forged()
		c.Sent = returned(r.Token("example.org", from, date, id, start))
		tt.change(&c)
		p := r.Prove(c)
		if p.Unseen != tt.want {
			t.Errorf("%s: %+v", tt.name, p)
		}
		if said := strings.Contains(p.Why(), "learns anew"); said != (p.Unseen && p.Origin == Genuine) {
			t.Errorf("%s: %s", tt.name, p.Why())
		}
	}
}

// TestRungAlone has each method tried alone: it holds by itself, and no other does.
func TestRungAlone(t *testing.T) {
	r := ring(1)
	for _, method := range Methods {
		c := forged()
		c.Recipient = r.Tagged(c.Recipient, SubAddress, start)
		c.Sent = returned(r.Token("example.org", from, date, id, start))
		c.KnownID, c.KnownPartner = "x@example.org", "bob@example.net"
		c.Tries = []Method{method}
		p := r.Prove(c)
		if p.Origin != Genuine || p.By != method || len(p.Reasons) != 1 {
			t.Errorf("%s: %+v", method, p)
		}
		if signed := method == ByTag || method == ByToken; p.Signed() != signed {
			t.Errorf("%s: signed %v", method, p.Signed())
		}
		c = forged()
		c.Tries = []Method{method}
		if p := r.Prove(c); p.Origin != Unknown || p.Signed() {
			t.Errorf("%s: %+v", method, p)
		}
	}
}

func TestUnseen(t *testing.T) {
	at := time.Date(2026, 3, 2, 8, 30, 30, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		from, to time.Duration // the gap, beside at
		reported time.Duration // likewise
		want     string
	}{
		{"far before", -90 * time.Minute, -12 * time.Minute, hour, ""},
		{"near before", -90 * time.Minute, -9 * time.Minute, hour, "08:20"},
		{"around", 0, time.Minute, hour, "08:31"},
		{"near after", 9 * time.Minute, 90 * time.Minute, hour, "08:40"},
		{"far after", 12 * time.Minute, 90 * time.Minute, hour, ""},
		{"reported before the gap", 5 * time.Minute, 90 * time.Minute, 4 * time.Minute, ""},
		{"reported in the gap", 5 * time.Minute, 90 * time.Minute, 6 * time.Minute, "08:36"},
		{"reported as its minute begins", 5 * time.Minute, 90 * time.Minute, 5*time.Minute + 30*time.Second, "08:36"},
		{"reported before it was written, by little", 5 * time.Minute, 90 * time.Minute, -9 * time.Minute, ""},
		{"reported long before it was written", 5 * time.Minute, 90 * time.Minute, -12 * time.Minute, "00:00"},
	} {
		marks := map[int64]uint64{}
		for m := at.Add(-3 * hour).Truncate(time.Minute); m.Before(at.Add(3 * hour)); m = m.Add(time.Minute) {
			if m.Before(at.Add(tt.from)) || !m.Before(at.Add(tt.to)) {
				slot, bit := Slot(m)
				marks[slot] |= bit
			}
		}
		var of []uint64
		reported := at.Add(tt.reported)
		for _, s := range Slots(at, reported) {
			of = append(of, marks[s])
		}
		got := ""
		if u := Unseen(at, reported, of); !u.IsZero() {
			got = u.UTC().Format("15:04")
		}
		if got != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
	for _, date := range []time.Time{at, {}, time.Unix(60, 0)} {
		if Unseen(date, at, nil).IsZero() {
			t.Errorf("nothing covers %s", date)
		}
	}
}

func TestRole(t *testing.T) {
	for addr, want := range map[string]bool{
		"postmaster@example.org": true, "Abuse@example.org": true, "abuse+x@example.org": true, "owner-staff@example.org": true, "staff-request@example.org": true,
		"staff-bounces+ann=example.net@example.org": true, "bounce-12345@example.org": true, "SRS1=x==y@example.org": true, "MAILER-DAEMON@example.org": true,
		"ann@example.org": false, "postmasters@example.org": false, "homeowner@example.org": false, "bouncer@example.org": false, "srs@example.org": false, "ann+prvs-0123abcdef@example.org": false,
	} {
		if Role(addr) != want {
			t.Errorf("%s: %v", addr, !want)
		}
	}
}

func BenchmarkProve(b *testing.B) {
	r, c := ring(1), forged()
	b.ReportAllocs()
	for b.Loop() {
		r.Prove(c)
	}
}
