package origin

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/seal"
)

// keyLength is that of a secret in bytes, as RFC 2104 §3 wants it for SHA-256.
const keyLength = 32

// Key is one key by which mail is signed from some time on, until a newer one takes over.
type Key struct {
	Number int       // from 1, another for each key of a ring
	From   time.Time // when it begins to sign; it is good for checking before that
	Secret []byte
}

// ID names a key in tokens. It says nothing of the secret.
func (k Key) ID() string { return hex.EncodeToString(k.sign("id"))[:8] }

// sign seals texts. The domain is framed as they are.
func (k Key) sign(texts ...string) []byte {
	sum := seal.New(k.Secret, seal.Decimal).Sum("19:breakwater origin 1", texts...)
	return sum[:]
}

// Ring is the keys of a host, or of several hosts that sign for the same domains, the oldest
// first. It is not changed once made.
type Ring struct{ keys []Key }

// The file of a ring begins with its format. A file without this line is of format 1, too.
const (
	ringFormat = 1
	formatLine = "# breakwater keys "
)

// head is what the file says to whoever opens it.
const head = `# The keys by which breakwater knows mail that it sent. Whoever has them can forge its proof:
# keep this file to the daemon alone (mode 0600). Hosts that send mail of the same domains need
# the same file. A line is a number, the time from which the key signs, and 64 hexadecimal digits.
`

// ParseRing reads what String writes. Its error names the line, and no secret.
func ParseRing(text string) (*Ring, error) {
	r := &Ring{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if number, ok := strings.CutPrefix(line, formatLine); ok {
			if err := checkFormat(number); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := parseKey(line)
		if err == nil && slices.ContainsFunc(r.keys, func(o Key) bool { return o.Number == k.Number || o.ID() == k.ID() }) {
			err = fmt.Errorf("the number %d or the key is there twice", k.Number)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		r.keys = append(r.keys, k)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(r.keys) == 0 {
		return nil, errors.New("it holds no key")
	}
	slices.SortStableFunc(r.keys, func(a, b Key) int { return a.From.Compare(b.From) })
	return r, nil
}

func checkFormat(number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("%q is no format", number)
	}
	if n > ringFormat {
		return fmt.Errorf("the file has format %d, this breakwater reads up to %d: install the newer version again", n, ringFormat)
	}
	return nil
}

func parseKey(line string) (k Key, err error) {
	f := strings.Fields(line)
	if len(f) != 3 {
		return k, fmt.Errorf("%d words, not a number, a time and a key", len(f))
	}
	if k.Number, err = strconv.Atoi(f[0]); err != nil || k.Number < 1 {
		return k, fmt.Errorf("%q is no number from 1 on", f[0])
	}
	if k.From, err = time.Parse(time.RFC3339, f[1]); err != nil {
		return k, fmt.Errorf("%q is no time such as 2026-01-31T08:00:00Z", f[1])
	}
	if k.Secret, err = hex.DecodeString(f[2]); err != nil || len(k.Secret) != keyLength {
		return k, fmt.Errorf("the key is not %d hexadecimal digits", 2*keyLength)
	}
	k.From = k.From.UTC()
	return k, nil
}

// String is the file of the ring, secrets included.
func (r *Ring) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%d\n%s", formatLine, ringFormat, head)
	for _, k := range r.keys {
		fmt.Fprintf(&b, "%d %s %x\n", k.Number, k.From.Format(time.RFC3339), k.Secret)
	}
	return b.String()
}

// Keys are the keys of the ring, the oldest first.
func (r *Ring) Keys() []Key { return slices.Clone(r.keys) }

// With is r with one more key, that signs from some time on, and without those that are of
// no more use at a time.
func (r *Ring) With(secret []byte, from, at time.Time) *Ring {
	next := &Ring{}
	number := 1
	for _, k := range r.keys {
		number = max(number, k.Number+1)
		if !r.Retired(k, at) {
			next.keys = append(next.keys, k)
		}
	}
	next.keys = append(next.keys, Key{Number: number, From: from.UTC().Truncate(time.Second), Secret: slices.Clone(secret)})
	slices.SortStableFunc(next.keys, func(a, b Key) int { return a.From.Compare(b.From) })
	return next
}

// Signing is the key that signs at a time: the newest that has begun, or else the first.
func (r *Ring) Signing(at time.Time) Key {
	signing := r.keys[0]
	for _, k := range r.keys {
		if !k.From.After(at) {
			signing = k
		}
	}
	return signing
}

// Retired reports whether all that a key signed has expired at a time.
func (r *Ring) Retired(k Key, at time.Time) bool {
	for _, next := range r.keys {
		if next.From.After(k.From) {
			return at.Sub(next.From) > tokenLife
		}
	}
	return false
}

// named is the key with an ID.
func (r *Ring) named(id string) (Key, bool) {
	i := slices.IndexFunc(r.keys, func(k Key) bool { return k.ID() == id })
	if i < 0 {
		return Key{}, false
	}
	return r.keys[i], true
}

// day counts the days since 1970.
func day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }
