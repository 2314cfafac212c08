package fingerprint

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/storm"
)

// TestBytes: what older versions have counted is found by newer ones.
func TestBytes(t *testing.T) {
	h := New([]byte("0123456789abcdef0123456789abcdef"))
	for got, want := range map[[8]byte]string{
		h.hash(0, nil): "12a1441139b9bdf1",
		h.hash(storm.ID, []string{"", "a@example.org"}):                                          "200d4de54156be9b",
		h.hash(storm.Text, []string{strings.Repeat("x", 300), "y"}):                              "27a0d29f0f245b93",
		h.Outbreak([8]byte{1}, netip.MustParseAddr("192.0.2.1"), time.Unix(1772438400, 0)).Owner: "effdb8c9f08ceb1e",
		h.Key("ann@example.org", storm.ID, "a@example.org").Owner:                                "0a8f23ea8757a2fb",
		h.Key("ann@example.org", storm.ID, "a@example.org").Hash:                                 "a3fd8e1b50a022c1",
	} {
		if got := fmt.Sprintf("%x", got); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
