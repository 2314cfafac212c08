package origin

import (
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
)

const (
	from = `"Ann  Example" <ann@example.org>`
	date = "Mon, 2 Mar 2026 08:00:00 +0000"
	id   = "<1@example.org>"
)

func returned(token string, changes ...string) message.Header {
	text := "From: " + from + "\r\nDate: " + date + "\r\nMessage-ID: " + id + "\r\n" + TokenField + ": " + token + "\r\n\r\n"
	for i := 0; i < len(changes); i += 2 {
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	h, _, _ := message.ParseHeader([]byte(text))
	return h
}

func TestToken(t *testing.T) {
	r := ring(1)
	token := r.Token("example.org", from, date, id, start)
	other := ring(9).Token("example.org", from, date, id, start)
	day := 24 * time.Hour
	for _, tt := range []struct {
		name  string
		h     message.Header
		after time.Duration
		want  string // "" is: it holds
	}{
		{"as sent", returned(token), 0, ""},
		{"three days late", returned(token), 3 * day, ""},
		{"on its last day", returned(token), 30 * day, ""},
		{"too late", returned(token), 31 * day, "expired"},
		{"before it was made", returned(token), -2 * day, "a day to come"},
		{"a clock a few hours behind", returned(token), -12 * time.Hour, ""},
		{"folded anew", returned(token, "\r\n\ts=", " s=", "; k=", ";\r\n  k="), 0, ""},
		{"folded within the signature", returned(token[:len(token)-8] + "\r\n " + token[len(token)-8:]), 0, ""},
		{"From folded anew", returned(token, "Ann  Example", "Ann\r\n Example"), 0, ""},
		{"From as Sendmail writes it", returned(token, `"Ann  Example" <ann@example.org>`, `Ann Example <ann@Example.ORG>`), 0, ""},
		{"From as Courier writes it", returned(token, `"Ann  Example" <ann@example.org>`, `ann@example.org`), 0, ""},
		{"a second author", returned(token, "<ann@example.org>", "<ann@example.org>, bob@example.org"), 0, "does not fit"},
		{"cut", returned(token[:len(token)-1]), 0, "does not fit"},
		{"longer", returned(token + "0"), 0, "does not fit"},
		{"upper case", returned(token, "s=", "S="), 0, "does not fit"},
		{"re-encoded", returned(strings.ReplaceAll(token, "=", "=3D")), 0, "not ours"},
		{"on other mail", returned(token, "<1@", "<2@"), 0, "does not fit"},
		{"of another day", returned(token, "t=", "t=1"), 0, "does not fit"},
		{"for another domain", returned(token, "d=example.org", "d=example.net"), 0, "does not fit"},
		{"other From", returned(token, "<ann@", "<bob@"), 0, "does not fit"},
		{"other Date", returned(token, "08:00", "09:00"), 0, "does not fit"},
		{"no Date", returned(token, "Date: "+date+"\r\n", ""), 0, "does not fit"},
		{"another host's", returned(other), 0, "a key that is not ours"},
		{"nonsense", returned(";;;=;k=;k"), 0, "a key that is not ours"},
		{"none", returned(token, TokenField, "X-Other"), 0, "no token"},
		{"no header", nil, 0, "no token"},
	} {
		holds, tried, why := r.checkToken(tt.h, start.Add(tt.after))
		if holds != (tt.want == "") || !strings.Contains(why, tt.want) || tried != (!strings.Contains(why, "no token")) {
			t.Errorf("%s: %v, %v, %q", tt.name, holds, tried, why)
		}
	}
	// A new key has taken over, and the old one's tokens are expired with it.
	rotated := ring(1, 2)
	if holds, _, why := rotated.checkToken(returned(rotated.Token("example.org", from, date, id, start.AddDate(0, 0, 59))), start.AddDate(0, 0, 61)); !holds {
		t.Error("just rotated:", why)
	}
	if holds, _, why := rotated.checkToken(returned(rotated.Token("example.org", from, date, id, start.AddDate(0, 0, 62))), start.AddDate(0, 0, 62)); !holds || !strings.Contains(why, rotated.Keys()[1].ID()) {
		t.Error("new key:", why)
	}
}

// FuzzToken checks tokens that anybody may have written: none of them holds that the ring did
// not make.
func FuzzToken(f *testing.F) {
	r := ring(1)
	token := r.Token("example.org", from, date, id, start)
	f.Add(token, from, date, id)
	f.Add(strings.ToUpper(token), from, date, id)
	f.Add("d=;k=;t=;s=", "", "", "")
	f.Fuzz(func(t *testing.T, value, from2, date2, id2 string) {
		h := message.Header{{Name: "From", Value: from2}, {Name: "Date", Value: date2}, {Name: "Message-ID", Value: id2}, {Name: TokenField, Value: value}}
		holds, _, _ := r.checkToken(h, start)
		same := authors(h.Get("From")) == authors(from) && canonical(h.Get("Date")) == date && canonical(h.Get("Message-ID")) == id
		if holds && !same {
			t.Errorf("%q holds for %q, %q, %q", value, from2, date2, id2)
		}
	})
}

func BenchmarkToken(b *testing.B) {
	r := ring(1)
	h := returned(r.Token("example.org", from, date, id, start))
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Token("example.org", from, date, id, start)
		}
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.checkToken(h, start)
		}
	})
}
