package archive

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestMarks notes what is released and forgets what is to be erased, for single recipients,
// while segments are written anew.
func TestMarks(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{SegmentSize: 30_000})
	want := stormAt(t, a, "a.test", 0, 300)
	k := must(NewMarker(dir))
	var all []Message
	for m, err := range a.Outlines(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	second := "second@a.test"
	for i, m := range all {
		first := m.Recipients[0].Addr
		switch i % 4 {
		case 1:
			noError(t, k.Released(m, first))
		case 2:
			noError(t, k.Forget(m, second))
		case 3:
			noError(t, k.Forget(m, first, second))
			noError(t, k.Released(m, first)) // says nothing any more
		}
		if i == 150 {
			expire(t, a, time.Now())
		}
	}
	check := func() {
		t.Helper()
		got := messages(t, dir)
		for i, m := range all {
			g, ok := got[m.ID]
			if i%4 == 3 {
				if _, _, err := a.Read(m.ID); ok || !errors.Is(err, ErrNotFound) {
					t.Fatalf("copy %d is forgotten and still shown: %v", i, err)
				}
				continue
			}
			addrs := 2
			if i%4 == 2 {
				addrs = 1
			}
			if !bytes.Equal(g.Raw, want[m.ID]) || len(g.Recipients) != addrs || g.Recipients[0].Released != (i%4 == 1) || addrs == 2 && g.Recipients[1].Released {
				t.Fatalf("copy %d: %d bytes for %+v", i, len(g.Raw), g.Recipients)
			}
		}
	}
	check()
	noError(t, k.Close())
	expire(t, a, time.Now())
	check()
	closeTest(t, a)
	a = openTest(t, dir, Options{})
	check()
	if err := must(NewMarker(dir)).Released(all[3], "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("mark of what is erased: %v", err)
	}
	for _, name := range must(segmentNames(dir)) {
		if b := must(os.ReadFile(filepath.Join(dir, name))); len(b) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}

// TestMarkIsOnDisk: what is released is noted on disk before the next copy goes out.
func TestMarkIsOnDisk(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{})
	stormAt(t, a, "a.test", 0, 3)
	k := must(NewMarker(a.dir))
	synced := 0
	k.sync = func(f *os.File) error { synced++; return f.Sync() }
	for m, err := range a.Outlines(context.Background()) {
		noError(t, err)
		before := synced
		noError(t, k.Released(m, m.Recipients[0].Addr))
		if synced != before+1 {
			t.Errorf("%d fsyncs", synced-before)
		}
	}
	k.sync = func(*os.File) error { return errFault }
	for m, err := range a.Outlines(context.Background()) {
		noError(t, err)
		if err := k.Released(m, "second@a.test"); !errors.Is(err, errFault) {
			t.Errorf("a mark that is not on disk: %v", err)
		}
	}
	k.sync = (*os.File).Sync
	noError(t, k.Close())
}
