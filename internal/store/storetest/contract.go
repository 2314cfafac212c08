package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/notes"
	"breakwater/internal/storm"
)

func unknown(t *testing.T, d Driver) {
	s := open(t, d)
	for i, got := range lookup(t, s, start, key(1, storm.ID), key(2, storm.Text)) {
		same(t, fmt.Sprint("key ", i), got, storm.Tally{})
	}
	if n := len(lookup(t, s, start)); n != 0 {
		t.Errorf("%d tallies for no keys", n)
	}
	if n := len(observe(t, s, storm.Sighting{At: start})); n != 0 {
		t.Errorf("%d tallies for no counts", n)
	}
	if n := len(all(t, s, time.Time{})); n != 0 {
		t.Errorf("an empty store has %d tallies", n)
	}
}

// sighting is one that a random source makes up: few keys, so that they become storms.
func sighting(r *rand.Rand, i int) storm.Sighting {
	s := storm.Sighting{
		At: start.Add(time.Duration(i)*time.Second + time.Duration(r.IntN(7)-3)*time.Second), Transfer: uint64(r.IntN(500)),
		Client: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(30))}), Class: "personal", Subject: fmt.Sprint("Offer ", i),
	}
	limits := []storm.Limit{identity, rate, counted}
	for _, n := range r.Perm(40)[:r.IntN(6)] {
		c := storm.Count{
			Key: key(n, storm.Kinds[n%len(storm.Kinds)]), Limit: limits[n%len(limits)],
			Mailbox: fmt.Sprintf("u%d@example.test", n),
		}
		binary.BigEndian.PutUint64(c.Link[:], uint64(i))
		s.Counts = append(s.Counts, c)
	}
	return s
}

// random compares with storm.Add on a map: counts, storms, retries, links.
func random(t *testing.T, d Driver) {
	s := open(t, d)
	r := rand.New(rand.NewPCG(1, 2))
	model := map[storm.Key]storm.Tally{}
	for i := range 5000 {
		sg := sighting(r, i)
		for j, got := range observe(t, s, sg) {
			want := storm.Add(model[sg.Counts[j].Key], sg, sg.Counts[j])
			same(t, fmt.Sprintf("sighting %d, count %d", i, j), got, want)
			model[want.Key] = stored(want)
		}
		if i%100 == 0 {
			n := r.IntN(40)
			k := key(n, storm.Kinds[n%len(storm.Kinds)])
			same(t, fmt.Sprint("lookup after sighting ", i), lookup(t, s, sg.At, k)[0], model[k])
		}
	}
	got := all(t, s, time.Time{})
	if len(got) != len(model) {
		t.Errorf("%d tallies, want %d", len(got), len(model))
	}
	storms := 0
	for k, want := range model {
		same(t, "at the end", got[k], want)
		if want.Storm != nil {
			storms++
		}
	}
	if storms == 0 || storms == len(model) {
		t.Errorf("%d of %d tallies are storms: not much of a test", storms, len(model))
	}
}

// randomNotes compares with notes.Add on a map: links, bits, and notes that begin again.
func randomNotes(t *testing.T, d Driver) {
	s := open(t, d)
	r := rand.New(rand.NewPCG(3, 4))
	model := map[storm.Key]notes.Note{}
	for i := range 3000 {
		at := start.Add(time.Duration(i)*time.Minute + time.Duration(r.IntN(900)-450)*time.Second)
		var entries []notes.Entry
		for _, n := range r.Perm(40)[:r.IntN(6)] {
			e := notes.Entry{Key: key(n, noted), Keep: []time.Duration{time.Hour, noteLife, 0}[n%3], Bits: 1 << (i % 64), Reset: r.IntN(100) == 0}
			binary.BigEndian.PutUint64(e.Link[:], uint64(i))
			entries = append(entries, e)
		}
		for j, got := range note(t, s, at, entries...) {
			want := notes.Add(model[entries[j].Key], at, entries[j])
			if !sameNote(got, want) {
				t.Fatalf("note %d, entry %d:\n got %+v\nwant %+v", i, j, got, want)
			}
			model[want.Key] = want
		}
		k := key(r.IntN(40), noted)
		want := model[k]
		if want.Forgotten(at) {
			want = notes.Note{}
		}
		if got := recall(t, s, at, k)[0]; !sameNote(got, want) {
			t.Fatalf("after note %d:\n got %+v\nwant %+v", i, got, want)
		}
	}
	if n := len(all(t, s, time.Time{})); n != 0 {
		t.Errorf("%d notes are shown as tallies", n)
	}
}

