package digest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/rules"
)

// office is a mail server that takes, refuses or fails as told, and keeps what it took.
type office struct {
	mu   sync.Mutex
	fail func(to string) error
	got  []posted
}

type posted struct {
	at   time.Time
	to   string
	id   string
	text string
}

func (o *office) send(_ context.Context, to string, raw []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		if err := o.fail(to); err != nil {
			return err
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	o.got = append(o.got, posted{time.Now(), to, m.Header.Get("Message-Id"), m.Header.Get("Subject")})
	return nil
}

func (o *office) set(fail func(to string) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail = fail
}

// take returns what came since the last call, as "address: subject".
func (o *office) take() (all []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.got {
		all = append(all, p.to+": "+p.text)
	}
	o.got = nil
	return all
}

// bench is a Digester with what belongs to it.
type bench struct {
	t       *testing.T
	dir     string
	archive *archive.Archive
	office  *office
	digest  map[string]rules.Digest // by domain, over the usual ones
	keep    time.Duration
	put     int
	tell    rules.Teller // what the rule says that absorbs

	mu     sync.Mutex // of what a running Digester uses, too
	raging map[string]bool
	log    bytes.Buffer
}

// Write writes to the log.
func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

// said is what was logged.
func (b *bench) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

func (b *bench) ragingNow(context.Context) (map[string]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.raging), nil
}

// calm ends all storms.
func (b *bench) calm() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.raging)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), office: &office{}, raging: map[string]bool{}, digest: map[string]rules.Digest{}, keep: 30 * day}
	var err error
	if b.archive, err = archive.Open(filepath.Join(b.dir, "archive"), archive.Options{MinFree: 1}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) digester() *Digester {
	r, err := archive.OpenReadOnly(filepath.Join(b.dir, "archive"))
	if err != nil {
		b.t.Fatal(err)
	}
	return &Digester{
		Archive: r, Dir: filepath.Join(b.dir, "digest"), Composer: *composer, Send: b.office.send,
		Rules: func(domain string) rules.Digest {
			g := rules.Digest{To: rules.TellMailbox, Language: "en", Wait: 15 * time.Minute, Interval: 6 * time.Hour}
			if own, ok := b.digest[domain]; ok {
				g.To, g.Postmaster, g.Lists = own.To, own.Postmaster, own.Lists
			}
			return g
		},
		Retention: func(string) rules.Retention { return rules.Retention{Keep: b.keep} },
		Raging:    b.ragingNow,
		Log:       slog.New(slog.NewTextHandler(b, nil)),
	}
}

// absorb archives n copies for each mailbox, of one storm each, or by rule if storm is "".
func (b *bench) absorb(storm string, n int, mailboxes ...string) {
	b.t.Helper()
	for range n {
		for _, m := range mailboxes {
			b.put++
			_, domain, _ := strings.Cut(m, "@")
			c := archive.Copy{
				At: time.Now(), Client: netip.MustParseAddr("192.0.2.1"), From: "shop@example.net", Subject: "Offer", Domain: domain,
				Recipients: []archive.Recipient{{Addr: m, Class: "personal", Storm: storm, Tell: string(b.tell)}},
			}
			if storm != "" {
				c.Recipients[0].Storm = storm + "-" + m
				b.mu.Lock()
				b.raging[c.Recipients[0].Storm] = true
				b.mu.Unlock()
			}
			raw := fmt.Appendf(nil, "Subject: Offer\r\n\r\n%d\r\n", b.put)
			if _, err := b.archive.PutAll(context.Background(), []archive.Entry{{Copy: c, Family: storm}}, raw); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// run starts a Digester; stop ends it.
func (b *bench) run(d *Digester) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	}
}

func (b *bench) close() {
	if err := b.archive.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) expect(what string, want ...string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.office.take(); !slices.Equal(got, want) {
		b.t.Errorf("%s: got\n  %s\nwant\n  %s\nlog:\n%s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "), b.said())
	}
}

