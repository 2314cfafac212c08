package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"breakwater/internal/address"
	"breakwater/internal/tomlfile"
)

// Load reads a folder of rule files. Its error has all that is wrong in all files. Without allow, files may
// name any domain in aliases.
func Load(fsys fs.FS, allow ...Aliases) (*Set, error) {
	l, err := loadFolder(fsys, allow)
	if err != nil {
		return nil, err
	}
	return l.set()
}

// Aliases says what domains a file may name in its aliases that are no sub-domains of its own: by the
// domain of the file, or "*" for all files; "*" among the names is any domain.
type Aliases map[string][]string

// allows reports whether the file of a domain may name another one. Both are as named has them.
func (a Aliases) allows(domain, alias string) bool {
	if base, all := strings.CutPrefix(domain, "*."); strings.HasSuffix(alias, "."+base) || !all && alias == base {
		return true
	}
	for of, names := range a {
		if of, _ := named(of); of != domain && of != "*" {
			continue
		}
		for _, name := range names {
			if name, _ := named(name); name == alias || name == "*" {
				return true
			}
		}
	}
	return false
}

// loader reads the files of a folder.
type loader struct {
	conditions *conditions
	allow      []Aliases // none: files may name any domain in aliases
	def        *loaded
	files      []*loaded // in order of their names, the default first

	kept bool              // what is broken is replaced; else it is an error
	last map[string][]byte // the last good version of each file, for that
}

// loaded is one file.
type loaded struct {
	name   string
	doc    *tomlfile.Document
	said   settings // by this file alone
	all    layers
	domain *Domain
	err    error

	use    Use   // what stands in for the file
	broken error // why it has to; nil if nothing has
}

// loadFolder reads all files. An error in one of them is in its err.
func loadFolder(fsys fs.FS, allow []Aliases) (*loader, error) {
	l := &loader{allow: allow}
	return l, l.folder(fsys)
}

// folder reads the files of a folder.
func (l *loader) folder(fsys fs.FS) error {
	l.conditions = newConditions()
	names, err := fs.Glob(fsys, "*.toml")
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	base, err := tomlfile.Parse(builtInName, []byte(builtIn))
	if err != nil {
		return err
	}
	below := layers{}.over(base)
	l.def = l.read(fsys, DefaultFile, below)
	if l.kept {
		if l.lost(fsys) {
			names = slices.Sorted(maps.Keys(l.last))
		}
		l.def = l.instead(l.def, below)
	}
	l.files = []*loaded{l.def}
	if l.missing() {
		return fmt.Errorf("read rules: the folder has no %s; copy the one that is shipped", DefaultFile)
	}
	var others []string
	for _, name := range names {
		if name != DefaultFile {
			others = append(others, name)
		}
	}
	l.files = append(l.files, l.readAll(fsys, others)...)
	return nil
}

// missing reports whether there is no default.
func (l *loader) missing() bool { return errors.Is(l.def.err, fs.ErrNotExist) }

// readAll reads files over the default, as many at a time as there are processors: most of
// the work is to compile conditions.
func (l *loader) readAll(fsys fs.FS, names []string) []*loaded {
	files := make([]*loaded, len(names))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				files[i] = l.read(fsys, names[i], l.def.all)
				if l.kept {
					files[i] = l.instead(files[i], l.def.all)
				}
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	wg.Wait()
	return files
}

// read reads one file over what is below it.
func (l *loader) read(fsys fs.FS, name string, below layers) *loaded {
	doc, err := tomlfile.Read(fsys, name)
	if err != nil {
		return &loaded{name: name, err: err}
	}
	return l.understand(doc, below)
}

// understand reads a document over what is below it.
func (l *loader) understand(doc *tomlfile.Document, below layers) *loaded {
	f := &loaded{name: doc.Name, doc: doc}
	wrong, _ := tomlfile.Errors(f.doc.Decode(&f.said))
	f.all = below.over(f.doc)
	f.domain = &Domain{File: f.name}
	if f.name == DefaultFile {
		if f.said.Mode == "" {
			wrong = append(wrong, f.doc.WrongKey("", "mode is missing; every other file builds on this one"))
		}
	} else {
		wrong = append(wrong, f.names(l.allow)...)
	}
	wrong = append(wrong, f.policies()...)
	wrong = append(wrong, f.counted()...)
	wrong = append(wrong, f.keep()...)
	wrong = append(wrong, f.origin()...)
	wrong = append(wrong, f.sweep()...)
	wrong = append(wrong, f.compile(l.conditions)...)
	if f.name != DefaultFile && l.def.domain != nil {
		f.domain.inherit(l.def.domain.rules)
	}
	f.err = tomlfile.Together(wrong)
	return f
}

// inherit appends rules, but for those of which d has one with the same name.
func (d *Domain) inherit(rules []*Rule) {
	own := d.rules
	for _, r := range rules {
		if !slices.ContainsFunc(own, func(o *Rule) bool { return o.Name == r.Name }) {
			d.rules = append(d.rules, r)
		}
	}
}

// domainName is one that mail can have, as A-label.
var domainName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// named is a domain or a *.domain in the form in which it is looked up.
func named(name string) (string, bool) {
	domain, all := strings.CutPrefix(name, "*.")
	domain = address.Domain(domain)
	ok := domainName.MatchString(domain)
	if all {
		domain = "*." + domain
	}
	return domain, ok
}

