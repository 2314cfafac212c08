package rules

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/expr-lang/expr"

	"breakwater/internal/classify"
	"breakwater/internal/golden"
	"breakwater/internal/message"
	"breakwater/internal/storm"
	"breakwater/internal/tomlfile"
	shipped "breakwater/rules"
)

func mustLoad(t testing.TB, fsys fs.FS) *Set {
	t.Helper()
	s, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// defaults is the shipped default.toml with files beside it.
func defaults(t testing.TB, files map[string]string) fs.FS {
	t.Helper()
	b, err := shipped.Files.ReadFile(DefaultFile)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{DefaultFile: {Data: b}}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestShipped(t *testing.T) {
	s := mustLoad(t, shipped.Files)
	def, org := s.For("example.com").policy, s.For("example.org").policy
	want := storm.Limit{Copies: 3, Window: 24 * time.Hour, Calm: 48 * time.Hour, Keep: 48 * time.Hour}
	for _, k := range []storm.Kind{storm.ID, storm.Text, storm.DSN, storm.Reply} {
		if got := def.Limit(k, classify.Personal); got != want {
			t.Errorf("%v: %+v", k, got)
		}
	}
	if got := def.Limit(storm.Class, classify.DSN); got.Copies != 200 || def.limits[storm.Class].action.value != Deliver {
		t.Errorf("class: %+v", got)
	}
	for _, c := range classify.Classes {
		if a := def.Decide(factsOf(c)).Action; a != Deliver {
			t.Errorf("%s by itself: %s", c, a)
		}
	}
	if got := org.Limit(storm.DSN, classify.DSN); got.Copies != 10 || got.Window != 24*time.Hour {
		t.Errorf("example.org dsn: %+v", got)
	}
	if !s.Has("example.org") || !s.Has("a.b.example.org") || s.Has("example.com") {
		t.Error("Has")
	}
}

// TestReadme loads the rule file that the README shows.
func TestReadme(t *testing.T) {
	_, warnings, err := Check(defaults(t, map[string]string{"example.org.toml": readmeFile(t)}))
	if err != nil || len(warnings) > 0 {
		t.Error(err, warnings)
	}
}

func readmeFile(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "```toml\n# /etc/breakwater/rules/example.org.toml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("no rule file in the README")
	}
	return text
}

// TestBadFiles reads each testdata/*.toml over the shipped default; x.want is the error.
func TestBadFiles(t *testing.T) {
	golden.Each(t, "testdata/*.toml", func(t *testing.T, _ string, text []byte) string {
		_, err := Load(defaults(t, map[string]string{"example.test.toml": string(text)}))
		if err == nil {
			t.Fatal("no error")
		}
		return err.Error() + "\n"
	})
}

// TestOldDefault has a default.toml that knows less than we do: it is read, what it lacks delivers, and
// check says what that is.
func TestOldDefault(t *testing.T) {
	old := fstest.MapFS{DefaultFile: {Data: []byte("mode = \"enforce\"\n[limit.id]\ncopies = 5\naction = \"absorb\"\n")}}
	s, warnings, err := Check(old)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.What)
	}
	for _, want := range []string{"action.dsn is missing", "limit.id.window is missing", "limit.class is missing"} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%q not in %q", want, got)
		}
	}
	p := s.For("example.org").For("u1@example.org", "x@example.net")
	if id := p.limit(storm.ID, classify.Personal); id.Copies != 5 || id.Window != 24*time.Hour || id.action.value != Absorb {
		t.Errorf("%+v", id)
	}
	for _, k := range storm.Kinds {
		if l := p.limit(k, classify.Personal); l.Copies == 0 || k != storm.ID && l.action.value != Deliver {
			t.Errorf("built in for %s: %+v", k, l)
		}
	}
	for _, c := range classify.Classes {
		if p.actions[c].value != Deliver {
			t.Errorf("built in for %s: %+v", c, p.actions[c])
		}
	}
	for name, fsys := range map[string]fstest.MapFS{"has no default.toml": {}, "mode is missing": {DefaultFile: {Data: []byte("[limit.id]\ncopies = 3\n")}}} {
		if _, err := Load(fsys); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllFilesErrorsAtOnce(t *testing.T) {
	_, err := Load(defaults(t, map[string]string{"a.test.toml": "mode = 1", "b.test.toml": "[limit.id]\ncopiez = 1\n"}))
	if err == nil || !strings.Contains(err.Error(), "a.test.toml:1") || !strings.Contains(err.Error(), "b.test.toml:2:1") {
		t.Error(err)
	}
}

func TestDomainNames(t *testing.T) {
	s := mustLoad(t, defaults(t, map[string]string{"bücher.example.toml": "mode = \"observe\"\n", "UPPER.example.toml": "mode = \"observe\"\n"}))
	if !s.Has("xn--bcher-kva.example") || !s.Has("upper.example") {
		t.Errorf("%v", s.domains)
	}
}

// factsOf is those of an empty message of a class.
func factsOf(c classify.Class) Facts {
	return Facts{Message: &message.Message{}, Verdict: classify.Verdict{Class: c}}
}

func tally(k storm.Kind, through bool) storm.Tally {
	return storm.Tally{Key: storm.Key{Kind: k, Owner: [8]byte{1}, Hash: [8]byte{2}}, Limit: storm.Limit{Copies: 3}, Storm: &storm.Storm{Copies: 14}, Answer: storm.Answer{Through: through}}
}

func TestDecide(t *testing.T) {
	s := mustLoad(t, defaults(t, map[string]string{
		"watch.test.toml":  "mode = \"observe\"\n[action]\nbulk = \"reject\"\n",
		"strict.test.toml": "[action]\nbulk = \"reject\"\npersonal = \"tag\"\n\n[limit.text]\naction = \"tempfail\"\n",
	}))
	tests := []struct {
		name, domain string
		class        classify.Class
		outbound     bool
		tallies      []storm.Tally
		action       Action
		wanted       Action
		reason, rule string
	}{
		{"ordinary", "x.test", classify.Personal, false, nil, Deliver, "", "personal", "action.personal"},
		{"storm", "x.test", classify.Personal, false, []storm.Tally{tally(storm.ID, false)}, Absorb, "", "id storm, copy 17", "limit.id.action"},
		{"let through", "x.test", classify.Personal, false, []storm.Tally{tally(storm.ID, true)}, Deliver, "", "personal", "action.personal"},
		{"second key", "x.test", classify.DSN, false, []storm.Tally{tally(storm.ID, true), tally(storm.DSN, false)}, Absorb, "", "dsn storm, copy 17", "limit.dsn.action"},
		{"class is only shown", "x.test", classify.DSN, false, []storm.Tally{tally(storm.Class, false)}, Deliver, "", "dsn", "action.dsn"},
		{"outbound", "x.test", classify.Personal, true, []storm.Tally{tally(storm.ID, false)}, Deliver, Absorb, "id storm, copy 17; outbound", "limit.id.action"},
		{"observed", "watch.test", classify.Bulk, false, nil, Deliver, Reject, "bulk; observe", "watch.test.toml:1"},
		{"own class action", "strict.test", classify.Bulk, false, nil, Reject, "", "bulk", "strict.test.toml:2"},
		{"own tag", "strict.test", classify.Personal, false, nil, Tag, "", "personal", "strict.test.toml:3"},
		{"own limit action", "strict.test", classify.Personal, false, []storm.Tally{tally(storm.Text, false)}, Tempfail, "", "text storm, copy 17", "strict.test.toml:6"},
	}
	def, err := tomlfile.Read(shipped.Files, DefaultFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if line := def.Line(tt.rule); line > 0 { // of default.toml tt.rule is a key
				tt.rule = fmt.Sprintf("%s:%d", DefaultFile, line)
			}
			f := factsOf(tt.class)
			f.Outbound, f.Tallies = tt.outbound, tt.tallies
			d := s.For(tt.domain).policy.Decide(f)
			if d.Action != tt.action || d.Wanted != tt.wanted || d.Reason != tt.reason || d.Rule.String() != tt.rule {
				t.Errorf("%s (wanted %q), %q by %s", d.Action, d.Wanted, d.Reason, d.Rule)
			}
		})
	}
}