// TestTimeline follows one storm at one mailbox, over a restart.
func TestTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		d := b.digester()
		stop := b.run(d)
		b.absorb("id-1", 5, "Ann@example.org")
		d.Wake()
		time.Sleep(14 * time.Minute)
		b.absorb("id-1", 2, "ann+news@example.org")
		d.Wake()
		b.expect("before the wait is over")
		time.Sleep(3 * time.Minute)
		b.expect("after the wait", "Ann@example.org: 7 mails held back for ann@example.org")
		b.absorb("id-1", 3, "ann@example.org")
		b.absorb("dsn-2", 4, "ann@example.org")
		d.Wake()
		time.Sleep(5 * time.Hour)
		b.expect("before the interval is over")
		stop()
		d = b.digester()
		stop = b.run(d)
		time.Sleep(time.Hour + time.Minute)
		b.expect("after the interval", "Ann@example.org: 7 mails more held back for ann@example.org")
		time.Sleep(24 * time.Hour)
		b.expect("nothing new")
		b.calm()
		time.Sleep(askPause + time.Minute)
		b.expect("the end", "Ann@example.org: Mail storm is over: 14 mails held back for ann@example.org")
		time.Sleep(48 * time.Hour)
		b.expect("after the end")
		if n := len(d.book.Accounts); n != 0 {
			t.Errorf("%d accounts are left", n)
		}
		b.absorb("", 1, "ann@example.org")
		d.Wake()
		time.Sleep(17 * time.Minute)
		b.expect("by rule", "ann@example.org: 1 mail held back for ann@example.org")
		stop()
		if s := d.Stats(); s.Sent != 2+1 || s.Failed != 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestWho is who is told.
func TestWho(t *testing.T) {
	var many, crowd []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("u%02d@many.example", i))
	}
	for i := range maxOwners + 20 {
		crowd = append(crowd, fmt.Sprintf("x%d@crowd.example", i))
	}
	for _, tt := range []struct {
		name      string
		mailboxes []string
		rules     map[string]rules.Digest
		tell      rules.Teller
		want      []string
		owners    int // of those who are told, beside want
	}{
		{name: "mailbox", mailboxes: []string{"ann@a.example"}, owners: 1},
		{name: "postmaster", mailboxes: []string{"ann@a.example", "bob@a.example"}, rules: map[string]rules.Digest{"a.example": {To: rules.TellPostmaster}},
			want: []string{"postmaster@a.example: 2 mails held back for mailboxes at a.example"}},
		{name: "another postmaster", mailboxes: []string{"ann@a.example", "bob@a.example"},
			rules: map[string]rules.Digest{"a.example": {To: rules.TellPostmaster, Postmaster: "admin@b.example"}},
			want:  []string{"admin@b.example: 2 mails held back for mailboxes at a.example"}},
		{name: "nobody", mailboxes: []string{"ann@a.example"}, rules: map[string]rules.Digest{"a.example": {To: rules.TellNobody}}},
		{name: "list", mailboxes: []string{"Staff@a.example", "ann@a.example"}, rules: map[string]rules.Digest{"a.example": {To: rules.TellMailbox, Lists: []string{"staff"}}},
			want: []string{"postmaster@a.example: 1 mail held back for staff@a.example"}, owners: 1},
		{name: "the postmaster himself", mailboxes: []string{"Postmaster@a.example", "ann@a.example"}, owners: 1,
			want: []string{"postmaster@a.example: 1 mail held back for postmaster@a.example"}},
		{name: "nobody, by a rule", mailboxes: []string{"ann@a.example"}, tell: rules.TellNobody},
		{name: "postmaster, by a rule", mailboxes: []string{"ann@a.example", "bob@a.example"}, tell: rules.TellPostmaster,
			want: []string{"postmaster@a.example: 2 mails held back for mailboxes at a.example"}},
		{name: "postmaster by a rule, where nobody is told", mailboxes: []string{"ann@a.example"}, tell: rules.TellPostmaster, rules: map[string]rules.Digest{"a.example": {To: rules.TellNobody}},
			want: []string{"postmaster@a.example: 1 mail held back for ann@a.example"}},
		{name: "mailbox by a rule, where nobody is told", mailboxes: []string{"ann@a.example"}, tell: rules.TellMailbox, rules: map[string]rules.Digest{"a.example": {To: rules.TellNobody}}, owners: 1},
		{name: "mailbox by a rule, where the postmaster is told", mailboxes: []string{"ann@a.example"}, tell: rules.TellMailbox, rules: map[string]rules.Digest{"a.example": {To: rules.TellPostmaster}}, owners: 1},
		{name: "no domain", mailboxes: []string{"postmaster"}, want: []string{"postmaster@mx.example.org: 1 mail held back for postmaster"}},
		{name: "too many in an hour", mailboxes: many, owners: 50, want: []string{"postmaster@many.example: 10 mails held back for mailboxes at many.example"}},
		{name: "catch-all", mailboxes: crowd, want: []string{"postmaster@crowd.example: 220 mails held back for mailboxes at crowd.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				defer b.close()
				b.digest, b.tell = tt.rules, tt.tell
				b.absorb("", 1, tt.mailboxes...)
				defer b.run(b.digester())()
				time.Sleep(18 * time.Minute)
				synctest.Wait()
				got := b.office.take()
				owners := 0
				got = slices.DeleteFunc(got, func(s string) bool {
					addr, subject, _ := strings.Cut(s, ": ")
					own := subject == "1 mail held back for "+addr && slices.Contains(tt.mailboxes, addr)
					if own {
						owners++
					}
					return own
				})
				if owners != tt.owners || !slices.Equal(got, tt.want) {
					t.Errorf("%d owners, want %d, and %q, want %q; log:\n%s", owners, tt.owners, got, tt.want, b.said())
				}
			})
		})
	}
}