// index keeps with a key what came with it first, and gathers bits: so texts are found again
// by their shingles.
func index(t *testing.T, d Driver) {
	s := open(t, d)
	words := []storm.Key{key(1, noted), key(2, noted), key(3, noted)}
	look := func(at time.Time, links string, bits ...uint64) {
		t.Helper()
		for i, got := range recall(t, s, at, words...) {
			if got.Link[0] != links[i]-'0' || got.Bits != bits[i] {
				t.Errorf("shingle %d: link %d, bits %b, want %c, %b", i, got.Link[0], got.Bits, links[i], bits[i])
			}
		}
	}
	text := func(at time.Time, link byte, bit uint64, keys ...storm.Key) {
		var entries []notes.Entry
		for _, k := range keys {
			entries = append(entries, notes.Entry{Key: k, Keep: noteLife, Link: [8]byte{link}, Bits: bit})
		}
		note(t, s, at, entries...)
	}
	look(start, "000", 0, 0, 0)
	text(start, 1, 1, words[:2]...)
	look(start, "110", 1, 1, 0)
	text(start.Add(time.Hour), 2, 1<<63, words[1:]...)
	look(start.Add(time.Hour), "112", 1, 1|1<<63, 1<<63)
	late := start.Add(25*time.Hour - time.Minute) // the first is forgotten, the others are not
	look(late, "012", 0, 1|1<<63, 1<<63)
	text(late, 3, 4, words...)
	look(late, "312", 4, 1|4|1<<63, 4|1<<63)
}

// forgotten goes by the times it is given, years from the clock's.
func forgotten(t *testing.T, d Driver) {
	s := open(t, d)
	for year, at := range map[int]time.Time{1999: start.AddDate(-27, 0, 0), 2026: start, 2096: start.AddDate(70, 0, 0)} {
		c := storm.Count{Key: key(year, storm.ID), Limit: identity, Link: [8]byte{1}}
		for i := range 5 {
			observe(t, s, storm.Sighting{At: at, Transfer: uint64(i), Counts: []storm.Count{c}})
		}
		if got := lookup(t, s, at.Add(identity.Keep), c.Key)[0]; got.Seen != 5 {
			t.Errorf("%d: seen %d at the end of its life, want 5", year, got.Seen)
		}
		late := at.Add(identity.Keep + time.Nanosecond)
		same(t, fmt.Sprint(year, ": forgotten"), lookup(t, s, late, c.Key)[0], storm.Tally{})
		if got := lookup(t, s, at, c.Key)[0]; got.Seen != 5 {
			t.Errorf("%d: looking it up later made it forgotten", year)
		}
		c.Link = [8]byte{2}
		got := observe(t, s, storm.Sighting{At: late, Transfer: 9, Counts: []storm.Count{c}})[0]
		if got.Seen != 1 || got.Storm != nil || got.Link != c.Link || !got.First.Equal(late) {
			t.Errorf("%d: not begun anew: %+v", year, got)
		}
	}
	forever := storm.Count{Key: key(1, storm.ID)}
	observe(t, s, storm.Sighting{At: start, Counts: []storm.Count{forever}})
	if got := lookup(t, s, start.AddDate(1000, 0, 0), forever.Key)[0]; got.Seen != 1 {
		t.Errorf("a tally without an end is forgotten: %+v", got)
	}
}

