package rules

import (
	"strings"
	"testing"
	"testing/fstest"

	"breakwater/internal/golden"
	"breakwater/internal/tomlfile"
	shipped "breakwater/rules"
)

// TestWarnings reads each testdata/warn/*.toml over the shipped default; x.want is what Check
// warns of.
func TestWarnings(t *testing.T) {
	golden.Each(t, "testdata/warn/*.toml", func(t *testing.T, _ string, text []byte) string {
		_, warnings, err := Check(defaults(t, map[string]string{"example.test.toml": string(text)}))
		if err != nil || len(warnings) == 0 {
			t.Fatal("no warnings, or an error:", err)
		}
		return tomlfile.Together(warnings).Error() + "\n"
	})
}

func TestNoWarnings(t *testing.T) {
	if _, warnings, err := Check(shipped.Files); err != nil || len(warnings) > 0 {
		t.Error(err, warnings)
	}
	fsys := defaults(t, map[string]string{
		"a.test.toml": `
[action]
dsn = "reject"
[[rule]]
name = "one"
when = 'class == "dsn" && size > 10'
action = "absorb"
[[rule]]
name = "more"
when = 'class == "dsn"'
action = "tag"
[[rule]]
name = "other"
when = 'class == "bulk" || class == "personal"'
action = "reject"
text = "no"
[[rule]]
name = "here"
when = 'to_domain == "a.test" && subject == "A" && not (subject == "B") && from != "X"'
action = "reject"
`,
		"README.md": "", "schema.json": "{}", ".hidden": "", "a.test.toml~": "",
	})
	if _, warnings, err := Check(fsys); err != nil || len(warnings) > 0 {
		t.Error(err, warnings)
	}
}

func TestUnreadFiles(t *testing.T) {
	_, warnings, err := Check(defaults(t, map[string]string{"example.test.tml": "", "example.net": ""}))
	if err != nil || len(warnings) != 2 || !strings.HasPrefix(warnings[0].Error(), "example.net:1:1: this file is not read") {
		t.Error(err, warnings)
	}
	// What is wrong in one file does not hide what is odd in another.
	_, warnings, err = Check(defaults(t, map[string]string{"a.test.tml": "", "b.test.toml": "x = 1"}))
	if err == nil || len(warnings) != 1 {
		t.Error(err, warnings)
	}
}

func TestSettings(t *testing.T) {
	fsys := defaults(t, map[string]string{"x.test.toml": "aliases = [\"y.test\"]\n[limit.id]\ncopies = 7\n[mailbox.\"Ann.B\"]\nmode = \"observe\"\n[digest]\nlists = [\"a\", \"it's\"]\n"}).(fstest.MapFS)
	settings, d, err := Settings(fsys, "y.test")
	if err != nil || d.File != "x.test.toml" {
		t.Fatal(d, err)
	}
	got := map[string]string{}
	for _, s := range settings {
		got[s.String()] = s.From
	}
	for want, from := range map[string]string{
		`mode = "enforce"`: DefaultFile, `limit.id.copies = 7`: "x.test.toml:3", `limit.id.window = "24h"`: DefaultFile,
		`mailbox."ann.b".mode = "observe"`: "x.test.toml:5", `digest.lists = ["a", "it's"]`: "x.test.toml:7", `retention.keep = "30d"`: DefaultFile,
	} {
		if file := got[want]; !strings.HasPrefix(file, from) || file == "" {
			t.Errorf("%s: %q in %v", want, file, got)
		}
	}
	if settings[0].Key != "mode" || settings[1].Key != "action.dsn" {
		t.Errorf("order: %v", settings[:3])
	}
	fsys[DefaultFile].Data = []byte(strings.Split(string(fsys[DefaultFile].Data), "# Who is told")[0])
	settings, _, err = Settings(fsys, "unknown.test")
	if last := settings[len(settings)-1]; err != nil || last.Key != "sweep.quarantine" || last.From != builtInName {
		t.Errorf("%+v, %v", last, err)
	}
	if _, _, err := Settings(defaults(t, map[string]string{"x.test.toml": "x = 1"}), "y.test"); err == nil {
		t.Error("no error")
	}
}
