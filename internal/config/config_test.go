package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"breakwater/internal/tomlfile"
)

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "breakwater.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(name)
}

func TestLoad(t *testing.T) {
	c, err := load(t, `
listen = ["unix:/run/breakwater/milter.sock"]
drain_timeout = "1m"

[site]
submit_networks = ["192.0.2.0/24", "2001:db8::/32"]
relays = ["192.0.2.25"]

[milter]
max_message = "1MiB"
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen[0] != "unix:/run/breakwater/milter.sock" || c.DrainTimeout != tomlfile.Duration(time.Minute) ||
		c.Milter.MaxMessage != 1<<20 || c.Milter.MaxConnections != 500 || len(c.Site.SubmitNetworks) != 2 || c.Site.Relays.Prefixes()[0].String() != "192.0.2.25/32" {
		t.Errorf("%+v", c)
	}
}

func TestDefaultIsFine(t *testing.T) {
	c := Default()
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	if m, err := c.Milter.Mode(); err != nil || m != 0o660 || c.StoreFolder() != "/var/lib/breakwater/store" {
		t.Error(m, err, c.StoreFolder())
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"lisen = []", "breakwater.toml:1:1: unknown key lisen"},
		{"\nlisten = []", "breakwater.toml:2:1: listen names no address"},
		{"store = \"redis:x\"", "breakwater.toml:1:1: store must be badger:"},
		{"on_error = \"absorb\"", "breakwater.toml:1:12: on_error can not be"},
		{"on_error = \"drop\"", "breakwater.toml:1:12: on_error can not be"},
		{"[milter]\nsocket_mode = \"rw\"", "breakwater.toml:2:1: milter.socket_mode must be octal"},
		{"[milter]\nsocket_mode = \"0999\"", "milter.socket_mode must be octal"},
		{"[site]\nrelays = [\"localhost\"]", "breakwater.toml:2:11: "},
		{"[site]\nmax_loops = -1", "breakwater.toml:2:1: site.max_loops must be at least 0"},
		{"[log]\nlevel = \"loud\"", "breakwater.toml:2:9: level can not be"},
		{"[[sweep.account]]\nuser = \"a\"", "sweep.account 1 names no server"},
		{"[[sweep.account]]\nserver = \"imaps://a\"\nuser = \"a\"", "needs one of password_file"},
		{"[[sweep.account]]\nserver = \"imaps://a\"\npassword_file = \"/p\"\nusers = [\"a\"]", "need a master"},
		{"[sweep]\nconnections = 0", "breakwater.toml:2:1: sweep.connections must be"},
	}
	for _, tt := range tests {
		if _, err := load(t, tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.text, err, tt.want)
		}
	}
	if _, err := Load("/nonexistent/x.toml"); err == nil {
		t.Error("a named file that is missing is no error")
	}
}

// TestReadme loads the settings that the README shows.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "## Settings of the host")
	_, text, _ = strings.Cut(text, "```toml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("no settings in the README")
	}
	shown, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	// What it shows are the defaults, but for what every host has of its own.
	shown.Site.Domains, shown.Site.SubmitNetworks, shown.Site.Relays, shown.Site.Hosts, shown.Site.Aliases = nil, nil, nil, nil, nil
	if def := Default(); !reflect.DeepEqual(shown, def) {
		t.Errorf("README:\n%+v\ndefaults:\n%+v", shown, def)
	}
}
