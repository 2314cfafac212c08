package engine

import (
	"fmt"
	"testing"
)

const footer = "\n\nThis mail is for its reader alone and was looked at by our gateway.\n"

// TestBannerOfNetwork: a network that has added a block to copies of eight messages at a mailbox tells it nothing
// new by it with the ninth. Nobody else has anything passed over by that.
func TestBannerOfNetwork(t *testing.T) {
	const gateway, elsewhere, mailbox = "192.0.2.1", "198.51.100.1", "u1@example.test"
	n := 0
	// storm plays five copies, and one with a block more, which arrives if it is news.
	storm := func(e *Engine, letter int, client, to, block string) (news bool) {
		t.Helper()
		f := form{id: fmt.Sprint("one", letter), trace: fmt.Sprintf("TRACE%05d", letter), subject: fmt.Sprintf("Letter %c", 'a'+letter), text: letterText(letter), client: client, to: to}
		for range 5 {
			n++
			reason(t, e, n, f)
		}
		f.text += block
		n++
		return reason(t, e, n, f) == ""
	}
	teach := func(e *Engine, messages int, client, to string) {
		t.Helper()
		for i := range messages {
			if !storm(e, i, client, to, footer) {
				t.Fatalf("the block is no news with message %d", i+1)
			}
		}
	}
	for _, tt := range []struct {
		name     string
		messages int
		by, at   string // who added the block, and at which mailbox
		block    string // of the next message
		news     bool
	}{
		{"after eight messages", 8, gateway, mailbox, footer, false},
		{"from its neighbour", 8, "192.0.2.77", mailbox, footer, false},
		{"after seven", 7, gateway, mailbox, footer, true},
		{"another block", 8, gateway, mailbox, "\n\nThis mail is for its reader alone: our new bank is at the quay.\n", true},
		{"a number in it", 8, gateway, mailbox, "\n\nThis mail is for its reader alone and was looked at by our gateway 4711.\n", true},
		{"added by another network", 8, elsewhere, mailbox, footer, true},
		{"added at another mailbox", 8, gateway, "u2@example.test", footer, true},
	} {
		e := newEngine(t, nil)
		teach(e, tt.messages, tt.by, tt.at)
		if got := storm(e, 20, gateway, mailbox, tt.block); got != tt.news {
			t.Errorf("%s: news %t", tt.name, got)
		}
	}
	// One message again and again teaches nothing.
	e := newEngine(t, nil)
	for i := range 20 {
		storm(e, 0, gateway, mailbox, fmt.Sprintf("\n\nThis mail came by the %cth of all our gateways.\n", 'a'+i)+footer)
	}
	if !storm(e, 20, gateway, mailbox, footer) {
		t.Error("learned from one message")
	}
}
