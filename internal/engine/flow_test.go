package engine

import (
	"os"
	"strings"
	"testing"
)

// TestFlow: the flow in internal/doc.go has the steps of Judge, by their names and in their order, in the drawing and in the
// list that explains them.
func TestFlow(t *testing.T) {
	text, err := os.ReadFile("../doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	if len(names) > 8 {
		t.Errorf("%d steps", len(names))
	}
	if drawn := strings.Join(names, " ─► "); !strings.Contains(string(text), drawn) {
		t.Errorf("the flow does not have %s", drawn)
	}
	rest := string(text)
	for _, name := range names {
		i := strings.Index(rest, "//   - "+name+" ")
		if i < 0 {
			t.Fatalf("step %s is not explained, or not in its place", name)
		}
		rest = rest[i:]
	}
}
