// Package config reads the host's one configuration file.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/tomlfile"
)

// DefaultFile is read where no other is named, if it is there.
const DefaultFile = "/etc/breakwater/breakwater.toml"

// Config is the settings of a host. Flags of the command line have the same names.
type Config struct {
	Listen  []string `toml:"listen"`  // inet:HOST:PORT, inet6:[HOST]:PORT or unix:/PATH
	Store   string   `toml:"store"`   // badger:FOLDER
	Archive string   `toml:"archive"` // folder
	Rules   string   `toml:"rules"`   // folder
	Secret  string   `toml:"secret"`  // file with the key of all fingerprints; made on the first start
	Keys    string   `toml:"keys"`    // file with the keys of proofs of origin; made on the first start; "" is keys beside the secret
	Web     string   `toml:"web"`     // HOST:PORT of /metrics and /healthz; "" for none
	Control string   `toml:"control"` // unix socket for the other commands; "" for none

	OnError      rules.Action      `toml:"on_error" values:"deliver tempfail"`
	DrainTimeout tomlfile.Duration `toml:"drain_timeout"`
	Log          Log               `toml:"log"`
	Milter       Milter            `toml:"milter"`
	Site         Site              `toml:"site"`
	Retention    Retention         `toml:"retention"`
	Digest       Digest            `toml:"digest"`
	Release      Release           `toml:"release"`
	Sweep        Sweep             `toml:"sweep"`
	Sent         Sent              `toml:"sent"`
}

// Retention bounds the archive. How long mail is kept is for the rule files to say.
type Retention struct {
	MaxSize tomlfile.Size `toml:"max_size"` // of the archive, in bytes
	MinFree tomlfile.Size `toml:"min_free"` // on its disk
}

// Sent says how mail is remembered that is sent.
type Sent struct {
	Keep  tomlfile.Duration `toml:"keep"`  // for so long
	Probe string            `toml:"probe"` // where mail comes in from outside, to ask whether it is taken with tags: smtp://HOST:PORT
}

// Digest says how mailboxes are told of absorbed mail.
type Digest struct {
	Submit string `toml:"submit"` // smtp://HOST:PORT, lmtp://HOST:PORT or lmtp:///PATH; "" for no digests
	From   string `toml:"from"`   // address in From; "" is postmaster at this host
}

// Release says how absorbed mail is delivered after all.
type Release struct {
	Submit string `toml:"submit"` // as that of digests
}

// Log says how to log.
type Log struct {
	Level  string `toml:"level" values:"debug info warn error"`
	Format string `toml:"format" values:"text json"`

	Addresses string `toml:"addresses" values:"full domain hash"` // domain: no local parts
}

// Milter is the settings of the milter's sockets and limits.
type Milter struct {
	SocketMode     string            `toml:"socket_mode"`  // octal, of unix sockets
	SocketGroup    string            `toml:"socket_group"` // of unix sockets; "" is postfix, where there is such a group
	Public         bool              `toml:"public"`       // allow addresses other hosts can reach
	MaxConnections int               `toml:"max_connections"`
	MaxMessage     tomlfile.Size     `toml:"max_message"`
	JudgeTimeout   tomlfile.Duration `toml:"judge_timeout"`
	IdleTimeout    tomlfile.Duration `toml:"idle_timeout"`
}

// Site is what a host says of itself and its neighbours.
type Site struct {
	Domains        []string `toml:"domains"`
	SubmitNetworks Networks `toml:"submit_networks"`
	SubmitDaemons  []string `toml:"submit_daemons"`
	Relays         Networks `toml:"relays"`
	Hosts          []string `toml:"hosts"`
	MaxLoops       int      `toml:"max_loops"`

	Aliases map[string][]string `toml:"aliases"` // domains that are no sub-domains of its own and that a rule file may name in aliases, by the file's domain
}

// Networks are written as 192.0.2.0/24, 2001:db8::/32, or as single addresses.
type Networks []Network

// Network is one of Networks.
type Network struct{ netip.Prefix }

// UnmarshalText reads a network or an address.
func (n *Network) UnmarshalText(b []byte) (err error) {
	if a, err := netip.ParseAddr(string(b)); err == nil {
		n.Prefix = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		return nil
	}
	if n.Prefix, err = netip.ParsePrefix(string(b)); err != nil {
		return fmt.Errorf("%q is no network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1", b)
	}
	return nil
}

// Prefixes are the networks as values.
func (ns Networks) Prefixes() []netip.Prefix {
	var ps []netip.Prefix
	for _, n := range ns {
		ps = append(ps, n.Prefix)
	}
	return ps
}

