package scenario

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"breakwater/internal/tomlfile/tomltest"
	shipped "breakwater/rules"
)

// TestSchema holds the schema against tests that Load takes and such that it does not.
func TestSchema(t *testing.T) {
	valid := tomltest.Valid(t, Schema())
	files, err := fs.Glob(shipped.Files, "tests/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := shipped.Files.ReadFile(name)
		if err == nil {
			err = valid(b)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"good", "wrong"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".toml"))
		if err == nil {
			err = valid(b)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{
		"[[tests]]", "[[test]]\nname = 1", "[[test]]\nname = \"a\"", "[[test]]\nname = \"a\"\n[[test.send]]\ncopies = 0",
		"[[test]]\nname = \"a\"\n[[test.send]]\nevery = \"1 s\"", "[[test]]\nname = \"a\"\n[[test.send]]\ntotal = { discard = 1 }", "[[test]]\nname = \"a\"\n[[test.send]]\nto = \"a\"",
	} {
		if valid([]byte(bad)) == nil {
			t.Errorf("valid: %q", bad)
		}
		if _, err := Load(fstest.MapFS{"a.toml": {Data: []byte(bad)}}); err == nil {
			t.Errorf("loaded: %q", bad)
		}
	}
}
