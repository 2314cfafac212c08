package mark

import (
	"testing"

	"breakwater/internal/message"
)

// TestBytes: what was signed by older versions is good for newer ones.
func TestBytes(t *testing.T) {
	s := New([]byte("0123456789abcdef0123456789abcdef"))
	for got, want := range map[string]string{
		s.Digest("digest.1@mx.example.org", "Mon, 02 Mar 2026 09:45:00 +0000", "Ann@Example.org"): "916e613d41e0205b64369c80a169eee2",
		s.Digest("", "", ""): "bb15bac9ad3e9023cc72c84b25cf5031",
		s.Release("20260302-080000-000000123", &message.Message{Body: []byte("Here it is.\r\n")}): "20260302-080000-000000123 494eddc46eb8eac43a790059a0609f61",
	} {
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