func tallies(t *testing.T, d Driver) {
	s := open(t, d)
	for n := range 100 {
		observe(t, s, storm.Sighting{At: start.Add(time.Duration(n) * time.Minute), Counts: []storm.Count{{Key: key(n, storm.ID), Limit: identity}}})
	}
	for _, tt := range []struct {
		since time.Time
		want  int
	}{{time.Time{}, 100}, {start, 100}, {start.Add(1), 99}, {start.Add(99 * time.Minute), 1}, {start.Add(99*time.Minute + 1), 0}} {
		if got := len(all(t, s, tt.since)); got != tt.want {
			t.Errorf("since %v: %d tallies, want %d", tt.since, got, tt.want)
		}
	}
	for n, stop := range []int{1, 50} {
		seen := 0
		for _, err := range s.Tallies(context.Background(), time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == stop {
				break
			}
		}
		if seen != stop {
			t.Errorf("loop %d saw %d tallies, want %d", n, seen, stop)
		}
	}
}

func longLabels(t *testing.T, d Driver) {
	s := open(t, d)
	c := storm.Count{Key: key(1, storm.ID), Limit: identity, Mailbox: strings.Repeat("m", 10_000) + "@example.test"}
	sg := storm.Sighting{At: start, Class: "personal", Subject: strings.Repeat("Ü\x00\xff", 3000), Counts: []storm.Count{c}}
	var want storm.Tally
	for i := range 60 {
		sg.Transfer = uint64(i)
		sg.Client = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(i)})
		want = storm.Add(want, sg, c)
		same(t, fmt.Sprint("sighting ", i), observe(t, s, sg)[0], want)
		want = stored(want)
	}
	same(t, "at the end", all(t, s, time.Time{})[c.Key], want)
}

func oddTimes(t *testing.T, d Driver) {
	s := open(t, d)
	times := []time.Time{
		{}, time.Unix(0, 0), time.Unix(-1, 999999999), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Now(), start.In(time.FixedZone("", -11*3600-1)), start.Add(-1), start,
	}
	for n, at := range times {
		c := storm.Count{Key: key(n, storm.ID), Limit: identity}
		var want storm.Tally
		for i, again := range append([]time.Time{at, at.Add(time.Hour)}, times...) {
			sg := storm.Sighting{At: again, Transfer: uint64(i), Counts: []storm.Count{c}}
			want = storm.Add(want, sg, c)
			same(t, fmt.Sprintf("first at %v, then %v", at, again), observe(t, s, sg)[0], want)
			want = stored(want)
		}
	}
}

func canceled(t *testing.T, d Driver) {
	s := open(t, d)
	c := storm.Count{Key: key(1, storm.ID), Limit: identity}
	observe(t, s, storm.Sighting{At: start, Transfer: 1, Counts: []storm.Count{c}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Observe(ctx, storm.Sighting{At: start, Transfer: 2, Counts: []storm.Count{c}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Observe: %v", err)
	}
	if _, err := s.Lookup(ctx, start, []storm.Key{c.Key}); !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup: %v", err)
	}
	if _, err := s.Note(ctx, start, []notes.Entry{{Key: key(1, noted)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Note: %v", err)
	}
	if _, err := s.Noted(ctx, start, []storm.Key{key(1, noted)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Noted: %v", err)
	}
	var last error
	for _, err := range s.Tallies(ctx, time.Time{}) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("Tallies: %v", last)
	}
	if got := lookup(t, s, start, c.Key)[0].Seen; got != 1 {
		t.Errorf("seen %d, want 1: a canceled sighting was counted", got)
	}
}

func closed(t *testing.T, d Driver) {
	s := d.Open(t)
	c := storm.Count{Key: key(1, storm.ID), Limit: identity}
	observe(t, s, storm.Sighting{At: start, Counts: []storm.Count{c}})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Observe(context.Background(), storm.Sighting{At: start, Counts: []storm.Count{c}}); err == nil {
		t.Error("Observe counts in a closed store")
	}
	if _, err := s.Lookup(context.Background(), start, []storm.Key{c.Key}); err == nil {
		t.Error("Lookup looks into a closed store")
	}
	if _, err := s.Note(context.Background(), start, []notes.Entry{{Key: key(1, noted)}}); err == nil {
		t.Error("Note writes into a closed store")
	}
	if _, err := s.Noted(context.Background(), start, []storm.Key{key(1, noted)}); err == nil {
		t.Error("Noted looks into a closed store")
	}
	for _, err := range s.Tallies(context.Background(), time.Time{}) {
		if err == nil {
			t.Error("Tallies shows a closed store")
		}
	}
}
