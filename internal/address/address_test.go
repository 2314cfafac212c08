package address

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		addr, local, domain string
		ok, is              bool
	}{
		{"ann@example.org", "ann", "example.org", true, true},
		{`"ann@home"@example.org`, `"ann@home"`, "example.org", true, true},
		{"ann", "ann", "", false, false},
		{"ann@", "ann", "", true, false},
		{"@example.org", "", "example.org", true, false},
		{"", "", "", false, false},
	} {
		local, domain, ok := Split(tt.addr)
		if local != tt.local || domain != tt.domain || ok != tt.ok || Is(tt.addr) != tt.is || Local(tt.addr) != tt.local {
			t.Errorf("%q: %q, %q, %t, %t", tt.addr, local, domain, ok, Is(tt.addr))
		}
	}
}

func TestMailbox(t *testing.T) {
	tests := []struct{ addr, mailbox, base string }{
		{"Ann@Example.ORG", "ann@example.org", "ann@example.org"},
		{"ann+shop@example.org", "ann+shop@example.org", "ann@example.org"},
		{"+x@example.org", "+x@example.org", "+x@example.org"},
		{"ann@bücher.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"},
		{"ann@BÜCHER.example.", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"},
		{"\"a@b\"@example.org", "\"a@b\"@example.org", "\"a@b\"@example.org"},
		{"\"Ann.B+x\"@example.org", "ann.b+x@example.org", "ann.b@example.org"},
		{"\"ann b\"@example.org", "\"ann b\"@example.org", "\"ann b\"@example.org"},
		{"\".ann\"@example.org", "\".ann\"@example.org", "\".ann\"@example.org"},
		{"Postmaster", "postmaster", "postmaster"},
		{"ann@[192.0.2.1]", "ann@[192.0.2.1]", "ann@[192.0.2.1]"},
	}
	for _, tt := range tests {
		if got := Mailbox(tt.addr); got != tt.mailbox || Base(got) != tt.base {
			t.Errorf("%s: %s, %s", tt.addr, got, Base(got))
		}
	}
}

func TestWithoutRoute(t *testing.T) {
	for path, want := range map[string]string{
		"u1@example.test": "u1@example.test", "@relay.test:u1@example.test": "u1@example.test", "@a.test,@b.test:\"u:1\"@example.test": "\"u:1\"@example.test",
		"": "", "@": "@", "@relay.test": "@relay.test", "@relay.test:": "@relay.test:", "\"@a:b\"@example.test": "\"@a:b\"@example.test",
		"@[IPv6:2001:db8::1]:u1@example.test": "@[IPv6:2001:db8::1]:u1@example.test", "u1@[IPv6:2001:db8::1]": "u1@[IPv6:2001:db8::1]",
	} {
		if got := WithoutRoute(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// TestLaws: what is split is put together again, and forms are forms of themselves.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := rapid.StringMatching(`("?[A-Za-zü@.+ ]{0,8}"?)(@[A-Za-zü.\[\]-]{0,12})?`).Draw(t, "address")
		if local, domain, ok := Split(addr); ok && Join(local, domain) != addr || !ok && local != addr {
			t.Fatalf("%q: %q, %q", addr, local, domain)
		}
		if m := Mailbox(addr); Mailbox(m) != m && !strings.Contains(addr, `"`) && !strings.HasSuffix(addr, "..") {
			t.Fatalf("%q: %q, then %q", addr, m, Mailbox(m))
		}
		if b := Base(addr); Base(b) != b {
			t.Fatalf("%q: %q, then %q", addr, b, Base(b))
		}
		if l := LowerDomain(addr); Local(l) != Local(addr) || !strings.EqualFold(l, addr) || !Same(addr, addr) && In(addr) {
			t.Fatalf("%q: %q", addr, l)
		}
	})
}