func TestCombine(t *testing.T) {
	const stormy = "id-1"
	relay := func(m *message.Message) {
		m.ReversePath, m.Received = "a@example.net", []string{"from x by y"}
	}
	direct := func(m *message.Message) { m.ReversePath = "a@example.net" }
	local := func(m *message.Message) { m.Local = true }
	bounce := func(m *message.Message) { m.Received = []string{"from x by y"} }
	tests := []struct {
		name string
		from func(*message.Message)
		in   string
		want string
	}{
		{"all deliver", relay, "deliver deliver", "deliver deliver"},
		{"absorb is for one", relay, "deliver absorb tag", "deliver absorb tag"},
		{"reject of a bounce", bounce, "reject reject", "reject reject"},
		{"reject of a client that is no relay", direct, "reject", "reject"},
		{"reject of a relay", relay, "reject reject", "absorb absorb"},
		{"mixed reject", bounce, "reject deliver", "absorb deliver"},
		{"reject and absorb", bounce, "reject absorb", "absorb absorb"},
		{"reject and quarantine", bounce, "reject quarantine", "absorb quarantine"},
		{"quarantine and deliver", relay, "quarantine deliver", "absorb deliver"},
		{"quarantine and absorb", relay, "quarantine absorb", "quarantine absorb"},
		{"tempfail", relay, "tempfail tempfail", "tempfail tempfail"},
		{"mixed tempfail", relay, "tempfail tag", "absorb tag"},
		{"tempfail of a storm copy", relay, "tempfail! tempfail!", "absorb absorb"},
		{"reject of local mail", local, "reject", "absorb"},
		{"tempfail of local mail", local, "tempfail tempfail", "absorb absorb"},
		{"other actions on local mail", local, "deliver tag absorb", "deliver tag absorb"},
		{"quarantine of local mail", local, "quarantine", "quarantine"},
		{"truncated, rejected, local", func(m *message.Message) { local(m); m.Truncated = true }, "reject", "deliver"},
		{"truncated", func(m *message.Message) { relay(m); m.Truncated = true }, "absorb deliver", "deliver deliver"},
		{"truncated, rejected by one", func(m *message.Message) { bounce(m); m.Truncated = true }, "reject deliver", "deliver deliver"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &message.Message{}
			tt.from(m)
			var ds []Decision
			for _, a := range strings.Fields(tt.in) {
				d := Decision{Action: Action(strings.TrimSuffix(a, "!"))}
				if strings.HasSuffix(a, "!") {
					d.Storm = stormy
				}
				ds = append(ds, d)
			}
			var got []string
			for _, d := range Combine(m, ds) {
				got = append(got, string(d.Action))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestOnError(t *testing.T) {
	for _, tt := range []struct {
		onError Action
		local   bool
		want    Action
	}{{"", false, Deliver}, {Deliver, false, Deliver}, {Tempfail, false, Tempfail}, {Tempfail, true, Deliver}, {Reject, false, Deliver}} {
		m := &message.Message{Envelope: message.Envelope{Local: tt.local, Recipients: []message.Recipient{{Addr: "a@example.test"}}}}
		if d := Undecided(m).Settle(tt.onError).Decisions[0]; d.Action != tt.want || d.Recipient != m.Recipients[0] || d.Reason != "on_error" {
			t.Errorf("%+v: %+v", tt, d)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range []string{DefaultFile, "example.org.toml"} {
		b, _ := shipped.Files.ReadFile(name)
		f.Add(b)
	}
	def, _ := shipped.Files.ReadFile(DefaultFile)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Load(fstest.MapFS{DefaultFile: {Data: def}, "x.test.toml": {Data: b}})
		if err != nil {
			return
		}
		for _, k := range storm.Kinds {
			if l := s.For("x.test").policy.Limit(k, classify.Bulk); l.Calm <= l.Window || l.Copies < 1 {
				t.Fatalf("%v: %+v", k, l)
			}
		}
	})
}

func FuzzCondition(f *testing.F) {
	for _, when := range []string{`class == "dsn" && copies > 20`, `class == "dsn" and not (subject == "a\"b" || size > 3) && from matches "\\w" && copies == 17`, `subject matches "(?i)x"`, `client_in("192.0.2.0/24")`, `let n = size; n / 2 > 1 ? true : false`, `[1, 2][size] in {"a": 1}`} {
		f.Add(when)
	}
	facts, p := rich(), &Policy{domain: &Domain{}}
	all := map[string]any{}
	for _, fact := range AllFacts {
		all[fact.Name] = fact.of(p, &facts)
	}
	f.Fuzz(func(t *testing.T, when string) {
		cs, env := newConditions(), newEnvironment()
		if _, err := cs.compile(when); err != nil {
			return
		}
		program, err := expr.Compile(when, options()...)
		if err != nil {
			t.Fatalf("%q: %v", when, err)
		}
		begun := time.Now()
		want, wantErr := expr.Run(program, all)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("took %v", took)
		}
		// In its terms it says the same, the first time and when they are remembered.
		for _, text := range []string{when, when + " ", "size >= 0 && (" + when + ")"} {
			split, err := cs.compile(text)
			if err != nil && strings.HasPrefix(text, "size >= 0") {
				continue // too long now
			}
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if got, err := split.holds(env, p, &facts); got != (want == true) || (err == nil) != (wantErr == nil) {
				t.Errorf("%q: %v, %v; in terms %v, %v", text, want, wantErr, got, err)
			}
		}
	})
}
