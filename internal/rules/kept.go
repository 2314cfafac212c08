package rules

import (
	"errors"
	"io/fs"

	"breakwater/internal/tomlfile"
)

// Use says what stands in for a file.
type Use string

// Uses.
const (
	Current  Use = "current"  // it is in force as it is
	LastGood Use = "last"     // its last good version is
	Observed Use = "observed" // it has none: its domain has the rules of the default, which are only observed
	Nothing  Use = "nothing"  // its name is no domain, or that of another file
)

// File is one rule file, as LoadKept found it.
type File struct {
	Name   string
	Use    Use
	Broken error  // why Use is not Current
	Text   []byte // what is in force, where Use is Current or LastGood
}

// LoadKept reads a folder as Load does, but what is wrong in one file does not keep the others from being
// read: its last good version stands in for it. Where there is none, the mail of its domain is
// delivered, and what the default would do is logged and counted. Where the folder
// or its default.toml cannot be read, all last good versions are used. The error is that of a default that has
// no good version.
func LoadKept(fsys fs.FS, last map[string][]byte, allow Aliases) (*Set, []File, error) {
	l := &loader{kept: true, last: last, allow: []Aliases{allow}}
	if err := l.folder(fsys); err != nil {
		return nil, nil, err
	}
	s, err := l.set()
	if err != nil {
		return nil, nil, err
	}
	return s, l.found(), nil
}

// lost reports whether the folder is gone, was emptied by mistake, or cannot be read now: which files there are
// is not known then.
func (l *loader) lost(fsys fs.FS) bool {
	_, unreadable := tomlfile.Errors(l.def.err)
	_, err := fs.ReadDir(fsys, ".")
	return unreadable != nil || err != nil
}

// found is what was found, file by file.
func (l *loader) found() (files []File) {
	for _, f := range l.files {
		file := File{Name: f.name, Use: Current, Broken: f.broken}
		switch {
		case f.err != nil:
			file.Use, file.Broken = Nothing, errors.Join(f.broken, f.err)
		case f.broken != nil:
			file.Use = f.use
		}
		if file.Use == Current || file.Use == LastGood {
			file.Text = f.doc.Text()
		}
		files = append(files, file)
	}
	return files
}

// instead is f, or what stands in for it if it is broken.
func (l *loader) instead(f *loaded, below layers) *loaded {
	if f.err == nil {
		return f
	}
	if text, ok := l.last[f.name]; ok {
		if doc, err := tomlfile.Parse(f.name, text); err == nil {
			if last := l.understand(doc, below); last.err == nil {
				last.use, last.broken = LastGood, f.err
				return last
			}
		}
	}
	return l.observed(f, below)
}

// observed is what stands in for a broken file that has no good version.
func (l *loader) observed(f *loaded, below layers) *loaded {
	if f.name == DefaultFile {
		return f
	}
	doc, err := tomlfile.Parse(f.name, []byte("mode = \"observe\"\n"))
	if err != nil {
		return f
	}
	o := l.understand(doc, below)
	if o.err != nil {
		return f
	}
	o.use, o.broken = Observed, f.err
	return o
}

// without is what stands in for a file whose aliases are those of other files in s, and gives it its names.
func (l *loader) without(s *Set, f *loaded) *loaded {
	instead := f
	if f.use != LastGood {
		instead = l.instead(f, l.def.all)
	}
	if instead.err != nil || s.alias(instead) != nil {
		f.err = errors.Join(f.broken, f.err)
		if instead = l.observed(f, l.def.all); instead.err == nil {
			instead.err = s.alias(instead) // it has none
		}
	}
	return instead
}

// InForce says what is in force instead of a file.
func (f File) InForce() string {
	switch f.Use {
	case LastGood:
		return "its last good version"
	case Observed:
		return "default.toml, which only observes this domain, since the file has no good version"
	case Nothing:
		return "nothing of it"
	}
	return "the file"
}
