// Package rules reads per-domain rule files and decides by them.
//
// A folder of rules holds default.toml, which applies to every domain, and one
// <domain>.toml for each domain that differs, of which each value stands over the
// default's. Every decision names the file and the line of the value that made it.
package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/storm"
)

// DefaultFile is the file of a folder that applies to every domain.
const DefaultFile = "default.toml"

// Mode says whether decisions are carried out.
type Mode string

// Modes.
const (
	Enforce Mode = "enforce"
	Observe Mode = "observe" // decide, log and count, but deliver everything
)

// limit is what a file says of one kind of key.
type limit struct {
	storm.Limit
	action Action
	rule   Source // of the action
}

// Domain is the rules of one domain, the default's included.
type Domain struct {
	Name    string // "" for the default
	mode    Mode
	modeAt  Source
	actions map[classify.Class]Action
	rules   map[classify.Class]Source // where actions come from
	limits  map[storm.Kind]limit
	sweep   Sweep
}

// Set is the rules of a host.
type Set struct {
	def     *Domain
	domains map[string]*Domain
}

// For returns the rules of a domain.
func (s *Set) For(domain string) *Domain {
	if d, ok := s.domains[domain]; ok {
		return d
	}
	return s.def
}

// Has reports whether a domain has a file of its own.
func (s *Set) Has(domain string) bool { return s.domains[domain] != nil }

// Len is the number of domains with a file of their own.
func (s *Set) Len() int { return len(s.domains) }

// Limit is the limit of a kind of key.
func (d *Domain) Limit(k storm.Kind) storm.Limit { return d.limits[k].Limit }

// Load reads a folder of rule files. Its error has all that is wrong in all files, a line each.
func Load(fsys fs.FS) (*Set, error) {
	names, err := fs.Glob(fsys, "*.toml")
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	def, err := load(fsys, DefaultFile, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read rules: the folder has no %s; copy the one that is shipped", DefaultFile)
	}
	s := &Set{def: def, domains: map[string]*Domain{}}
	wrong := []error{err}
	for _, name := range names {
		if name == DefaultFile || def == nil {
			continue
		}
		d, err := load(fsys, name, def)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		s.domains[d.Name] = d
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return s, nil
}

// load reads one file over def, the default's rules; def is nil for the default itself.
func load(fsys fs.FS, name string, def *Domain) (*Domain, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read rules %s: %w", name, err)
	}
	f, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	d := &Domain{actions: map[classify.Class]Action{}, rules: map[classify.Class]Source{}, limits: map[storm.Kind]limit{}, sweep: shippedSweep}
	if def != nil {
		d = def.clone(fingerprint.Domain(strings.TrimSuffix(path.Base(name), ".toml")))
	}
	if err := f.apply(d); err != nil {
		return nil, err
	}
	return d, nil
}

// complete tells what the default's rules leave open.
func (d *Domain) complete(f *file) error {
	var wrong []error
	missing := func(key string) {
		wrong = append(wrong, fmt.Errorf("%s:1:1: %s is missing; every other file builds on this one", f.name, key))
	}
	if d.mode == "" {
		missing("mode")
	}
	for _, c := range classify.Classes {
		if d.actions[c] == "" {
			missing("action." + string(c))
		}
	}
	for _, k := range storm.Kinds {
		l := d.limits[k]
		for _, v := range []struct {
			key  string
			open bool
		}{{"copies", l.Copies == 0}, {"window", l.Window == 0}, {"calm", l.Calm == 0}, {"action", l.action == ""}} {
			if v.open {
				missing(fmt.Sprintf("limit.%s.%s", k, v.key))
			}
		}
	}
	return errors.Join(wrong...)
}

func (d *Domain) clone(name string) *Domain {
	n := *d
	n.Name = name
	n.actions, n.rules, n.limits = clone(d.actions), clone(d.rules), clone(d.limits)
	return &n
}

func clone[K comparable, V any](m map[K]V) map[K]V {
	n := make(map[K]V, len(m))
	for k, v := range m {
		n[k] = v
	}
	return n
}

// keep is how long a tally of this limit is of use: until its level is back at zero for certain.
func keep(l storm.Limit) time.Duration { return max(l.Calm, l.Window, 2*time.Hour) }
