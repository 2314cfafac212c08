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
	for _, tt := range []struct {
		name  string
		h     message.Header
		after time.Duration
		want  string // "" is: it holds
	}{
		{"as sent", returned(token), 0, ""},
		{"three days late", returned(token), 3 * days, ""},
		{"on its last day", returned(token), 30 * days, ""},
		{"too late", returned(token), 31 * days, "expired"},
		{"before it was made", returned(token), -2 * days, "a day to come"},
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
		got := r.checkToken(tt.h, start.Add(tt.after))
		ours := !strings.Contains(got.why, "no token") && !strings.Contains(got.why, "not ours")
		if got.holds != (tt.want == "") || !strings.Contains(got.why, tt.want) || got.ours != ours {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if got.holds && (got.domain != "example.org" || got.day != day(start)) {
			t.Errorf("%s: signed by %s on day %d", tt.name, got.domain, got.day)
		}
	}
	// A new key has taken over, and the old one's tokens are expired with it.
	rotated := ring(1, 2)
	if got := rotated.checkToken(returned(rotated.Token("example.org", from, date, id, start.AddDate(0, 0, 59))), start.AddDate(0, 0, 61)); !got.holds {
		t.Error("just rotated:", got.why)
	}
	if got := rotated.checkToken(returned(rotated.Token("example.org", from, date, id, start.AddDate(0, 0, 62))), start.AddDate(0, 0, 62)); !got.holds || !strings.Contains(got.why, rotated.Keys()[1].ID()) {
		t.Error("new key:", got.why)
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
		got := r.checkToken(h, start)
		same := authors(h.Get("From")) == authors(from) && canonical(h.Get("Date")) == date && canonical(h.Get("Message-ID")) == id
		if got.holds && !(same && got.domain == "example.org" && messageID(h.Get("Message-ID")) == messageID(id)) {
			t.Errorf("%q holds for %q, %q, %q: %+v", value, from2, date2, id2, got)
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
