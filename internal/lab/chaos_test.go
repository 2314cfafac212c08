package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"breakwater/internal/control"
	"breakwater/internal/stormgen"
)

var (
	chaosSeed   = flag.Uint64("chaos.seed", 0, "play this seed of TestChaos alone")
	chaosLength = flag.Duration("chaos.length", 0, "for so long each; 10m in the soak, 40s else")
)

// chaosRate is how many messages of the storm come in a second; a tenth of that is ordinary mail.
const chaosRate = 33

// TestChaos has all go wrong at once, by seed: kill -9, restarts, a daemon that stands still, a full disk, files that
// cannot be read, written or synced, or not soon, a clock that leaps, and rules that are edited, broken or gone, in the midst
// of a storm with ordinary mail between. What was done is printed, and when.
func TestChaos(t *testing.T) {
	Need(t, "postfix")
	seeds, length := []uint64{1}, 40*time.Second
	if full {
		seeds, length = []uint64{1, 2, 3}, 10*time.Minute
	}
	if *chaosSeed != 0 {
		seeds = []uint64{*chaosSeed}
	}
	if *chaosLength != 0 {
		length = *chaosLength
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { playChaos(t, seed, length) })
	}
}

// chaosStorm is the storm of a seed: its copies are alike, or some of them differ, or gateways write them anew.
func chaosStorm(seed uint64, length time.Duration) stormgen.Options {
	o := stormgen.Options{Seed: seed, Messages: int(length.Seconds() * chaosRate)}
	switch seed % 3 {
	case 2:
		o.MessageID, o.Body = stormgen.Mixed, stormgen.Mixed
	case 0:
		o.MessageID, o.Body, o.Gateways = stormgen.Change, stormgen.Mixed, true
	}
	return o
}

func playChaos(t *testing.T, seed uint64, length time.Duration) {
	o := chaosStorm(seed, length)
	all := storm(o)
	onError := []string{"deliver", "tempfail"}[seed%2]
	sink, owners := NewSink(t), NewSink(t)
	d := newDaemon(t, "unix", nil)
	d.configure(fmt.Sprintf("[digest]\nsubmit = \"lmtp://127.0.0.1:%d\"\n[retention]\nmin_free = \"40MiB\"\n", owners.Port))
	d.more = []string{"--on-error", onError}
	disk := d.onSmallDisk(200)
	if err := errors.Join(os.Mkdir(filepath.Join(disk, "rules.kept"), 0o700), os.Symlink(filepath.Join(disk, "rules.kept"), d.path("rules.kept"))); err != nil {
		t.Fatal(err)
	}
	c := &chaos{t: t, d: d, disk: disk, faults: d.withFaults(), m: newManager(t, strings.TrimPrefix(d.listen, "unix:"), d.path("notify")), done: map[string]int{}}
	shipped, err := os.ReadFile(d.path("rules/default.toml"))
	if err != nil {
		t.Fatal(err)
	}
	c.shipped = string(shipped)
	s := Postfix(t, Options{
		Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses(),
		Settings: map[string]string{
			"milter_default_action": "accept", "milter_connect_timeout": "3s", "milter_command_timeout": "5s", "milter_content_timeout": "10s",
			"enable_long_queue_ids": "yes",
		},
	})
	t.Logf("seed %d, %d messages in %v, on_error = %q; go test ./internal/lab -v -run TestChaos -chaos.seed %d -chaos.length %v", seed, len(all), length, onError, seed, length)

	c.begin()
	tries := make([]attempt, len(all))
	played := make(chan struct{})
	go func() {
		defer close(played)
		playSlowly(t, s.Addr(), all, tries, length)
	}()
	c.play(chaosPlan(rand.New(rand.NewPCG(seed, 9)), length))
	<-played
	c.end()
	s.Drained(t)
	c.settled()
	c.check(s, sink, all, tries)
	for _, got := range owners.Deliveries() {
		if !strings.Contains(string(got.Raw), "X-Breakwater-Digest:") {
			t.Errorf("%s was told by what is no digest:\n%s", got.To, clip(got.Raw))
		}
	}
	t.Logf("%v; up to %d connections handed over at once, %d digests", c.done, c.m.most/2, len(owners.Deliveries()))
}

// attempt is how a message was sent.
type attempt struct {
	n            int // times
	begun, ended time.Time
}

