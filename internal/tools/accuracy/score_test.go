package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScore measures five messages, of which two are labelled wrong on purpose.
func TestScore(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const bounce = "From: MAILER-DAEMON@example.net\nSubject: Undelivered mail\n\n<bob@example.net>: 550 5.1.1 user unknown\n"
	write("bounce.eml", bounce)
	write("late.eml", bounce)
	write("person.eml", "From: ann@example.org\nSubject: Lunch\n\nNoon?\n")
	write("away.eml", "From: ann@example.org\nAuto-Submitted: auto-replied\n\nI am away.\n")
	write("form.eml", "From: ann@example.org\nSubject: x\n\nx\n")
	write("manifest.tsv", strings.Join([]string{
		"path\tclass\texpected_recipients\tsource\tlicence\tnote",
		"bounce.eml\tdsn-failure\tbob@example.net,carl@example.net\thome one\t\t",
		"late.eml\tdsn-delayed\t\thome two\t\t",
		"person.eml\thuman\t\thome\t\t",
		"away.eml\thuman\t\tabroad\t\t",
		"form.eml\tautoreply\t\tabroad\t\tform-ack: none",
	}, "\n"))
	var out strings.Builder
	if err := run(&out, dir); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"home, dsn-failure 1 0 0 0 0 0 0", "abroad, human 0 0 0 1 0 0 0",
		"dsn recall 100.00% (2 of 2) precision 100.00% (2 of 2)", "auto-reply recall none precision 0.00% (0 of 1)", "form-ack recall 0.00% (0 of 1)",
		"automatic reply: 1 of 2", "actions right in 50.00% (1 of 2)", "found: 50.00% (1 of 2); all of them in 0.00% (0 of 1)",
		"other taken for auto-reply: " + filepath.Join(dir, "away.eml"), `dsn-delayed with the action "failed"`, `without its recipients ["carl@example.net"]`,
		"missed taken for personal: " + filepath.Join(dir, "form.eml"),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
