package mark

import (
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
)

func parse(raw string, rcpts ...string) *message.Message {
	var env message.Envelope
	for _, r := range rcpts {
		env.Recipients = append(env.Recipients, message.Recipient{Addr: r})
	}
	return message.Parse(env, time.Unix(0, 0), []byte(strings.ReplaceAll(raw, "\n", "\r\n")))
}

const digest = "From: a@example.test\nDate: Mon, 2 Mar 2026 08:00:00 +0000\nMessage-ID: <1@example.test>\n"

func TestDigest(t *testing.T) {
	s := New([]byte("secret"))
	value := s.Digest("1@example.test", "Mon, 2 Mar 2026 08:00:00 +0000", "u1@example.test")
	for _, tt := range []struct {
		name, field string
		to          []string
		want        bool
	}{
		{"as sent", value, []string{"u1@example.test"}, true},
		{"other case", value, []string{"U1@Example.test"}, true},
		{"another's", value, []string{"u2@example.test"}, false},
		{"another's, too", value, []string{"u1@example.test", "u2@example.test"}, false},
		{"nobody's", value, nil, false},
		{"cut", value[:31], []string{"u1@example.test"}, false},
		{"longer", value + "0", []string{"u1@example.test"}, false},
		{"none", "", []string{"u1@example.test"}, false},
		{"other key", New([]byte("other")).Digest("1@example.test", "Mon, 2 Mar 2026 08:00:00 +0000", "u1@example.test"), []string{"u1@example.test"}, false},
	} {
		m := parse(digest+DigestField+": "+tt.field+"\n\nbody\n", tt.to...)
		if got := s.IsDigest(m); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if m := parse(strings.Replace(digest, "08:00", "09:00", 1)+DigestField+": "+value+"\n\nbody\n", "u1@example.test"); s.IsDigest(m) {
		t.Error("with another date")
	}
}

func TestRelease(t *testing.T) {
	s := New([]byte("secret"))
	raw := "Received: from a.example.net by b.example.net\nFrom: a@example.net\n\nbody\n"
	value := s.Release("20260302-080000-000000001", parse(raw))
	for _, tt := range []struct{ name, raw, want string }{
		{"as sent", ReleaseField + ": " + value + "\n" + raw, "20260302-080000-000000001"},
		{"header written anew, and an end of line more", "X: y\n" + ReleaseField + ": " + value + "\nFrom: <a@example.net>\n\nbody\n\n", "20260302-080000-000000001"},
		{"other body", ReleaseField + ": " + value + "\nFrom: a@example.net\n\nbuy now\n", ""},
		{"other ID", ReleaseField + ": 2" + value + "\n" + raw, ""},
		{"no sum", ReleaseField + ": 20260302-080000-000000001\n" + raw, ""},
		{"no field", raw, ""},
	} {
		if id, ok := s.Released(parse(tt.raw)); id != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.name, id, ok)
		}
	}
	envelope := s.ReleaseID("20260302-080000-000000001+7", parse(raw))
	for id, want := range map[string]string{envelope: "20260302-080000-000000001+7", "2" + envelope: "", "20260302-080000-000000001+7": "", "/": ""} {
		m := parse(raw)
		m.EnvelopeID = id
		if got, ok := s.Released(m); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", id, got, ok)
		}
		m = parse(strings.Replace(raw, "body", "buy now", 1))
		m.EnvelopeID = id
		if _, ok := s.Released(m); ok {
			t.Errorf("%q with another body", id)
		}
	}
	if len(envelope) > 95 { // RFC 3461 §4.4: 100 characters, with + as three
		t.Errorf("an envelope ID of %d characters", len(envelope))
	}
	if _, ok := New([]byte("other")).Released(parse(ReleaseField + ": " + value + "\n" + raw)); ok {
		t.Error("with another key")
	}
}

// FuzzMarks reads fields that anybody may have written.
func FuzzMarks(f *testing.F) {
	s := New([]byte("secret"))
	f.Add(DigestField+": x\n\n", "u@example.test")
	f.Add(ReleaseField+": x y\n\nbody", "u@example.test")
	f.Fuzz(func(t *testing.T, raw, to string) {
		m := parse(raw, to)
		if s.IsDigest(m) {
			t.Error("a digest that nobody signed")
		}
		if id, ok := s.Released(m); ok {
			t.Errorf("a release %q that nobody signed", id)
		}
	})
}
