package origin

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/seal"
)

// Form is how a reverse-path is tagged (draft-levine-smtp-batv).
type Form string

// Forms. The sub-address is accepted by every MTA that knows them; prvs needs a map.
const (
	NoTag      Form = "off"
	SubAddress Form = "subaddress" // ann+prvs-1234abcdef@example.org
	Prvs       Form = "prvs"       // prvs=1234abcdef=ann@example.org
)

// Forms lists all of them.
var Forms = []Form{NoTag, SubAddress, Prvs}

// Values are the forms.
func (Form) Values() []string { return []string{string(NoTag), string(SubAddress), string(Prvs)} }

// tagLife is how long a tag is good, in days: as long as the index remembers.
const tagLife = int64(Life / (24 * time.Hour))

// maxLocal is how long a local part may be, in bytes (RFC 5321 §4.5.3.1.1). Mail from a longer one is refused.
const maxLocal = 64

// A tag value is K DDD SSSSSS: the last digit of the key's number, the last three of the day
// on which it expires, and the first six of the signature (draft-levine-smtp-batv §4).
var (
	ownTag  = regexp.MustCompile(`(?i)^(?:prvs=([0-9]{4})([0-9a-f]{6})=(.+)|(.+)\+prvs-([0-9]{4})([0-9a-f]{6}))$`)
	anyones = regexp.MustCompile(`(?i)^(prvs=|msprvs[0-9]*=|btv[0-9]*==|srs[01][=+-])|\+prvs-`)
)

// Tagged is an address with a tag of ours that expires in Life; the address itself where it
// can have none, has one already, whoever's, or was rewritten by a forwarder.
func (r *Ring) Tagged(addr string, form Form, at time.Time) string {
	local, domain, _ := address.Split(addr)
	if !address.Is(addr) || form == NoTag || form == "" || untaggable(local) || anyones.MatchString(local) {
		return addr
	}
	k := r.Signing(at)
	head := fmt.Sprintf("%d%03d", k.Number%10, (day(at)+tagLife)%1000)
	value := head + k.tag(head, addr)
	tagged := local + "+prvs-" + value
	if form == Prvs {
		tagged = "prvs=" + value + "=" + local
	}
	if len(tagged) > maxLocal {
		return addr
	}
	return address.Join(tagged, domain)
}

func (k Key) tag(head, addr string) string {
	return hex.EncodeToString(k.sign("tag", head, strings.ToLower(addr)))[:6]
}

// Tag is what the tag of an address is worth. Anybody can write one; only whoever has a key of the
// ring can sign it.
type Tag struct {
	Plain string // the address without it; "" where there is none in our forms
	Ours  bool   // a key of the ring signed it for this address, whether or not it has expired
	Good  bool   // it is ours, and has not expired
	Why   string // what it is, or what is wrong with it
}

// Untagged reads the tag of an address at a time.
func (r *Ring) Untagged(addr string, at time.Time) Tag {
	local, domain, _ := address.Split(addr)
	f := ownTag.FindStringSubmatch(local)
	if !address.Is(addr) || f == nil {
		return Tag{Why: "the recipient has no tag"}
	}
	head, signed, name := f[1], f[2], f[3]
	if name == "" {
		name, head, signed = f[4], f[5], f[6]
	}
	plain := address.Join(name, domain)
	expires, _ := strconv.ParseInt(head[1:], 10, 64)
	for _, k := range r.keys {
		if strconv.Itoa(k.Number%10) != head[:1] || !seal.Equal(strings.ToLower(signed), k.tag(head, plain)) {
			continue
		}
		// Of a day only three digits are told: it is good where the end is near enough.
		if left := ((expires-day(at))%1000 + 1000) % 1000; left > tagLife || r.Retired(k, at) {
			return Tag{Plain: plain, Ours: true, Why: "the tag has expired"}
		}
		return Tag{Plain: plain, Ours: true, Good: true, Why: "tag of key " + k.ID()}
	}
	return Tag{Plain: plain, Why: "the tag is not ours, or was changed"}
}

// untaggable are local parts that a tag would make a wrong or another address of: quoted ones, and
// those of control characters.
func untaggable(local string) bool {
	return strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f })
}
