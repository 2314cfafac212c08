package storm

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// told is a sighting that says something, from a network.
func told(n int, network uint64, versions ...uint64) Sighting {
	return Sighting{At: start.Add(time.Duration(n) * time.Second), Transfer: uint64(n + 1), Network: network, Saying: Saying{Versions: versions, Content: versions[0] + 1000}}
}

func TestGiven(t *testing.T) {
	type step struct {
		s    Sighting
		want Pass
	}
	storm := func(n int) (steps []step) { // of what says 1, from network 1
		for i := range n {
			steps = append(steps, step{told(i, 1, 1), Held})
		}
		return steps
	}
	with := func(s Sighting, parts ...Part) Sighting { s.Parts = parts; return s }
	exactly := func(s Sighting, content uint64) Sighting { s.Content = content; return s }
	banner := Part{Version: 1, Without: []uint64{77}}
	networks := func(from, n int) (steps []step) {
		for i := range n {
			steps = append(steps, step{told(100+i, uint64(from+i), 1), NewNetwork})
		}
		return steps
	}
	versions := func(n int) (steps []step) {
		for i := range n {
			steps = append(steps, step{told(100+i, 1, uint64(500+i)), NewWords})
		}
		return steps
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"other words pass once", append(storm(5), step{told(10, 1, 2), NewWords}, step{told(11, 1, 2), Held}, step{told(12, 1, 1), Held})},
		{"each of many versions passes once", append(append(storm(5), versions(200)...), step{told(900, 1, 690), Held})},
		{"what there is no room for passes once more", append(append(storm(5), versions(200)...), step{told(900, 1, 500), NewWords})},
		{"one of its prints will do", append(storm(5), step{told(10, 1, 9, 1), Held}, step{told(11, 1, 9), NewWords})},
		{"another network passes once", append(storm(5), step{told(10, 2, 1), NewNetwork}, step{told(11, 2, 1), Held})},
		{"nine networks", append(append(storm(5), networks(2, 8)...), step{told(900, 50, 1), Held})},
		{"beyond them what is not the same to the byte passes", append(append(storm(5), networks(2, 8)...), step{exactly(told(900, 50, 1), 1), NewNetwork}, step{exactly(told(901, 51, 1), 1), Held}, step{exactly(told(902, 50, 1), 2), Held}, step{exactly(told(903, 51, 1), 3), NewNetwork})},
		{"a banner more passes once, and then says nothing new", append(storm(5), step{with(told(10, 1, 3), banner), NewWords}, step{told(11, 1, 2), NewWords},
			step{with(told(12, 1, 4), Part{Version: 2, Without: []uint64{77}}), Held}, step{with(told(13, 1, 5), Part{Version: 2, Without: []uint64{78}}), NewWords})},
		{"a banner less says nothing new", []step{{with(told(0, 1, 3), banner), Held}, {with(told(1, 1, 3), banner), Held}, {with(told(2, 1, 3), banner), Held}, {with(told(3, 1, 3), banner), Held}, {told(4, 1, 1), Held}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tally Tally
			for i, s := range tt.steps {
				tally = Add(tally, s.s, Count{Key: Key{Kind: ID}, Limit: identity, Asked: true})
				if i < identity.Copies {
					if !tally.Through {
						t.Fatalf("sighting %d is held", i)
					}
					continue
				}
				if tally.Pass != s.want || tally.Through != (s.want != Held) {
					t.Fatalf("sighting %d: %d (%s), want %d (%s)", i, tally.Pass, tally.Pass, s.want, s.want)
				}
			}
		})
	}
}

// TestRevoked: what was counted and did not arrive has given nothing.
func TestRevoked(t *testing.T) {
	var tally Tally
	c := Count{Key: Key{Kind: DSN}, Limit: identity}
	for i := range 5 {
		s := told(i, 1, 1)
		if tally = Add(tally, s, c); !tally.Through || !tally.Gave {
			t.Fatalf("sighting %d: %+v", i, tally)
		}
		revoke := c
		revoke.Revoke = true
		tally = Add(tally, s, revoke)
	}
	if tally.Seen != 5 || len(tally.Given.Versions)+len(tally.Given.Networks)+len(tally.Transfers) != 0 {
		t.Errorf("%+v", tally)
	}
	if tally = Add(tally, told(9, 1, 1), c); !tally.Through {
		t.Error("the first that arrives is held")
	}
}