// TestRefused: who refuses a digest has his postmaster told, of this one and of all to come.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		b.office.set(func(to string) error {
			if to == "ann@a.example" || to == "postmaster@b.example" {
				return fmt.Errorf("%w: 550 no", ErrRefused)
			}
			return nil
		})
		b.digest["b.example"] = rules.Digest{To: rules.TellPostmaster}
		b.absorb("id-1", 3, "ann@a.example")
		b.absorb("id-1", 1, "bob@b.example")
		d := b.digester()
		stop := b.run(d)
		time.Sleep(18 * time.Minute)
		b.expect("refused", "postmaster@a.example: 3 mails held back for ann@a.example")
		stop() // the refusal outlives the process
		d = b.digester()
		stop = b.run(d)
		b.absorb("id-1", 2, "ann@a.example")
		d.Wake()
		time.Sleep(7 * time.Hour)
		b.expect("ever after", "postmaster@a.example: 2 mails held back for ann@a.example")
		if s := d.Stats(); s.Waiting != 1 || s.Failed == 0 {
			t.Errorf("a postmaster's digest that is refused: %+v", s)
		}
		b.office.set(nil)
		time.Sleep(maxPause)
		b.expect("the postmaster is back", "postmaster@b.example: 1 mail held back for bob@b.example")
		stop()
	})
}

// TestServerDown has no mail server for hours, and a restart meanwhile.
func TestServerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		var tries atomic.Int64
		b.office.set(func(string) error { tries.Add(1); return errors.New("connection refused") })
		d := b.digester()
		stop := b.run(d)
		for i := range 20 {
			b.absorb("id-1", 1, fmt.Sprintf("u%d@a.example", i))
		}
		d.Wake()
		time.Sleep(8 * time.Hour)
		synctest.Wait()
		if s := d.Stats(); s.Waiting != 20 || s.Failed != uint64(tries.Load()) {
			t.Errorf("%+v after %d tries", s, tries.Load())
		}
		if tries.Load() > 20*(8+7) { // 1, 2, 4 … 32 minutes, then hours
			t.Errorf("%d tries in 8 hours", tries.Load())
		}
		b.absorb("id-1", 1, "u0@a.example")
		d.Wake()
		time.Sleep(8 * time.Hour)
		synctest.Wait()
		if s := d.Stats(); s.Waiting != 20 {
			t.Errorf("two wait for one mailbox: %+v", s)
		}
		stop()
		d = b.digester()
		stop = b.run(d)
		b.office.set(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := b.office.take(); len(got) != 21 { // what waited, and what u0 was not told yet
			t.Errorf("%d came: %q", len(got), got)
		}
		if names, err := filepath.Glob(filepath.Join(b.dir, "digest", outboxDir, "*")); err != nil || len(names) != 0 {
			t.Errorf("left in the outbox: %v, %v", names, err)
		}
		stop()
	})
}

