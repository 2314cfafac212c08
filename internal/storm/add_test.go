package storm

import (
	"net/netip"
	"testing"
	"time"
)

var (
	start    = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	identity = Limit{Copies: 3, Window: 24 * time.Hour, Calm: 48 * time.Hour, Keep: 48 * time.Hour}
	repeat   = Limit{Copies: 30, Window: 10 * time.Minute, Calm: 20 * time.Minute, Keep: time.Hour}
	class    = Limit{Copies: 200, Window: time.Hour, Calm: 2 * time.Hour, Keep: 2 * time.Hour}
)

// play adds sightings at the given times to one key, each a transfer of its own, and
// returns the tally and how many were let through.
func play(k Kind, l Limit, times []time.Time) (Tally, int) {
	var t Tally
	through := 0
	for i, at := range times {
		t = Add(t, Sighting{At: at, Transfer: uint64(i + 1)}, Count{Key: Key{Kind: k}, Limit: l})
		if t.Through {
			through++
		}
	}
	return t, through
}

// evenly spreads n sightings over d.
func evenly(n int, d time.Duration) []time.Time {
	times := make([]time.Time, n)
	for i := range times {
		times[i] = start.Add(d * time.Duration(i) / time.Duration(n))
	}
	return times
}

// TestScenarios plays whole floods, key by key, and counts what reaches mailboxes.
func TestScenarios(t *testing.T) {
	tests := []struct {
		name     string
		kind     Kind
		limit    Limit
		keys     int
		copies   int // of all keys together, in turn
		over     time.Duration
		arriving int
	}{
		{"20,000 mails in 30 minutes, 800 keys", ID, identity, 800, 17_588, 30 * time.Minute, 2_400},
		{"400,000 mails in six hours, 200 keys", ID, identity, 200, 400_000, 6 * time.Hour, 600},
		{"400,000 mails in six hours, 2,000 keys", ID, identity, 2_000, 400_000, 6 * time.Hour, 6_000},
		{"400,000 mails in six hours, 8,000 keys", ID, identity, 8_000, 400_000, 6 * time.Hour, 24_000},
		{"a mail every five minutes for a day", Repeat, repeat, 1, 288, 24 * time.Hour, 288},
		{"a mail every minute for a day", Repeat, repeat, 1, 1_440, 24 * time.Hour, 1_440},
		{"137 distinct bounces of one mailing", DSN, identity, 137, 137, time.Hour, 137},
		{"137 bounces, each twelve times", DSN, identity, 137, 137 * 12, time.Hour, 411},
		{"one copy every eight hours, for ever", ID, identity, 1, 90, 30 * 24 * time.Hour, 90},
		{"199 bounces an hour for a day", Class, class, 1, 199 * 24, 24 * time.Hour, 199 * 24},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tallies := make([]Tally, tt.keys)
			arrived := 0
			for i, at := range evenly(tt.copies, tt.over) {
				k := i % tt.keys
				tallies[k] = Add(tallies[k], Sighting{At: at, Transfer: uint64(i + 1)}, Count{Key: Key{Kind: tt.kind}, Limit: tt.limit})
				if tallies[k].Through {
					arrived++
				}
			}
			if arrived != tt.arriving {
				t.Errorf("%d of %d copies arrive, want %d", arrived, tt.copies, tt.arriving)
			}
		})
	}
}

func TestStormEnds(t *testing.T) {
	tally, _ := play(ID, identity, evenly(1000, time.Minute))
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {47 * time.Hour, true}, {49 * time.Hour, false}} {
		if got := tally.Raging(tally.Last.Add(tt.after)); got != tt.want {
			t.Errorf("%v after the last copy: raging %v, want %v", tt.after, got, tt.want)
		}
	}
	// A copy sent again by hand when all is over arrives.
	again := Add(tally, Sighting{At: tally.Last.Add(49 * time.Hour), Transfer: 1 << 40}, Count{Key: Key{Kind: ID}, Limit: identity})
	if !again.Through || again.Storm != nil {
		t.Errorf("after the storm: %+v", again)
	}
}

func TestStormIsNotEndedByItsOwnDrip(t *testing.T) {
	tally, through := play(ID, identity, evenly(10, time.Minute))
	if through != 3 {
		t.Fatalf("let through %d", through)
	}
	for i := range 20 { // four a day: more than the leak
		tally = Add(tally, Sighting{At: tally.Last.Add(6 * time.Hour), Transfer: uint64(1000 + i)}, Count{Key: Key{Kind: ID}, Limit: identity})
		if tally.Through {
			t.Fatalf("copy %d of the drip is let through", i)
		}
	}
}

func TestRateUnderStorm(t *testing.T) {
	// An alert that flaps every five seconds for six hours: never silent.
	times := evenly(6*720, 6*time.Hour)
	tally, through := play(Repeat, repeat, times)
	if tally.Storm == nil {
		t.Fatal("no storm")
	}
	begin := int(tally.Storm.Since.Sub(start) / (5 * time.Second))
	if hours := through - begin; hours != 5 {
		t.Errorf("%d let through before the storm, %d in it, want one an hour: 5", begin, hours)
	}
	// Then it slows down to one a minute: a whole window with 10 of 30 ends the storm.
	at, slow := tally.Last, 0
	for i := range 60 {
		at = at.Add(time.Minute)
		tally = Add(tally, Sighting{At: at, Transfer: uint64(1e6 + i)}, Count{Key: Key{Kind: Repeat}, Limit: repeat})
		if tally.Through {
			slow++
		}
	}
	if tally.Storm != nil || slow < 30 {
		t.Errorf("slowed down: storm %v, %d of 60 let through", tally.Storm, slow)
	}
}