// TestTransferOfOne: many transfers of others do not make one be forgotten.
func TestTransferOfOne(t *testing.T) {
	var tally Tally
	add := func(s Sighting) { tally = Add(tally, s, Count{Key: Key{Kind: ID}, Limit: identity}) }
	mine := told(0, 1, 1)
	add(mine)
	for i := range 1000 {
		add(told(i+1, uint64(2+i%40), uint64(100+i)))
	}
	for i := range 300 { // others' transfers with the same stamp do not use up mine
		other := told(1001+i, 2, 1)
		other.Transfer = mine.Transfer
		add(other)
	}
	mine.At = mine.At.Add(20 * time.Minute)
	if add(mine); !tally.Through || tally.Pass != Retry {
		t.Errorf("the retry: %+v", tally.Answer)
	}
}

// TestClockSetBack: what leaks does so when the clock was ahead, too.
func TestClockSetBack(t *testing.T) {
	for _, ahead := range []time.Duration{time.Second, time.Hour, 24 * time.Hour, 40 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		alert := Limit{Copies: 30, Window: 10 * time.Minute, Calm: 20 * time.Minute, Keep: 2 * time.Hour}
		var tally Tally
		count := func(i int, at time.Time) {
			tally = Add(tally, Sighting{At: at, Transfer: uint64(i)}, Count{Key: Key{Kind: Repeat}, Limit: alert})
		}
		count(0, start.Add(ahead))
		for i := range 576 { // one each five minutes, for two days
			if count(i+1, start.Add(time.Duration(i)*5*time.Minute)); !tally.Through || tally.Last.After(start.Add(49*time.Hour)) {
				t.Fatalf("ahead by %v: alert %d: %+v", ahead, i, tally)
			}
		}
	}
	// A storm goes on.
	tally, _ := play(ID, identity, evenly(100, time.Minute))
	for i := range 10 {
		tally = Add(tally, Sighting{At: start.Add(-time.Hour), Transfer: uint64(1000 + i)}, Count{Key: Key{Kind: ID}, Limit: identity})
		if tally.Through {
			t.Fatal("a copy is let through since the clock was set back")
		}
	}
}

// earlier2 is a tally of version 2.
const earlier2 = "020102000000000000030900000000000000068080f89492a5278080f0a9a4ca4e8080f0a9a4ca4e808eaa9a0d008a8eaa9a0d004017ffd27d27d27d" +
	"060000000000000000000300000000000000010000000000000000808eaa9a0d0000000000000000020000000000000000828eaa9a0d000000000000" +
	"0000030000000000000000848eaa9a0d0001868eaa9a0d0003868eaa9a0d00868eaa9a0d00030f7531406578616d706c652e746573740364736e0747" +
	"72c3bcc39f650304c00002030104c00002040104c0000205010001"

// TestEarlierVersion reads a tally as the version before wrote it: a storm with two sources.
func TestEarlierVersion(t *testing.T) {
	b, err := hex.DecodeString(earlier2)
	if err != nil {
		t.Fatal(err)
	}
	var tally Tally
	if err := tally.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if tally.Seen != 6 || len(tally.Transfers) != 3 || tally.Storm == nil || tally.Storm.Copies != 3 || tally.Storm.Mailbox != "u1@example.test" || len(tally.Storm.Sources) != 3 {
		t.Errorf("%+v, %+v", tally, tally.Storm)
	}
	// It does not know what it gave: the next copy passes, and then none.
	for i, want := range []Pass{NewWords, Held} {
		if tally = Add(tally, told(100+i, 1, 1), Count{Key: tally.Key, Limit: tally.Limit}); tally.Pass != want {
			t.Errorf("copy %d: %s", i, tally.Pass)
		}
	}
}