// names fills in what the file is for.
func (f *loaded) names(allow []Aliases) (wrong []*tomlfile.Error) {
	d := f.domain
	name, ok := named(strings.TrimSuffix(f.doc.Name, ".toml"))
	if !ok {
		wrong = append(wrong, f.doc.WrongKey("", "the name of the file is no domain; name it like example.org.toml or *.example.org.toml"))
	}
	d.Name, d.Names = name, []string{name}
	for i, alias := range f.said.Aliases {
		key := fmt.Sprintf("aliases[%d]", i)
		name, ok := named(alias)
		if _, isText := f.doc.Tree["aliases"].([]any)[i].(string); isText && !ok {
			wrong = append(wrong, f.doc.WrongValue(key, "%q is no domain; write it like example.net or *.example.net", alias))
		} else if isText && len(allow) > 0 && !slices.ContainsFunc(allow, func(a Aliases) bool { return a.allows(d.Name, name) }) {
			wrong = append(wrong, f.doc.WrongValue(key, "%s is no sub-domain of %s; if this file may have rules for it, say so in breakwater.toml: %s = [%q] under [site.aliases]",
				alias, strings.TrimPrefix(d.Name, "*."), tomlfile.Quote(d.Name), alias))
		}
		d.Names = append(d.Names, name)
	}
	return wrong
}

// policies makes the policy of the domain and those of its exceptions.
func (f *loaded) policies() (wrong []*tomlfile.Error) {
	d := f.domain
	d.policy, wrong = f.all.policy(d, "")
	exceptions := func(of string, said []string, name func(string) (string, bool), like string) map[string]*Policy {
		all, written := map[string]*Policy{}, map[string]string{}
		for _, key := range said {
			as, ok := name(key)
			if !ok {
				wrong = append(wrong, f.doc.WrongKey(tomlfile.Join(of, key), "%q is no %s; write it like %s", key, of, like))
			} else if other, twice := written[as]; twice {
				wrong = append(wrong, f.doc.WrongKey(tomlfile.Join(of, key), "%q and %q are the same %s", key, other, of))
			}
			written[as] = key
		}
		for _, key := range f.all.names(of) {
			p, err := f.all.scoped(of, key).policy(d, tomlfile.Join(of, key))
			p.ownMode = sub(sub(f.all.tree, of), key)["mode"] != nil
			wrong = append(wrong, err...)
			all[key] = p
		}
		return all
	}
	d.mailboxes = exceptions("mailbox", slices.Sorted(maps.Keys(f.said.Mailbox)), localPart, "abuse or ann.smith, without the domain")
	d.senders = exceptions("sender", slices.Sorted(maps.Keys(f.said.Sender)), sender, "ann@example.net, example.net or *.example.net")
	return wrong
}

// localPart is the name of a mailbox in the form in which it is looked up.
func localPart(name string) (string, bool) {
	return address.Local(address.Mailbox(address.Join(name, "example.org"))), name != "" && !address.In(name)
}

// sender is an address, a domain or a *.domain in that form.
func sender(name string) (string, bool) {
	if local, domain, _ := address.Split(name); local != "" && local != name {
		_, ok := named(domain)
		return address.Mailbox(name), ok && domain != "" && !strings.HasPrefix(domain, "*")
	}
	return named(name)
}

// set puts the files together: each has its own domain first, whatever others name in aliases.
func (l *loader) set() (*Set, error) {
	s := &Set{domains: map[string]*Domain{}}
	var wrong []error
	for i, f := range l.files {
		if f.err != nil {
			wrong = append(wrong, f.err)
		} else if f == l.def {
			s.def = f.domain
		} else if other := s.domains[f.domain.Name]; other != nil {
			wrong = append(wrong, f.twice(0, other))
			l.files[i].err = wrong[len(wrong)-1]
		} else {
			s.domains[f.domain.Name] = f.domain
			s.files++
		}
	}
	for i, f := range l.files {
		if f.err != nil || f == l.def {
			continue
		}
		if err := s.alias(f); err != nil && l.kept {
			f.err = err
			l.files[i] = l.without(s, f)
		} else if err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := errors.Join(wrong...); err != nil && (!l.kept || s.def == nil) {
		return nil, err
	}
	return s, nil
}

// alias gives the aliases of a file its rules, all or none.
func (s *Set) alias(f *loaded) error {
	var wrong []error
	for i, name := range f.domain.Names {
		other := s.domains[name]
		if slices.Contains(f.domain.Names[:i], name) {
			other = f.domain
		}
		if i > 0 && other != nil {
			wrong = append(wrong, f.twice(i, other))
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	for _, name := range f.domain.Names {
		s.domains[name] = f.domain
	}
	return nil
}

// twice is the error of a name that another file has.
func (f *loaded) twice(i int, other *Domain) error {
	const why = "%s has rules in %s, too; a domain can have only one file"
	if i == 0 {
		return f.doc.WrongKey("", why, f.domain.Names[0], other.File)
	}
	return f.doc.WrongValue(fmt.Sprintf("aliases[%d]", i-1), why, f.domain.Names[i], other.File)
}
