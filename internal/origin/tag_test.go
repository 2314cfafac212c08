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
				tag := r.Untagged(tt.addr, start.AddDate(0, 0, tt.days))
				if form == SubAddress && tt.name == "another's" { // the tag is at the end, and is none any more
					continue
				}
				if tag.Good != (tt.want == "") || tag.Ours != (tt.want != "not ours") || !strings.Contains(tag.Why, tt.want) || tag.Plain == "" {
					t.Errorf("%s %s %s: %+v", form, addr, tt.name, tag)
				}
				if tag.Ours && !strings.EqualFold(tag.Plain, addr) {
					t.Errorf("%s %s %s: %q", form, addr, tt.name, tag.Plain)
				}
			}
			if tag := ring(9).Untagged(tagged, start); tag.Ours || tag.Good || !strings.Contains(tag.Why, "not ours") {
				t.Errorf("with another host's key: %+v", tag)
			}
			rotated := ring(1, 2)
			made := rotated.Tagged(addr, form, start.AddDate(0, 0, 59))
			if tag := rotated.Untagged(made, start.AddDate(0, 0, 70)); !tag.Good {
				t.Errorf("after the key was rotated: %s", tag.Why)
			}
			if tag := rotated.Untagged(made, start.AddDate(0, 0, 100)); tag.Good || !tag.Ours {
				t.Errorf("of a key that has retired: %+v", tag)
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
		if tag := r.Untagged(addr, start); tag.Plain != "" || tag.Ours || tag.Good {
			t.Errorf("%q: %+v", addr, tag)
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
		if tag := r.Untagged(addr, start); tag.Why == "" || tag.Good && !tag.Ours || tag.Ours && tag.Plain == "" {
			t.Errorf("%q: %+v", addr, tag)
		}
		for _, form := range []Form{SubAddress, Prvs} {
			tagged := r.Tagged(addr, form, start)
			if tagged == addr {
				continue
			}
			if tag := r.Untagged(tagged, start.Add(time.Hour)); !tag.Good || tag.Plain != addr {
				t.Errorf("%q became %q: %+v", addr, tagged, tag)
			}
		}
	})
}
