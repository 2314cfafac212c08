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
	s := schemaOf(reflect.TypeOf(v))
	s["$schema"], s["title"] = "http://json-schema.org/draft-07/schema#", title
	return s
}

const (
	durationPattern = `^([0-9]+d|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`
	sizePattern     = `^[0-9]+ *([KMGT]i)?B$`
)

func schemaOf(t reflect.Type) map[string]any {
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
		return schemaOf(t.Elem())
	case reflect.Struct:
		return structSchema(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem()), "propertyNames": schemaOf(t.Key())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	s := map[string]any{"type": "string"}
	if all := allowed(t); all != nil {
		s["enum"] = all
	}
	return s
}

func structSchema(t reflect.Type) map[string]any {
	all, rest := fields(t)
	properties := map[string]any{}
	var need []string
	for _, f := range all {
		p := schemaOf(f.typ)
		if doc := f.tag.Get("doc"); doc != "" {
			p["description"] = doc
		}
		for tag, name := range map[string]string{"min": "minimum", "max": "maximum"} {
			if n, err := strconv.Atoi(f.tag.Get(tag)); err == nil {
				p[name] = n
			}
		}
		if all := strings.Fields(f.tag.Get("values")); len(all) > 0 {
			p["enum"] = all
		}
		if f.tag.Get("need") != "" {
			need = append(need, f.name)
		}
		properties[f.name] = p
	}
	if rest != nil {
		for _, name := range allowed(rest.typ.Key()) {
			p := schemaOf(rest.typ.Elem())
			if doc := rest.tag.Get("doc"); doc != "" {
				p["description"] = doc
			}
			properties[name] = p
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if need != nil {
		s["required"] = need
	}
	return s
}
