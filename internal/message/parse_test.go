package message

import (
	"testing"
	"time"
)

// TestBlankBeforeHeader reads messages before whose header something stands.
func TestBlankBeforeHeader(t *testing.T) {
	const mail = "From: ann@example.org\r\nSubject: x\r\n\r\nHello\r\n"
	for _, before := range []string{"", " \n", "\t\r\n", "\n", "\r\n\r\n", "\x00\n", "\ufeff", "\ufeff\r\n", "\u00a0\n", "\f\n", "  ", "\nFrom ann Mon Mar  2 08:00:00 2026\n", ">From ann Mon Mar  2 08:00:00 2026\n"} {
		m := Parse(Envelope{}, time.Time{}, []byte(before+mail))
		if m.From != "ann@example.org" || m.Subject != "x" || string(m.Body) != "Hello\r\n" || len(m.Raw) != len(before+mail) {
			t.Errorf("%q: from %q, subject %q, body %q", before, m.From, m.Subject, m.Body)
		}
	}
	for _, text := range []string{"", " ", "\n\nHello\n", "Hello\nFrom: ann@example.org\n", "\x00"} {
		if got := WithoutBlank([]byte(text)); string(got) != text {
			t.Errorf("%q: %q", text, got)
		}
	}
}