// TestExpiry announces once, a week ahead, what was not released.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		b.digest["none.example"] = rules.Digest{To: rules.TellNobody}
		b.absorb("id-1", 3, "ann@a.example", "bob@a.example", "eve@none.example")
		b.calm()
		time.Sleep(time.Hour)
		d := b.digester()
		stop := b.run(d)
		time.Sleep(day + time.Hour)
		release(t, filepath.Join(b.dir, "archive"), "bob@a.example")
		b.absorb("id-2", 1, "ann@a.example")
		d.Wake()
		time.Sleep(21*day - 3*time.Hour)
		for _, got := range b.office.take() {
			if strings.Contains(got, "erased") {
				t.Errorf("long before: %s", got)
			}
		}
		time.Sleep(3 * time.Hour)
		b.expect("eight days ahead", "ann@a.example: To be erased soon: 3 mails held back for ann@a.example")
		stop()
		d = b.digester()
		stop = b.run(d)
		time.Sleep(2 * day)
		b.expect("days later", "ann@a.example: To be erased soon: 1 mail held back for ann@a.example")
		time.Sleep(10 * day)
		b.expect("at last")
		stop()
	})
}

func release(t *testing.T, dir, addr string) {
	t.Helper()
	r, err := archive.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	k, err := archive.NewMarker(dir)
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range r.Outlines(context.Background()) {
		if err == nil {
			err = k.Released(m, addr)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

// killed is a disk, and a mail server, at which the process dies.
type killed struct {
	osFiles
	left   int  // operations until then
	before bool // it dies before the operation, or else behind it
}

var errKilled = errors.New("killed")

func (k *killed) step(do func() error) error {
	k.left--
	if k.left == 0 && k.before {
		panic(errKilled)
	}
	err := do()
	if k.left == 0 {
		panic(errKilled)
	}
	return err
}

func (k *killed) Write(path string, data []byte) error {
	return k.step(func() error { return k.osFiles.Write(path, data) })
}

func (k *killed) Remove(path string) error {
	return k.step(func() error { return k.osFiles.Remove(path) })
}

// TestKilled dies at each write, removal and delivery, before it or behind it: whoever is to
// be told is told, at most twice, and then under the same Message-ID.
func TestKilled(t *testing.T) {
	for _, before := range []bool{true, false} {
		steps := 0
		for n := 1; n < 1000 && steps == 0; n++ {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				defer b.close()
				refused := false
				b.office.set(func(to string) error {
					if refused = refused || to == "cy@a.example"; to == "cy@a.example" {
						return fmt.Errorf("%w: 550 no", ErrRefused)
					}
					return nil
				})
				b.absorb("id-1", 2, "ann@a.example", "bob@a.example", "cy@a.example")
				b.calm()
				disk := &killed{left: n, before: before}
				if !b.turns(disk) {
					steps = n
				}
				b.turns(nil)
				told := map[string]map[string]bool{}
				count := map[string]int{}
				for _, p := range b.office.got {
					key := p.to + " " + p.text
					if told[key] == nil {
						told[key] = map[string]bool{}
					}
					told[key][p.id] = true
					count[key]++
				}
				for _, want := range []string{"ann@a.example", "bob@a.example", "postmaster@a.example"} {
					found := 0
					for key, ids := range told {
						if strings.HasPrefix(key, want+" ") {
							found++
							if len(ids) != 1 || count[key] > 2 {
								t.Errorf("step %d, before %v: %s under %v, %d times", n, before, key, slices.Collect(maps.Keys(ids)), count[key])
							}
							if !strings.Contains(key, "2 mails") {
								t.Errorf("step %d, before %v: %s", n, before, key)
							}
						}
					}
					if found != 1 {
						t.Errorf("step %d, before %v: %s was told %d things: %v", n, before, want, found, count)
					}
				}
				if !refused || len(told) != 3 {
					t.Errorf("step %d: %v", n, count)
				}
			})
		}
		if steps < 12 {
			t.Errorf("only %d steps: not much of a test", steps)
		}
	}
}

// turns has a Digester at work for an hour, until it is killed.
func (b *bench) turns(disk *killed) (dead bool) {
	d := b.digester()
	if disk != nil {
		d.files = disk
		d.Send = func(ctx context.Context, to string, raw []byte) (err error) {
			return disk.step(func() error { return b.office.send(ctx, to, raw) })
		}
	}
	defer func() {
		if v := recover(); v != nil {
			if v != any(errKilled) {
				panic(v)
			}
			dead = true
		}
	}()
	if err := d.open(); err != nil {
		b.t.Fatal(err)
	}
	for range 60 {
		d.turn(context.Background(), time.Now())
		time.Sleep(round)
	}
	return false
}

// TestDiskFaults has a disk that fails for a while: nothing is lost, and it says so.
func TestDiskFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		b.absorb("id-1", 2, "ann@a.example", "bob@a.example")
		d := b.digester()
		disk := &failing{}
		disk.fail.Store(true)
		d.files = disk
		stop := b.run(d)
		time.Sleep(time.Hour)
		b.expect("while the disk fails")
		if !strings.Contains(b.said(), "no space left") {
			t.Errorf("log: %s", b.said())
		}
		disk.fail.Store(false)
		time.Sleep(2 * time.Minute)
		b.expect("after it", "ann@a.example: 2 mails held back for ann@a.example", "bob@a.example: 2 mails held back for bob@a.example")
		stop()
	})
}

