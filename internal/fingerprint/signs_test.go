package fingerprint

import (
	"strings"
	"testing"

	"breakwater/internal/message"
	"breakwater/internal/storm"
)

func TestSigns(t *testing.T) {
	const to = "From: Ann <ann@example.net>\nTo: office@north.example.org, u1@example.test\nCc: u2@example.test\n"
	tests := []struct {
		name, header string
		want         storm.Signs
	}{
		{"ordinary", "Received: from a.example.net by mx.example.com id 1; x\n" + to, 0},
		{"connector in a Received field", "Received: from mail pickup service by sbs with Microsoft SMTPSVC\n for <MSPOP3Connector.office@north.example.org>; x\n" + to, storm.Connector},
		{"connector in To", "To: mspop3connector.office@north.example.org\n", storm.Connector},
		{"connector in the text", to + "\nWhat is mspop3connector.office?\n", 0},
		{"a hop twice", "Received: from a.example.net (x [192.0.2.1])\n by b.example.net id 1; x\nReceived: from b.example.net by a.example.net; x\nReceived: from a.example.net by b.example.net; x\n" + to, storm.HopTwice},
		{"there and back", "Received: from a.example.net by b.example.net; x\nReceived: from b.example.net by a.example.net; x\nReceived: from c.example.net by b.example.net; x\n" + to, 0},
		{"a filter on the same host", "Received: from localhost by a.example.net; x\nReceived: from b by a.example.net; x\nReceived: from localhost by a.example.net; x\nReceived: from a.example.net by a.example.net; x\nReceived: from a.example.net by a.example.net; x\n" + to, 0},
		{"through us before", "Received: from sbs by gw.example.org; x\nReceived: from a by MX.example.test. with ESMTP; x\n" + to, storm.Loop},
		{"our name in a comment", "Received: from a (by mx.example.test) by gw.example.org; by mx.example.test\n" + to, 0},
		{"sent again to all", "Received: from a by b for <office@north.example.org>; x\n" + to, storm.Resent},
		{"forwarded to one who is not named", "Received: from a by b for <u2@example.test>; x\nTo: u2@example.test\n", 0},
		{"on its way to u1", "Received: from a by b for <u1@example.test>; x\n" + to, 0},
		{"many servers", strings.Repeat("Received: by a.example.net; x\n", 21) + to, storm.LongChain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := message.Envelope{Recipients: []message.Recipient{{Addr: "u1@example.test"}}}
			m := message.Parse(env, at, []byte(strings.ReplaceAll(tt.header+"\n", "\n", "\r\n")))
			if got := Signs(m, []string{"mx.example.test"}); got != tt.want {
				t.Errorf("%q, want %q", got.Names(), tt.want.Names())
			}
		})
	}
}

func TestTrace(t *testing.T) {
	for field, unique := range map[string]bool{
		"from pc17.lan by mail.example.org (Postfix) with ESMTPSA id 4XkT2c9WzQ; Mon":        true,
		"by mail-wm1.example.com with SMTP id a640c23so456.1 for <x@example.net>; Mon":       true,
		"from a by b (8.12.8/8.12.8) with ESMTP id g2G8xY012345 for <x@example.net>; M":      true,
		"from a by b (Domino) with ESMTP id 2026030208000012-345; Mon":                       true,
		"from a by b with mapi id 15.20.7958.016; Mon":                                       false, // a version
		"from a by b with SMTP id 15.0.1.2 id 77777777; Mon":                                 false,
		"from pc (customer id 12345678) by b with HTTP; Mon":                                 false,
		"from pc (HELO pc) (1.2.3.4) by b (b (b)) id 4XkT2c9WzQ; Mon":                        true,
		"from a by b with Microsoft SMTPSVC(6.0.3790.1830); Mon":                             false,
		"(qmail 1234 invoked by uid 89); Mon":                                                false,
		"from a by b via\r\n\ttcp with ESMTPS id dJ0zq1vLfT3mCk (TLS1.3) for <x@a.org>; Mon": false, // a session, of mox
		"from a by b (JAMES SMTP Server ) with ESMTPA ID 3f6a90c2 for <x@a.org>; Mon":        false, // of James
		"from a by b id 1; Mon":     false,
		"from a by b id":            false,
		"from a by b id 4XkT2c9WzQ": false, // no time
	} {
		m := message.Parse(message.Envelope{}, at, []byte("Received: by newest with SMTP id 15.1.2.3; x\r\nReceived: "+field+"\r\n\r\n"))
		if got := Trace(m); (got != "") != unique {
			t.Errorf("%s: %q", field, got)
		}
	}
	m := message.Parse(message.Envelope{}, at, []byte("Received: by c id CCCCCC; x\r\nReceived: by  b\r\n\tid BBBBBB; x\r\nReceived: by a id 15.1; x\r\n\r\n"))
	if got := Trace(m); got != "by b id BBBBBB; x" {
		t.Errorf("the oldest that is unique: %q", got)
	}
}
