package rules

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	shipped "breakwater/rules"
)

// TestSchema holds the schema against the files that Load takes and those that it does not.
func TestSchema(t *testing.T) {
	b, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text []byte) error {
		var v map[string]any
		if err := toml.Unmarshal(text, &v); err != nil {
			return err
		}
		return schema.Validate(v)
	}
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
