package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/control"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
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

// chaos is a breakwater to which things happen, and what starts it again.
type chaos struct {
	t       *testing.T
	d       *daemon
	m       *manager
	disk    string
	faults  faults
	shipped string
	begun   time.Time
	done    map[string]int // deeds
	asking  sync.WaitGroup // other commands
	stuck   bool           // it does not start, though all is in order

	mu    sync.Mutex
	proc  *os.Process // nil while there is none
	meant bool        // it is to end
	pause time.Duration
	full  bool
	over  bool
	ended chan struct{} // closed when it is not started any more

	lastBad, lastFull time.Time // when something was wrong last, and when the disk was full
}

func (c *chaos) say(format string, args ...any) {
	c.t.Logf("%9s  %s", time.Since(c.begun).Round(time.Millisecond), fmt.Sprintf(format, args...))
}

// begin starts the daemon, and goes on to start it whenever it ends.
func (c *chaos) begin() {
	c.begun, c.ended = time.Now(), make(chan struct{})
	c.t.Cleanup(func() {
		c.mu.Lock()
		over := c.over
		c.over = true
		c.mu.Unlock()
		if !over {
			c.stop(syscall.SIGKILL, 0)
			<-c.ended
		}
		write(c.t, filepath.Join(c.t.ArtifactDir(), "breakwater.log"), c.d.logged()) // go test -artifacts keeps it
	})
	up := make(chan struct{})
	go c.supervise(sync.OnceFunc(func() { close(up) }))
	select {
	case <-up:
	case <-time.After(2 * time.Minute):
		c.t.Fatalf("breakwater does not start:\n%s", c.d.logged())
	}
}

func (c *chaos) supervise(ready func()) {
	defer close(c.ended)
	for {
		for len(c.m.ready) > 0 { // of one that was killed
			<-c.m.ready
		}
		if err := c.m.spawn(c.d); err != nil {
			c.t.Error(err)
			return
		}
		cmd, began := c.d.cmd, len(c.d.logged())
		c.mu.Lock()
		c.proc, c.meant, c.pause = cmd.Process, false, 0
		c.mu.Unlock()
		exit := make(chan error, 1)
		go func() { exit <- cmd.Wait() }()
		started, err := false, error(nil)
		for running := true; running; {
			select {
			case <-c.m.ready:
				started = true
				ready()
			case err = <-exit:
				running = false
			}
		}
		c.mu.Lock()
		meant, pause, over := c.meant, c.pause, c.over
		c.proc = nil
		c.mu.Unlock()
		c.judge(err, meant, started, c.d.logged()[began:])
		if over {
			c.d.cmd = nil
			return
		}
		if !meant {
			pause = 200 * time.Millisecond
		}
		time.Sleep(pause)
	}
}

// judge tells whether the daemon may have ended. It may not start while something is wrong; what it was doing may fail
// while it is stopped; it never ends by itself, but where the disk was filled faster than the store looks.
func (c *chaos) judge(err error, meant, started bool, log string) {
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	last := log[max(0, len(log)-3000):]
	c.mu.Lock()
	full := c.full || time.Since(c.lastFull) < 30*time.Second
	c.mu.Unlock()
	switch bad := c.bad(); {
	case full && strings.Contains(log, "[signal SIGBUS"):
		c.say("it ended: the disk was full before the store noticed, whose files are mapped into memory")
	case strings.Contains(log, "panic") || strings.Contains(log, "fatal error"):
		c.t.Errorf("breakwater broke, %v:\n%s", err, last)
	case meant && (code == -1 || code == 0 || bad):
	case meant:
		c.t.Errorf("breakwater was stopped and ended with %v:\n%s", err, last)
	case started:
		c.t.Errorf("breakwater ended by itself, with %v:\n%s", err, last)
	case bad:
		c.say("it does not start now: %s", lastLine(log))
	case !c.stuck:
		c.stuck = true // once is enough
		c.t.Errorf("breakwater does not start, %v:\n%s", err, last)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// bad reports whether something is wrong now, or was a moment ago.
func (c *chaos) bad() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.full
	for kind := range kindsOfFaults {
		now = now || kind != clockFault && c.faults[kind].Load() != 0
	}
	return now || time.Since(c.lastBad) < 30*time.Second
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

// stop ends the daemon; it is started again after a pause.
func (c *chaos) stop(sig syscall.Signal, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return
	}
	c.meant, c.pause = true, pause
	_ = c.proc.Signal(sig) // it may have ended
}

func (c *chaos) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc != nil {
		_ = c.proc.Signal(sig) // it may have ended
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

// up reports whether the daemon answers; before, a signal may end it.
func (c *chaos) up() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := control.NewClient(c.d.path("control")).Incidents(ctx, time.Now())
	return err == nil
}

// end puts all in order and ends the daemon.
func (c *chaos) end() {
	for kind := range kindsOfFaults {
		c.faults[kind].Store(0)
	}
	c.signal(syscall.SIGCONT)
	c.edit(edits[0], 2)
	client := control.NewClient(c.d.path("control"))
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := client.Reload(context.Background())
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("all is in order, and breakwater does not read its rules: %v", err)
		}
	}
	c.asking.Wait()
	c.say("all is in order")
}

// settled ends the daemon in order, and starts it for what follows.
func (c *chaos) settled() {
	c.mu.Lock()
	c.over, c.lastBad = true, time.Time{}
	c.mu.Unlock()
	c.stop(syscall.SIGTERM, 0)
	<-c.ended
	c.m.start(c.d)
}

