package digest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/format"
	"breakwater/internal/format/formattest"
	"breakwater/internal/rules"
)

// keeper is a host with an archive that erases for age what was announced.
type keeper struct {
	*bench
	wrong   atomic.Int64 // how far the host's clock is ahead
	keep    atomic.Int64
	notices *archive.Notices
	d       *Digester
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{bench: &bench{t: t, dir: t.TempDir(), office: &office{}, raging: map[string]bool{}, digest: map[string]rules.Digest{}}}
	k.keep.Store(int64(30 * day))
	k.start()
	return k
}

func (k *keeper) start() {
	dir := filepath.Join(k.dir, "archive")
	begun := time.Now()
	var err error
	k.archive, err = archive.Open(dir, archive.Options{
		MinFree: 1,
		Retention: func(string) archive.Retention {
			return archive.Retention{Keep: time.Duration(k.keep.Load())}
		},
		Erasable: func(domain string) time.Time { return k.notices.Upto(domain, k.archive.Now()) },
		Clock: archive.HostClock{
			Now:    func() time.Time { return time.Now().Add(time.Duration(k.wrong.Load())) },
			Passed: func() time.Duration { return time.Since(begun) },
		},
	})
	if err == nil {
		k.notices, err = archive.OpenNotices(dir)
	}
	if err != nil {
		k.t.Fatal(err)
	}
	k.d = k.digester()
	k.d.Clock = k.archive
	k.d.Retention = func(string) rules.Retention { return rules.Retention{Keep: time.Duration(k.keep.Load())} }
	k.d.Announce = func(rs map[string]archive.Round) error { return k.notices.Announce(rs, k.archive.Now()) }
	if err := k.d.open(); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keeper) end() {
	if err := k.d.save(k.archive.Now()); err != nil {
		k.t.Error(err)
	}
	k.close()
}

// days lets time pass, with a look each half day at what expires.
func (k *keeper) days(n int) {
	for h := range 24 * n {
		time.Sleep(time.Hour)
		k.d.Wake()
		k.d.turn(context.Background(), k.archive.Now())
		if h%12 != 11 {
			continue
		}
		if _, err := k.archive.Expire(context.Background(), k.archive.Now()); err != nil {
			k.t.Fatal(err)
		}
	}
	synctest.Wait()
}

func (k *keeper) held() (n int) {
	for _, err := range k.archive.All(context.Background()) {
		if err != nil {
			k.t.Error(err)
		}
		n++
	}
	return n
}

func (k *keeper) told(what string) (n int) {
	k.office.mu.Lock()
	defer k.office.mu.Unlock()
	for _, p := range k.office.got {
		if strings.Contains(p.text, what) {
			n++
		}
	}
	return n
}

// TestErasedAsAnnounced: a month after it was absorbed, and a week after the notice.
func TestErasedAsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		defer k.end()
		k.absorb("id-1", 3, "ann@a.example")
		k.calm()
		k.days(29)
		if k.held() != 3 || k.told("erased soon") != 1 {
			t.Errorf("%d held, %d notices", k.held(), k.told("erased soon"))
		}
		k.days(3)
		if k.held() != 0 || k.told("erased soon") != 1 {
			t.Errorf("%d held, %d notices; log:\n%s", k.held(), k.told("erased soon"), k.said())
		}
	})
}

