package rules

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/storm"
)

// BenchmarkDecide decides by the shipped rules, and by those of one of a thousand domains
// with thirty rules each, of which none matches: all are tried, with a subject as mail has it.
func BenchmarkDecide(b *testing.B) {
	b.Run("shipped", func(b *testing.B) {
		p := mustLoad(b, defaults(b, nil)).For("x.test").policy
		f := factsOf(classify.Personal)
		f.Tallies = []storm.Tally{tally(storm.ID, true), tally(storm.Text, true), tally(storm.Repeat, true)}
		b.ReportAllocs()
		for b.Loop() {
			p.Decide(f)
		}
	})
	for _, name := range []string{"different", "equal"} {
		b.Run("1000 domains with 30 rules, "+name, func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			begun := time.Now()
			s := mustLoad(b, manyDomains(b, 1000, 30, name == "equal"))
			took := time.Since(begun)
			runtime.GC()
			runtime.ReadMemStats(&after)
			f := rich()
			f.Message.Subject = "Re: [board] minutes of the meeting on Tuesday, second version"
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d := s.For(fmt.Sprint("d", i%1000, ".test")).For("u1@example.test", f.Message.From).Decide(f)
				if d.RuleName != "" {
					b.Fatal(d)
				}
			}
			b.ReportMetric(float64(took.Milliseconds()), "ms/load")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB/set")
		})
	}
}

// manyDomains is a folder with n domains besides the default, each with rules of six terms.
func manyDomains(t testing.TB, n, rules int, equal bool) fstest.MapFS {
	t.Helper()
	fsys := defaults(t, nil).(fstest.MapFS)
	for i := range n {
		var s strings.Builder
		for r := range rules {
			number := i*rules + r
			if equal {
				number = r
			}
			fmt.Fprintf(&s, "[[rule]]\nname = \"rule %d\"\nwhen = 'class == \"dsn\" && from != \"\" && copies < 20 && (size > 10 || header(\"Auto-Submitted\") startsWith \"auto\") && "+
				"to_domain in [\"example.test\", \"example.net\"] && subject matches \"(?i)undeliver|returned|number %d\"'\naction = \"absorb\"\n\n", r, number)
		}
		fsys[fmt.Sprintf("d%d.test.toml", i)] = &fstest.MapFile{Data: []byte(s.String())}
	}
	return fsys
}

// TestManyFiles loads a folder with 10,000 files.
func TestManyFiles(t *testing.T) {
	fsys := defaults(t, nil).(fstest.MapFS)
	for i := range 10_000 {
		fsys[fmt.Sprintf("d%d.test.toml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "[action]\nbulk = \"tag\"\n[limit.id]\ncopies = %d\n[[rule]]\nname = \"r\"\nwhen = 'copies > %d'\naction = \"absorb\"\n", 1+i%9, i%100)}
	}
	s := mustLoad(t, fsys)
	if s.Len() != 10_000 || s.For("d4711.test").policy.Limit(storm.ID, classify.Bulk).Copies != 1+4711%9 {
		t.Error("not all files are in force")
	}
	for _, name := range []string{"d17.test.toml", "d9999.test.toml"} {
		fsys[name] = &fstest.MapFile{Data: []byte("copies = 3\n")}
	}
	if _, err := Load(fsys); err == nil || strings.Count(err.Error(), "unknown key copies") != 2 {
		t.Error(err)
	}
}

// TestHugeFile reads no more of a file than is allowed.
func TestHugeFile(t *testing.T) {
	fsys := defaults(t, map[string]string{"huge.test.toml": strings.Repeat("# nothing but comments, line by line\n", 100<<20/37)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Load(fsys)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "huge.test.toml:1:1: the file is longer than") {
		t.Error(err)
	}
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 20 {
		t.Errorf("%d MiB allocated for a file that is not read", used)
	}
}

// TestDeepCondition has conditions whose brackets would take more stack than there is.
func TestDeepCondition(t *testing.T) {
	for _, open := range []string{"(", "!", "[", "-"} {
		for _, n := range []int{maxWhen - 1, 900_000} {
			fsys := defaults(t, map[string]string{"deep.test.toml": "[[rule]]\nname = \"deep\"\naction = \"absorb\"\nwhen = '''" + strings.Repeat(open, n) + "'''\n"})
			if _, err := Load(fsys); err == nil || !strings.Contains(err.Error(), "deep.test.toml:4:") {
				t.Errorf("%d times %s: %v", n, open, err)
			}
		}
	}
}
