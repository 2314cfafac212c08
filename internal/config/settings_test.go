package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestShow: what is shown is a configuration that reads as the same one.
func TestShow(t *testing.T) {
	name := filepath.Join(t.TempDir(), "breakwater.toml")
	text := "drain_timeout = \"90s\"\n[milter]\nmax_message = \"1536KiB\"\n[site]\nsubmit_networks = [\"192.0.2.0/24\", \"2001:db8::1\"]\n[site.aliases]\n\"example.org\" = [\"example.net\"]\n" +
		"[[sweep.account]]\nserver = \"imaps://a\"\nuser = \"a\\\"b\"\npassword_file = \"/p\"\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := Show(name)
	if err != nil {
		t.Fatal(err)
	}
	var again strings.Builder
	froms := map[string]string{}
	for _, s := range all {
		froms[s.Key] = s.From
		if !strings.HasPrefix(s.Key, "sweep.account") {
			again.WriteString(s.Key + " = " + s.Value + "\n")
		}
	}
	for key, want := range map[string]string{
		"drain_timeout": name + ":1", "milter.max_message": name + ":3", "site.submit_networks": name + ":5", "site.aliases.\"example.org\"": name + ":7",
		"sweep.account[0].user": name + ":10", "listen": "default", "milter.judge_timeout": "default",
	} {
		if froms[key] != want {
			t.Errorf("%s is from %q, want %q", key, froms[key], want)
		}
	}
	copied := filepath.Join(t.TempDir(), "again.toml")
	if err := os.WriteFile(copied, []byte(again.String()+"[[sweep.account]]\nserver = \"imaps://a\"\nuser = \"a\\\"b\"\npassword_file = \"/p\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(copied)
	if keys := Changed(a, b); err != nil || len(keys) > 0 {
		t.Errorf("%v, %v\n%s", keys, err, again.String())
	}
	b.Site.Aliases, b.Sweep.Accounts, b.Web, b.Site.Relays = nil, nil, "", Networks{{}}
	if keys := Changed(a, b); !slices.Equal(keys[:2], []string{"web", "site.relays"}) || !slices.Contains(keys, `site.aliases."example.org"`) || !slices.Contains(keys, "sweep.account[0].server") {
		t.Errorf("%q", keys)
	}
}
