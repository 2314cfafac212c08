package message

import "testing"

func TestClientOf(t *testing.T) {
	tests := []struct{ name, field, want string }{
		{"Postfix", "from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.net (Postfix) with ESMTP id 4X; x", "192.0.2.1"},
		{"Postfix, no name", "from helo (unknown [192.0.2.1]) by mx.example.net (Postfix) with ESMTPS id 4X; x", "192.0.2.1"},
		{"Postfix, TLS", "from helo (a.example.org [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES (256/256 bits)) (No client certificate requested) by mx.example.net; x", "192.0.2.1"},
		{"Postfix, IPv6", "from a.example.org (a.example.org [IPv6:2001:db8::1]) by mx.example.net (Postfix) with ESMTP; x", "2001:db8::1"},
		{"Postfix, an address in HELO", "from [203.0.113.9] (unknown [192.0.2.1]) by mx.example.net (Postfix) with ESMTP id 4X; x", "192.0.2.1"},
		{"Postfix, an address as a name in HELO", "from 203.0.113.9 (unknown [192.0.2.1]) by mx.example.net (Postfix) with ESMTP id 4X; x", "192.0.2.1"},
		{"Sendmail", "from helo (a.example.org [192.0.2.1] (may be forged)) by mx.example.net (8.17.1/8.17.1) with ESMTP id 6; x", "192.0.2.1"},
		{"Sendmail, no name", "from helo ([192.0.2.1]) by mx.example.net (8.17.1/8.17.1) with ESMTP id 6; x", "192.0.2.1"},
		{"Sendmail, ident", "from helo (IDENT:[203.0.113.9]@a.example.org [192.0.2.1]) by mx.example.net (8.17.1/8.17.1); x", "192.0.2.1"},
		{"Sendmail, local", "(from ann@localhost) by mx.example.net (8.17.1/8.17.1/Submit) id 6; x", ""},
		{"Exim", "from a.example.org ([192.0.2.1] helo=helo) by mx.example.net with esmtp (Exim 4.96) id 1; x", "192.0.2.1"},
		{"Exim, no name", "from [192.0.2.1] (helo=helo) by mx.example.net with esmtp (Exim 4.96) id 1; x", "192.0.2.1"},
		{"Exim, an address in HELO", "from [192.0.2.1] (helo=[203.0.113.9]) by mx.example.net with esmtp (Exim 4.96) id 1; x", "192.0.2.1"},
		{"Exim, name and address in HELO", "from a.example.org ([192.0.2.1] helo=[203.0.113.9]) by mx.example.net with esmtp; x", "192.0.2.1"},
		{"Exim, a port", "from [192.0.2.1] (port=2525 helo=helo) by mx.example.net with esmtp (Exim 4.96) id 1; x", "192.0.2.1"},
		{"Exchange", "from ex1.example.org (192.0.2.1) by ex2.example.org (192.0.2.2) with Microsoft SMTP Server id 15.20; x", "192.0.2.1"},
		{"qmail", "from unknown (HELO helo) (192.0.2.1) by mx.example.net with SMTP; x", "192.0.2.1"},
		{"qmail, an address in HELO", "from unknown (HELO 203.0.113.9) (192.0.2.1) by mx.example.net with SMTP; x", "192.0.2.1"},
		{"address alone", "from [192.0.2.1] by mx.example.net with SMTP; x", "192.0.2.1"},
		{"mapped", "from helo (helo [::ffff:192.0.2.1]) by mx.example.net with ESMTP; x", "192.0.2.1"},
		{"no address", "from localhost (localhost) by mx.example.net with ESMTP; x", ""},
		{"a name alone", "from a.example.org by mx.example.net with ESMTP id 1; x", ""},
		{"by alone", "by mx.example.net (Postfix) id 4X; x", ""},
		{"a comment without end", "from helo (a [192.0.2.1] by mx.example.net; x", ""},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		got := ""
		if a := ClientOf(tt.field); a.IsValid() {
			got = a.String()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
