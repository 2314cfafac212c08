package tomlfile

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode reads d into v, a pointer to a struct. What d does not say stays as it is.
func (d *Document) Decode(v any) error {
	dec := decoder{doc: d}
	dec.value("", d.Tree, reflect.ValueOf(v).Elem())
	return Together(dec.wrong)
}

// Assign reads a tree that is known to fit, such as one put together from several
// Documents that were decoded before, into v.
func Assign(tree map[string]any, v any) {
	dec := decoder{doc: &Document{places: places{starts: []int{0}}}}
	dec.value("", tree, reflect.ValueOf(v).Elem())
}

// decoder goes through a tree and the value that it is to fill, side by side.
type decoder struct {
	doc   *Document
	wrong []*Error
}

func (d *decoder) key(key, format string, args ...any) {
	d.wrong = append(d.wrong, d.doc.WrongKey(key, format, args...))
}

func (d *decoder) bad(key, format string, args ...any) {
	d.wrong = append(d.wrong, d.doc.WrongValue(key, format, args...))
}

// value fills out, which may be one of values; of those of its type, if there are none.
func (d *decoder) value(key string, in any, out reflect.Value, values ...string) {
	if out.Type() == reflect.TypeFor[time.Duration]() {
		out = out.Addr().Convert(reflect.TypeFor[*Duration]()).Elem()
	}
	if u, ok := out.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(key, in, u)
		return
	}
	switch out.Kind() {
	case reflect.Pointer: // of what may be left out
		out.Set(reflect.New(out.Type().Elem()))
		d.value(key, in, out.Elem(), values...)
	case reflect.Struct:
		if table, ok := d.is(key, in, out.Kind()).(map[string]any); ok {
			d.table(key, table, out)
		}
	case reflect.Map:
		if table, ok := d.is(key, in, out.Kind()).(map[string]any); ok {
			d.entries(key, table, out)
		}
	case reflect.Slice:
		if _, table := in.(map[string]any); table && out.Type().Elem().Kind() == reflect.Struct {
			d.key(key, "%s is a list of tables; write [[%s]]", last(key), key)
			return
		}
		if list, ok := d.is(key, in, out.Kind()).([]any); ok {
			s := reflect.MakeSlice(out.Type(), len(list), len(list))
			for i, item := range list {
				d.value(fmt.Sprintf("%s[%d]", key, i), item, s.Index(i))
			}
			out.Set(s)
		}
	case reflect.Array:
		list, ok := d.is(key, in, reflect.Slice).([]any)
		if ok && len(list) != out.Len() {
			d.bad(key, "%s must have %d values, not %d", last(key), out.Len(), len(list))
			return
		}
		for i, item := range list {
			d.value(fmt.Sprintf("%s[%d]", key, i), item, out.Index(i))
		}
	case reflect.String:
		if s, ok := d.is(key, in, out.Kind()).(string); ok {
			if len(values) == 0 {
				values = allowed(out.Type())
			}
			d.oneOf(key, s, values)
			out.SetString(s)
		}
	case reflect.Bool:
		if b, ok := d.is(key, in, out.Kind()).(bool); ok {
			out.SetBool(b)
		}
	case reflect.Int, reflect.Int64:
		if n, ok := d.is(key, in, out.Kind()).(int64); ok {
			out.SetInt(n)
		}
	case reflect.Float64:
		switch n := in.(type) {
		case int64:
			out.SetFloat(float64(n))
		case float64:
			out.SetFloat(n)
		default:
			d.is(key, in, out.Kind())
		}
	default:
		panic("tomlfile: no files have a " + out.Type().String())
	}
}

// wanted are words for what a value must be.
var wanted = map[reflect.Kind]string{
	reflect.Struct: "a table", reflect.Map: "a table", reflect.Slice: "a list", reflect.String: "a string",
	reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a whole number",
	reflect.Float64: "a number",
}

func found(in any) string {
	switch in.(type) {
	case map[string]any:
		return "a table"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	}
	return "a date or time"
}

// is returns in if it fits a kind, and else says that it does not.
func (d *decoder) is(key string, in any, k reflect.Kind) any {
	if found(in) == wanted[k] {
		return in
	}
	d.bad(key, "%s must be %s, not %s", last(key), wanted[k], found(in))
	return nil
}

func (d *decoder) text(key string, in any, u encoding.TextUnmarshaler) {
	s, ok := d.is(key, in, reflect.String).(string)
	if !ok {
		return
	}
	if err := u.UnmarshalText([]byte(s)); err != nil {
		d.bad(key, "%v", err)
	}
}

