package message

import "testing"

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"  Grüße \t aus\r\n\nKÖLN ": "grüße aus köln", "isn’t": "isn't", "a\u00a0b\u3000c": "a b c", "ПРИВЕТ": "привет", "\xff": "\uFFFD", "": "", " ": "",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
