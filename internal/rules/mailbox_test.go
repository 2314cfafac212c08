package rules

import (
	"net/netip"
	"strings"
	"testing"
)

func TestMailboxAlias(t *testing.T) {
	s := mustLoad(t, defaults(t, map[string]string{
		"example.test.toml": "aliases = [\"example.net\"]\n[mailbox_alias]\n\"*\" = \"office\"\n\"sales-*\" = \"Ann\"\n\"sales-x-*\" = \"ben@example.org\"\nann = \"ann\"\nBen = \"ben\"\n",
		"other.test.toml":   "",
	}))
	for addr, want := range map[string]string{
		"anything@example.test": "office@example.test", "office@example.test": "office@example.test", "office+x@example.test": "office+x@example.test",
		"sales-1@example.test": "ann@example.test", "sales-x-1@example.test": "ben@example.org", "ann@example.test": "ann@example.test",
		"ann+x@example.test": "ann+x@example.test", "ben@example.test": "ben@example.test", "info+1@example.net": "office@example.net",
		"anything@other.test": "anything@other.test",
	} {
		_, domain, _ := strings.Cut(addr, "@")
		if got := s.For(domain).Mailbox(addr); got != want {
			t.Errorf("%s is %s, want %s", addr, got, want)
		}
	}
}

func TestExempts(t *testing.T) {
	s := mustLoad(t, defaults(t, map[string]string{
		"example.test.toml": "[sender.\"nagios@example.net\"]\nexempt = [\"192.0.2.0/28\", \"2001:db8::1\", \"login:Nagios\"]\n[sender.\"*.example.org\"]\nexempt = [\"198.51.100.7\"]\n[sender.\"b.example.org\"]\nmode = \"observe\"\n",
	}))
	d := s.For("example.test")
	for _, tt := range []struct {
		from, client, login string
		want                bool
	}{
		{"nagios@example.net", "192.0.2.10", "", true}, {"NAGIOS@Example.net", "::ffff:192.0.2.10", "", true}, {"nagios@example.net", "2001:db8::1", "", true},
		{"nagios@example.net", "203.0.113.9", "nagios", true}, {"nagios@example.net", "192.0.2.10", "mallory", false}, {"nagios@example.net", "192.0.2.99", "", false},
		{"nagios@example.net", "", "", false}, {"ann@example.net", "192.0.2.10", "", false}, {"x@a.example.org", "198.51.100.7", "", true},
		{"x@b.example.org", "198.51.100.7", "", true}, {"x@example.org", "198.51.100.7", "", false},
	} {
		client, _ := netip.ParseAddr(tt.client)
		if got := d.Exempts(tt.from, client, tt.login); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	for text, want := range map[string]string{
		"[sender.\"a@example.net\"]\nexempt = [\"nagios\"]\n": `"nagios" is no network or login; write it like 192.0.2.10, 192.0.2.0/28 or login:nagios`,
		"[mailbox_alias]\n\"a@b\" = \"c\"\n":                  `"a@b" is no local part`,
		"[mailbox_alias]\n\"*-*\" = \"c\"\n":                  `"*-*" is no local part`,
		"[mailbox_alias]\na = \"*\"\n":                        `"*" is no mailbox`,
		"[mailbox.ann]\nexempt = [\"192.0.2.1\"]\n":           `unknown key exempt`,
	} {
		if _, err := Load(defaults(t, map[string]string{"example.test.toml": text})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
