package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/engine"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/report"
)

// TestOriginInTime goes through what time does to proofs: late bounces, restarts, gaps, clocks that
// are wrong, and mail that is older than the index.
func TestOriginInTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	gap := now.Add(-3 * time.Hour) // nothing was seen since
	h := newHome(t, gap, "postfix")
	nobody := "nobody@postfix.far.example"
	forge := func(date time.Time, id string) func() {
		return func() { h.forge("postfix", nobody, "", letter(id, stamp(date), id+"@example.org", "Pills.\n")) }
	}
	tagless := strings.Replace(ownRules, "subaddress", "off", 1)
	h.again(tagless, nil)
	h.expect("covered", origin.Forged, "saw all mail of that time", forge(gap.Add(-time.Hour), "covered"))
	h.expect("just before the gap", origin.Unknown, "did not see all", forge(gap.Add(-5*time.Minute), "before"))
	h.expect("in the gap", origin.Unknown, "did not see all", forge(now.Add(-time.Hour), "gap"))
	h.expect("older than the index", origin.Unknown, "older than what the index knows", forge(now.AddDate(0, 0, -20), "old"))
	h.expect("nearly as old", origin.Unknown, "older than what the index knows", forge(now.AddDate(0, 0, -10), "nearly"))
	h.expect("forged for tomorrow", origin.Unknown, "did not see all", forge(now.AddDate(0, 0, 1), "tomorrow"))
	h.expect("a clock that is three hours slow", origin.Genuine, "token of key", func() { h.submit(nobody, "", letter("slow", stamp(gap.Add(-time.Hour)), "slow@example.org", "Hello.")) })
	h.expect("neither Message-ID nor Date", origin.Genuine, "token of key", func() { h.submit(nobody, "", letter("bare", "", "", "Hello.")) })
	sent := h.original("bare")
	if sent.MessageID == "" || sent.Date == "" || sent.Header.Get(origin.TokenField) == "" {
		t.Errorf("it came back with %v", sent.Header)
	}
	h.expect("an empty Message-ID", origin.Genuine, "token of key", func() {
		h.submit(nobody, "", strings.Replace(letter("empty", stamp(now), "x", "Hello."), "<x>", "", 1))
	})
	h.expect("a clock that is a day fast", origin.Genuine, "token of key", func() {
		h.submit(nobody, "", letter("fast", stamp(now.AddDate(0, 0, 1)), "fast@example.org", "Hello."))
	})
	stolen := origin.TokenField + ": " + sent.Header.Get(origin.TokenField) + "\n"
	with := func(token, id string) func() {
		return func() {
			h.forge("postfix", "stranger@postfix.far.example", "", token+letter(id, stamp(gap.Add(-time.Hour)), id+"@example.org", "Pills.\n"))
		}
	}
	h.expect("a token on other mail", origin.Unknown, "does not fit", with(stolen, "stolen"))
	h.expect("a token of another server", origin.Forged, "a key that is not ours", with(strings.Replace(stolen, "k=", "k=0", 1), "other"))
	only := func(method origin.Method) string { return tagless + fmt.Sprintf("[origin]\nproofs = [%q]\n", method) }
	h.again(only(origin.ByMessageID), nil)
	h.expect("no Message-ID, by ours alone", origin.Genuine, "we sent Message-ID", func() { h.submit(nobody, "", letter("bare", "", "", "Hello.")) })

	// Mail waits at the remote while the daemon is restarted, or is away as it is sent.
	h.later.Store(true)
	h.submit(nobody, "", letter("restart", stamp(now), "restart@example.org", "Hello."))
	h.again(only(origin.ByMessageID), nil)
	h.expect("a restart in between", origin.Genuine, "we sent Message-ID <restart@example.org>", func() { h.later.Store(false) })
	h.again(only(origin.ByToken), nil)
	h.later.Store(true)
	h.submit(nobody, "", letter("rotate", stamp(now), "rotate@example.org", "Hello."))
	h.d.run("keys", "rotate", "--keys", h.d.path("keys"), "--control", h.d.path("control"), "--config", h.d.path("breakwater.toml"))
	h.expect("a new key in between", origin.Genuine, "token of key", func() { h.later.Store(false) })
	h.later.Store(true)
	h.again(tagless, func() {
		h.submit("new@postfix.far.example", "", letter("away", stamp(now), "away@example.org", "Hello."))
		h.submit("newer@postfix.far.example", "", letter("away, clock wrong", stamp(gap.Add(-time.Hour)), "wrong@example.org", "Hello."))
	})
	before := h.count(origin.Unknown)
	h.later.Store(false)
	lines := strings.Join(h.decided(origin.Unknown, before, 2), "")
	if strings.Count(lines, "action=deliver") != 2 || !strings.Contains(lines, "did not see all mail") || !strings.Contains(lines, "went through mx.example.org, where the index did not see it") {
		t.Errorf("sent past the daemon: %s", lines)
	}
	if out := h.d.run("storms", "learning", "--control", h.d.path("control")); !strings.Contains(out, "example.org: learned since") {
		t.Errorf("bounces that anybody can write have the domain learn anew: %s", out)
	}

	// Mail of three days ago is bounced only now, and has nothing but its Message-ID or its
	// recipient to prove it.
	late := func(method origin.Method, to, id string) {
		h.again(only(method), func() {
			h.store(func(e *engine.Engine) {
				m := message.Parse(message.Envelope{AuthUser: "ann", DaemonName: "ORIGINATING", ReversePath: "ann@example.org", Recipients: []message.Recipient{{Addr: to}}}, now.AddDate(0, 0, -3),
					[]byte(strings.ReplaceAll(letter(id, stamp(now.AddDate(0, 0, -3)), id+"@example.org", "Hello."), "\n", "\r\n")))
				if _, err := e.Judge(context.Background(), m); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
	late(origin.ByMessageID, nobody, "late")
	h.expect("three days late, by Message-ID", origin.Genuine, "we sent Message-ID <late@example.org>", forge(now.AddDate(0, 0, -3), "late"))
	late(origin.ByCorrespondent, "carl@postfix.far.example", "other")
	h.expect("three days late, by correspondents", origin.Genuine, "wrote to carl@postfix.far.example", func() {
		h.forge("postfix", "carl@postfix.far.example", "", letter("unheard", stamp(now.AddDate(0, 0, -3)), "unheard@example.org", "Hello."))
	})
}

// original is what the report in ann's mailbox on a message of a subject shows of it.
func (h *home) original(subject string) (o report.Original) {
	h.t.Helper()
	waitFor(h.t, "a report on "+subject, func() bool {
		return slices.ContainsFunc(h.arrived(), func(m *message.Message) bool {
			r := classify.Classify(m).Report
			if r != nil {
				o = r.Original
			}
			return r != nil && o.Subject == subject
		})
	})
	return o
}
