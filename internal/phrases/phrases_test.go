package phrases

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// TestPlace holds places to the lines at which phrases are.
func TestPlace(t *testing.T) {
	for name, all := range Lists {
		for _, p := range all {
			b, err := files.ReadFile("words/" + p.File)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(b), "\n")
			if p.Line < 1 || p.Line > len(lines) || !strings.Contains(lines[p.Line-1], fmt.Sprintf("%q", p.Text)[1:]) && !strings.Contains(lines[p.Line-1], p.Text) && !strings.ContainsAny(p.Text, "\"\\") {
				t.Errorf("%s of %s is not at %s", p.Text, name, p.Place())
			}
		}
	}
	if p := Place("unzustellbar"); !strings.HasPrefix(p, "de.toml:") {
		t.Errorf("unzustellbar is at %q", p)
	}
	if p := Place("no phrase at all"); p != "" {
		t.Errorf("it is at %q", p)
	}
}

// TestMeaning holds each list to a comment above it, the same in all languages.
func TestMeaning(t *testing.T) {
	entries, err := files.ReadDir("words")
	if err != nil {
		t.Fatal(err)
	}
	meanings := map[string]string{}
	for _, e := range entries {
		b, err := files.ReadFile("words/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		above := ""
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "[") {
				if known, ok := meanings[line]; !strings.HasPrefix(above, "# ") || ok && known != above {
					t.Errorf("%s: %s has the comment %q, elsewhere %q", e.Name(), line, above, known)
				}
				meanings[line] = above
			}
			above = line
		}
	}
}

// TestNoList wants lists that are there.
func TestNoList(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a list that is not there has phrases")
		}
	}()
	Match("report.failures", "report.nothing")
}

// TestCheck says what is wrong in a file that adds phrases, and adds those of one that is right.
func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		"[report.formulas]\nphrases = [\"gone away for good\"]\n":          "",
		"[report.formula]\nphrases = [\"gone away for good\"]\n":           "report.formulas",
		"[report.formulas]\nphrases = [\"Gone Away\"]\n":                   "lower case",
		"[report.formulas]\nphrases = [\"gone  away\"]\n":                  "single blanks",
		"[report.formulas]\nphrases = [\"ab\"]\n":                          "too short",
		"[report.formulas]\nphrases = [\"unzustellbar\"]\n":                "already",
		"[report.formulas]\nphrase = [\"gone away for good\"]\n":           "phrase",
		"[rules]\nmode = \"observe\"\n":                                    "rules",
		"[report.formulas]\nphrases = [\"Gone\", \"ab\"]\n":                "too short",
		"[report.formulas]\nphrases = [\"gone away for good\", \"x\\ny\"]": "straight",
	} {
		err := Check(fstest.MapFS{"site.toml": {Data: []byte(text)}}, "site.toml")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "site.toml:")) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := read(); err != nil {
			b.Fatal(err)
		}
	}
}
