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
		At:    start.Add(time.Minute), Asked: start.Add(time.Minute), Recipient: "ann@example.org", Tries: Rungs, Hosts: []string{"mx.example.org"},
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
		by     Rung
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
		{"e) a token of another host", func(c *Case) { c.Sent = returned(ring(9).Token("example.org", from, date, id, start)) }, Unknown, "", "not ours"},
		{"e) a token that was cut", func(c *Case) { c.Sent = returned(r.Token("example.org", from, date, id, start)[:50]) }, Unknown, "", "does not fit"},
		{"e) a tag of another host", func(c *Case) { c.Recipient = ring(9).Tagged(c.Recipient, Prvs, start) }, Unknown, "", "not ours"},
		{"e) the index is not wanted", func(c *Case) { c.Tries = []Rung{ByTag, ByToken} }, Unknown, "", "does not want the index"},
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
		if unseen := strings.Contains(tt.why, "did not see it"); p.Unseen != unseen {
			t.Errorf("%s: unseen %v", tt.name, p.Unseen)
		}
		if spared := tt.name == "c) before learning ended"; p.Spared != spared {
			t.Errorf("%s: spared %v", tt.name, p.Spared)
		}
	}
}

// TestRungAlone has each rung tried alone: it holds by itself, and no other does.
func TestRungAlone(t *testing.T) {
	r := ring(1)
	for _, rung := range Rungs {
		c := forged()
		c.Recipient = r.Tagged(c.Recipient, SubAddress, start)
		c.Sent = returned(r.Token("example.org", from, date, id, start))
		c.KnownID, c.KnownPartner = "x@example.org", "bob@example.net"
		c.Tries = []Rung{rung}
		p := r.Prove(c)
		if p.Origin != Genuine || p.By != rung || len(p.Reasons) != 1 {
			t.Errorf("%s: %+v", rung, p)
		}
		if signed := rung == ByTag || rung == ByToken; p.Signed() != signed {
			t.Errorf("%s: signed %v", rung, p.Signed())
		}
		c = forged()
		c.Tries = []Rung{rung}
		if p := r.Prove(c); p.Origin != Unknown || p.Signed() {
			t.Errorf("%s: %+v", rung, p)
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
