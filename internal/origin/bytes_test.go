package origin

import (
	"encoding/hex"
	"testing"
	"time"

	"breakwater/internal/message"
)

// TestBytes: what was signed by older versions is good for newer ones.
func TestBytes(t *testing.T) {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	r := (&Ring{}).With([]byte("0123456789abcdef0123456789abcdef"), at, at)
	k := r.Signing(at)
	_, id := r.Sign(&message.Message{Envelope: message.Envelope{QueueID: "Q1"}, At: at, Raw: []byte("Subject: x\r\n\r\n")}, "example.org", SignOptions{})
	for got, want := range map[string]string{
		k.ID():                                  "b6b17999",
		hex.EncodeToString(k.sign("", "x", "")): "a89313a53135cafdd39c5f265a4b8f07e46eaa8d277b7f8f2c096c51fac2b100",
		r.Token("example.org", "Ann <ann@example.org>", "Mon, 2 Mar 2026 08:00:00 +0000", "<a@example.org>", at): "d=example.org; k=b6b17999; t=20514;\r\n\ts=8dfbeb73482d284508d77472c03b8882",
		r.Tagged("Ann@example.org", "prvs", at): "prvs=15283e46a0=Ann@example.org",
		id:                                      "54297f42fce8fbc45da3a5b4f0d6add9@example.org",
	} {
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