type failing struct {
	osFiles
	fail atomic.Bool
}

func (f *failing) Write(path string, data []byte) error {
	if f.fail.Load() {
		return errors.New("no space left on device")
	}
	return f.osFiles.Write(path, data)
}

// TestUnreadableFolder cannot read its state or its outbox at first: nothing is put aside, and it tells when it can.
func TestUnreadableFolder(t *testing.T) {
	for _, name := range []string{stateFile, "a letter"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			defer b.close()
			b.absorb("", 1, "ann@a.example")
			d := b.digester()
			d.Send = func(context.Context, string, []byte) error { return errors.New("connection refused") }
			stop := b.run(d)
			time.Sleep(time.Hour)
			stop() // with a letter in the outbox
			path := filepath.Join(b.dir, "digest", name)
			if name != stateFile {
				letters, err := filepath.Glob(filepath.Join(b.dir, "digest", outboxDir, "*"))
				if err != nil || len(letters) != 1 {
					t.Fatal(letters, err)
				}
				path = letters[0]
			}
			// A folder cannot be read as a file.
			if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o700), os.Rename(path+".away", filepath.Join(b.dir, "away"))); err != nil {
				t.Fatal(err)
			}
			d = b.digester()
			stop = b.run(d)
			time.Sleep(time.Hour)
			b.expect("while it cannot be read")
			if d.Err() == nil || !strings.Contains(b.said(), "no digests are sent for now") {
				t.Errorf("%v; log: %s", d.Err(), b.said())
			}
			if err := errors.Join(os.Remove(path), os.Rename(filepath.Join(b.dir, "away"), path)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(24 * time.Hour)
			b.expect("when it can be read again", "ann@a.example: 1 mail held back for ann@a.example")
			if err := d.Err(); err != nil {
				t.Error(err)
			}
			stop()
		})
	}
}

