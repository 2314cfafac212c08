package config

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"breakwater/internal/tomlfile"
)

// Setting is one setting of a host.
type Setting struct {
	Key   string `json:"key"`   // as in milter.socket_mode, or sweep.account[0].user
	Value string `json:"value"` // as TOML
	From  string `json:"from"`  // the file and line that says so, or "default"
}

// Show is Load, and lists all settings in the order of Config.
func Show(name string) ([]Setting, error) {
	c, err := Load(name)
	if err != nil {
		return nil, err
	}
	file := name
	if file == "" {
		file = DefaultFile
	}
	lines := func(string) int { return 0 }
	if data, err := os.ReadFile(file); err == nil {
		doc, err := tomlfile.Parse(file, data)
		if err != nil {
			return nil, err
		}
		lines = doc.Line
	}
	all := c.settings()
	for i := range all {
		all[i].From = "default"
		if line := lines(all[i].Key); line > 0 {
			all[i].From = fmt.Sprintf("%s:%d", file, line)
		}
	}
	return all, nil
}

// Changed lists the keys whose values differ, in the order of Config.
func Changed(a, b Config) (keys []string) {
	was, is := a.settings(), b.settings()
	value := func(all []Setting, key string) (string, bool) {
		i := slices.IndexFunc(all, func(s Setting) bool { return s.Key == key })
		if i < 0 {
			return "", false
		}
		return all[i].Value, true
	}
	for _, s := range is {
		if v, ok := value(was, s.Key); !ok || v != s.Value {
			keys = append(keys, s.Key)
		}
	}
	for _, s := range was {
		if _, ok := value(is, s.Key); !ok {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// settings are all values of c, without their places.
func (c Config) settings() []Setting { return flat("", reflect.ValueOf(c)) }

// flat lists the values below one.
func flat(key string, v reflect.Value) (all []Setting) {
	switch {
	case v.Type().Implements(reflect.TypeFor[fmt.Stringer]()) || v.Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Tag.Get("toml")
			all = append(all, flat(tomlfile.Join(key, name), v.Field(i))...)
		}
		return all
	case v.Kind() == reflect.Slice && v.Type().Elem() == reflect.TypeFor[Account]():
		for i := range v.Len() {
			all = append(all, flat(fmt.Sprintf("%s[%d]", key, i), v.Index(i))...)
		}
		return all
	case v.Kind() == reflect.Map:
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			all = append(all, flat(tomlfile.Join(key, name.String()), v.MapIndex(name))...)
		}
		return all
	}
	return []Setting{{Key: key, Value: written(v)}}
}

// written is a value as TOML.
func written(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return tomlfile.Quote(s.String())
	}
	switch v.Kind() {
	case reflect.String:
		return tomlfile.Quote(v.String())
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = written(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}