// TestLaws plays anything at a key: what is held was given, and came from a network that had one let
// through, or from one too many with what was given byte for byte.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{ID, Text, Near, DSN, Reply, Repeat, Class}).Draw(t, "kind")
		limit := rapid.SampledFrom([]Limit{identity, identity.Tight(), repeat, class}).Draw(t, "limit")
		var tally Tally
		versions, networks, contents := map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
		at := start
		for i := range rapid.IntRange(1, 300).Draw(t, "sightings") {
			s := told(i, uint64(rapid.IntRange(1, 15).Draw(t, "network")), uint64(rapid.IntRange(1, 5).Draw(t, "says")))
			s.Content = s.Versions[0]*10 + uint64(rapid.IntRange(0, 2).Draw(t, "layout"))
			at = at.Add(time.Duration(rapid.IntRange(-600, 7200).Draw(t, "later")) * time.Second)
			s.At, s.Transfer = at, uint64(rapid.IntRange(0, 400).Draw(t, "transfer"))
			tally = Add(tally, s, Count{Key: Key{Kind: kind}, Limit: limit})
			if tally.Through {
				versions[s.Versions[0]], networks[s.Network], contents[s.Content] = true, true, true
				continue
			}
			if !versions[s.Versions[0]] {
				t.Fatalf("sighting %d is held, and was not given", i)
			}
			if !networks[s.Network] && (len(networks) < maxNetworks || !contents[s.Content]) {
				t.Fatalf("sighting %d is held, and its network had none let through", i)
			}
		}
	})
}

// TestBanner: where a banner is all that was not given, Add asks whether it is known before it counts.
func TestBanner(t *testing.T) {
	count := Count{Key: Key{Kind: ID}, Limit: identity}
	var storm Tally
	for i := range 5 {
		storm = Add(storm, told(i, 1, 1), count)
	}
	more := told(10, 1, 3)
	more.Parts = []Part{{Version: 2, Without: []uint64{5}}, {Version: 1, Without: []uint64{76, 77}}}
	elsewhere := more
	elsewhere.Network = 2
	asked := func(known ...uint64) Count { c := count; c.Asked, c.Known = true, known; return c }
	for _, tt := range []struct {
		name string
		s    Sighting
		c    Count
		want Pass
	}{
		{"not asked", more, count, Asks},
		{"nothing known", more, asked(), NewWords},
		{"another banner known", more, asked(5, 78), NewWords},
		{"half of it known", more, asked(77), NewWords},
		{"all of it known", more, asked(77, 5, 76), Held},
		{"known, from a network that had none", elsewhere, asked(76, 77), NewNetwork},
		{"no banner at all", told(10, 1, 3), count, NewWords},
	} {
		got := Add(storm, tt.s, tt.c)
		if got.Pass != tt.want || got.Through != (tt.want != Held) || got.Added != (tt.s.Parts != nil) {
			t.Errorf("%s: %d (%s), through %t, added %t", tt.name, got.Pass, got.Pass, got.Through, got.Added)
		}
		if counted := got.Seen > storm.Seen; counted != (tt.want != Asks) {
			t.Errorf("%s: counted %t", tt.name, counted)
		}
	}
}

func BenchmarkPass(b *testing.B) {
	// The worst: a full tally, and a message with all parts of which none was given.
	g := Given{}
	for i := range maxVersions {
		g.Versions, g.Blocks, g.Contents = append(g.Versions, uint64(i)), append(g.Blocks, uint64(i)), append(g.Contents, uint64(i))
	}
	s := told(0, 1, 1000)
	for range 5 {
		s.Parts = append(s.Parts, Part{Version: 5, Without: []uint64{60, 61, 62, 63, 1 << 40}})
	}
	for b.Loop() {
		if g.pass(s, Count{Asked: true}) != NewWords {
			b.Fatal(fmt.Sprint(slices.Max(g.Versions)))
		}
	}
}