// check looks whether the laws held, and releases what was absorbed.
func (c *chaos) check(s *Server, sink *Sink, all []*sent, tries []attempt) {
	c.t.Helper()
	seen := strings.Count(c.d.logged(), "msg=decision ")
	before := sink.Deliveries()
	arrived := places(c.t, all, before, same)
	waiting, late, absorbed := map[place]int{}, map[place]bool{}, map[place]int{}
	for _, m := range c.d.kept() {
		for _, r := range m.Recipients {
			p, ok := placeOf(c.t, all, Delivery{From: m.ReversePath, To: r.Addr, Raw: m.Raw}, same)
			if !ok {
				continue
			}
			absorbed[p]++
			if !r.Released {
				waiting[p]++
			} else {
				late[p] = true
			}
		}
	}
	for p := range late {
		if arrived[p]+waiting[p] == 0 {
			c.t.Errorf("message %d for %s counts as released, and did not arrive", p.item, p.mailbox)
		}
	}
	both, missing := 0, 0
	for i, m := range all {
		if m.code != 250 {
			c.t.Errorf("message %d was answered %d %s in the end", i, m.code, m.text)
		}
		for _, addr := range to(m.Item) {
			p := place{i, address.Mailbox(addr)}
			n := arrived[p]
			switch {
			case n+absorbed[p] == 0:
				missing++
				c.t.Errorf("%s %d for %s is nowhere", m.Kind, i, addr)
			case n > 0 && absorbed[p] > 0:
				both++
			}
			if m.Kind == stormgen.Ordinary && (n == 0 || absorbed[p] > 0) {
				c.t.Errorf("ordinary message %d for %s arrived %d times, and was absorbed %d times", i, addr, n, absorbed[p])
			}
			if n > tries[i].n {
				c.t.Errorf("%s %d for %s was sent %d times and arrived %d times", m.Kind, i, addr, tries[i].n, n)
			}
		}
	}
	c.given(all, tries, arrived, absorbed)

	out := c.d.run("storms", "verify", "--archive", c.d.path("archive"))
	if !strings.Contains(out, "all sound") {
		c.t.Error(out)
	}
	release := []string{"release", "--all", "--archive", c.d.path("archive"), "--secret", c.d.path("secret"), "--submit", "smtp://" + s.Addr()}
	out = c.d.run(release...)
	s.Drained(c.t)
	released := places(c.t, all, sink.Deliveries()[len(before):], same)
	if !maps.Equal(released, waiting) {
		for p, n := range waiting {
			if released[p] != n {
				c.t.Errorf("message %d for %s: %d in the archive, %d released", p.item, p.mailbox, n, released[p])
			}
		}
		c.t.Errorf("%d of %d were released: %s", len(released), len(waiting), out)
	}
	if len(absorbed) == 0 || seen < len(all)/10 {
		c.t.Errorf("%d decisions, %d copies absorbed: no test", seen, len(absorbed))
	}
	c.t.Logf("%d messages, %d decisions: %d places in the archive, %d of them in the mailbox, too, %d late; %d nowhere", len(all), seen, len(absorbed), both, len(late), missing)
}

// given looks whether of each copy that was absorbed the mailbox had got what it says, and one from where it came, by the
// time that it was answered.
func (c *chaos) given(all []*sent, tries []attempt, arrived, absorbed map[place]int) {
	type stream struct{ group, mailbox string }
	got := map[stream][]int{}
	for p := range arrived {
		at := stream{all[p.item].Group, p.mailbox}
		got[at] = append(got[at], p.item)
	}
	says := map[int]*saying{}
	say := func(i int) *saying {
		if says[i] == nil {
			says[i] = sayingOf(all[i])
		}
		return says[i]
	}
	for p := range absorbed {
		var had saying
		networks := map[uint64]bool{}
		for _, i := range got[stream{all[p.item].Group, p.mailbox}] {
			if tries[i].begun.Before(tries[p.item].ended) {
				had.add(say(i))
				networks[say(i).network] = true
			}
		}
		m := say(p.item)
		if !had.covers(m) {
			c.t.Errorf("%s %d, of %s, was absorbed, and %s had not been given what it says", all[p.item].Kind, p.item, all[p.item].Group, p.mailbox)
		} else if !networks[m.network] {
			c.t.Errorf("%s %d, of %s, was absorbed, and %s had none from where it comes", all[p.item].Kind, p.item, all[p.item].Group, p.mailbox)
		}
	}
}

// saying is what messages say, and where one comes from.
type saying struct {
	versions, blocks map[uint64]bool
	parts            []part
	network          uint64
}

// part is all that a message says but some blocks.
type part struct {
	version uint64
	without []uint64
}

func sayingOf(m *sent) *saying {
	env := m.Envelope
	env.Client = m.peer
	msg := message.Parse(env, m.At, m.Raw)
	s := &saying{versions: map[uint64]bool{}, network: hasher.Network(fingerprint.SourceOf(msg, func(netip.Addr) bool { return false }, nil))}
	says := hasher.Prints(msg, classify.Classify(msg), s.network).Says
	for _, v := range says.Versions {
		s.versions[v] = true
	}
	for _, p := range says.Parts {
		s.parts = append(s.parts, part{p.Version, p.Without})
	}
	return s
}

func (s *saying) add(o *saying) {
	if s.versions == nil {
		s.versions, s.blocks = map[uint64]bool{}, map[uint64]bool{}
	}
	maps.Copy(s.versions, o.versions)
	for _, p := range o.parts {
		s.versions[p.version] = true
		for _, b := range p.without {
			s.blocks[b] = true
		}
	}
}

// covers reports whether all that o says is among what s says.
func (s *saying) covers(o *saying) bool {
	for v := range o.versions {
		if s.versions[v] {
			return true
		}
	}
	return slices.ContainsFunc(o.parts, func(p part) bool {
		return s.versions[p.version] && !slices.ContainsFunc(p.without, func(b uint64) bool { return !s.blocks[b] })
	})
}
