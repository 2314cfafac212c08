package archive

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// world is a host whose clock may be wrong.
type world struct {
	real  time.Time     // what time it is
	wrong time.Duration // how far the host's clock is ahead
	boot  time.Time     // when the process began
}

func (w *world) clock() HostClock {
	w.boot = w.real
	return HostClock{Now: func() time.Time { return w.real.Add(w.wrong) }, Passed: func() time.Duration { return w.real.Sub(w.boot) }}
}

const year = 365 * day

// TestClocks plays a clock that is set wrong and right again, at a start, while the archive is open and
// with a restart in between: nothing is erased before it is 30 days old, nor much later.
func TestClocks(t *testing.T) {
	for _, wrong := range []time.Duration{time.Second, time.Hour, day, 40 * day, 10 * year} {
		for _, sign := range []time.Duration{1, -1} {
			for _, how := range []string{"from the start", "at a start", "running", "restart in between", "both at starts", "never put right"} {
				t.Run(fmt.Sprintf("%v %s", wrong*sign, how), func(t *testing.T) {
					t.Parallel()
					playClock(t, wrong*sign, how)
				})
			}
		}
	}
}

func playClock(t *testing.T, wrong time.Duration, how string) {
	w := &world{real: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	dir := t.TempDir()
	o := Options{MinFree: 1, Retention: func(string) Retention { return Retention{Keep: 30 * day} }}
	var a *Archive
	restart := func(setTo time.Duration) {
		if a != nil {
			closeTest(t, a)
			w.real = w.real.Add(10 * time.Minute)
		}
		w.wrong = setTo
		o.Clock = w.clock()
		a = must(Open(dir, o))
	}
	if how == "from the start" {
		w.wrong = wrong
	}
	restart(w.wrong)
	put := map[string]time.Time{}
	for hour := 0; hour < 24*95; hour += 24 {
		switch hour {
		case 24 * 20:
			switch how {
			case "at a start", "both at starts":
				restart(wrong)
			case "running", "restart in between", "never put right":
				w.wrong = wrong
			}
		case 24 * 22:
			if how == "restart in between" {
				restart(wrong)
			}
		case 24 * 24:
			switch how {
			case "both at starts", "from the start":
				restart(0)
			case "at a start", "running", "restart in between":
				w.wrong = 0
			}
		}
		if hour%72 == 0 && hour < 24*60 {
			put[mustPut(t, a, sample(hour), []byte("x"))] = w.real
		}
		must(a.Expire(context.Background(), a.Now()))
		there, _ := ids(t, dir)
		for id, at := range put {
			switch age := w.real.Sub(at); {
			case age < 30*day && !slices.Contains(there, id):
				t.Fatalf("day %d: erased after %v", hour/24, age)
			case age > 32*day+time.Hour && slices.Contains(there, id):
				t.Fatalf("day %d: still there after %v", hour/24, age)
			}
		}
		w.real = w.real.Add(24 * time.Hour)
	}
	closeTest(t, a)
}

// TestOldClocks opens an archive of an older version, which had no clock, when the host's clock is
// wrong; and one with IDs from a clock that was ahead.
func TestOldClocks(t *testing.T) {
	for _, tt := range []struct {
		name          string
		ahead         time.Duration // of the IDs
		wrong         time.Duration // of the host's clock at the first start
		erased, least time.Duration // after so long at the latest, and the earliest
	}{
		{"right", 0, 0, 31 * day, 24 * day},
		{"the host's clock is ahead", 0, 40 * day, 31 * day, 24 * day},
		{"the host's clock is behind", 0, -40 * day, 71 * day, 24 * day},
		{"the IDs are ahead", 10 * year, 0, 31 * day, 24 * day},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{real: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
			file, _, _ := written(t, 3, true)
			dir := filepath.Dir(file)
			older := []byte(nil)
			name := filepath.Base(file)
			older = oldFormat(t, name, must(os.ReadFile(file)))
			// The records' IDs are of today; let them be of five days before the play, or of then.
			first := firstOf(name)
			w.real = first.time().Add(5*day - tt.ahead).UTC()
			noError(t, os.WriteFile(file, older, 0o600))
			noError(t, os.Chtimes(file, w.real.Add(-5*day), w.real.Add(-5*day)))
			begun := w.real
			w.wrong = tt.wrong
			o := Options{MinFree: 1, Retention: func(string) Retention { return Retention{Keep: 30 * day} }, Clock: w.clock()}
			a := must(Open(dir, o))
			defer a.Close()
			for w.real.Sub(begun) < 80*day {
				if w.real.Sub(begun) > day {
					w.wrong = 0
				}
				must(a.Expire(context.Background(), a.Now()))
				there, _ := ids(t, dir)
				switch since := w.real.Sub(begun); {
				case since < tt.least && len(there) < 3:
					t.Fatalf("erased after %v", since)
				case since > tt.erased && len(there) > 0:
					t.Fatalf("still there after %v", since)
				}
				w.real = w.real.Add(12 * time.Hour)
			}
		})
	}
}

