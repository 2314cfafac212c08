// Package formattest checks what is done with folders of another version.
package formattest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"breakwater/internal/format"
)

// Newer makes a folder one of a version to come, and checks that open refuses it in plain words and leaves it as it is.
func Newer(t *testing.T, dir string, f format.Format, open func() error) {
	t.Helper()
	note := fmt.Sprintf("%s %d\n", f.Name, f.Version+1)
	if err := os.WriteFile(filepath.Join(dir, format.File), []byte(note), 0o600); err != nil {
		t.Fatal(err)
	}
	before := Files(t, dir)
	err := open()
	if !errors.Is(err, format.ErrNewer) {
		t.Errorf("opened a newer folder: %v", err)
		return
	}
	for _, want := range []string{dir, fmt.Sprintf("has format %d", f.Version+1), fmt.Sprintf("reads up to %d", f.Version), "install the newer version again", f.Instead} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if after := Files(t, dir); after != before {
		t.Errorf("a newer folder was changed:\n%s\nbefore:\n%s", after, before)
	}
}

// Files are all files below a folder, with the sums of their contents, a line each.
func Files(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			fmt.Fprintln(&all, path)
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s %x\n", path, sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