// playSlowly sends all evenly over a time, with new connections now and then: what the mail server once lost the
// milter in is not filtered any more. Who has no answer, or is put off, tries again.
func playSlowly(t testing.TB, addr string, all []*sent, tries []attempt, length time.Duration) {
	t.Helper()
	const connections, each = 20, 5
	begun, queue := time.Now(), make(chan int)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			var s *Session
			n := 0
			for i := range queue {
				m, a := all[i], &tries[i]
				for a.begun = time.Now(); a.n < 500; time.Sleep(200 * time.Millisecond) {
					if s == nil {
						s, n = Dial(t, addr), 0
					}
					m.send(s)
					a.n++
					n++
					lost := m.code == 0 || m.code == 421
					if lost || n >= each {
						s.Quit()
						s = nil
					}
					if !lost && m.code/100 != 4 {
						break
					}
				}
				a.ended = time.Now()
			}
			if s != nil {
				s.Quit()
			}
		})
	}
	for i := range all {
		time.Sleep(time.Until(begun.Add(length * time.Duration(i) / time.Duration(len(all)))))
		queue <- i
	}
	close(queue)
	wg.Wait()
}

// deed is something that goes wrong, or is over.
type deed struct {
	at         time.Duration
	kind, what string
	do         func(*chaos)
}

const isOver = " is over"

// chaosPlan draws what goes wrong, and when. In the last tenth nothing new does.
func chaosPlan(r *rand.Rand, length time.Duration) []deed {
	var all []deed
	free := map[string]time.Duration{} // when what lasts is over
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from))) }
	// lasts adds what begins and is over again, unless the same is going on.
	lasts := func(at, d time.Duration, kind, what string, begin, end func(*chaos)) {
		if at < free[kind] {
			return
		}
		free[kind] = at + d
		all = append(all, deed{at, kind, what, begin}, deed{at + d, kind + isOver, "", end})
	}
	fails := func(at time.Duration, kind int, name string) {
		n := []int64{20, 200, 500, 1000}[r.IntN(4)]
		lasts(at, between(time.Second, 5*time.Second), "failing "+name, fmt.Sprintf("%d of 1000 fail", n),
			func(c *chaos) { c.faults[kind].Store(n) }, func(c *chaos) { c.faults[kind].Store(0) })
	}
	const day = 24 * time.Hour
	for at := time.Second; at < length*9/10; at += between(200*time.Millisecond, 2*time.Second) {
		if r.IntN(8) == 0 { // some calm, to absorb in
			at += between(3*time.Second, 10*time.Second)
		}
		switch r.IntN(13) {
		case 0, 1:
			pause := between(0, 1500*time.Millisecond)
			all = append(all, deed{at, "kill -9", fmt.Sprintf("started again in %v", pause.Round(time.Millisecond)), func(c *chaos) { c.stop(syscall.SIGKILL, pause) }})
		case 2, 3:
			all = append(all, deed{at, "restart", "", func(c *chaos) { c.stop(syscall.SIGTERM, 0) }})
		case 4:
			d := between(100*time.Millisecond, 3*time.Second)
			if r.IntN(5) == 0 {
				d = between(11*time.Second, 13*time.Second) // longer than the mail server waits
			}
			lasts(at, d, "standstill", fmt.Sprintf("SIGSTOP for %v", d.Round(time.Millisecond)),
				func(c *chaos) { c.signal(syscall.SIGSTOP) }, func(c *chaos) { c.signal(syscall.SIGCONT) })
		case 5:
			spare := []int64{0, 0, 64 << 10, 1 << 20, 30 << 20}[r.IntN(5)]
			lasts(at, between(time.Second, 6*time.Second), "full disk", fmt.Sprintf("%d KiB are left", spare>>10),
				func(c *chaos) { c.fill(spare) }, func(c *chaos) { c.fill(-1) })
		case 6:
			fails(at, readFault, "reads")
		case 7:
			fails(at, writeFault, "writes")
		case 8:
			fails(at, syncFault, "syncs")
		case 9:
			by := []time.Duration{time.Second, -time.Second, time.Hour, -time.Hour, day, -day, 40 * day}[r.IntN(7)]
			lasts(at, between(time.Second, 10*time.Second), "step of the clock", fmt.Sprintf("by %v", by),
				func(c *chaos) { c.faults[clockFault].Store(int64(by)) }, func(c *chaos) { c.faults[clockFault].Store(0) })
		case 10:
			e := edits[max(0, r.IntN(2*len(edits))-len(edits))] // half of them mend what was done before
			how := r.IntN(3)
			all = append(all, deed{at, "other rules", fmt.Sprintf("%s, %s", e.what, [...]string{"SIGHUP", "rules reload", "no reload"}[how]), func(c *chaos) { c.edit(e, how) }})
		case 11:
			by := between(time.Second, 4*time.Second) // breakwater waits for two
			lasts(at, between(2*time.Second, 8*time.Second), "slow syncs", fmt.Sprintf("each takes %v", by.Round(time.Millisecond)),
				func(c *chaos) { c.faults[slowFault].Store(int64(by)) }, func(c *chaos) { c.faults[slowFault].Store(0) })
		case 12:
			all = append(all, deed{at, "expiry", "", func(c *chaos) {
				c.asking.Go(func() { _ = control.NewClient(c.d.path("control")).Expire(context.Background()) }) // it may be down
			}})
		}
	}
	slices.SortStableFunc(all, func(a, b deed) int { return int(a.at - b.at) })
	return all
}

