package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSum: the sums are HMAC-SHA-256 of the domain and the texts, each behind its length.
func TestSum(t *testing.T) {
	for _, tt := range []struct {
		length Length
		sealed string
	}{{Uvarint, "d\x02ab\x00"}, {Decimal, "d2:ab0:"}, {Fixed, "d\x00\x00\x00\x00\x02ab\x00\x00\x00\x00\x00"}} {
		mac := hmac.New(sha256.New, []byte("key"))
		mac.Write([]byte(tt.sealed))
		if got := New([]byte("key"), tt.length).Sum("d", "ab", ""); !slices.Equal(got[:], mac.Sum(nil)) {
			t.Errorf("%q: %s", tt.sealed, hex.EncodeToString(got[:]))
		}
	}
}

// TestNoTwoAlike: lists that differ are sealed unlike, in each form.
func TestNoTwoAlike(t *testing.T) {
	for name, length := range map[string]Length{"uvarint": Uvarint, "decimal": Decimal, "fixed": Fixed} {
		s := New([]byte("key"), length)
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				texts := rapid.SliceOfN(rapid.StringMatching("[0-9:\\x00-\\x03]{0,4}"), 0, 4)
				a, b := texts.Draw(t, "a"), texts.Draw(t, "b")
				if same := s.Sum("", a...) == s.Sum("", b...); same != slices.Equal(a, b) {
					t.Fatalf("%q and %q: %v", a, b, same)
				}
			})
		})
	}
}
