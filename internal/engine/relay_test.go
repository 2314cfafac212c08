package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
)

// TestBehindRelays has a stranger use up the copies of a mail that comes through a relay of ours. He
// knows all its words, and writes what he likes below the field of the relay. What came to the
// relay from another network arrives.
func TestBehindRelays(t *testing.T) {
	const relay, stranger, author = "192.0.2.25", "203.0.113.66", "198.51.100.7"
	handed := func(from string, n int) string { // as the relay writes it
		return fmt.Sprintf("Received: from mx.example.net (mx.example.net [%s])\r\n\tby mx2.example.test (Postfix) with ESMTP id 4Xr%05d; Mon, 2 Mar 2026 08:00:00 +0000\r\n", from, n)
	}
	inside := "Received: from filter.example.test (localhost [127.0.0.1]) by mx2.example.test with ESMTP id 4Xs; Mon, 2 Mar 2026 08:00:00 +0000\r\n"
	tests := []struct {
		name   string
		client string // of the forged copies
		above  func(n int) string
		most   int // of 30 forged copies arrive
	}{
		{"the relay hands on both", relay, func(n int) string { return handed(stranger, n) }, 3},
		{"the relay hands on both, through its filter", relay, func(n int) string { return inside + handed(stranger, n) }, 3},
		{"with the author's server below", relay, func(n int) string { return handed(stranger, n) + handed(author, n) }, 3},
		{"with the relay and the author's server below", relay, func(n int) string { return handed(stranger, n) + handed(relay, n) + handed(author, n) }, 3},
		{"past the relay, in its name", stranger, func(n int) string { return handed(author, n) }, 3},
		{"past the relay, in the name of both", stranger, func(n int) string { return handed(relay, n) + handed(author, n) }, 3},
		{"by as many networks as there may be but one", relay, func(n int) string { return handed(fmt.Sprintf("203.0.%d.66", n%7), n) }, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t, nil)
			arrives := func(client, above string, at time.Time) bool {
				raw := above + "Received: from pc by mail.example.net with ESMTPSA id 4XkT2c9WzQ; Mon, 2 Mar 2026 07:59:00 +0000\r\nFrom: Boss <boss@example.net>\r\nTo: <ann@example.test>\r\n" +
					"Subject: Invoice\r\nDate: Mon, 2 Mar 2026 07:59:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nPlease pay.\r\n"
				env := message.Envelope{QueueID: "Q1", Client: netip.MustParseAddr(client), ReversePath: "boss@example.net", Recipients: []message.Recipient{{Addr: "ann@example.test"}}}
				return strings.HasPrefix(actions(t, e, message.Parse(env, at, []byte(raw))), "deliver")
			}
			got := 0
			for n := range 30 {
				if arrives(tt.client, tt.above(n), start.Add(time.Duration(n)*time.Second)) {
					got++
				}
			}
			if got != tt.most {
				t.Errorf("%d of 30 forged copies arrive, want %d", got, tt.most)
			}
			if !arrives(relay, handed(author, 99), start.Add(time.Minute)) {
				t.Error("the mail does not arrive")
			}
			if arrives(relay, handed(author, 100), start.Add(2*time.Minute)) {
				t.Error("a copy of the mail from where it came arrives, in the midst of the storm")
			}
		})
	}
}
