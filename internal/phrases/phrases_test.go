package phrases

import "testing"

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := read(); err != nil {
			b.Fatal(err)
		}
	}
}
func TestX(t *testing.T) { t.Log(Lists["report.failures"][:3], Place("unzustellbar")) }
