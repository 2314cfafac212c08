package rules

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"breakwater/internal/tomlfile"
	"breakwater/internal/tomlfile/tomltest"
	shipped "breakwater/rules"
)

// TestSchema holds the schema against the files that Load takes and those that it does not.
func TestSchema(t *testing.T) {
	valid := tomltest.Valid(t, Schema())
	for _, name := range []string{DefaultFile, "example.org.toml"} {
		b, err := shipped.Files.ReadFile(name)
		if err == nil {
			err = valid(b)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := valid([]byte(readmeFile(t))); err != nil {
		t.Errorf("the file that the README shows: %v", err)
	}
	odd, _ := filepath.Glob("testdata/warn/*.toml")
	for _, name := range odd {
		b, err := os.ReadFile(name)
		if err == nil {
			err = valid(b)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What these have wrong is no matter of form.
	meant := []string{"alias.toml", "calm.toml", "condition.toml", "condition-denied.toml", "condition-long.toml", "exception-twice.toml", "keep.toml", "sweep.toml", "text.toml"}
	files, _ := filepath.Glob("testdata/*.toml")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(b); (err == nil) != slices.Contains(meant, filepath.Base(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExample looks in example.org.toml for all that a rule file can say.
func TestExample(t *testing.T) {
	b, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	type table struct{ Properties map[string]any }
	var schema struct {
		table
		Definitions map[string]table
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	doc, err := tomlfile.Read(shipped.Files, "example.org.toml")
	if err != nil {
		t.Fatal(err)
	}
	rules, limits := map[string]any{}, map[string]any{}
	for _, r := range doc.Tree["rule"].([]any) {
		maps.Copy(rules, r.(map[string]any))
	}
	for _, l := range sub(doc.Tree, "limit") {
		maps.Copy(limits, l.(map[string]any))
	}
	shows := func(where string, can table, said map[string]any) {
		if len(can.Properties) == 0 {
			t.Errorf("%s: nothing in the schema", where)
		}
		for key := range can.Properties {
			if said[key] == nil {
				t.Errorf("%s: it does not show %s", where, key)
			}
		}
	}
	shows("file", schema.table, doc.Tree)
	shows("rule", schema.Definitions["fileRule"], rules)
	shows("limit", schema.Definitions["limitValues"], limits)
	for name, def := range map[string]string{"origin": "Origin", "batv": "BATV", "digest": "Digest", "retention": "fileRetention", "sweep": "Sweep"} {
		shows(name, schema.Definitions[def], sub(doc.Tree, name))
	}
}

func TestLanguages(t *testing.T) {
	b, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(Languages)
	if !strings.Contains(string(b), string(want)) {
		t.Errorf("the schema does not have the languages %s", want)
	}
}
