package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestReadUnknown(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{})
	id := mustPut(t, a, sample(1), mail(100))
	for _, unknown := range []string{"", "x", "../" + id, id + "x", "19991231-000000-000000000", "20991231-000000-000000000", "20261301-000000-000000000", strings.ToUpper(id)[:24] + "z"} {
		if _, _, err := a.Read(unknown); !errors.Is(err, ErrNotFound) {
			t.Errorf("Read(%q): %v", unknown, err)
		}
	}
}

func TestAllEnds(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{SegmentSize: 1})
	for range 5 {
		mustPut(t, a, sample(1), mail(100))
	}
	n := 0
	for range a.All(context.Background()) {
		if n++; n == 3 {
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range a.All(ctx) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	}
	if n != 4 {
		t.Errorf("%d turns, want 4", n)
	}
}

func TestMessages(t *testing.T) {
	dir := t.TempDir()
	a, err := Open(dir, Options{SegmentSize: 4 << 10, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i := range 50 {
		raw := strings.Repeat(fmt.Sprint("message ", i, "\r\n"), 20*i)
		id, err := a.Put(context.Background(), Copy{QueueID: fmt.Sprint(i)}, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		want[id] = raw
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for m, err := range a.Messages(context.Background()) {
		if err != nil || string(m.Raw) != want[m.ID] || m.Size != int64(len(m.Raw)) {
			t.Errorf("%s: %d bytes, %v", m.ID, len(m.Raw), err)
		}
		n++
	}
	if n != len(want) {
		t.Errorf("%d messages of %d", n, len(want))
	}
}