// TestClockIsDamaged: a clock that cannot be read begins anew, no earlier than what was archived last.
func TestClockIsDamaged(t *testing.T) {
	w := &world{real: time.Now().UTC()}
	dir := t.TempDir()
	a := openTest(t, dir, Options{Clock: w.clock()})
	mustPut(t, a, sample(1), nil)
	closeTest(t, a)
	noError(t, os.WriteFile(filepath.Join(dir, clockFile), []byte("\x00"), 0o600))
	w.wrong = 40 * day
	a = openTest(t, dir, Options{Clock: w.clock()})
	if d := a.Now().Sub(w.real); d > maxAway+time.Minute {
		t.Errorf("the clock leapt by %v", d)
	}
}

// TestLeap says once that the host's clock was set.
func TestLeap(t *testing.T) {
	w := &world{real: time.Now().UTC()}
	a := openTest(t, t.TempDir(), Options{Clock: w.clock()})
	for _, tt := range []struct{ wrong, want time.Duration }{{0, 0}, {time.Minute, 0}, {40 * day, 40 * day}, {40 * day, 0}, {0, -40 * day}, {0, 0}} {
		w.wrong = tt.wrong
		w.real = w.real.Add(time.Hour)
		if got := a.Leap(); (got - tt.want).Abs() > time.Second {
			t.Errorf("set to %v: %v, want %v", tt.wrong, got, tt.want)
		}
	}
	w.wrong = time.Hour
	if at := a.Now().Add(day); !a.OnHostClock(at).Equal(at.Add(time.Hour)) {
		t.Error(a.OnHostClock(at))
	}
}

// TestLeapAtStart: a host's clock that is far from where it was is told of at the start.
func TestLeapAtStart(t *testing.T) {
	for _, tt := range []struct {
		wrong time.Duration
		said  bool
	}{{0, false}, {time.Hour, false}, {day, false}, {40 * day, true}, {10 * year, true}, {-time.Second, false}, {-time.Hour, true}, {-40 * day, true}} {
		w := &world{real: time.Now().UTC()}
		dir := t.TempDir()
		closeTest(t, openTest(t, dir, Options{Clock: w.clock()}))
		w.wrong = tt.wrong
		var said bytes.Buffer
		closeTest(t, openTest(t, dir, Options{Clock: w.clock(), Log: textLog(&said)}))
		if strings.Contains(said.String(), "the host's clock is far from where it was") != tt.said {
			t.Errorf("%v: %q", tt.wrong, &said)
		}
	}
}

// TestAuditUser: who did what is a name, also for root.
func TestAuditUser(t *testing.T) {
	dir := t.TempDir()
	noError(t, Audit(dir, "looked"))
	if os.Geteuid() == 0 {
		t.Setenv("SUDO_USER", "ann")
		noError(t, Audit(dir, "looked"))
	}
	text := string(must(os.ReadFile(filepath.Join(dir, AuditFile))))
	if os.Geteuid() == 0 && (strings.Contains(text, "uid 0") || !strings.Contains(text, `"user":"ann"`)) || !strings.Contains(text, `"user":"`) {
		t.Error(text)
	}
}

// TestErasable: what is old enough stays until it may be erased, and it is said for whom.
func TestErasable(t *testing.T) {
	var upto time.Time
	a := openTest(t, t.TempDir(), Options{
		Retention: func(string) Retention { return Retention{Keep: 30 * day} },
		Erasable:  func(string) time.Time { return upto },
	})
	c := sample(1)
	c.Domain = "a.test"
	if a.Oldest() != nil {
		t.Error("the oldest mail is known before a look")
	}
	mustPut(t, a, c, nil)
	kept := a.Now()
	later := kept.Add(40 * day)
	for _, tt := range []struct {
		upto   time.Time
		copies int
	}{{time.Time{}, 0}, {kept.Add(-time.Minute), 0}, {kept, 1}} {
		upto = tt.upto
		done := must(a.Expire(context.Background(), later))
		if done.Copies != tt.copies || (len(done.Waiting) == 0) != (tt.copies > 0) || tt.copies == 0 && done.Waiting[0] != "a.test" {
			t.Errorf("erasable up to %v: %+v", tt.upto, done)
		}
		if at, ok := a.Oldest()["a.test"]; !ok || kept.Sub(at).Abs() > time.Minute {
			t.Errorf("the oldest is of %v", at)
		}
	}
}
