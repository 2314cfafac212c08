package classify

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"breakwater/internal/phrases"
)

// TestAdded has a mail known by words of a file of the site, and by nothing without them.
func TestAdded(t *testing.T) {
	const mail = "From: MAILER-DAEMON@mx.example.net\nTo: ann@example.org\nSubject: zzkrr\n\nblorf the mail wibble\n550 5.1.1 no\n"
	if v := classified(mail); v.Class != Personal {
		t.Fatalf("without the words it is %+v", v)
	}
	before := maps.Clone(phrases.Lists)
	defer func() { // as it was, for the other tests
		maps.Copy(phrases.Lists, before)
		if err := phrases.Add(fstest.MapFS{"nothing.toml": {}}, "nothing.toml"); err != nil || classified(mail).Class != Personal {
			t.Error("the words are still there", err)
		}
	}()
	site := fstest.MapFS{"site.toml": {Data: []byte("[report.formulas]\nphrases = [\"blorf the mail\"]\n")}}
	if err := phrases.Add(site, "site.toml"); err != nil {
		t.Fatal(err)
	}
	v := classified(mail)
	if a := v.Account(); v.Class != DSN || !slices.Contains(v.Reasons, "text: blorf the mail") || !slices.Contains(a.Words, "site.toml:2") {
		t.Errorf("with the words it is %+v, by %q", v, a.Words)
	}
	again := fstest.MapFS{"again.toml": site["site.toml"]}
	if err := phrases.Add(again, "again.toml"); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("added twice: %v", err)
	}
}
