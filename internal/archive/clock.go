package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"breakwater/internal/owned"
)

// HostClock is the clock of the host. Zero values mean the system's.
type HostClock struct {
	Now    func() time.Time     // what it is set to
	Passed func() time.Duration // since some moment, whatever it is set to
}

func (h HostClock) withDefaults() HostClock {
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Passed == nil {
		begun := time.Now()
		h.Passed = func() time.Duration { return time.Since(begun) }
	}
	return h
}

// maxAway is how much of the time goes by on the clock while nobody has the archive open. What is more
// may be a host clock that leapt: mail is kept longer then, never shorter.
const maxAway = time.Hour

// longAway is for how long the archive may be closed without a word.
const longAway = 7 * 24 * time.Hour

// clockFile is where the clock goes on from.
const clockFile = "clock"

// clock tells how long copies have been kept. It began with the time of the host, and goes on by the
// time that really passes, whatever the host's clock is set to meanwhile.
type clock struct {
	host HostClock
	path string

	mu     sync.Mutex
	at     time.Time     // what it showed
	passed time.Duration // when this had passed
	anchor time.Time     // what it showed first
	offset time.Duration // of the host's clock, when leap was asked last
}

// clockState is a clock on disk.
type clockState struct {
	Anchor  time.Time `json:"anchor"`
	Archive time.Time `json:"archive"`
	Host    time.Time `json:"host"` // what the host's clock showed then
}

// openClock opens the clock of an archive. newest is when something in it was written last, by the
// host's clock; zero if there is nothing.
func openClock(dir string, host HostClock, newest time.Time, log *slog.Logger) (*clock, error) {
	c := &clock{host: host.withDefaults(), path: filepath.Join(dir, clockFile)}
	c.passed = c.host.Passed()
	now := c.host.Now().UTC().Round(0)
	var s clockState
	data, err := os.ReadFile(c.path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	switch {
	case err == nil && !s.Archive.IsZero():
		c.at, c.anchor = s.Archive.Add(min(max(now.Sub(s.Host), 0), maxAway)), s.Anchor
		if away := now.Sub(s.Host); away < -leapNoticed || away > longAway {
			log.Warn("the host's clock is far from where it was when the archive was closed; is it right? Nothing is erased because of it", "by", away.Round(time.Second))
		}
	default:
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Error("the clock of the archive cannot be read and begins anew; mail may be kept longer", "file", c.path, "err", err)
		}
		c.at = now
		if !newest.IsZero() && newest.Add(maxAway).Before(now) {
			c.at = newest.Add(maxAway).UTC().Round(0)
		}
		c.anchor = c.at
	}
	c.offset = now.Sub(c.at)
	return c, c.save()
}

// now is the time on the clock. It never goes back.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := c.host.Passed()
	if passed > c.passed {
		c.at = c.at.Add(passed - c.passed)
		c.passed = passed
	}
	return c.at
}

// age is how long a copy has been kept at a time of the clock. Older versions took the time of the
// host: what is from a time to come was archived before the clock began.
func (c *clock) age(kept, now time.Time) time.Duration {
	if kept.After(now) {
		kept = c.anchor
	}
	return now.Sub(kept)
}

// save writes the clock to the disk.
func (c *clock) save() error {
	s := clockState{Anchor: c.anchor, Archive: c.now(), Host: c.host.Now().UTC()}
	data, err := json.Marshal(s)
	if err == nil {
		err = owned.Replace(c.path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write clock of the archive: %w", err)
	}
	return nil
}

// leapNoticed is how far the host's clock may be set at once without a word.
const leapNoticed = 10 * time.Minute

// leap is how far the host's clock was set since the last call, 0 if that is not worth a word.
func (c *clock) leap() time.Duration {
	offset := c.host.Now().Sub(c.now())
	c.mu.Lock()
	defer c.mu.Unlock()
	moved := offset - c.offset
	if moved.Abs() < leapNoticed {
		return 0
	}
	c.offset = offset
	return moved
}

// Now is the time on the archive's own clock, by which copies are kept: it goes on by what really
// passes, whatever the host's clock is set to.
func (a *Archive) Now() time.Time { return a.clock.now() }

// Age is how long a copy has been kept.
func (a *Archive) Age(c Copy) time.Duration { return a.clock.age(c.Kept, a.clock.now()) }

// Leap is how far the host's clock was set since the last call: 0 where it was not, or hardly.
func (a *Archive) Leap() time.Duration { return a.clock.leap() }

// OnHostClock is what the host's clock will show when the archive's shows t.
func (a *Archive) OnHostClock(t time.Time) time.Time {
	return t.Add(a.clock.host.Now().Sub(a.clock.now()))
}
