package show

import (
	"strings"
	"testing"
	"time"
)

func TestNumber(t *testing.T) {
	for want, got := range map[string]string{
		"1 error": Number(1, "error"), "0 errors": Number(0, "error"), "1 copy": Number(1, "copy"), "1,200 copies": Number(1200, "copy"),
		"1 mailbox": Number(1, "mailbox"), "2 mailboxes": Number(2, "mailbox"),
	} {
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

// TestClock: a time that is not today has its date, in the past and to come.
func TestClock(t *testing.T) {
	for _, away := range []time.Duration{-7 * 24 * time.Hour, -30 * time.Hour, 30 * time.Hour, 7 * 24 * time.Hour} {
		if got := Clock(time.Now().Add(away)); !strings.Contains(got, "-") {
			t.Errorf("%v from now is %s", away, got)
		}
	}
	if got := Clock(time.Now().Add(-time.Hour)); strings.Contains(got, "-") {
		t.Error(got)
	}
}
