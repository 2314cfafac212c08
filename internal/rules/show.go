package rules

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"breakwater/internal/tomlfile"
)

// Setting is one value that holds for a domain.
type Setting struct {
	Key   string `json:"key"`
	Value any    `json:"value"` // a string, int64, bool or list
	At    Source `json:"-"`
	From  string `json:"from"` // At, as text
}

// Settings lists all values that hold for a domain, those of its exceptions included, in
// the order in which default.toml has them, and then its rules.
func Settings(fsys fs.FS, domain string) (settings []Setting, d *Domain, err error) {
	l, err := loadFolder(fsys, nil)
	if err != nil {
		return nil, nil, err
	}
	s, err := l.set()
	if err != nil {
		return nil, nil, err
	}
	settings, d = l.settings(s, domain)
	return settings, d, nil
}

// SettingsKept is Settings of what LoadKept loads, and what that found.
func SettingsKept(fsys fs.FS, last map[string][]byte, allow Aliases, domain string) (settings []Setting, d *Domain, files []File, err error) {
	l := &loader{kept: true, last: last, allow: []Aliases{allow}}
	if err := l.folder(fsys); err != nil {
		return nil, nil, nil, err
	}
	s, err := l.set()
	if err != nil {
		return nil, nil, nil, err
	}
	settings, d = l.settings(s, domain)
	return settings, d, l.found(), nil
}

// settings lists what holds for a domain of s.
func (l *loader) settings(s *Set, domain string) (settings []Setting, d *Domain) {
	d = s.For(domain)
	for _, f := range l.files {
		if f.domain != d {
			continue
		}
		for key, value := range leaves("", f.all.tree) {
			settings = append(settings, Setting{Key: key, Value: value, At: f.all.source(key)})
		}
	}
	rank := func(s Setting) int {
		return slices.Index([]string{"mode", "action", "dsn", "mdn", "auto-reply", "challenge", "limit", "mailbox_alias", "all_mail_leaves_here", "origin", "batv", "mailbox", "sender", "digest", "retention", "sweep"}, first(s.Key))
	}
	slices.SortFunc(settings, func(a, b Setting) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(order(a.Key), order(b.Key)), cmp.Compare(a.Key, b.Key))
	})
	for i := range settings {
		settings[i].From = settings[i].At.String()
	}
	return settings, d
}

func first(key string) string {
	name, _, _ := strings.Cut(key, ".")
	return name
}

// order is the place of a class or kind among its like.
func order(key string) int {
	parts := strings.Split(key, ".")
	if len(parts) < 2 {
		return 0
	}
	switch parts[0] {
	case "action":
		return slices.Index(className("").Values(), parts[1])
	case "dsn", "mdn", "auto-reply", "challenge":
		return slices.Index(originName("").Values(), parts[1])
	case "limit":
		return slices.Index(kindName("").Values(), parts[1])
	}
	return 0
}

// leaves are the values of a tree by their keys.
func leaves(key string, tree map[string]any) map[string]any {
	all := map[string]any{}
	for name, v := range tree {
		full := tomlfile.Join(key, name)
		if table, ok := v.(map[string]any); ok {
			maps.Copy(all, leaves(full, table))
			continue
		}
		all[full] = v
	}
	return all
}

// String writes a setting as TOML.
func (s Setting) String() string {
	return fmt.Sprintf("%s = %s", s.Key, value(s.Value))
}

func value(v any) string {
	switch v := v.(type) {
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, value(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case string:
		return tomlfile.Quote(v)
	}
	return fmt.Sprint(v)
}
