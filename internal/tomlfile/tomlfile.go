// Package tomlfile reads the TOML files that operators write. Every error names file, line
// and column: of unknown keys, too.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Decode reads the file called name from data into v, a pointer to a struct. Its error has
// all that is wrong, each as file:line:column: what, with the line itself below.
func Decode(name string, data []byte, v any) error {
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(v)
	if err == nil {
		return nil
	}
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		var all []error
		for i := range unknown.Errors {
			e := &unknown.Errors[i]
			all = append(all, located(name, e, "unknown key "+strings.Join(e.Key(), ".")))
		}
		return errors.Join(all...)
	case errors.As(err, &wrong):
		return located(name, wrong, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	return fmt.Errorf("%s:1:1: %w", name, err)
}

// located writes an error with the line itself below, and a mark under the place.
func located(name string, e *toml.DecodeError, what string) error {
	row, col := e.Position()
	if m := mismatch.FindStringSubmatch(what); m != nil {
		what = fmt.Sprintf("a %s does not fit here", m[1])
	}
	return fmt.Errorf("%s:%d:%d: %s\n%s", name, row, col, what, mismatch.ReplaceAllString(e.String(), "a $1 does not fit here"))
}

// mismatch is the decoder's way to say that a value has the wrong type; it names our structs.
var mismatch = regexp.MustCompile(`cannot decode TOML (\w+) into .*`)

// Position is a place in a file, both from 1. The zero Position is that of what is not there.
type Position struct{ Line, Column int }

// Positions finds where each key of a file stands, by names such as limit.id.copies.
func Positions(data []byte) map[string]Position {
	at := map[string]Position{}
	var p unstable.Parser
	p.Reset(data)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		var names []string
		var first *unstable.Node
		for it := e.Key(); it.Next(); {
			if first == nil {
				first = it.Node()
			}
			names = append(names, string(it.Node().Data))
		}
		if first == nil {
			continue
		}
		key := strings.Join(names, ".")
		if e.Kind == unstable.KeyValue {
			key = table + key
		} else {
			table = key + "."
		}
		start := p.Shape(first.Raw).Start
		at[key] = Position{start.Line, start.Column}
	}
	return at
}

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
		return fmt.Errorf("%q is no time span; write it like 10m, 24h or 30d", s)
	}
	*d = Duration(v)
	return nil
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
