package origin

import (
	"strings"
	"testing"
	"time"
)

func TestTag(t *testing.T) {
	r := ring(1)
	for _, form := range []Form{SubAddress, Prvs} {
		for _, addr := range []string{"ann@example.org", "Ann.Smith@Example.org", "ann+news@example.org", "ann=bob@example.org"} {
			tagged := r.Tagged(addr, form, start)
			if tagged == addr || !strings.HasSuffix(tagged, addr[strings.LastIndexByte(addr, '@'):]) {
				t.Fatalf("%s %s: %s", form, addr, tagged)
			}
			if r.Tagged(tagged, form, start) != tagged {
				t.Errorf("%s was signed twice", tagged)
			}
			for _, tt := range []struct {
				name, addr string
				days       int
				want       string // "" is: it is good
			}{
				{"as sent", tagged, 0, ""},
				{"in capitals", strings.ToUpper(tagged), 0, ""},
				{"on its last day", tagged, 14, ""},
				{"too late", tagged, 15, "expired"},
				{"much too late", tagged, 300, "expired"},
				{"another's", strings.Replace(tagged, "@", "x@", 1), 0, "not ours"},
			} {
				plain, good, why := r.Untagged(tt.addr, start.AddDate(0, 0, tt.days))
				if form == SubAddress && tt.name == "another's" { // the tag is at the end, and is none any more
					continue
				}
				if good != (tt.want == "") || !strings.Contains(why, tt.want) || plain == "" {
					t.Errorf("%s %s %s: %q, %v, %s", form, addr, tt.name, plain, good, why)
				}
				if good && !strings.EqualFold(plain, addr) {
					t.Errorf("%s %s %s: %q", form, addr, tt.name, plain)
				}
			}
			if _, good, why := ring(9).Untagged(tagged, start); good || !strings.Contains(why, "not ours") {
				t.Errorf("with another host's key: %v, %s", good, why)
			}
			rotated := ring(1, 2)
			made := rotated.Tagged(addr, form, start.AddDate(0, 0, 59))
			if _, good, why := rotated.Untagged(made, start.AddDate(0, 0, 70)); !good {
				t.Errorf("after the key was rotated: %s", why)
			}
		}
	}
}

func TestNoTag(t *testing.T) {
	r := ring(1)
	for _, form := range []Form{SubAddress, Prvs} { // with one octet more it would be too long
		fits := strings.Repeat("a", 48) + "@example.org"
		for addr, want := range map[string]bool{fits: true, "a" + fits: false} {
			if tagged := r.Tagged(addr, form, start); (tagged != addr) != want {
				t.Errorf("%s: %s", form, tagged)
			}
		}
	}
	for _, addr := range []string{
		"", "ann", "@example.org", "ann@", "prvs=0123abcdef=ann@example.org", "PRVS=x=ann@example.org", "btv1==0123==ann@example.org", "msprvs1=abc=ann@example.org",
		"ann+prvs-0123abcdef@example.org", "SRS0=HHH=TT=example.net=bob@example.org", "srs1+x@example.org", `"a b"@example.org`, "a\n@example.org",
	} {
		if got := r.Tagged(addr, SubAddress, start); got != addr {
			t.Errorf("%q became %q", addr, got)
		}
	}
	if got := r.Tagged("ann@example.org", NoTag, start); got != "ann@example.org" {
		t.Error(got)
	}
	for _, addr := range []string{"", "ann@example.org", "prvs=ann@example.org", "ann+prvs-@example.org", "ann+prvs-12345@example.org", "prvs=0123abcdeg=ann@example.org", "prvs=0123abcdef=@example.org"} {
		if plain, good, _ := r.Untagged(addr, start); plain != "" || good {
			t.Errorf("%q: %q, %v", addr, plain, good)
		}
	}
}

// FuzzTag reads addresses that anybody may have named.
func FuzzTag(f *testing.F) {
	r := ring(1, 2)
	f.Add("ann@example.org")
	f.Add(r.Tagged("ann@example.org", Prvs, start))
	f.Add(r.Tagged("ann@example.org", SubAddress, start))
	f.Add("prvs=9999ffffff=+prvs-0000000000@x")
	f.Fuzz(func(t *testing.T, addr string) {
		plain, good, why := r.Untagged(addr, start)
		if why == "" || good && plain == "" {
			t.Errorf("%q: %q, %v, %q", addr, plain, good, why)
		}
		for _, form := range []Form{SubAddress, Prvs} {
			tagged := r.Tagged(addr, form, start)
			if tagged == addr {
				continue
			}
			if plain, good, why := r.Untagged(tagged, start.Add(time.Hour)); !good || plain != addr {
				t.Errorf("%q became %q: %q, %s", addr, tagged, plain, why)
			}
		}
	})
}
