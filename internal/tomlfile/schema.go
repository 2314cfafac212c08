package tomlfile

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Schema is a JSON Schema (draft-07, what editors know) of the files that Decode reads into
// v, a struct.
func Schema(v any, title string) map[string]any {
	s := schemas{}
	top := s.table(reflect.TypeOf(v))
	top["$schema"], top["title"], top["definitions"] = "http://json-schema.org/draft-07/schema#", title, s
	return top
}

// schemas are those of struct types, by their names.
type schemas map[string]any

const (
	durationPattern = `^([0-9]+d|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`
	sizePattern     = `^[0-9]+ *([KMGT]i)?B$`
)

func (s schemas) of(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[Duration]():
		return map[string]any{"type": "string", "pattern": durationPattern}
	case reflect.TypeFor[Size]():
		return map[string]any{"type": "string", "pattern": sizePattern}
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		if s[t.Name()] == nil {
			s[t.Name()] = true // a type may be part of itself
			s[t.Name()] = s.table(t)
		}
		return map[string]any{"$ref": "#/definitions/" + t.Name()}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem()), "propertyNames": s.of(t.Key())}
	case reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	text := map[string]any{"type": "string"}
	if all := allowed(t); all != nil {
		text["enum"] = all
	}
	return text
}

// table is the schema of a struct type.
func (s schemas) table(t reflect.Type) map[string]any {
	all, rest := fields(t)
	properties := map[string]any{}
	need := []string{}
	for _, f := range all {
		properties[f.name] = s.field(f)
		if f.tag.Get("need") != "" {
			need = append(need, f.name)
		}
	}
	if rest != nil {
		for _, name := range allowed(rest.typ.Key()) {
			properties[name] = s.described(rest.typ.Elem(), rest.tag.Get("doc"))
		}
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false, "required": need}
}

func (s schemas) field(f field) map[string]any {
	p := s.described(f.typ, f.tag.Get("doc"))
	for tag, name := range map[string]string{"min": "minimum", "max": "maximum"} {
		if n, err := strconv.Atoi(f.tag.Get(tag)); err == nil {
			p[name] = n
		}
	}
	if all := strings.Fields(f.tag.Get("values")); len(all) > 0 {
		p["enum"] = all
	}
	return p
}

// described is the schema of a type, with what it is for.
func (s schemas) described(t reflect.Type, doc string) map[string]any {
	p := s.of(t)
	if p["$ref"] != nil { // what stands beside it does not count
		p = map[string]any{"allOf": []any{p}}
	}
	if doc != "" {
		p["description"] = doc
	}
	return p
}
