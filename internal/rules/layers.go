package rules

import (
	"maps"
	"slices"
	"strings"

	"breakwater/internal/tomlfile"
)

// place is where a value stands.
type place struct {
	doc *tomlfile.Document
	key string
}

func (p place) source() Source {
	if p.doc == nil || p.doc.Name == builtInName {
		return Source{File: builtInName}
	}
	return Source{File: p.doc.Name, Line: p.doc.Line(p.key)}
}

// layers is what several files say, one over the other.
type layers struct {
	tree map[string]any
	from map[string]place // of each value
	top  *tomlfile.Document
}

// own are keys that are not inherited as they are.
var own = []string{"aliases", "rule"}

// over lays what doc says over l, and leaves l as it is.
func (l layers) over(doc *tomlfile.Document) layers {
	tree := maps.Clone(doc.Tree)
	for _, key := range own {
		delete(tree, key)
	}
	as := map[string]string{} // keys of exceptions, as they stand in the file
	rename(tree, as, "mailbox", localPart)
	rename(tree, as, "sender", sender)
	top := layers{from: maps.Clone(l.from), top: doc}
	if top.from == nil {
		top.from = map[string]place{}
	}
	top.tree = top.lay("", l.tree, tree, func(key string) place {
		for name, inFile := range as {
			if rest, ok := strings.CutPrefix(key, name+"."); ok {
				key = inFile + "." + rest
				break
			}
		}
		return place{doc, key}
	})
	return top
}

// rename gives the exceptions of a table the names under which they are looked up.
func rename(tree map[string]any, as map[string]string, of string, to func(string) (string, bool)) {
	table, ok := tree[of].(map[string]any)
	if !ok {
		return
	}
	renamed := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		found, _ := to(name)
		renamed[found] = table[name]
		as[tomlfile.Join(of, found)] = tomlfile.Join(of, name)
	}
	tree[of] = renamed
}

// lay returns what with says over what to says. Both are left as they are.
func (l layers) lay(key string, to, with map[string]any, at func(key string) place) map[string]any {
	merged := maps.Clone(to)
	if merged == nil {
		merged = map[string]any{}
	}
	for name, v := range with {
		if _, table := v.(map[string]any); !table {
			full := tomlfile.Join(key, name)
			merged[name], l.from[full] = v, at(full)
			if limits(key) {
				l.hide(merged, key, name)
			}
		}
	}
	for name, v := range with {
		if table, ok := v.(map[string]any); ok {
			below, _ := merged[name].(map[string]any)
			merged[name] = l.lay(tomlfile.Join(key, name), below, table, at)
		}
	}
	return merged
}

// limits reports whether key is that of a kind, such as limit.repeat or mailbox.ann.limit.id.
func limits(key string) bool {
	above := key[:max(0, strings.LastIndexByte(key, '.'))]
	return above == "limit" || strings.HasSuffix(above, ".limit")
}

// hide drops a value from the tables below: a limit for all classes hides those for one
// class that a file further down has.
func (l layers) hide(table map[string]any, key, name string) {
	for class, v := range table {
		if below, ok := v.(map[string]any); ok {
			below = maps.Clone(below)
			delete(below, name)
			delete(l.from, tomlfile.Join(tomlfile.Join(key, class), name))
			table[class] = below
		}
	}
}

// sub is a table of a table.
func sub(tree map[string]any, name string) map[string]any {
	table, _ := tree[name].(map[string]any)
	return table
}

// scopeKeys are those of a scope.
var scopeKeys = []string{"mode", "action", "limit", "dsn", "mdn", "auto-reply", "challenge"}

// pick is the part of a tree with some keys.
func pick(tree map[string]any, keys ...string) map[string]any {
	part := map[string]any{}
	for _, key := range keys {
		if v, ok := tree[key]; ok {
			part[key] = v
		}
	}
	return part
}

// scoped is l with an exception, such as mailbox.abuse, laid over all that scopes may say.
func (l layers) scoped(of, name string) layers {
	base := pick(l.tree, scopeKeys...)
	prefix := tomlfile.Join(of, name)
	s := layers{from: maps.Clone(l.from), top: l.top}
	s.tree = s.lay("", base, sub(sub(l.tree, of), name), func(key string) place { return l.from[prefix+"."+key] })
	return s
}

// names are those of the exceptions of a table, in order.
func (l layers) names(of string) []string { return slices.Sorted(maps.Keys(sub(l.tree, of))) }
