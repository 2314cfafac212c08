package tomlfile

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span: as time.ParseDuration has it, and days, as in "30d".
type Duration time.Duration

// UnmarshalText reads "10m", "24h" or "30d".
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	v, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		v = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is not a valid time span; write it like 10m, 24h or 30d", s)
	}
	*d = Duration(v)
	return nil
}

// String writes d as UnmarshalText reads it, as short as it can: 30d, 48h, 10m.
func (d Duration) String() string {
	const day = 24 * time.Hour
	if days := time.Duration(d) / day; days > 2 && time.Duration(d)%day == 0 {
		return fmt.Sprintf("%dd", days)
	}
	s := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// Size is a number of bytes, as in "64MiB".
type Size int64

var units = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}}

// UnmarshalText reads "256KiB", "64MiB" or "20GiB".
func (z *Size) UnmarshalText(b []byte) error {
	s := string(b)
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n <= 0 || n > (1<<62)/u.bytes {
			break
		}
		*z = Size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size; write it like 256KiB, 64MiB or 20GiB", s)
}

// String writes a size as UnmarshalText reads it.
func (z Size) String() string {
	for i := len(units) - 2; i >= 0; i-- { // the largest first; the last is bytes
		if u := units[i]; z >= Size(u.bytes) && z%Size(u.bytes) == 0 {
			return fmt.Sprintf("%d%s", int64(z)/u.bytes, u.suffix)
		}
	}
	return fmt.Sprintf("%dB", int64(z))
}
