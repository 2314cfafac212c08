package sent

import (
	"context"
	"errors"
	"testing"
	"time"

	"breakwater/internal/fingerprint"
	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/store"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/storm"
)

const day = 24 * time.Hour

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func newIndex(t *testing.T) *Index {
	t.Helper()
	s, err := badgerdb.Open("", badgerdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &Index{Store: s, Hasher: fingerprint.New([]byte("0123456789abcdef"))}
}

func ask(t *testing.T, x *Index, q Question) Answer {
	t.Helper()
	a, err := x.Ask(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestKnowsAndWrote: what left is known of its customer, of anybody, and of nobody else, for as long as the index lives.
func TestKnowsAndWrote(t *testing.T) {
	x := newIndex(t)
	x.Life = 3 * day
	m := Mail{Customer: "example.org", ID: "1@example.org", From: []string{"Ann+news@example.org", "desk@example.org"}, To: []string{"bob@example.net", "Carl+x@EXAMPLE.com"}}
	if err := x.Add(context.Background(), start, m); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		after time.Duration
		known bool
	}{{"at once", 0, true}, {"to the end of its life", 3 * day, true}, {"after it", 3*day + 1, false}} {
		a := ask(t, x, Question{
			At: start.Add(tt.after), Date: start, Customers: []string{Anybody, "example.org", "other.test"}, IDs: []string{"1@example.org", "2@example.org"},
			Addresses: []string{"ann@example.org", "desk@example.org", "eve@example.org"}, Partners: []string{"bob@example.net", "carl@example.com", "dan@example.com"},
		})
		for _, k := range []struct {
			customer, id string
			want         bool
		}{{"example.org", "1@example.org", true}, {Anybody, "1@example.org", true}, {"other.test", "1@example.org", false}, {"example.org", "2@example.org", false}} {
			if got := a.Knows(k.customer, k.id); got != (k.want && tt.known) {
				t.Errorf("%s: %q knows %s: %v", tt.name, k.customer, k.id, got)
			}
		}
		for _, w := range []struct {
			from, to string
			want     bool
		}{
			{"ann@example.org", "bob@example.net", true}, {"desk@example.org", "carl@example.com", true}, {"ann@example.org", "dan@example.com", false}, {"eve@example.org", "bob@example.net", false},
		} {
			if got := a.Wrote(w.from, w.to); got != (w.want && tt.known) {
				t.Errorf("%s: %s wrote to %s: %v", tt.name, w.from, w.to, got)
			}
		}
	}
}

// TestCovered: a time is covered if all minutes around it were seen, up to the one that has not ended, of which Seeing
// tells.
func TestCovered(t *testing.T) {
	x := newIndex(t)
	now := start.Add(3 * time.Hour)
	for at := start.Add(time.Minute); !at.After(now); at = at.Add(time.Minute) {
		if err := x.Beat(context.Background(), at, at != start.Add(90*time.Minute), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		date   time.Time
		seeing bool
		want   bool
	}{
		{"an hour", start.Add(time.Hour), false, true},
		{"before the index", start.Add(-time.Hour), true, false},
		{"near a minute that was not seen", start.Add(85 * time.Minute), true, false},
		{"behind it", start.Add(110 * time.Minute), false, true},
		{"now", now, false, false},
		{"now, and it is seen", now, true, true},
	} {
		x.Seeing = func(since time.Time) bool { return tt.seeing && !since.Before(now) }
		if got := ask(t, x, Question{At: now, Date: tt.date}).Covered(); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestLearned: a domain learns from the first beat on; anew, if it was away, if it has mail that was not seen, and, for tags, after a gap.
func TestLearned(t *testing.T) {
	x, ctx := newIndex(t), context.Background()
	domains := []Domain{{Name: "example.org", Tagged: true, Learn: 7 * day}, {Name: "other.test"}}
	at := start
	beat := func(saw bool, domains []Domain) {
		t.Helper()
		at = at.Add(time.Minute)
		if err := x.Beat(ctx, at, saw, domains); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(name string, since, tagged time.Time) {
		t.Helper()
		a := ask(t, x, Question{At: at, Date: at, Addresses: []string{"ann@example.org"}})
		all, err := x.Learning(ctx, at, domains)
		if err != nil || !a.Learned("carl@example.org").Equal(since) || !all[0].Since.Equal(since) || !all[0].Until.Equal(since.Add(7*day)) {
			t.Errorf("%s: since %v, %+v, want %v; %v", name, a.Learned("carl@example.org"), all, since, err)
		}
		long, err := x.Tagged(ctx, at, "ann@example.org", at.Sub(tagged))
		longer, _ := x.Tagged(ctx, at, "ann@example.org", at.Sub(tagged)+1)
		if err != nil || !long || longer {
			t.Errorf("%s: not tagged since %v: %v, %v, %v", name, tagged, long, longer, err)
		}
	}
	beat(true, domains)
	first := at
	beat(true, domains)
	expect("first", first, first)
	beat(false, domains)
	gap := at
	beat(true, domains)
	expect("after a gap", first, gap)
	at = at.Add(2 * day)
	beat(true, domains)
	expect("after days without the daemon", first, gap)
	if err := x.Changed(ctx, at.Add(time.Second), domains[1:]); err != nil {
		t.Fatal(err)
	}
	beat(true, domains)
	away := at
	beat(true, domains)
	expect("after it was away", away, away)
	if err := x.Learn(ctx, at, []string{"example.org"}, []string{"other.test", "other.test"}); err != nil {
		t.Fatal(err)
	}
	unseen := at
	beat(true, domains)
	expect("after mail that was not seen", unseen, away)
	if all, err := x.Learning(ctx, at, domains); err != nil || all[1].Excused != 2 || all[0].Excused != 0 {
		t.Errorf("excused: %+v, %v", all, err)
	}
	if err := x.Add(ctx, at, Mail{AnsweredAt: []string{"Ann+x@example.org"}}); err != nil {
		t.Fatal(err)
	}
	if tagged, err := x.Tagged(ctx, at, "ann@example.org", 0); tagged || err != nil {
		t.Errorf("mail left without a tag: %v, %v", tagged, err)
	}
}

// TestAssume: a scratch index covers all of its life, and has learned.
func TestAssume(t *testing.T) {
	x := newIndex(t)
	if err := x.Assume(context.Background(), start, start.Add(time.Hour), []Domain{{Name: "example.org"}}); err != nil {
		t.Fatal(err)
	}
	for _, date := range []time.Time{start, start.Add(-origin.Life + time.Hour), start.Add(40 * time.Minute)} {
		if a := ask(t, x, Question{At: start.Add(time.Hour), Date: date, Addresses: []string{"ann@example.org"}}); !a.Covered() || a.Learned("ann@example.org").IsZero() {
			t.Errorf("%v: %+v", date, a)
		}
	}
}

// failing is a store that fails.
type failing struct{ store.Store }

var errFailing = errors.New("failing")

func (failing) Noted(context.Context, time.Time, []storm.Key) ([]notes.Note, error) {
	return nil, errFailing
}
func (failing) Note(context.Context, time.Time, []notes.Entry) ([]notes.Note, error) {
	return nil, errFailing
}

func TestStoreFails(t *testing.T) {
	x, ctx := newIndex(t), context.Background()
	x.Store = failing{}
	for name, do := range map[string]func() error{
		"Add":      func() error { return x.Add(ctx, start, Mail{}) },
		"Ask":      func() error { _, err := x.Ask(ctx, Question{At: start, Date: start}); return err },
		"Tagged":   func() error { _, err := x.Tagged(ctx, start, "ann@example.org", 0); return err },
		"Learn":    func() error { return x.Learn(ctx, start, []string{"example.org"}, nil) },
		"Beat":     func() error { return x.Beat(ctx, start, true, nil) },
		"Changed":  func() error { return x.Changed(ctx, start, nil) },
		"Learning": func() error { _, err := x.Learning(ctx, start, []Domain{{Name: "example.org"}}); return err },
		"Assume":   func() error { return x.Assume(ctx, start, start, nil) },
	} {
		if err := do(); !errors.Is(err, errFailing) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