func TestRetryIsNoCopy(t *testing.T) {
	var tally Tally
	add := func(at time.Time, transfer uint64) bool {
		tally = Add(tally, Sighting{At: at, Transfer: transfer}, Count{Key: Key{Kind: ID}, Limit: identity})
		return tally.Through
	}
	// A peer that retries each quarter of an hour for five days.
	for i := range 5 * 96 {
		if !add(start.Add(time.Duration(i)*15*time.Minute), 7) {
			t.Fatalf("retry %d is held", i)
		}
	}
	if tally.Seen != 1 {
		t.Errorf("seen %d, want 1: retries are no sightings", tally.Seen)
	}
	// Real copies make it a storm; what was let through before still passes, what was not does not.
	at := tally.Last
	for i := range 10 {
		add(at, uint64(100+i))
	}
	if tally.Storm == nil || !add(at, 7) || !add(at, 100) || add(at, 109) {
		t.Errorf("in the storm: %+v", tally)
	}
}

func TestEndlessRetryIsAStorm(t *testing.T) {
	var tally Tally
	through := 0
	for i := range 10_000 {
		tally = Add(tally, Sighting{At: start.Add(time.Duration(i) * time.Second), Transfer: 7}, Count{Key: Key{Kind: ID}, Limit: identity})
		if tally.Through {
			through++
		}
	}
	// 10,000 s leak 33 retries; 120 at once and the three copies come on top.
	if through < 120 || through > 160 || tally.Storm == nil {
		t.Errorf("%d of 10,000 let through, storm %v", through, tally.Storm != nil)
	}
}

func TestCountedOnly(t *testing.T) {
	tally, through := play(ID, Limit{Keep: time.Hour}, evenly(1000, time.Minute))
	if through != 1000 || tally.Storm != nil || tally.Seen != 1000 || len(tally.Transfers) != 0 {
		t.Errorf("%d let through, %+v", through, tally)
	}
}

func TestForgotten(t *testing.T) {
	tally, _ := play(ID, identity, evenly(3, time.Minute))
	later := tally.Last.Add(identity.Keep + time.Second)
	tally = Add(tally, Sighting{At: later, Transfer: 99}, Count{Key: Key{Kind: ID}, Limit: identity, Link: [8]byte{1}})
	if tally.Seen != 1 || !tally.First.Equal(later) || tally.Link != [8]byte{1} {
		t.Errorf("not begun anew: %+v", tally)
	}
}

func TestLink(t *testing.T) {
	var tally Tally
	for i := range 3 {
		tally = Add(tally, Sighting{At: start, Transfer: uint64(i)}, Count{Key: Key{Kind: ID}, Limit: identity, Link: [8]byte{byte(i + 1)}})
	}
	if tally.Link != [8]byte{1} {
		t.Errorf("link %v", tally.Link)
	}
}

func TestSources(t *testing.T) {
	var tally Tally
	for i := range 100 {
		tally = Add(tally, Sighting{At: start, Transfer: uint64(i), Client: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 20)}), Class: "personal", Subject: "s"},
			Count{Key: Key{Kind: ID}, Limit: identity, Mailbox: "u1@example.test"})
	}
	st := tally.Storm
	var named uint64
	for _, s := range st.Sources {
		named += s.Copies
	}
	if len(st.Sources) != maxSources || named+st.Others != st.Copies || st.Copies != 97 || st.Mailbox != "u1@example.test" {
		t.Errorf("%+v", st)
	}
}

// TestAddIsPure adds to one tally twice: neither may see the other.
func TestAddIsPure(t *testing.T) {
	base, _ := play(ID, identity, evenly(5, time.Minute))
	c := Count{Key: Key{Kind: ID}, Limit: identity}
	a := Add(base, Sighting{At: start.Add(time.Hour), Transfer: 50, Client: netip.MustParseAddr("192.0.2.1")}, c)
	b := Add(base, Sighting{At: start.Add(time.Hour), Transfer: 51, Client: netip.MustParseAddr("192.0.2.2")}, c)
	if a.Storm.Copies != 3 || b.Storm.Copies != 3 || len(base.Storm.Sources) != 1 || b.Storm.Sources[1].Client.String() != "192.0.2.2" {
		t.Errorf("base %+v, a %+v, b %+v", base.Storm, a.Storm, b.Storm)
	}
}

func TestOutOfOrder(t *testing.T) {
	tally, _ := play(ID, identity, []time.Time{start.Add(time.Minute), start, start.Add(time.Second), start.Add(2 * time.Minute)})
	if tally.Storm == nil || !tally.Last.Equal(start.Add(2*time.Minute)) {
		t.Errorf("%+v", tally)
	}
}

func BenchmarkAdd(b *testing.B) {
	b.ReportAllocs()
	c := Count{Key: Key{Kind: ID}, Limit: identity}
	var t Tally
	at, i := start, uint64(0)
	for b.Loop() {
		i++
		t = Add(t, Sighting{At: at, Transfer: i}, c)
	}
}