// TestNothingErasedUntold: no notice, for whatever reason, and nothing is erased until a week after it.
func TestNothingErasedUntold(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(to string) error // until the 40th day
		told string                // who has the notice in the end
	}{
		{"server away", func(string) error { return errors.New("connection refused") }, "postmaster@mx.example.org"},
		{"mailbox refuses", func(to string) error {
			if to == "ann@a.example" {
				return fmt.Errorf("%w: 550 no", ErrRefused)
			}
			return nil
		}, "postmaster@a.example"},
		{"mailbox is full", func(to string) error {
			if to == "ann@a.example" {
				return errors.New("452 mailbox full")
			}
			return nil
		}, "postmaster@a.example"},
		{"nobody at the domain", func(to string) error {
			if strings.HasSuffix(to, "@a.example") {
				return fmt.Errorf("%w: 550 no", ErrRefused)
			}
			return nil
		}, "postmaster@mx.example.org"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKeeper(t)
				defer func() { k.end() }()
				k.office.set(tt.fail)
				k.absorb("id-1", 2, "ann@a.example")
				k.calm()
				gone := time.Time{}
				for n := range 62 {
					if n == 40 {
						k.office.set(nil)
					}
					if n%10 == 9 {
						k.end()
						k.start()
					}
					k.days(1)
					if k.held() == 0 && gone.IsZero() {
						gone = time.Now()
					}
				}
				var notice posted
				for _, p := range k.office.got {
					if strings.Contains(p.text, "erased soon") && notice.to == "" {
						notice = p
					}
				}
				if notice.to != tt.told || gone.IsZero() || gone.Sub(notice.at) < 7*day {
					t.Errorf("noticed %v, erased %v\nlog: %s", notice, gone, k.said())
				}
			})
		})
	}
}

// TestClockLeaps sets the host's clock wrong for two days, running or over a restart: nothing is erased
// early, everybody is told in time, and all is gone in the end.
func TestClockLeaps(t *testing.T) {
	for _, wrong := range []time.Duration{time.Second, time.Hour, day, 40 * day, 3650 * day} {
		for _, sign := range []time.Duration{1, -1} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprint(wrong*sign, restart), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						k := newKeeper(t)
						defer func() { k.end() }()
						set := func(d time.Duration) {
							if restart {
								k.end()
							}
							k.wrong.Store(int64(d))
							if restart {
								k.start()
							}
						}
						k.absorb("id-1", 2, "ann@a.example")
						k.days(10)
						set(wrong * sign)
						k.absorb("id-2", 2, "ann@a.example")
						k.days(2)
						if k.told("erased soon") != 0 {
							t.Error("announced at once")
						}
						set(0)
						k.absorb("id-3", 2, "ann@a.example")
						k.calm()
						k.days(17)
						if k.held() != 6 || k.told("held back") < 3 {
							t.Errorf("day 29: %d held; told %d times", k.held(), k.told("held back"))
						}
						k.days(16)
						if k.held() != 0 || k.told("erased soon") < 1 {
							t.Errorf("day 45: %d held, %d notices", k.held(), k.told("erased soon"))
						}
					})
				})
			}
		}
	}
}

// TestShorterRetention: a rule file that is away for a while erases nothing; where the domain keeps its
// mail for less from then on, everybody is told a week before.
func TestShorterRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		defer k.end()
		k.keep.Store(int64(365 * day))
		k.absorb("id-1", 2, "ann@a.example")
		k.calm()
		k.days(100)
		k.keep.Store(int64(30 * day))
		k.days(2)
		if k.held() != 2 || k.told("erased soon") != 1 {
			t.Errorf("the file is away: %d held, %d notices", k.held(), k.told("erased soon"))
		}
		k.keep.Store(int64(365 * day))
		k.days(100)
		if k.held() != 2 {
			t.Error("erased when the file was back")
		}
		k.keep.Store(int64(30 * day))
		k.days(6)
		if k.held() != 2 || k.told("erased soon") != 2 {
			t.Errorf("the file is away again: %d held, %d notices", k.held(), k.told("erased soon"))
		}
		k.days(3)
		if k.held() != 0 {
			t.Error("it is not erased in the end")
		}
	})
}

