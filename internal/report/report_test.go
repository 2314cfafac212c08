package report

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"breakwater/internal/message"
)

func parse(tb testing.TB, name string) *Report {
	tb.Helper()
	b, err := os.ReadFile("../../testdata/" + name + ".eml")
	if err != nil {
		tb.Fatal(err)
	}
	return Parse(message.Parse(message.Envelope{}, time.Time{}, b))
}

// TestFields looks at fields that `classify` does not print; the rest of each report stands
// in the samples' .want.
func TestFields(t *testing.T) {
	r := parse(t, "dsn/folded-diagnostic")
	want := Recipient{
		Original: "bob@example.net", Final: "bob@example.net", Action: Failed, Status: "5.1.1", RemoteMTA: "mail.example.net",
		Diagnostic: "550-5.1.1 The account    550 5.1.1 <bob@example.net>: user unknown",
	}
	if r.ReportingMTA != "mx.example.net" || !reflect.DeepEqual(r.Recipients, []Recipient{want}) {
		t.Errorf("%+v", r)
	}
	if o := r.Original; o.To != "bob@example.net" || o.Date != "Mon, 2 Mar 2026 07:59:59 +0000" || len(o.Received) != 1 {
		t.Errorf("%+v", o)
	}
	if r := parse(t, "mdn/displayed"); r.Disposition != "manual-action/mdn-sent-manually; displayed" || r.ReportingMTA == "" {
		t.Errorf("%+v", r)
	}
	if r := parse(t, "feedback/abuse"); r.FeedbackType != "abuse" || r.Recipients[0].Final != "dora@provider.example" {
		t.Errorf("%+v", r)
	}
}

func TestAction(t *testing.T) {
	tests := []struct {
		in   []Action
		want Action
	}{
		{nil, ""}, {[]Action{""}, ""}, {[]Action{Delivered, Failed, Delayed}, Failed}, {[]Action{Relayed, Delayed}, Delayed}, {[]Action{Expanded, Relayed}, Relayed},
	}
	for _, tt := range tests {
		var r Report
		for _, a := range tt.in {
			r.Recipients = append(r.Recipients, Recipient{Action: a})
		}
		if got := r.Action(); got != tt.want {
			t.Errorf("%v: %q", tt.in, got)
		}
	}
}

func TestValues(t *testing.T) {
	for in, want := range map[string]string{
		"rfc822; Bob@EXAMPLE.net": "Bob@example.net", "rfc822;<bob@example.net>": "bob@example.net", "bob@example.net": "bob@example.net",
		"rfc822; a+b@example.net": "a+b@example.net", "rfc822; a+2Bb@example.net": "a+b@example.net", "rfc822; a+2026@example.net": "a+2026@example.net",
		`utf-8; j\x{F6}rg@example.net`: "jörg@example.net", `utf-8; j\x{F6@example.net`: `j\x{F6@example.net`,
		`rfc822; <"bob hill"@Example.net>`: `"bob hill"@example.net`, `rfc822; "a@b" <bob@example.net>`: "bob@example.net", "rfc822; Hill, Bob <bob@example.net>": "bob@example.net",
		"x-local; bob": "bob", "rfc822; <@a.example,@b.example:bob@example.net>": "bob@example.net", "rfc822; smtp:bob@example.net": "bob@example.net",
		"rfc822; SRS0=ab=cd=example.org=ann@example.net": "SRS0=ab=cd=example.org=ann@example.net", "rfc822; <>": "", "rfc822; bob@example.net;": "bob@example.net", `rfc822; "bob@example.net"`: "bob@example.net", "rfc822; bob@example.net (gone)": "bob@example.net", "": "",
	} {
		if got := mailbox(in); got != want {
			t.Errorf("address %q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"5.1.1": "5.1.1", "5.1.1 (bad)": "5.1.1", "5.0.0": "5.0.0", "5": "", "5.a.1": "", "": "", "5.1.1 user unknown": "5.1.1"} {
		if got := status(in); got != want {
			t.Errorf("status %q: %q, want %q", in, got, want)
		}
	}
}

func FuzzReport(f *testing.F) {
	for _, pattern := range []string{"../../testdata/*/*.eml", os.Getenv("BREAKWATER_SAMPLES")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		one := Parse(message.Parse(message.Envelope{}, time.Time{}, b))
		if two := Parse(message.Parse(message.Envelope{}, time.Time{}, b)); !reflect.DeepEqual(one, two) {
			t.Errorf("not deterministic: %+v, %+v", one, two)
		}
		if one != nil && (len(one.Recipients) > maxGroups || len(one.Evidence) == 0) {
			t.Errorf("%d recipients, evidence %q", len(one.Recipients), one.Evidence)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"dsn/postfix-unknown-user", "dsn/malformed-wrong-boundary"} {
		raw, err := os.ReadFile("../../testdata/" + name + ".eml")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(name), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				Parse(message.Parse(message.Envelope{}, time.Time{}, raw))
			}
		})
	}
}