// oneOf checks a value of which there are only some; nil: any will do.
func (d *decoder) oneOf(key, s string, all []string) {
	if all != nil && !slices.Contains(all, s) {
		d.bad(key, "%s can not be %q; it can be %s%s", last(key), s, strings.Join(all, ", "), DidYouMean(s, all))
	}
}

// field is one key of a struct.
type field struct {
	name  string
	index []int
	tag   reflect.StructTag
	typ   reflect.Type
}

// fields lists the keys of a struct type, and the map for the rest, if it has one.
func fields(t reflect.Type) (all []field, rest *field) {
	for _, f := range reflect.VisibleFields(t) {
		name, option, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case option == "rest":
			rest = &field{"", f.Index, f.Tag, f.Type}
		case name != "":
			all = append(all, field{name, f.Index, f.Tag, f.Type})
		}
	}
	return all, rest
}

func (d *decoder) table(key string, table map[string]any, out reflect.Value) {
	all, rest := fields(out.Type())
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.name
		in, ok := table[f.name]
		at := Join(key, f.name)
		if !ok {
			if f.tag.Get("need") != "" {
				d.key(key, "%s is missing", f.name)
			}
			continue
		}
		d.value(at, in, out.FieldByIndex(f.index), strings.Fields(f.tag.Get("values"))...)
		if n, ok := in.(int64); ok {
			d.bounds(at, f, n)
		}
	}
	var others map[string]any
	for _, name := range slices.Sorted(maps.Keys(table)) {
		switch {
		case slices.Contains(names, name):
		case rest != nil && slices.Contains(allowed(rest.typ.Key()), name):
			if others == nil {
				others = map[string]any{}
			}
			others[name] = table[name]
		default:
			if rest != nil {
				names = append(slices.Clip(names), allowed(rest.typ.Key())...)
			}
			d.key(Join(key, name), "unknown key %s%s", name, didYouMeanOr(name, names))
		}
	}
	if others != nil {
		d.entries(key, others, out.FieldByIndex(rest.index))
	}
}

func (d *decoder) bounds(key string, f field, n int64) {
	low, err1 := strconv.ParseInt(f.tag.Get("min"), 10, 64)
	high, err2 := strconv.ParseInt(f.tag.Get("max"), 10, 64)
	if err1 == nil && err2 == nil && (n < low || n > high) {
		d.bad(key, "%s is %d; it must be between %d and %d", f.name, n, low, high)
	}
}

// entries fills a map.
func (d *decoder) entries(key string, table map[string]any, out reflect.Value) {
	if out.IsNil() {
		out.Set(reflect.MakeMapWithSize(out.Type(), len(table)))
	}
	all := allowed(out.Type().Key())
	for _, name := range slices.Sorted(maps.Keys(table)) {
		at := Join(key, name)
		if all != nil && !slices.Contains(all, name) {
			d.key(at, "unknown key %s%s", name, didYouMeanOr(name, all))
			continue
		}
		v := reflect.New(out.Type().Elem()).Elem()
		d.value(at, table[name], v)
		out.SetMapIndex(reflect.ValueOf(name).Convert(out.Type().Key()), v)
	}
}

// allowed are the values of a type that has only some; nil if it takes any.
func allowed(t reflect.Type) []string {
	if v, ok := reflect.Zero(t).Interface().(interface{ Values() []string }); ok {
		return v.Values()
	}
	return nil
}

// last is the last part of a key.
func last(key string) string {
	if key == "" {
		return "the file"
	}
	if i := strings.LastIndexByte(key, '.'); i >= 0 && !strings.HasSuffix(key, `"`) {
		return key[i+1:]
	}
	return key
}

// Together joins errors in the order of their places; nil if there are none.
func Together(wrong []*Error) error {
	slices.SortStableFunc(wrong, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	errs := make([]error, len(wrong))
	for i, e := range wrong {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// DidYouMean asks after the most similar of the words that exist: "; did you mean copies?". It is
// "" if none is similar.
func DidYouMean(s string, exist []string) string {
	best, closest := "", 1+min(len(s)/4, 2)
	for _, e := range exist {
		if n := distance(strings.ToLower(s), e); n <= closest && (best == "" || n < closest) {
			best, closest = e, n
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// didYouMeanOr is didYouMean, or else all that there is.
func didYouMeanOr(s string, exist []string) string {
	if hint := DidYouMean(s, exist); hint != "" {
		return ", did you mean " + strings.TrimPrefix(hint, "; did you mean ")
	}
	return "; there are " + strings.Join(exist, ", ")
}

// distance is how many letters must be changed, added or taken away to make b of a.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := i + 1
		for j := range len(b) {
			change := row[j]
			if a[i] != b[j] {
				change++
			}
			row[j], left = left, min(change, row[j+1]+1, left+1)
		}
		row[len(b)] = left
	}
	return row[len(b)]
}
