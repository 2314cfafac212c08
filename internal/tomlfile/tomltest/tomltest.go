// Package tomltest holds TOML files against JSON Schemas, by a library that did not make them.
package tomltest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Valid returns what says whether a file is as a schema wants it: nil, or what is wrong.
func Valid(t testing.TB, schema any) func(text []byte) error {
	t.Helper()
	b, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(text []byte) error {
		var v map[string]any
		if err := toml.Unmarshal(text, &v); err != nil {
			return err
		}
		return compiled.Validate(v)
	}
}
