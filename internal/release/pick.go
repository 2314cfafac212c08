package release

import (
	"fmt"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/tomlfile"
)

// Moment reads a time span before now, a day or a time; "" is the zero time.
func Moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	var span tomlfile.Duration
	if span.UnmarshalText([]byte(text)) == nil {
		return now.Add(-time.Duration(span)), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write it like 2h, 3d, 2026-03-02 or 2026-03-02T08:00:00Z", text)
}

// OfMailbox picks what was meant for a mailbox, or for a sub-address of it.
func OfMailbox(mailbox string) (func(addr string) bool, error) {
	if !address.Is(mailbox) {
		return nil, fmt.Errorf("%s is not an address; write it like ann@example.org", mailbox)
	}
	want := address.Mailbox(mailbox)
	return func(addr string) bool {
		m := address.Mailbox(addr)
		return m == want || address.Base(m) == want // digests are of a mailbox with its sub-addresses
	}, nil
}