// Default is what holds where neither file nor flag says otherwise.
func Default() Config {
	return Config{
		Listen:       []string{"unix:/run/breakwater/milter.sock"},
		Store:        "badger:/var/lib/breakwater/store",
		Archive:      "/var/lib/breakwater/archive",
		Rules:        "/etc/breakwater/rules",
		Secret:       "/var/lib/breakwater/secret",
		Web:          "127.0.0.1:8025",
		Control:      "/run/breakwater/control.sock",
		OnError:      rules.Deliver,
		DrainTimeout: tomlfile.Duration(30 * time.Second),
		Log:          Log{Level: "info", Format: "text", Addresses: "full"},
		Milter: Milter{
			SocketMode: "0660", MaxConnections: 500, MaxMessage: 64 << 20,
			JudgeTimeout: tomlfile.Duration(3 * time.Second), IdleTimeout: tomlfile.Duration(time.Hour),
		},
		Site:      Site{SubmitDaemons: []string{"ORIGINATING", "MSA"}, MaxLoops: 10},
		Retention: Retention{MaxSize: 20 << 30, MinFree: 512 << 20},
		Digest:    Digest{Submit: "smtp://127.0.0.1:8897"},
		Release:   Release{Submit: "smtp://127.0.0.1:8897"},
		Sent:      Sent{Keep: tomlfile.Duration(origin.Life), Probe: "smtp://127.0.0.1:25"},
		Sweep:     Sweep{State: "/var/lib/breakwater/sweep", Connections: 4},
	}
}

// Load reads a file over the defaults. With name "" that is DefaultFile, which may be missing.
func Load(name string) (Config, error) {
	c := Default()
	optional := name == ""
	if optional {
		name = DefaultFile
	}
	data, err := os.ReadFile(name)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	doc, err := tomlfile.Parse(name, data)
	if err == nil {
		err = doc.Decode(&c)
	}
	if err != nil {
		return c, err
	}
	if key, err := c.check(); err != nil {
		return c, doc.WrongKey(key, "%v", err)
	}
	return c, nil
}

// Check tells what is wrong in settings that come from flags.
func (c *Config) Check() error {
	_, err := c.check()
	return err
}

// check returns the first setting that cannot be, with its key.
func (c *Config) check() (key string, err error) {
	folder, ok := strings.CutPrefix(c.Store, "badger:")
	_, modeErr := c.Milter.Mode()
	for _, v := range []struct {
		key string
		bad bool
		why string
	}{
		{"listen", len(c.Listen) == 0, "names no address; give at least one like unix:/run/breakwater/milter.sock"},
		{"store", !ok || folder == "", "must be badger: and a folder, as in badger:/var/lib/breakwater/store"},
		{"archive", c.Archive == "", "names no folder"},
		{"rules", c.Rules == "", "names no folder"},
		{"secret", c.Secret == "", "names no file"},
		{"on_error", c.OnError != rules.Deliver && c.OnError != rules.Tempfail, "must be deliver or tempfail"},
		{"milter.socket_mode", modeErr != nil, "must be octal permissions, as in 0660"},
		{"milter.max_connections", c.Milter.MaxConnections < 1, "must be at least 1"},
		{"sent.keep", time.Duration(c.Sent.Keep) < 7*24*time.Hour, "must be at least 7d: bounces come days after the mail that they are about"},
		{"site.max_loops", c.Site.MaxLoops < 0, "must be at least 0, which is never"},
		{"log.level", !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "must be debug, info, warn or error"},
		{"log.addresses", !slices.Contains([]string{"full", "domain", "hash"}, c.Log.Addresses), "must be full, domain or hash"},
		{"log.format", !slices.Contains([]string{"text", "json"}, c.Log.Format), "must be text or json"},
	} {
		if v.bad {
			return v.key, fmt.Errorf("%s %s", v.key, v.why)
		}
	}
	return c.Sweep.check()
}

// StoreFolder is the folder of the Badger store.
func (c *Config) StoreFolder() string { return filepath.Clean(strings.TrimPrefix(c.Store, "badger:")) }

// KeysFile is the file with the keys of proofs of origin.
func (c *Config) KeysFile() string {
	if c.Keys == "" {
		return filepath.Join(filepath.Dir(c.Secret), "keys")
	}
	return c.Keys
}

// Mode is the permissions of unix sockets.
func (m *Milter) Mode() (fs.FileMode, error) {
	mode, err := strconv.ParseUint(m.SocketMode, 8, 32)
	if err != nil || mode > 0o777 {
		return 0, fmt.Errorf("%q is no octal mode", m.SocketMode)
	}
	return fs.FileMode(mode), nil
}
