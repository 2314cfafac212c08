package fingerprint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// saying is the digest of one text.
func saying(text string) digest { return hasher.seed.digest([]string{text}) }

// TestSaying says which texts say the same.
func TestSaying(t *testing.T) {
	const text = "Grüße aus Köln: the café's offer, No. 47, holds until May. Ask us for “more” – today!"
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"case", text, strings.ToUpper(text), true},
		{"lines", text, strings.ReplaceAll(text, " ", "\r\n  "), true},
		{"quoted", text, "> > " + strings.ReplaceAll(text, " ", "\n> > "), true},
		{"no-break spaces", text, strings.ReplaceAll(text, " ", "\u00a0"), true},
		{"charset lost", text, strings.NewReplacer("ü", "?", "ß", "?", "ö", "?", "é", "?", "“", "?", "”", "?", "–", "?").Replace(text), false},
		{"typographic signs lost", text, strings.NewReplacer("“", "?", "”", "?", "–", "?").Replace(text), true},
		{"read as another charset", text, strings.NewReplacer("ü", "Ã¼", "ß", "ÃŸ", "ö", "Ã¶", "é", "Ã©", "“", "â€œ", "”", "â€", "–", "â€“").Replace(text), false},
		{"accent", text, strings.ReplaceAll(text, "Grüße", "Größe"), false},
		{"accent on the second of two names", "call Hùng now, call Hưng now", "call Hùng now, call Hằng now", false},
		{"accents in upper case", "Müller, Æsop, Łódź", "MÜLLER, ÆSOP, ŁÓDŹ", true},
		{"signs before numbers", "a fee of € 5 is due", "a fee of £ 5 is due", false},
		{"signs at the end", "flour, one cup and ½", "flour, one cup and ¼", false},
		{"Roman numbers", "part Ⅳ", "part Ⅵ", false},
		{"typographic apostrophe", text, strings.ReplaceAll(text, "'", "’"), true},
		{"number", text, strings.ReplaceAll(text, "47", "48"), false},
		{"word", text, strings.ReplaceAll(text, "May", "June"), false},
		{"order", "the library is up the harbour is down", "the harbour is up the library is down", false},
		{"a word more", text, text + " No.", false},
		{"sign", "up by 5 degrees", "up by -5 degrees", false},
		{"sign of a mark", "the mark is A-.", "the mark is A.", false},
		{"hyphen", "a well-known town", "a well known town", true},
		{"dash", "the plan - or none", "the plan, or none", true},
		{"unit", "up by 5% today", "up by 5 today", false},
		{"tick and cross", "library ✅ harbour ❌", "library ❌ harbour ✅", false},
		{"few words", "yes", "no", false},
		{"the same few words", "Yes.", "yes", true},
		{"repeated footer", text + strings.Repeat(" -- this was looked at by our gateway --", 2), text + strings.Repeat(" -- this was looked at by our gateway --", 5), true},
		{"Cyrillic case", "Привет из Москвы", "ПРИВЕТ ИЗ МОСКВЫ", true},
		{"Arabic vowels and direction", "السلام عليكم", "\u200fالسَّلامُ عليكم\u200e", true},
		{"Chinese lines and punctuation", "会议改到星期四，请准备。", "会议改到\n星期四 请准备", true},
		{"Chinese punctuation", "会议改到星期四，请准备。", "会议改到星期四请准备", true},
		{"Chinese words", "会议改到星期四", "会议改到星期五", false},
		{"ASCII at the width of CJK", "ＡＢＣ１２３", "abc123", true},
		{"Thai", "ประชุมวันพฤหัสบดี", "ประชุมวันศุกร์", false},
	}
	for _, tt := range tests {
		if got := saying(tt.a).sum == saying(tt.b).sum; got != tt.same {
			t.Errorf("%s: the same is %v, want %v", tt.name, got, tt.same)
		}
	}
}

// TestSayingApart: no shingle is of two texts, and their order does not matter.
func TestSayingApart(t *testing.T) {
	a, b := "one two three four five six", "seven eight nine ten eleven twelve"
	if hasher.seed.digest([]string{a, b}).sum != hasher.seed.digest([]string{b, a, b}).sum {
		t.Error("the order of parts matters")
	}
}

// TestSecret: with another secret all hashes are others.
func TestSecret(t *testing.T) {
	const text = "one two three four five six seven eight nine ten eleven twelve thirteen"
	a, b := saying(text), New([]byte("another secret, 16")).seed.digest([]string{text})
	if len(a.least) != 9 || len(b.least) != 9 || a.sum == b.sum {
		t.Fatalf("%+v, %+v", a, b)
	}
	for _, x := range a.least {
		if slices.Contains(b.least, x) {
			t.Errorf("%x with both secrets", x)
		}
	}
}

// TestAbsurd reads texts that nobody writes, in bounded time, and takes none for a text that
// can be compared.
func TestAbsurd(t *testing.T) {
	var distinct strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&distinct, "w%c%c%c%c ", 'a'+i%26, 'a'+i/26%26, 'a'+i/676%26, 'a'+i/17576%26)
	}
	for name, text := range map[string]string{
		"one word": strings.Repeat("word ", 2<<20), "no space": strings.Repeat("x", 10<<20), "distinct words": distinct.String(), "single letters": strings.Repeat("a b c d ", 1<<20),
		"Han": strings.Repeat("字", 3<<20), "numbers": strings.Repeat("1 22 333 ", 1<<20), "not UTF-8": strings.Repeat("\xe4\xff \xf0", 2<<20), "nothing": "", "spaces": strings.Repeat(" \n", 5<<20),
	} {
		begun := time.Now()
		d := saying(text)
		if len(d.least) >= compared && !d.cut {
			t.Errorf("%s: %d shingles", name, len(d.least))
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "Grüße aus Köln", "会议改到星期四", "a\xffb \xe4", "السلام", "ＡＢＣ 1?2 'x'", strings.Repeat("word ", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		saying(text)
		text = strings.ToValidUTF8(text, "\ufffd") // as Part.Read gives it
		a := saying(text)
		if b := saying(text); a.sum != b.sum || !slices.Equal(a.least, b.least) {
			t.Fatal("not deterministic")
		}
		if !slices.IsSorted(a.least) || len(a.least) > smallest || a.words > len(text) {
			t.Fatalf("%+v", a)
		}
		if lined := saying(strings.ReplaceAll(text, " ", "\r\n> ")); lined.sum != a.sum {
			t.Fatalf("lines and quoting change what is said: %q", text)
		}
		if saying(text+"\n-- \n"+text+"\n-- \n"+text).sum != saying(text+"\n-- \n"+text+"\n-- \n"+text+"\n-- \n"+text).sum && a.words >= shingle && !a.cut && a.words < maxWords/4 {
			t.Fatalf("once more says something else: %q", text)
		}
	})
}

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
	texts["Arabic"] = strings.Repeat("نرحب بكم في الاجتماع السنوي الذي يعقد يوم الخميس في القاعة الكبيرة ", 600)
	texts["Kana"] = strings.Repeat("おせわになっておりますカイギのケンしょうちいたしました", 900)
	for _, name := range []string{"Latin", "Cyrillic", "Han", "Arabic", "Kana"} {
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
