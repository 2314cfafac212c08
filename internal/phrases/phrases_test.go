package phrases

import (
	"fmt"
	"strings"
	"testing"
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

// TestOf wants a list that is there.
func TestOf(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a list that is not there has phrases")
		}
	}()
	Of("report.nothing")
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := read(); err != nil {
			b.Fatal(err)
		}
	}
}
