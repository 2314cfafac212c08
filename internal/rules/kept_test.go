package rules

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"breakwater/internal/message"
)

// foundFiles writes what LoadKept found as "name: use", a line each.
func foundFiles(files []File) string {
	var all strings.Builder
	for _, f := range files {
		if (f.Use == Current) != (f.Broken == nil) {
			fmt.Fprintf(&all, "%s says %v\n", f.Name, f.Broken)
		}
		fmt.Fprintf(&all, "%s: %s\n", strings.TrimSuffix(f.Name, ".toml"), f.Use)
	}
	return all.String()
}

// TestLoadKept breaks files in every way. The others are in force as they are, and what has no good version
// is observed.
func TestLoadKept(t *testing.T) {
	def, err := fs.ReadFile(defaults(t, nil), DefaultFile)
	if err != nil {
		t.Fatal(err)
	}
	good := "[limit.id]\ncopies = 7\n"
	tests := []struct {
		name  string
		now   map[string]string // "" is a file that is not there
		last  map[string]string
		want  string
		force map[string]string // domain: mode and copies of limit.id
	}{
		{"nothing is broken", map[string]string{"a.test": good, "b.test": "mode = \"observe\"\n"}, nil, "default: current\na.test: current\nb.test: current\n",
			map[string]string{"a.test": "enforce 7", "b.test": "observe 3", "c.test": "enforce 3"}},
		{"a typo", map[string]string{"a.test": "mod = 1\n", "b.test": good}, map[string]string{"a.test": "mode = \"observe\"\n"}, "default: current\na.test: last\nb.test: current\n",
			map[string]string{"a.test": "observe 3", "b.test": "enforce 7"}},
		{"a typo at first", map[string]string{"a.test": "mod = 1\n", "b.test": good}, nil, "default: current\na.test: observed\nb.test: current\n",
			map[string]string{"a.test": "observe 3", "b.test": "enforce 7"}},
		{"no TOML", map[string]string{"a.test": "[[[", "b.test": good}, map[string]string{"a.test": "also not"}, "default: current\na.test: observed\nb.test: current\n",
			map[string]string{"a.test": "observe 3", "b.test": "enforce 7"}},
		{"no name", map[string]string{"a b": good, "b.test": good}, nil, "default: current\na b: nothing\nb.test: current\n", map[string]string{"b.test": "enforce 7"}},
		{"a default with a typo", map[string]string{"default": "mode = \"off\"\n", "a.test": good}, map[string]string{"default": string(def)}, "default: last\na.test: current\n",
			map[string]string{"a.test": "enforce 7", "b.test": "enforce 3"}},
		{"the folder is empty", map[string]string{"default": ""}, map[string]string{"default": string(def), "a.test": good}, "default: last\na.test: last\n",
			map[string]string{"a.test": "enforce 7"}},
		{"a file is gone", nil, map[string]string{"a.test": good}, "default: current\n", map[string]string{"a.test": "enforce 3"}},
		{"the domain of another", map[string]string{"a.test": "aliases = [\"b.test\"]\nmode = \"observe\"\n", "b.test": good}, map[string]string{"a.test": good}, "default: current\na.test: last\nb.test: current\n",
			map[string]string{"a.test": "enforce 7", "b.test": "enforce 7"}},
		{"the sub-domain of another file", map[string]string{"a.test": "aliases = [\"x.a.test\", \"y.a.test\"]\n", "x.a.test": good}, nil, "default: current\na.test: observed\nx.a.test: current\n",
			map[string]string{"a.test": "observe 3", "x.a.test": "enforce 7", "y.a.test": "enforce 3"}},
		{"and it had it before", map[string]string{"a.test": "aliases = [\"x.a.test\"]\n", "x.a.test": good}, map[string]string{"a.test": "aliases = [\"x.a.test\"]\n"}, "default: current\na.test: observed\nx.a.test: current\n",
			map[string]string{"a.test": "observe 3", "x.a.test": "enforce 7"}},
		{"two files of one domain", map[string]string{"A.test": good, "a.test": "mode = \"observe\"\n"}, nil, "default: current\nA.test: current\na.test: nothing\n",
			map[string]string{"a.test": "enforce 7"}},
		{"a regular expression", map[string]string{"a.test": "[[rule]]\nname = \"x\"\nwhen = 'subject matches \"(\"'\naction = \"absorb\"\n"}, map[string]string{"a.test": good}, "default: current\na.test: last\n",
			map[string]string{"a.test": "enforce 7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{DefaultFile: {Data: def}}
			for name, text := range tt.now {
				if fsys[name+".toml"] = (&fstest.MapFile{Data: []byte(text)}); text == "" {
					delete(fsys, name+".toml")
				}
			}
			last := map[string][]byte{}
			for name, text := range tt.last {
				last[name+".toml"] = []byte(text)
			}
			s, files, err := LoadKept(fsys, last, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := foundFiles(files); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
			for domain, want := range tt.force {
				p := s.For(domain).policy
				if got := fmt.Sprint(p.mode.value, " ", p.Limit(1, "personal").Copies); got != want {
					t.Errorf("%s: %s, want %s", domain, got, want)
				}
			}
			// What is in force is good: it is what a next start falls back to.
			again := maps.Clone(last)
			for _, f := range files {
				if f.Text != nil {
					again[f.Name] = f.Text
				}
			}
			if _, files, err = LoadKept(fsys, again, nil); err != nil || foundFiles(files) != tt.want {
				t.Errorf("again: %v\n%s", err, foundFiles(files))
			}
		})
	}
}

// unreadable is a folder that cannot be read, or of which only single files can.
type unreadable struct {
	fs.FS
	files bool
}

func (u unreadable) Open(name string) (fs.File, error) {
	if name == "." || !u.files {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.FS.Open(name)
}

// TestLoadKeptUnreadable: a folder that cannot be read for a moment costs no domain its rules.
func TestLoadKeptUnreadable(t *testing.T) {
	fsys := defaults(t, map[string]string{"a.test.toml": "[limit.id]\ncopies = 7\n"})
	def, err := fs.ReadFile(fsys, DefaultFile)
	if err != nil {
		t.Fatal(err)
	}
	last := map[string][]byte{DefaultFile: def, "a.test.toml": []byte("[limit.id]\ncopies = 8\n"), "b.test.toml": []byte("mode = \"observe\"\n")}
	for files, want := range map[bool]string{false: "default: last\na.test: last\nb.test: last\n", true: "default: current\na.test: current\nb.test: last\n"} {
		s, found, err := LoadKept(unreadable{fsys, files}, last, nil)
		if err != nil || foundFiles(found) != want || !s.Has("a.test") || s.For("b.test").policy.mode.value != Observe {
			t.Errorf("%v\n%s", err, foundFiles(found))
		}
	}
}

// TestLoadKeptNoDefault: without any good default there are no rules.
func TestLoadKeptNoDefault(t *testing.T) {
	if _, _, err := LoadKept(fstest.MapFS{}, nil, nil); err == nil || !strings.Contains(err.Error(), "copy the one that is shipped") {
		t.Error(err)
	}
	fsys := fstest.MapFS{DefaultFile: {Data: []byte("mode = 7\n")}, "a.test.toml": {Data: []byte("x")}}
	if _, _, err := LoadKept(fsys, map[string][]byte{"a.test.toml": nil}, nil); err == nil || !strings.Contains(err.Error(), "default.toml:1:8") {
		t.Error(err)
	}
}

// TestAllowedAliases: a file gives rules to its own domain and what is below it, and to no other unless
// the host allows that.
func TestAllowedAliases(t *testing.T) {
	allow := Aliases{"shop.test": {"Shop.example", "*.shop.example"}, "*": {"common.test"}, "root.test": {"*"}}
	for _, tt := range []struct {
		file, alias string
		ok          bool
	}{
		{"a.test", "x.a.test", true}, {"a.test", "*.a.test", true}, {"*.a.test", "x.a.test", true}, {"a.test", "common.test", true},
		{"a.test", "b.test", false}, {"a.test", "*.test", false}, {"a.test", "*.com", false}, {"a.test", "xa.test", false}, {"*.a.test", "a.test", false},
		{"a.test", "shop.example", false}, {"shop.test", "SHOP.example", true}, {"shop.test", "x.shop.example", false}, {"shop.test", "*.shop.example", true},
		{"root.test", "b.test", true}, {"root.test", "*.com", true},
	} {
		fsys := defaults(t, map[string]string{tt.file + ".toml": fmt.Sprintf("aliases = [%q]\n", tt.alias)})
		if _, err := Load(fsys, allow); (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "under [site.aliases]") {
			t.Errorf("%s, aliases %s: %v", tt.file, tt.alias, err)
		}
		if _, err := Load(fsys); err != nil {
			t.Errorf("%s, aliases %s, whatever is allowed: %v", tt.file, tt.alias, err)
		}
	}
}

// TestConditionsAreBounded: no condition that is allowed takes long, whatever a message has in it.
func TestConditionsAreBounded(t *testing.T) {
	rule := func(when string) string {
		return fmt.Sprintf("[[rule]]\nname = \"r\"\nwhen = '''%s'''\naction = \"absorb\"\n", when)
	}
	for when, want := range map[string]string{
		`header("X-Long") matches "(x?){1000}y"`:                                    "too large",
		`subject matches "(a?){200}b" && subject matches "(c?){200}d"`:              "",
		`subject matches "(a?){900}b" && subject matches "(c?){900}d"`:              "too large",
		`subject + header("X-Long") matches "x*y"`:                                  "can not be put together",
		`(header("A") + header("B")) contains "x"`:                                  "can not be put together",
		`size + copies > 3 && subject matches "(?i)invoice|rechnung"`:               "",
		`lower(header("X-Long")) contains "x" && hops + 1 > recipients + len(from)`: "",
	} {
		_, err := Load(defaults(t, map[string]string{"a.test.toml": rule(when)}))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", when, err)
		}
	}
	s := mustLoad(t, defaults(t, map[string]string{"a.test.toml": rule(`header("X-Long") matches "(x?){245}(z?){245}y$"`)}))
	raw := []byte("X-Long: " + strings.Repeat("x", 200<<10) + "\r\nSubject: s\r\n\r\nbody\r\n")
	f := Facts{Message: message.Parse(message.Envelope{Recipients: []message.Recipient{{Addr: "ann@a.test"}}}, time.Now(), raw)}
	p := s.For("a.test").policy
	begun := time.Now()
	if d := p.Decide(f); d.RuleName != "" {
		t.Errorf("%+v", d)
	}
	// 8 KiB are a few hundredths of a second, 200 KiB would be most of one.
	t.Logf("a condition as large as can be took %v", time.Since(begun))

	// When nobody waits any more, no more rules are tried.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	f.Context = ended
	if d := p.Decide(f); !strings.Contains(d.Reason, "no time for rule r") {
		t.Errorf("%+v", d)
	}
}

// TestCut: what conditions see of a text ends with a whole character.
func TestCut(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "short": 5, strings.Repeat("x", maxFact): maxFact, strings.Repeat("x", maxFact+1): maxFact,
		strings.Repeat("ü", maxFact): maxFact, "x" + strings.Repeat("ü", maxFact): maxFact - 1, "xx" + strings.Repeat("€", maxFact): maxFact - (maxFact-2)%3,
		strings.Repeat("\x80", 2*maxFact): maxFact - 4,
	} {
		if got := len(cut(in)); got != want {
			t.Errorf("%.4q…: %d bytes, want %d", in, got, want)
		}
	}
	fsys := defaults(t, map[string]string{"a.test.toml": "[[rule]]\nname = \"r\"\nwhen = 'len(header(\"X-Long\")) == 8192 && len(subject) == 8192'\naction = \"absorb\"\n"})
	raw := fmt.Appendf(nil, "X-Long: %s\r\nSubject: %s\r\n\r\n", strings.Repeat("a", 9000), strings.Repeat("b", 9000))
	f := Facts{Message: message.Parse(message.Envelope{}, time.Now(), raw)}
	if d := mustLoad(t, fsys).For("a.test").policy.Decide(f); d.RuleName != "r" {
		t.Errorf("%+v", d)
	}
}
