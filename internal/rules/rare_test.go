package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr/parser"
)

func rareOf(t *testing.T, pattern string) *rare {
	t.Helper()
	tree, err := parser.Parse("subject matches " + "`" + pattern + "`")
	if err != nil {
		t.Fatal(err)
	}
	return rarely(tree.Node)
}

func TestRare(t *testing.T) {
	tests := []struct {
		pattern string
		texts   []string // none: there is nothing to look for
	}{
		{"undeliver", []string{"UNDELIVER"}},
		{"(?i)undeliver|returned|number 17", []string{"UNDELIVER", "RETURNED", "NUMBER 17"}},
		{"(?i)return|returned", []string{"RETURN"}},
		{"^Re: .*(ticket|order) [0-9]+", []string{"TICKET", "ORDER"}},
		{"(order){2,}", []string{"ORDER"}},
		{"(?i)straße+", []string{"STRAß"}},
		{"order|[0-9]+", nil},
		{"(order)?", nil},
		{"(order){0,3}", nil},
		{"(order)*|x", nil},
		{"[a-z]{5}", nil},
		{"", nil},
	}
	for _, tt := range tests {
		var got []string
		if r := rareOf(t, tt.pattern); r != nil {
			got = r.texts
		}
		if !slices.Equal(got, tt.texts) {
			t.Errorf("%s: %q, want %q", tt.pattern, got, tt.texts)
		}
	}
	for _, when := range []string{`header("X") matches "order"`, `lower(subject) matches "order"`, `subject contains "order"`} {
		if tree, err := parser.Parse(when); err != nil || rarely(tree.Node) != nil {
			t.Errorf("%s: not of this form", when)
		}
	}
}

// FuzzRare has texts that a regular expression matches: one of those to look for is there.
func FuzzRare(f *testing.F) {
	for _, seed := range [][2]string{
		{"(?i)undeliver|returned|number 17", "Mail RETURNED to sender"}, {"(?i)kelvin", "273 \u212aelvin"}, {"(?i)mess", "MEſS"},
		{"a(b|c)+d", "xabcd"}, {"(?i)σας", "ΣΑΣ"}, {"\ufffd", "\xff"}, {"(?s)^a.b$", "a\nb"}, {"(?:a|b(?:c|d))e", "bde"}, {`(x)(?i)ß`, "xẞ"},
	} {
		f.Add(seed[0], seed[1])
	}
	k := factAt("subject")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		re, err := regexp.Compile(pattern)
		if err != nil || strings.Contains(pattern, "`") {
			return
		}
		tree, err := parser.Parse("subject matches `" + pattern + "`")
		if err != nil {
			return
		}
		r := rarely(tree.Node)
		if r == nil || !re.MatchString(s) {
			return
		}
		e := newEnvironment()
		e.facts[AllFacts[k].Name] = s
		if !r.in(e) {
			t.Errorf("%q matches %q, in which there is none of %q", pattern, s, r.texts)
		}
	})
}