// TestMuchShorterRetention: also where mail is kept for so little that no notice is usual, what was to be
// kept for long is announced a week before it is erased, and what came since is not.
func TestMuchShorterRetention(t *testing.T) {
	for _, before := range []time.Duration{0, 365 * day} {
		synctest.Test(t, func(t *testing.T) {
			k := newKeeper(t)
			defer k.end()
			k.keep.Store(int64(before))
			k.absorb("id-1", 2, "ann@a.example")
			k.calm()
			k.days(100)
			k.keep.Store(int64(5 * day))
			k.absorb("id-2", 2, "bob@a.example")
			k.calm()
			k.days(6)
			if k.held() != 4 || k.told("erased soon") != 1 {
				t.Errorf("%d held, %d notices", k.held(), k.told("erased soon"))
			}
			k.days(3)
			if k.held() != 2 || k.told("erased soon") != 2 { // bob's is kept longer here, where only digests announce
				t.Errorf("%d held, %d notices", k.held(), k.told("erased soon"))
			}
		})
	}
}

// TestManyDomainsOfOne: of one message for several domains each has its own retention announced.
func TestManyDomainsOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		defer k.end()
		c := archive.Copy{At: time.Now(), From: "shop@example.net", Recipients: []archive.Recipient{
			{Addr: "ann@a.example", Domain: "a.example"}, {Addr: "bob@b.example", Domain: "b.example"},
		}}
		if _, err := k.archive.Put(context.Background(), c, []byte("x")); err != nil {
			t.Fatal(err)
		}
		k.office.set(func(to string) error {
			if strings.HasSuffix(to, "@b.example") || strings.HasPrefix(to, "postmaster@mx") {
				return errors.New("451 later")
			}
			return nil
		})
		k.days(33)
		var left []string
		for c := range k.archive.All(context.Background()) {
			for _, r := range c.Recipients {
				left = append(left, r.Addr)
			}
		}
		if len(left) != 1 || left[0] != "bob@b.example" {
			t.Errorf("left for %v, though only bob was not told", left)
		}
	})
}

// TestUnreadableForNow: what cannot be read for a moment is told later; what cannot be read for a day
// stops nobody any longer.
func TestUnreadableForNow(t *testing.T) {
	for _, back := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			defer b.close()
			if err := b.archive.Close(); err != nil {
				t.Fatal(err)
			}
			var err error
			if b.archive, err = archive.Open(filepath.Join(b.dir, "archive"), archive.Options{MinFree: 1, SegmentSize: 1}); err != nil {
				t.Fatal(err)
			}
			for n := range 3 { // a segment for each
				b.absorb("", 1, fmt.Sprintf("u%d@a.example", n))
			}
			segments, err := filepath.Glob(filepath.Join(b.dir, "archive", "*.seg"))
			if err != nil || len(segments) != 3 {
				t.Fatal(segments, err)
			}
			move := func(from, to string) {
				t.Helper()
				if err := os.Rename(from, to); err != nil {
					t.Fatal(err)
				}
			}
			move(segments[1], segments[1]+".away")
			if err := os.Mkdir(segments[1], 0o700); err != nil {
				t.Fatal(err)
			}
			d := b.digester()
			defer b.run(d)()
			time.Sleep(time.Hour)
			synctest.Wait()
			if d.Err() == nil {
				t.Error("Err is nil while the archive cannot be read")
			}
			if back {
				move(segments[1], segments[2]+".dir")
				move(segments[1]+".away", segments[1])
			}
			time.Sleep(2 * day)
			synctest.Wait()
			want := map[bool]string{true: "u0 u1 u2", false: "u0 u2"}[back]
			var got []string
			for _, u := range []string{"u0", "u1", "u2"} {
				for _, p := range b.office.got {
					if strings.HasPrefix(p.to, u) {
						got = append(got, u)
					}
				}
			}
			if strings.Join(got, " ") != want || d.Err() != nil {
				t.Errorf("back %v: told %v, want %s; Err %v", back, got, want, d.Err())
			}
		})
	}
}

