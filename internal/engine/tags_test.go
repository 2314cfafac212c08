package engine

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/origin"
)

// TestSigned: reports are told apart that a tag or a token proves.
func TestSigned(t *testing.T) {
	e := newOriginEngine(t, "[batv]\nform = \"subaddress\"\n")
	sent, tagged := send(t, e, submitted(start, dated(start, "1@example.org"), "bob@example.net"))
	for _, tt := range []struct {
		name, to, original string
		signed             bool
	}{
		{"tag", tagged, "Subject: Hello\r\n", true},
		{"token", "ann@example.org", sent, true},
		{"token of another", "m@customer.test", sent, false},
		{"message-id", "ann@example.org", dated(start, "1@example.org"), false},
		{"correspondents", "ann@example.org", "Subject: Hello\r\n", false},
	} {
		m := bounce(start.Add(time.Hour), tt.to, tt.original, "bob@example.net")
		j, err := e.Judge(context.Background(), m)
		if err != nil || j.Facts[0].Proof.Signed() != tt.signed {
			t.Errorf("%s: %+v, %v", tt.name, j.Facts[0].Proof, err)
		}
	}
}

// TestTagsOfOthers: what one customer's mail asks for drops the tags of no other.
func TestTagsOfOthers(t *testing.T) {
	e, now := twoCustomers(t)
	e.Rules = newEngine(t, map[string]string{
		"example.org.toml":   "aliases = [\"example.net\"]\n" + leavesHere + "[batv]\nform = \"subaddress\"\nrefuse = true\n",
		"customer.test.toml": "",
	}).Rules
	e.TakesTag = func(string, origin.Form) bool { return true }
	if err := e.AssumeIndex(context.Background(), now, now); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		sender, from, field string
		refused             bool // a report to desk@example.org, which has no tag
	}{
		{"m@customer.test", "m@customer.test", "Disposition-Notification-To: desk@example.org\r\n", true},
		{"m@customer.test", "desk@example.org", "Return-Receipt-To: Desk <desk@example.org>\r\n", true},
		{"m@customer.test", "desk@example.org", "", true},
		{"", "desk@example.org", "", true},
		{"ann@example.org", "ann@example.org", "Disposition-Notification-To: m@customer.test\r\n", true},
		{"ann@example.net", "ann@example.net", "Return-Receipt-To: x@example.com, Desk <desk@example.org>\r\n", false},
		{"ann@example.org", "ann@example.org", "Disposition-Notification-To: desk@example.org\r\n", false},
	} {
		m := by(now, tt.sender, tt.from, tt.field, "bob@example.com")
		m.AuthUser = "m@customer.test"
		send(t, e, m)
		_, refused, err := e.Refuse(context.Background(), now, message.Envelope{Client: netip.MustParseAddr("203.0.113.5")}, message.Recipient{Addr: "desk@example.org"})
		if err != nil || refused != tt.refused {
			t.Errorf("%s, %s: %v, %v", tt.sender, tt.field, refused, err)
		}
		now = now.Add(e.index().Keeps() + time.Hour) // the index forgets what was asked for
		if err := e.AssumeIndex(context.Background(), now, now); err != nil {
			t.Fatal(err)
		}
	}
}
