package phrases

import (
	"slices"
	"testing"
)

func matcher(tables ...[]string) *Matcher {
	m := &Matcher{}
	m.load(tables)
	return m
}

func TestMatcher(t *testing.T) {
	p := matcher([]string{"user unknown", "user", "不明", "no"}, []string{"unknown", "gone for good"})
	tests := []struct {
		text   string
		found  []string
		begins string
	}{
		{"user unknown here", []string{"user unknown", "unknown"}, "user unknown"},
		{"the users are gone, unknown user unknown", []string{"user", "unknown"}, ""},
		{"宛先不明", []string{"不明", ""}, ""}, {"不明", []string{"不明", ""}, "不明"},
		{"us", []string{"", ""}, ""}, {"", []string{"", ""}, ""}, {"gone for goo", []string{"", ""}, ""}, {"gone for good", []string{"", "gone for good"}, "gone for good"},
	}
	for _, tt := range tests {
		if got := p.Find(tt.text); !slices.Equal(got, tt.found) {
			t.Errorf("%q: found %q, want %q", tt.text, got, tt.found)
		}
		if got := p.Begins(tt.text); got != tt.begins {
			t.Errorf("%q begins with %q, want %q", tt.text, got, tt.begins)
		}
		if got := p.First(tt.text); got != tt.found[0] {
			t.Errorf("%q: first %q", tt.text, got)
		}
	}
}

func TestMayBegin(t *testing.T) {
	p := matcher([]string{"received:", "--- original", "ursprüngliche kopfzeilen", "元の"})
	for text, want := range map[string]bool{
		"Received: from x": true, "RECEIVED:": true, "--- Original message": true, "URSPRÜNGLICHE": true, "元の": true, "Über alles": true,
		"receipt": false, "a received: b": false, "--": false, "": false, "-- original": false,
	} {
		if got := p.MayBegin(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestWhole looks for phrases that are a whole text, or its end.
func TestWhole(t *testing.T) {
	m := matcher([]string{"no", "ansicht", "übersicht"}, []string{"unknown", "no"})
	if table, ok := m.Table("unknown"); !ok || table != 1 || !m.Has("no") || m.Has("unknow") || m.Has("") {
		t.Error("it does not know its phrases")
	}
	if table, ok := m.Table("no"); !ok || table != 0 {
		t.Error("what is in two tables is not in the first of them")
	}
	for text, want := range map[string]string{"die übersicht": "übersicht", "die uebersicht": "uebersicht", "ansicht": "ansicht", "o": "", "": "", "say no": "no"} {
		if got := m.Ends(text); got != want {
			t.Errorf("%q ends with %q, want %q", text, got, want)
		}
	}
}

// TestBare finds phrases with accents where a system knows none.
func TestBare(t *testing.T) {
	m := matcher([]string{"zurückgewiesen", "não entregue"})
	for text, want := range map[string]string{"wurde zurückgewiesen": "zurückgewiesen", "wurde zurueckgewiesen": "zurueckgewiesen", "nao entregue": "nao entregue", "zuruckgewiesen": ""} {
		if got := m.First(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
