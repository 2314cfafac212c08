package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"breakwater/internal/mailfile"
)

var update = flag.Bool("update", false, "rewrite the .want files")

// TestClassifySamples compares each testdata/*/x.eml with x.want, what `classify --json`
// prints of it.
func TestClassifySamples(t *testing.T) {
	files, err := filepath.Glob("../../testdata/*/*.eml")
	if err != nil || len(files) < 100 {
		t.Fatal(len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimPrefix(name, "../../testdata/"), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode((&classifier{}).look(t.Context(), mailfile.File{Path: filepath.Base(name), Raw: raw})); err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSuffix(name, ".eml") + ".want"
			if *update {
				if err := os.WriteFile(want, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			w, err := os.ReadFile(want)
			if err != nil || !bytes.Equal(w, b.Bytes()) {
				t.Errorf("got:\n%s\nwant:\n%s", b.Bytes(), w)
			}
		})
	}
}