// TestDamagedState: a state that cannot be read is put aside, and all is told again.
func TestDamagedState(t *testing.T) {
	for _, text := range []string{"{", "", `{"Version":1,"Seen":""}`, "null"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			defer b.close()
			b.absorb("", 1, "ann@a.example")
			b.turns(nil)
			b.office.take()
			path := filepath.Join(b.dir, "digest", stateFile)
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Error(info, err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			b.turns(nil)
			b.expect(text, "ann@a.example: 1 mail held back for ann@a.example")
			if _, err := os.Stat(path + ".damaged"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRagingUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		b.absorb("id-1", 2, "ann@a.example")
		d := b.digester()
		d.Raging = func(context.Context) (map[string]bool, error) { return nil, errors.New("store is closed") }
		defer b.run(d)()
		time.Sleep(20 * time.Minute)
		b.expect("first", "ann@a.example: 2 mails held back for ann@a.example")
		time.Sleep(24 * time.Hour)
		b.expect("no end that nobody knows of")
	})
}

// TestBounds: whatever strangers do, memory and state stay small.
func TestBounds(t *testing.T) {
	d := newBench(t).digester()
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	const copies = 60_000
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for i := range copies {
		c := archive.Copy{
			ID: fmt.Sprintf("20260302-080000-%09d", i+1), At: at, From: strings.Repeat("x", 300) + fmt.Sprint(i), Subject: strings.Repeat("y", 1000),
			Domain: "a.example", Size: 1000, Client: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
			Recipients: []archive.Recipient{{Addr: fmt.Sprintf("u%d@a.example", i), Storm: fmt.Sprint("id-", i)}},
		}
		switch i % 3 {
		case 1: // many domains
			c.Recipients[0].Addr = fmt.Sprintf("u@d%d.example", i)
		case 2: // one mailbox, many storms, many failures
			c.Recipients[0].Addr = "ann@b.example"
			for j := range 20 {
				c.Failures = append(c.Failures, archive.Failure{Recipient: fmt.Sprint(i, j), Status: "5.1.1"})
			}
		}
		d.enter(d.book, c, at, time.Time{})
	}
	b := d.book
	total := 0
	for _, a := range b.Accounts {
		total += a.More.Copies
		for _, m := range a.Mailboxes {
			total += m.More.Copies
			for _, s := range m.Storms {
				total += s.Copies
			}
		}
	}
	if total != copies {
		t.Errorf("%d copies are counted of %d", total, copies)
	}
	storms, names, owners := b.storms, b.names, maps.Clone(b.owners)
	b.recount()
	if storms != b.storms || names != b.names || !maps.Equal(owners, b.owners) {
		t.Errorf("counted %d storms, %d names; there are %d, %d", storms, names, b.storms, b.names)
	}
	if len(b.Accounts) > 2*maxAccounts+1 || b.storms > maxStorms || b.names > maxNamesInAll || b.owners["a.example"] > maxOwners+1 {
		t.Errorf("%d accounts, %d storms, %d names, %d owners", len(b.Accounts), b.storms, b.names, b.owners["a.example"])
	}
	if err := d.save(at); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(d.Dir, stateFile)); err != nil || info.Size() > 64<<20 {
		t.Error(info.Size(), err)
	}
	for _, key := range slices.Collect(maps.Keys(b.Accounts)) {
		b.told(key, at, nil)
		b.drop(key)
	}
	if b.storms != 0 || b.names != 0 || len(b.owners) != 0 {
		t.Errorf("left: %d storms, %d names, %d domains", b.storms, b.names, len(b.owners))
	}
}

func TestFolderMode(t *testing.T) {
	b := newBench(t)
	defer b.close()
	d := b.digester()
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(d.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may look into %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func BenchmarkEnter(b *testing.B) {
	d := &Digester{
		Composer:  *composer,
		Rules:     func(string) rules.Digest { return rules.Digest{To: rules.TellPostmaster} },
		Retention: func(string) rules.Retention { return rules.Retention{Keep: 30 * day} },
	}
	k := newBook()
	c := archive.Copy{At: time.Now(), From: "shop@example.net", Subject: "Offer", Domain: "a.example", Client: netip.MustParseAddr("192.0.2.1")}
	d.Clock = hostClock{}
	for i := 0; b.Loop(); i++ {
		c.Recipients = []archive.Recipient{{Addr: fmt.Sprintf("u%d@a.example", i%150), Storm: fmt.Sprint("id-", i%150)}}
		d.enter(k, c, time.Now(), time.Time{})
	}
}
