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

func TestMayBegin(t *testing.T) {
	p := NewPhrases([]string{"received:", "--- original", "ursprüngliche kopfzeilen", "元の"})
	for text, want := range map[string]bool{
		"Received: from x": true, "RECEIVED:": true, "--- Original message": true, "URSPRÜNGLICHE": true, "元の": true, "Über alles": true,
		"receipt": false, "a received: b": false, "--": false, "": false, "-- original": false,
	} {
		if got := p.MayBegin(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"  Grüße \t aus\r\n\nKÖLN ": "grüße aus köln", "isn’t": "isn't", "a\u00a0b\u3000c": "a b c", "ПРИВЕТ": "привет", "\xff": "\uFFFD", "": "", " ": "",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
