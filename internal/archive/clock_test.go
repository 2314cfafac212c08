package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
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

// TestStall has a disk that stands still: who comes then is told at once, who waits soon, and what is
// archived after all has been delivered another way by then.
func TestStall(t *testing.T) {
	stall := make(chan struct{})
	fs := &stalling{stall: stall}
	dir := t.TempDir()
	const after = 300 * time.Millisecond
	a := openTest(t, dir, Options{files: fs, stall: after})
	put := func() (id string) {
		for id == "" { // a slow disk may stall for a moment
			id, _ = a.Put(context.Background(), sample(2), mail(10))
		}
		return id
	}
	before := put()
	fs.on.Store(true)
	const waiting = 30
	errs := make(chan error, waiting)
	begun := time.Now()
	for n := range waiting {
		go func() {
			raw := mail(1000)
			_, err := a.Put(context.Background(), sample(n), raw)
			clear(raw) // it is somebody else's from now on
			errs <- err
		}()
	}
	for range waiting {
		if err := <-errs; !errors.Is(err, ErrStalled) {
			t.Errorf("while it stalls: %v", err)
		}
	}
	if took := time.Since(begun); took < after/2 {
		t.Errorf("gave up after %v", took)
	}
	if _, err := a.Put(context.Background(), sample(1), mail(10)); !errors.Is(err, ErrStalled) {
		t.Errorf("later: %v", err)
	}
	if err := a.Err(); !errors.Is(err, ErrStalled) {
		t.Errorf("Err: %v", err)
	}
	if err := a.Probe(context.Background()); !errors.Is(err, ErrStalled) {
		t.Errorf("Probe: %v", err)
	}
	fs.on.Store(false)
	close(stall)
	last := put()
	closeTest(t, a)
	for id, m := range messages(t, dir) {
		for _, r := range m.Recipients {
			if held := id == before || id == last; r.Released == held {
				t.Errorf("%s: released %v", id, r.Released)
			}
		}
	}
}

// TestShares: who takes much is stopped while all others go on, and it is told who that is, before a
// restart and after.
func TestShares(t *testing.T) {
	dir := t.TempDir()
	network := func(c *Copy) []string {
		if !c.Client.IsValid() {
			return nil
		}
		p, _ := c.Client.Prefix(24)
		return []string{p.String()}
	}
	o := Options{MaxSize: 1 << 20, Shares: []Share{{"domain", 1, (*Copy).Domains}, {"network", .25, network}}}
	a := openTest(t, dir, o)
	put := func(domain, client string) error {
		c := Copy{Recipients: []Recipient{{Addr: "u@" + domain, Domain: domain}}}
		if client != "" {
			c.Client = netip.MustParseAddr(client)
		}
		_, err := a.Put(context.Background(), c, mail(10_000))
		return err
	}
	fill := func(domain, client string) {
		t.Helper()
		for n := 0; ; n++ {
			err := put(domain, client)
			if n > 1000 {
				t.Fatal("is never full")
			}
			if err != nil {
				if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
				return
			}
		}
	}
	fill("a.test", "192.0.2.1")
	if n := a.Used(); n < 190_000 || n > 240_000 { // a fifth
		t.Errorf("one network takes %d bytes", n)
	}
	if full := a.FullShares(); !slices.Equal(full, []string{"network 192.0.2.0/24"}) {
		t.Errorf("full: %v", full)
	}
	if err := put("a.test", "192.0.2.99"); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "192.0.2.0/24") {
		t.Errorf("the same network: %v", err)
	}
	noError(t, put("a.test", "198.51.100.1"))
	fill("a.test", "")
	if n := a.Used(); n < 500_000 || n > 560_000 { // half of it
		t.Errorf("one domain takes %d bytes", n)
	}
	noError(t, put("b.test", "198.51.100.1"))
	noError(t, a.Err())
	closeTest(t, a)
	a = openTest(t, dir, o)
	must(a.Expire(context.Background(), a.Now()))
	for _, err := range []error{put("a.test", ""), put("c.test", "192.0.2.7")} {
		if !errors.Is(err, ErrFull) {
			t.Errorf("after a restart: %v", err)
		}
	}
	noError(t, put("b.test", ""))
	sum := int64(0)
	for _, n := range a.sums.domains {
		sum += n
	}
	if diff := a.Used() - sum; diff < 0 || diff > 1000 { // marks, and what does not divide
		t.Errorf("%d bytes are charged to domains, %d are used", sum, a.Used())
	}
}

// TestManyNames: the sums stay small, and those who have most stay in them.
func TestManyNames(t *testing.T) {
	s := newSums()
	shares := []Share{{"storm", 1, func(c *Copy) []string { return []string{c.QueueID} }}}
	for n := range 3 * maxHeld {
		more := newSums()
		more.add(shares, &Copy{QueueID: fmt.Sprint(n)}, 300)
		more.add(shares, &Copy{QueueID: "big"}, 3000)
		s.take(more)
	}
	if len(s.held) > maxHeld || s.held["storm big"] != 3*maxHeld*3000 {
		t.Errorf("%d names, %d bytes", len(s.held), s.held["storm big"])
	}
}

// TestManyDomains stores a message for many domains once, and each domain keeps it as long as it likes.
func TestManyDomains(t *testing.T) {
	dir := t.TempDir()
	keep := func(domain string) Retention {
		return Retention{Keep: map[string]time.Duration{"d7.test": 10 * day}[domain]}
	}
	a := openTest(t, dir, Options{Retention: keep})
	var c Copy
	for n := range 100 {
		domain := fmt.Sprintf("d%d.test", n)
		c.Recipients = append(c.Recipients, Recipient{Addr: "u@" + domain, Domain: domain}, Recipient{Addr: "v@" + domain, Domain: domain})
	}
	raw := mail(1 << 20)
	id := mustPutAll(t, a, []Entry{{Copy: c}}, raw)[0]
	if n := a.Used(); n > 1<<20 {
		t.Errorf("%d bytes for a message of %d", n, len(raw))
	}
	if all := a.sums.domains; len(all) != 100 || a.sums.domains["d7.test"] > 1<<20/50 {
		t.Errorf("%d domains, %d bytes are one's", len(all), a.sums.domains["d7.test"])
	}
	if done := expire(t, a, a.Now().Add(11*day)); done.Copies != 1 {
		t.Errorf("%+v", done)
	}
	m := messages(t, dir)[id]
	if len(m.Recipients) != 198 || slices.ContainsFunc(m.Recipients, func(r Recipient) bool { return r.Domain == "d7.test" }) || len(m.Raw) != len(raw) {
		t.Errorf("%d recipients are left, %d bytes", len(m.Recipients), len(m.Raw))
	}
}
