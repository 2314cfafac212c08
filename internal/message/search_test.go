package message

import (
	"slices"
	"testing"
)

func TestPhrases(t *testing.T) {
	p := NewPhrases([]string{"user unknown", "user", "不明"}, []string{"unknown", "gone for good"})
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
