package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/storm"
	"breakwater/internal/tomlfile"
)

// file is a rule file as it stands on disk.
type file struct {
	name string
	at   map[string]tomlfile.Position // of each key, such as limit.id.copies

	Mode   *Mode                     `toml:"mode"`
	Action map[classify.Class]Action `toml:"action"`
	Limit  map[string]fileLimit      `toml:"limit"`
	Sweep  fileSweep                 `toml:"sweep"`
}

type fileLimit struct {
	Copies *int               `toml:"copies"`
	Window *tomlfile.Duration `toml:"window"`
	Calm   *tomlfile.Duration `toml:"calm"`
	Action *Action            `toml:"action"`
}

func list[T ~string](of []T) string {
	var s []string
	for _, v := range of {
		s = append(s, string(v))
	}
	return strings.Join(s, ", ")
}

// parse reads a file. Its error names the file, line and column of all that is wrong.
func parse(name string, data []byte) (*file, error) {
	f := &file{name: name}
	if err := tomlfile.Decode(name, data, f); err != nil {
		return nil, err
	}
	f.at = tomlfile.Positions(data)
	return f, nil
}

func (f *file) source(key string) Source { return Source{File: f.name, Line: f.at[key].Line} }

func (f *file) wrong(key, format string, args ...any) error {
	p := f.at[key]
	return fmt.Errorf("%s:%d:%d: %s: %s", f.name, max(p.Line, 1), max(p.Column, 1), key, fmt.Sprintf(format, args...))
}

func (f *file) checkAction(key string, a Action) error {
	if !slices.Contains(Actions, a) {
		return f.wrong(key, "%q is no action; there are %s", a, list(Actions))
	}
	return nil
}

// apply lays the values of f over d.
func (f *file) apply(d *Domain) error {
	var wrong []error
	if f.Mode != nil && *f.Mode != Enforce && *f.Mode != Observe {
		wrong = append(wrong, f.wrong("mode", "%q is no mode; there are enforce, observe", *f.Mode))
	}
	if f.Mode != nil {
		d.mode, d.modeAt = *f.Mode, f.source("mode")
	}
	for c, a := range f.Action {
		key := "action." + string(c)
		if !slices.Contains(classify.Classes, c) {
			wrong = append(wrong, f.wrong(key, "no such class; there are %s", list(classify.Classes)))
			continue
		}
		if err := f.checkAction(key, a); err != nil {
			wrong = append(wrong, err)
		}
		d.actions[c], d.rules[c] = a, f.source(key)
	}
	for name, l := range f.Limit {
		k, ok := kind(name)
		if !ok {
			wrong = append(wrong, f.wrong("limit."+name, "no such kind of key; there are %s", kinds()))
			continue
		}
		merged, err := f.merge(name, d.limits[k], l)
		if err != nil {
			wrong = append(wrong, err)
		}
		d.limits[k] = merged
	}
	wrong = append(wrong, f.applySweep(&d.sweep))
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	if d.Name == "" {
		return d.complete(f)
	}
	return nil
}

// merge lays the values of l over those that a limit has.
func (f *file) merge(name string, to limit, l fileLimit) (limit, error) {
	key := func(v string) string { return "limit." + name + "." + v }
	if l.Copies != nil {
		if to.Copies = *l.Copies; to.Copies < 1 || to.Copies > 1_000_000 {
			return to, f.wrong(key("copies"), "%d is not between 1 and 1000000; to count only, set action = \"deliver\"", to.Copies)
		}
	}
	if l.Window != nil {
		to.Window = time.Duration(*l.Window)
	}
	if l.Calm != nil {
		to.Calm = time.Duration(*l.Calm)
	}
	if l.Action != nil {
		if err := f.checkAction(key("action"), *l.Action); err != nil {
			return to, err
		}
		to.action, to.rule = *l.Action, f.source(key("action"))
	}
	// A storm could otherwise end while it rages: its level could not rise over copies.
	if to.Window > 0 && to.Calm > 0 && to.Calm <= to.Window {
		at := key("calm")
		if l.Calm == nil {
			at = key("window")
		}
		return to, f.wrong(at, "calm (%v) must be longer than window (%v)", to.Calm, to.Window)
	}
	to.Keep = keep(to.Limit)
	return to, nil
}

func kind(name string) (storm.Kind, bool) {
	for _, k := range storm.Kinds {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

func kinds() string {
	var s []string
	for _, k := range storm.Kinds {
		s = append(s, k.String())
	}
	return strings.Join(s, ", ")
}