// edit is what somebody does to the rules. The files are those of the folder afterwards; nil: there is no folder.
type edit struct {
	what  string
	files func(shipped string) map[string]string
}

func byDomain(what, text string) edit {
	return edit{what, func(shipped string) map[string]string {
		return map[string]string{"default.toml": shipped, "example.test.toml": text}
	}}
}

var edits = []edit{
	{"as shipped", func(shipped string) map[string]string { return map[string]string{"default.toml": shipped} }},
	byDomain("two copies", "[limit.id]\ncopies = 2\n"),
	byDomain("observe", "mode = \"observe\"\n"),
	byDomain("kept for a day", "[retention]\nkeep = \"1d\"\n"),
	byDomain("a broken file", "[limit.id]\ncopiez = 2\n"),
	byDomain("an empty file", ""),
	{"half of the default", func(shipped string) map[string]string {
		return map[string]string{"default.toml": shipped[:len(shipped)/2], "example.test.toml": "[limit.id]\ncopies = 2\n"}
	}},
	{"the default has vanished", func(string) map[string]string {
		return map[string]string{"example.test.toml": "[limit.id]\ncopies = 2\n"}
	}},
	{"the folder is empty", func(string) map[string]string { return map[string]string{} }},
	{"the folder has vanished", func(string) map[string]string { return nil }},
}

// play does what the plan says.
func (c *chaos) play(plan []deed) {
	for _, d := range plan {
		time.Sleep(time.Until(c.begun.Add(d.at)))
		c.say("%s%s", d.kind, strings.TrimSuffix(": "+d.what, ": "))
		if !strings.HasSuffix(d.kind, isOver) {
			c.done[d.kind]++
		}
		d.do(c)
		c.mu.Lock()
		if strings.HasSuffix(d.kind, isOver) {
			c.lastBad = time.Now()
		}
		c.mu.Unlock()
	}
}

// fill leaves so many bytes of the disk, or, if less than 0, all that was taken so.
func (c *chaos) fill(spare int64) {
	c.mu.Lock()
	c.full, c.lastFull = spare >= 0, time.Now()
	c.mu.Unlock()
	name := filepath.Join(c.disk, "filler")
	if spare < 0 {
		if err := os.Remove(name); err != nil {
			c.t.Error(err)
		}
		return
	}
	if err := c.fillUp(name, spare); err != nil {
		c.t.Error(err)
	}
}

// fillUp takes at once what breakwater leaves free itself, and the rest in a second.
func (c *chaos) fillUp(name string, spare int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	const fast, step = 40 << 20, 1 << 20
	for {
		var disk unix.Statfs_t
		if err := unix.Fstatfs(int(f.Fd()), &disk); err != nil {
			return err
		}
		left := int64(disk.Bavail)*disk.Bsize - spare
		if left <= 0 {
			return nil
		}
		n := min(left, step)
		if left > fast {
			n = left - fast
		} else {
			time.Sleep(25 * time.Millisecond)
		}
		if _, err := f.Write(make([]byte, n)); err != nil && !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
}

// edit puts other rules into the folder, file by file.
func (c *chaos) edit(e edit, how int) {
	dir := c.d.path("rules")
	files := e.files(c.shipped)
	if files == nil {
		if err := os.RemoveAll(dir); err != nil {
			c.t.Error(err)
		}
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		c.t.Error(err)
	}
	for _, name := range []string{"default.toml", "example.test.toml"} {
		path := filepath.Join(dir, name)
		text, ok := files[name]
		err := error(nil)
		if ok {
			err = os.WriteFile(path, []byte(text), 0o644)
		} else if err = os.Remove(path); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if err != nil {
			c.t.Error(err)
		}
	}
	switch how {
	case 0:
		c.mu.Lock()
		proc := c.proc
		c.mu.Unlock()
		if proc != nil && c.up() { // before, it would end by it
			_ = proc.Signal(syscall.SIGHUP) // it may have ended
		}
	case 1:
		c.asking.Go(func() { _ = control.NewClient(c.d.path("control")).Reload(context.Background()) }) // it may be down, and they may be broken
	}
}
