package archive

import (
	"context"
	"errors"
	"testing"
	"time"
)

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
