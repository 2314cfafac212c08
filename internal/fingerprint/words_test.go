package fingerprint

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// saying is the digest of one text.
func saying(text string) digest { return hasher.seed.digest([]string{text}) }

func BenchmarkDigest(b *testing.B) {
	texts := map[string]string{}
	r := rand.New(rand.NewPCG(1, 1))
	var ascii, cyrillic, han strings.Builder
	for ascii.Len() < 64<<10 {
		for range 2 + r.IntN(8) {
			ascii.WriteByte('a' + byte(r.IntN(26)))
		}
		ascii.WriteByte(' ')
	}
	for cyrillic.Len() < 64<<10 {
		for range 2 + r.IntN(8) {
			cyrillic.WriteRune('а' + rune(r.IntN(32)))
		}
		cyrillic.WriteByte(' ')
	}
	for han.Len() < 64<<10 {
		han.WriteRune(0x4e00 + rune(r.IntN(3000)))
	}
	texts["Latin"], texts["Cyrillic"], texts["Han"] = ascii.String(), cyrillic.String(), han.String()
	for _, name := range []string{"Latin", "Cyrillic", "Han"} {
		for _, size := range []int{1 << 10, 10 << 10, 60 << 10} {
			text := strings.ToValidUTF8(texts[name][:size], "")
			b.Run(fmt.Sprint(name, " ", size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					saying(text)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text))*1.024, "µs/KB")
			})
		}
	}
}
