package origin

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, keyLength) }

func ring(secrets ...byte) *Ring {
	r := &Ring{}
	for i, b := range secrets {
		r = r.With(secret(b), start.AddDate(0, 0, 60*i), start)
	}
	return r
}

func TestRingFile(t *testing.T) {
	r := ring(1, 2)
	again, err := ParseRing(r.String())
	if err != nil || again.String() != r.String() || len(again.Keys()) != 2 {
		t.Errorf("%v\n%s", err, r)
	}
	line := "1 2026-03-02T08:00:00Z " + strings.Repeat("01", keyLength)
	for _, tt := range []struct{ text, want string }{
		{"", "no key"},
		{"# only a comment\n", "no key"},
		{"1 2026-03-02T08:00:00Z", "line 1: 2 words"},
		{"# c\n0 2026-03-02T08:00:00Z " + line[23:], "line 2: \"0\" is no number"},
		{"1 yesterday " + line[23:], "line 1: \"yesterday\" is no time"},
		{line[:len(line)-2], "not 64 hexadecimal"},
		{line + "\n2" + line[1:], "line 2: the number 2 or the key is there twice"},
		{strings.Repeat("x", 1<<20), "token too long"},
		{"# breakwater keys 2\n" + line + " more", "line 1: the file has format 2, this breakwater reads up to 1"},
		{"# breakwater keys 10\n" + line, "format 10"},
		{"# breakwater keys new\n" + line, `line 1: "new" is no format`},
	} {
		_, err := ParseRing(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: %v, want %s", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "0101") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

// TestRingFormat: the file tells its format, as it goes from host to host without its folder. One of before does not, and is read.
func TestRingFormat(t *testing.T) {
	text := ring(1, 2).String()
	older, first := strings.CutPrefix(text, "# breakwater keys 1\n")
	if !first {
		t.Fatalf("the first line is %.40q", text)
	}
	if again, err := ParseRing(older); err != nil || again.String() != text {
		t.Errorf("%v\n%s", err, again)
	}
}

// TestRotation has a key sign from its time on, and the one before checked until all that it
// signed has expired.
func TestRotation(t *testing.T) {
	r := ring(1, 2) // the second from day 60 on
	first, second := r.Keys()[0], r.Keys()[1]
	for _, tt := range []struct {
		days    int
		signing Key
		retired bool
	}{{-1, first, false}, {0, first, false}, {59, first, false}, {60, second, false}, {90, second, false}, {91, second, true}} {
		at := start.AddDate(0, 0, tt.days)
		if got := r.Signing(at); got.Number != tt.signing.Number || r.Retired(first, at) != tt.retired || r.Retired(second, at) {
			t.Errorf("day %d: key %d signs, the first retired: %v", tt.days, got.Number, r.Retired(first, at))
		}
	}
	if next := r.With(secret(3), start.AddDate(0, 0, 91), start.AddDate(0, 0, 91)); len(next.Keys()) != 2 || next.Keys()[1].Number != 3 {
		t.Errorf("%v", next.Keys())
	}
	if first.ID() == second.ID() || len(first.ID()) != 8 {
		t.Error(first.ID(), second.ID())
	}
}

// FuzzRing reads key files that somebody edited.
func FuzzRing(f *testing.F) {
	f.Add(ring(1, 2).String())
	f.Add("1 2026-03-02T08:00:00Z xyz")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRing(text)
		if err != nil {
			return
		}
		if again, err := ParseRing(r.String()); err != nil || again.String() != r.String() {
			t.Errorf("%v\n%s\n%s", err, r, again)
		}
	})
}