// TestNewerState: the state of a newer version is left as it is, and the reason is said.
func TestNewerState(t *testing.T) {
	b := newBench(t)
	defer b.close()
	d := b.digester()
	path := filepath.Join(d.Dir, stateFile)
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const text = `{"Version":2,"More":true}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "written by a newer breakwater") || d.Err() == nil {
		t.Errorf("%v, %v", err, d.Err())
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != text {
		t.Errorf("%q, %v", data, err)
	}
	if files, err := os.ReadDir(d.Dir); err != nil || len(files) != 1 {
		t.Errorf("written to: %v, %v", files, err)
	}
}

// TestFormat: the folder of a newer version is left as it is; one without a note is read, and gets one.
func TestFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		b.absorb("", 1, "ann@a.example")
		b.turns(nil)
		b.expect("first", "ann@a.example: 1 mail held back for ann@a.example")
		d := b.digester()
		note := filepath.Join(d.Dir, format.File)
		noted := func(what string) {
			if data, err := os.ReadFile(note); err != nil || string(data) != "breakwater digests 1\n" {
				t.Errorf("%s: %q, %v", what, data, err)
			}
		}
		noted("new")
		if err := os.Remove(note); err != nil {
			t.Fatal(err)
		}
		b.turns(nil)
		noted("older")
		b.expect("nothing is told twice")
		formattest.Newer(t, d.Dir, layout, func() error {
			err := d.Run(t.Context())
			if d.Err() == nil {
				t.Error("nobody is told")
			}
			return err
		})
	})
}

// TestStateAhead: a state from a clock that was ahead keeps nobody from being told for longer than one of now.
func TestStateAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		ahead := time.Now().AddDate(10, 0, 0)
		s := newState()
		s.Noticed = ahead
		s.Refused["ann@a.example"] = ahead
		s.Sent["a.example"] = hour{ahead, hourly}
		s.Accounts["bob@a.example"] = &account{Addr: "bob@a.example", Since: ahead, Active: ahead, Sent: ahead, Told: true}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		d := b.digester()
		if err := errors.Join(os.MkdirAll(d.Dir, 0o700), os.WriteFile(filepath.Join(d.Dir, stateFile), data, 0o600)); err != nil {
			t.Fatal(err)
		}
		b.absorb("", 1, "bob@a.example")
		defer b.run(d)()
		time.Sleep(7 * time.Hour) // wait, or interval
		b.expect("bob", "bob@a.example: 1 mail more held back for bob@a.example")
		time.Sleep(31 * day)
		b.office.take()
		b.absorb("", 1, "ann@a.example")
		d.Wake()
		time.Sleep(7 * time.Hour)
		b.expect("ann refused a digest once", "ann@a.example: 1 mail held back for ann@a.example")
	})
}

// TestDamagedLetter: a notice that cannot be read any more is written again.
func TestDamagedLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		defer func() { k.end() }()
		k.absorb("id-1", 2, "ann@a.example")
		k.calm()
		k.days(21)
		k.office.set(func(string) error { return errors.New("connection refused") })
		k.days(2)
		k.end()
		letters, err := filepath.Glob(filepath.Join(k.dir, "digest", outboxDir, "*.json"))
		if err != nil || len(letters) != 1 {
			t.Fatal(letters, err)
		}
		if err := os.WriteFile(letters[0], []byte("\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		k.start()
		k.days(10)
		if k.held() != 2 {
			t.Error("erased though the notice is lost")
		}
		k.office.set(nil)
		k.days(9)
		if k.held() != 0 || k.told("erased soon") != 1 {
			t.Errorf("%d held, %d notices", k.held(), k.told("erased soon"))
		}
	})
}

// TestMessageID: the Message-ID of a digest tells nobody the ID of a copy, nor when it was archived.
func TestMessageID(t *testing.T) {
	d := newBench(t).digester()
	const copyID = "20260302-080000-000000123"
	id := d.messageID("ann@a.example", copyID, First)
	if strings.Contains(id, copyID[:8]) || id != d.messageID("ann@a.example", copyID, First) || id == d.messageID("ann@a.example", copyID[:24]+"4", First) {
		t.Error(id)
	}
}
