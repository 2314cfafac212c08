package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/golden"
	"breakwater/internal/mailfile"
	"breakwater/internal/message"
)

// sample is what a .want file has: what `breakwater classify --json` prints, but for the lines
// of the phrases, which change with every phrase.
type sample struct {
	Path string `json:"path"`
	classify.Account
}

// TestSamples compares each testdata/*/x.eml with x.want.
func TestSamples(t *testing.T) {
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
			f := mailfile.File{Path: filepath.Base(name), Raw: raw}
			got := sample{f.Path, classify.Classify(message.Parse(f.Envelope(), time.Time{}, raw)).Account()}
			got.Words = nil
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(got); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, strings.TrimSuffix(name, ".eml")+".want", b.String())
			folder := filepath.Base(filepath.Dir(name))
			if class := string(got.Class); class != folder && !(folder == "ordinary" && (got.Class == classify.Personal || got.Class == classify.Bulk)) {
				t.Errorf("it is in %s, and taken for %s", folder, class)
			}
		})
	}
}
