package engine

import (
	"io/fs"
	"testing"

	"breakwater/internal/rules"
	"breakwater/internal/scenario"
	shipped "breakwater/rules"
)

// TestShipped plays the tests of the shipped rules, which `breakwater rules test` plays, too:
// mail that looks like a storm and is none, storms, and what example.org.toml says.
func TestShipped(t *testing.T) {
	folder, err := fs.Sub(shipped.Files, scenario.Folder)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := scenario.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load(shipped.Files)
	if err != nil {
		t.Fatal(err)
	}
	set = set.Enforced()
	for _, tt := range tests {
		t.Run(tt.Name, func(t *testing.T) {
			e := newOriginEngine(t, "")
			e.Rules = func() *rules.Set { return set }
			if err := e.AssumeIndex(t.Context(), scenario.Start, scenario.Start.Add(30*day)); err != nil {
				t.Fatal(err)
			}
			if n, err := tt.Run(t.Context(), e.Judge); err != nil || n == 0 {
				t.Errorf("%d messages: %v", n, err)
			}
		})
	}
	if len(tests) < 50 {
		t.Errorf("only %d tests", len(tests))
	}
}
