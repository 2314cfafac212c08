package setup

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPutBack: a file that not everybody may read stays so.
func TestPutBack(t *testing.T) {
	name := filepath.Join(t.TempDir(), "main.cf")
	if err := os.WriteFile(name, []byte("changed"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := putBack(name, []byte("as it was")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	info, serr := os.Stat(name)
	if err != nil || serr != nil || string(data) != "as it was" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v, %v", data, info.Mode(), err, serr)
	}
}
