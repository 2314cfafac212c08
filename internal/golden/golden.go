// Package golden compares what tests find with files that say what is wanted, and writes these anew with -update.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Update is the flag of all tests with such files.
var Update = flag.Bool("update", false, "write the files anew that say what is wanted")

// Check compares a text with a file, or with -update writes it there.
func Check(t testing.TB, name, got string) {
	t.Helper()
	if *Update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(name); err != nil || string(want) != got {
		t.Errorf("%v, got:\n%.3000s\n%s has:\n%.3000s", err, got, name, want)
	}
}

// Each compares, for each file of a pattern, what got makes of it with the file .want beside it.
func Each(t *testing.T, pattern string, got func(t *testing.T, name string, content []byte) string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s, %v", pattern, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			Check(t, strings.TrimSuffix(name, filepath.Ext(name))+".want", got(t, name, content))
		})
	}
}
