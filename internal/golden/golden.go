// Package golden compares what tests find with files that say what is wanted, and writes these anew with -update.
package golden

import (
	"flag"
	"os"
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
