package engine

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/origin"
)

// TestRefuse goes through those who may get a report without a tag, and those who may not.
func TestRefuse(t *testing.T) {
	const text = leavesHere + "[batv]\nform = \"subaddress\"\nrefuse = true\naccept = [\"news\"]\nexempt = [\"example.com\"]\n"
	e := newOriginEngine(t, text)
	now := start.Add(8 * day)
	minutes(t, e, start, now)
	_, tagged := send(t, e, submitted(now, "", "bob@example.net"))
	if !strings.HasPrefix(tagged, "ann+prvs-") {
		t.Fatal(tagged)
	}
	stranger := (&origin.Ring{}).With(bytes.Repeat([]byte{2}, 32), start, start)
	sister, err := origin.ParseRing(e.Ring().String()) // it has a copy of the file
	if err != nil {
		t.Fatal(err)
	}
	e.Site.Relays = []netip.Prefix{netip.MustParsePrefix("192.0.2.25/32")}
	refused := func(env message.Envelope, rcpt string, at time.Time) bool {
		t.Helper()
		if !env.Client.IsValid() {
			env.Client = netip.MustParseAddr("203.0.113.5")
		}
		text, refused, err := e.Refuse(context.Background(), at, env, message.Recipient{Addr: rcpt})
		if err != nil || refused && text == "" {
			t.Error(err, text)
		}
		return refused
	}
	for _, tt := range []struct {
		name, rcpt string
		env        message.Envelope
		want       bool
	}{
		{"no tag", "ann@example.org", message.Envelope{}, true},
		{"a sub-address", "ann+x@example.org", message.Envelope{}, true},
		{"our tag", tagged, message.Envelope{}, false},
		{"a tag that is made up", "prvs=0123abcdef=ann@example.org", message.Envelope{}, true},
		{"the same as a sub-address", "ann+prvs-0123abcdef@example.org", message.Envelope{}, true},
		{"our tag on another address", strings.Replace(tagged, "ann", "carl", 1), message.Envelope{}, true},
		{"our tag in the other form", strings.NewReplacer("ann+prvs-", "prvs=", "@", "=ann@").Replace(tagged), message.Envelope{}, false},
		{"a tag of a host with other keys", stranger.Tagged("ann@example.org", origin.SubAddress, now), message.Envelope{}, true},
		{"a key of a number that we do not have", "ann+prvs-7" + tagged[10:], message.Envelope{}, true},
		{"our tag, expired", e.Ring().Tagged("ann@example.org", origin.SubAddress, now.Add(-40*day)), message.Envelope{}, false},
		{"a tag of a host with the same keys", sister.Tagged("carl@example.org", origin.Prvs, now), message.Envelope{}, false},
		{"a sender", "ann@example.org", message.Envelope{ReversePath: "bob@example.net"}, false},
		{"another domain", "ann@example.net", message.Envelope{}, false},
		{"postmaster", "postmaster@example.org", message.Envelope{}, false},
		{"abuse", "Abuse@example.org", message.Envelope{}, false},
		{"exempt", "news+1@example.org", message.Envelope{}, false},
		{"SRS", "SRS0=a=b=example.net=bob@example.org", message.Envelope{}, false},
		{"our own MTA", "ann@example.org", message.Envelope{Local: true}, false},
		{"a filter that hands it back", "ann@example.org", message.Envelope{Client: netip.MustParseAddr("127.0.0.1")}, false},
		{"our backup MX", "ann@example.org", message.Envelope{Client: netip.MustParseAddr("192.0.2.25")}, false},
		{"a user of ours", "ann@example.org", message.Envelope{AuthUser: "bob"}, false},
	} {
		if got := refused(tt.env, tt.rcpt, now); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if refused(message.Envelope{}, "ann@example.org", start.Add(6*day)) {
		t.Error("refused while it was learning")
	}
	// Mail to who is exempt leaves without a tag, and its bounces are wanted.
	if _, from := send(t, e, submitted(now, "", "bob@example.net", "robot@example.com")); from != "ann@example.org" {
		t.Error(from)
	}
	if refused(message.Envelope{}, "ann@example.org", now) {
		t.Error("refused who sent mail without a tag")
	}
	if !refused(message.Envelope{}, "carl@example.org", now) || !refused(message.Envelope{}, "desk@example.org", now) {
		t.Error("not refused")
	}
	// So are those of a program that tags its mail itself.
	own := submitted(now, "", "bob@example.net")
	own.ReversePath = "prvs=0123abcdef=robot@example.org"
	if _, from := send(t, e, own); from != own.ReversePath || refused(message.Envelope{}, own.ReversePath, now) {
		t.Error("refused a tag with which mail left", from)
	}
	if !refused(message.Envelope{}, "prvs=0123abcdee=robot@example.org", now) || !refused(message.Envelope{}, "robot@example.org", now) {
		t.Error("not refused with another tag than that")
	}
	// A key takes over; what the one before signed is not refused, even when it has retired.
	if next := e.Ring().With(bytes.Repeat([]byte{3}, 32), now, now); true {
		e.Ring = func() *origin.Ring { return next }
	}
	if refused(message.Envelope{}, strings.Replace(tagged, "example.org", "EXAMPLE.org", 1), now.Add(5*day)) || refused(message.Envelope{}, tagged, now.Add(40*day)) {
		t.Error("refused a tag of the key before")
	}
	// A read receipt comes to the address that asked for it, which has no tag.
	if _, from := send(t, e, submitted(now, "Disposition-Notification-To: Desk <desk@example.org>\r\n", "bob@example.net")); from == "ann@example.org" {
		t.Error(from)
	}
	if refused(message.Envelope{}, "Desk@example.org", now) {
		t.Error("refused a receipt that was asked for")
	}
	if err := e.Beat(context.Background(), now.Add(time.Minute), false); err != nil {
		t.Fatal(err)
	}
	if refused(message.Envelope{}, "carl@example.org", now.Add(time.Minute)) {
		t.Error("refused after a gap, in which mail left without tags")
	}
}

// TestTagForms has mail leave with and without tags.
func TestTagForms(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		takes      bool
		rcpts      []string
		want       string
	}{
		{"off", "", true, []string{"bob@example.net"}, "ann@"},
		{"sub-address", "[batv]\nform = 'subaddress'", true, []string{"bob@example.net"}, "ann+prvs-"},
		{"prvs", "[batv]\nform = 'prvs'", true, []string{"bob@example.net"}, "prvs="},
		{"sub-address that the MTA does not take", "[batv]\nform = 'subaddress'", false, []string{"bob@example.net"}, "ann@"},
		{"prvs that the MTA does not take", "[batv]\nform = 'prvs'", false, []string{"bob@example.net"}, "ann@"},
		{"observe", "mode = 'observe'\n[batv]\nform = 'subaddress'", true, []string{"bob@example.net"}, "ann@"},
		{"within the house", "[batv]\nform = 'subaddress'", true, []string{"carl@example.org"}, "ann@"},
		{"a list", "[batv]\nform = 'subaddress'\nexempt = ['*.example.com']", true, []string{"bob@example.net", "all@lists.example.com"}, "ann@"},
	} {
		e := newOriginEngine(t, tt.text)
		e.TakesTag = func(domain string, form origin.Form) bool {
			return tt.takes && domain == "example.org" && form != origin.NoTag
		}
		if _, from := send(t, e, submitted(start, "", tt.rcpts...)); !strings.HasPrefix(from, tt.want) {
			t.Errorf("%s: %s", tt.name, from)
		}
	}
	e := newOriginEngine(t, "[batv]\nform = 'subaddress'")
	m := submitted(start, "", "bob@example.net")
	m.ReversePath = "prvs=0123abcdef=ann@example.org"
	if _, from := send(t, e, m); from != m.ReversePath {
		t.Error("signed twice:", from)
	}
}
