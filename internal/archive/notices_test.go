package archive

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestNotices: what was announced may be erased when its time has come, also after a restart, and not
// when the domain keeps its mail for longer by then.
func TestNotices(t *testing.T) {
	dir := t.TempDir()
	n := must(OpenNotices(dir))
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	at := func(days int) time.Time { return start.Add(time.Duration(days) * day) }
	want := func(domain string, now, upto time.Time) {
		t.Helper()
		if got := n.Upto(domain, now); !got.Equal(upto) {
			t.Errorf("%s: %v, want %v", domain, got, upto)
		}
	}
	want("a.test", at(100), time.Time{})
	for d := range 20 {
		noError(t, n.Announce(map[string]Round{"a.test": {at(d - 22), at(d + 7)}, "b.test": {at(d), at(d + 1)}}, at(d)))
	}
	want("a.test", at(19), at(12-22))
	want("b.test", at(19), at(18))
	n = must(OpenNotices(dir))
	want("a.test", at(19), at(12-22))
	want("a.test", at(30), at(19-22))
	noError(t, n.Announce(map[string]Round{"a.test": {at(20 - 357), at(27)}}, at(20)))
	want("a.test", at(30), at(20-357))
	noError(t, n.Announce(nil, at(200)))
	want("a.test", at(300), time.Time{})
	noError(t, os.WriteFile(filepath.Join(dir, noticesFile), []byte("{"), 0o600))
	damaged, err := OpenNotices(dir)
	if err == nil || !damaged.Upto("b.test", at(500)).IsZero() {
		t.Error("damaged notices let something be erased", err)
	}
}

// TestNoticesLaw: whatever is announced, nothing may be erased that no round has announced long enough
// before, and there are never many rounds.
func TestNoticesLaw(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := must(OpenNotices(t.TempDir()))
		now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
		var all []Round
		for range 100 {
			now = now.Add(time.Duration(r.IntN(48)) * time.Hour)
			round := Round{now.Add(-time.Duration(1+r.IntN(400)) * day), now.Add(7 * day)}
			all = append(all, round)
			noError(t, n.Announce(map[string]Round{"a.test": round}, now))
			upto := n.Upto("a.test", now)
			if !upto.IsZero() && !slices.ContainsFunc(all, func(r Round) bool { return !r.Ready.After(now) && !r.Upto.Before(upto) }) {
				t.Fatalf("seed %d: %v may be erased", seed, upto)
			}
			if len(n.rounds["a.test"]) > maxRounds+1 {
				t.Fatalf("%d rounds", len(n.rounds["a.test"]))
			}
		}
	}
}
