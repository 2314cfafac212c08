package archive

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// messages reads all messages of a folder, by ID, and fails at damage.
func messages(t testing.TB, dir string) map[string]Message {
	t.Helper()
	all := map[string]Message{}
	for m, err := range (&Reader{dir}).Messages(context.Background()) {
		if err != nil {
			t.Error(err)
			continue
		}
		all[m.ID] = m
	}
	return all
}

func used(t testing.TB, dir string) int64 {
	t.Helper()
	_, n, err := segments(dir)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stormAt archives so many copies of a storm for a domain, each for two recipients.
func stormAt(t testing.TB, a *Archive, domain string, from, to int) map[string][]byte {
	t.Helper()
	put := map[string][]byte{}
	for n := from; n < to; n++ {
		c, raw := copyOf(n, 3000)
		c.Domain = domain
		c.Recipients = append(c.Recipients, Recipient{Addr: "second@" + domain, Storm: "id-1-2"})
		put[mustPutAll(t, a, []Entry{{c, "id-1"}}, raw)[0]] = raw
	}
	return put
}

func expire(t *testing.T, a *Archive, now time.Time) Expired {
	t.Helper()
	before := used(t, a.dir)
	done, err := a.Expire(context.Background(), now)
	if err != nil {
		t.Fatal(err)
	}
	after := used(t, a.dir)
	if diff := before - after; done.Bytes != diff && done.Bytes != diff+headSize { // a segment was finished, too
		t.Errorf("%d bytes are said to be free, %d are", done.Bytes, diff)
	}
	if got := a.w.used.Load(); got != after {
		t.Errorf("%d bytes are thought to be used, %d are", got, after)
	}
	return done
}

// TestExpireByAge has domains that keep their mail for a month, for two, and for ever.
func TestExpireByAge(t *testing.T) {
	dir := t.TempDir()
	keep := func(domain string) Retention {
		return Retention{Keep: map[string]time.Duration{"a.test": 30 * day, "b.test": 60 * day}[domain]}
	}
	a := openTest(t, dir, Options{SegmentSize: 20_000, Retention: keep})
	want := map[string]map[string][]byte{}
	for i := range 5 { // mixed in each segment
		for _, domain := range []string{"a.test", "b.test", "c.test"} {
			if want[domain] == nil {
				want[domain] = map[string][]byte{}
			}
			for id, raw := range stormAt(t, a, domain, i*100, i*100+60) {
				want[domain][id] = raw
			}
		}
	}
	full := used(t, dir)
	now := time.Now()
	for _, tt := range []struct {
		after     time.Duration
		left      []string
		remaining int64 // per cent of the bytes
	}{
		{29 * day, []string{"a.test", "b.test", "c.test"}, 101}, {31 * day, []string{"b.test", "c.test"}, 70},
		{31 * day, []string{"b.test", "c.test"}, 70}, {61 * day, []string{"c.test"}, 36}, {1000 * day, []string{"c.test"}, 36},
	} {
		expire(t, a, now.Add(tt.after))
		got := messages(t, dir)
		n := 0
		for _, domain := range tt.left {
			for id, raw := range want[domain] {
				if m, ok := got[id]; !ok || !bytes.Equal(m.Raw, raw) || len(m.Recipients) != 2 {
					t.Fatalf("after %v: %s of %s is lost or not whole", tt.after, id, domain)
				}
				n++
			}
		}
		if len(got) != n {
			t.Errorf("after %v: %d copies, want %d", tt.after, len(got), n)
		}
		if left := used(t, dir); left*100 > full*tt.remaining {
			t.Errorf("after %v: %d of %d bytes are left", tt.after, left, full)
		}
	}
	more := stormAt(t, a, "a.test", 0, 10) // the archive goes on
	for id := range more {
		if _, _, err := a.Read(id); err != nil {
			t.Error(err)
		}
	}
	if a.sums.domains["a.test"] > 20_000 || a.sums.domains["b.test"] != 0 || a.sums.domains["c.test"] < 20_000 {
		t.Errorf("bytes by domain: %v", a.sums.domains)
	}
}

// TestExpireAll leaves no file behind when nothing is left.
func TestExpireAll(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{Retention: func(string) Retention { return Retention{Keep: day} }})
	stormAt(t, a, "a.test", 0, 100)
	if done := expire(t, a, time.Now().Add(2*day)); done.Copies != 100 {
		t.Errorf("%+v", done)
	}
	if names := must(segmentNames(dir)); len(names) != 0 || a.w.used.Load() != 0 {
		t.Errorf("%v, %d bytes", names, a.w.used.Load())
	}
	if next := stormAt(t, a, "a.test", 0, 5); len(messages(t, dir)) != len(next) {
		t.Error("the archive does not go on")
	}
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestForgottenIsErased looks for the bytes themselves.
func TestForgottenIsErased(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, dir, Options{})
	noise := []byte("\x00\xfenot compressed\x01\x02\x03\xff~secret~\x7f")
	id := mustPut(t, a, Copy{Domain: "a.test", Recipients: []Recipient{{Addr: "u@a.test"}}}, noise)
	stays := mustPut(t, a, Copy{Domain: "a.test", Recipients: []Recipient{{Addr: "u@a.test"}}}, mail(10))
	holds := func() bool {
		for _, f := range must(filepath.Glob(filepath.Join(dir, "*"))) {
			if bytes.Contains(must(os.ReadFile(f)), []byte("~secret~")) {
				return true
			}
		}
		return false
	}
	if !holds() {
		t.Fatal("it is not there in clear: no test")
	}
	k := must(NewMarker(dir))
	for m, err := range a.Outlines(context.Background()) {
		if noError(t, err); m.ID == id {
			noError(t, k.Forget(m, "u@a.test"))
		}
	}
	noError(t, k.Close())
	if done := expire(t, a, time.Now()); done.Copies != 1 || holds() {
		t.Errorf("%+v, and it is still there", done)
	}
	if all, _ := ids(t, dir); !slices.Equal(all, []string{stays}) {
		t.Error(all)
	}
}

// TestSizes fills an archive to its bound, and a domain to its own: nothing that nobody was
// given goes, and what was released makes room.
func TestSizes(t *testing.T) {
	dir := t.TempDir()
	limit := int64(0)
	o := Options{MaxSize: 400_000, SegmentSize: 50_000, Retention: func(domain string) Retention {
		if domain == "small.test" {
			return Retention{MaxSize: limit}
		}
		return Retention{}
	}}
	a := openTest(t, dir, o)
	fill := func(domain string) (put []string) {
		for n := range 10_000 {
			ids, err := a.PutAll(context.Background(), []Entry{{Copy: Copy{Domain: domain, Recipients: []Recipient{{Addr: "u@" + domain}}}}}, mail(2000+n%7))
			if err != nil {
				if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "max_size") {
					t.Fatal(err)
				}
				return put
			}
			put = append(put, ids...)
		}
		t.Fatal("is never full")
		return nil
	}
	big := fill("big.test")
	if err := a.Err(); !errors.Is(err, ErrFull) {
		t.Errorf("Err: %v", err)
	}
	if done := expire(t, a, time.Now().Add(1000*day)); done.Copies != 0 {
		t.Fatalf("%+v of what nobody was given", done)
	}
	if n := used(t, dir); n > o.MaxSize || n < o.MaxSize*9/10 {
		t.Errorf("%d bytes of %d", n, o.MaxSize)
	}
	release := func(ids []string) {
		k := must(NewMarker(dir))
		for m, err := range a.Outlines(context.Background()) {
			if noError(t, err); slices.Contains(ids, m.ID) {
				noError(t, k.Released(m, m.Recipients[0].Addr))
			}
		}
		noError(t, k.Close())
	}
	release(big[:len(big)*2/3])
	done := expire(t, a, time.Now())
	if n := used(t, dir); done.Copies == 0 || done.Copies > len(big)/3 || n > o.MaxSize*highMark/100 {
		t.Errorf("%+v, %d bytes", done, n)
	}
	got, _ := ids(t, dir)
	if !slices.Equal(got, big[done.Copies:]) {
		t.Error("not the oldest are gone")
	}
	if err := a.Err(); err != nil {
		t.Errorf("Err with room again: %v", err)
	}
	limit = 20_000
	small := fill("small.test")
	if len(small) < 5 {
		t.Errorf("only %d copies", len(small))
	}
	mustPutAll(t, a, []Entry{{Copy: Copy{Domain: "other.test"}}}, mail(100)) // is not concerned
	closeTest(t, a)
	a = openTest(t, dir, o)
	expire(t, a, time.Now()) // surveys what was there
	if again := fill("small.test"); len(again) != 0 {
		t.Errorf("%d copies after a restart", len(again))
	}
	release(small)
	expire(t, a, time.Now())
	if again := fill("small.test"); len(again) == 0 {
		t.Error("no room after release")
	}
}

// TestExpireFaults fails at each file operation of writing a segment anew: nothing is lost,
// and the next time it works.
func TestExpireFaults(t *testing.T) {
	for _, op := range []string{"create", "write", "short", "sync", "close", "syncdir"} {
		t.Run(op, func(t *testing.T) {
			dir := t.TempDir()
			fs := &faulty{}
			a := openTest(t, dir, Options{files: fs, Retention: func(d string) Retention {
				return Retention{Keep: map[string]time.Duration{"a.test": day}[d]}
			}})
			stormAt(t, a, "a.test", 0, 50)
			want := stormAt(t, a, "b.test", 0, 50)
			must(a.roll(context.Background()))
			fs.set(func(o string) bool { return o == op })
			if _, err := a.Expire(context.Background(), time.Now().Add(2*day)); err == nil {
				t.Error("no error")
			}
			fs.set(nil)
			check := func() {
				t.Helper()
				got := messages(t, dir)
				for id, raw := range want {
					if !bytes.Equal(got[id].Raw, raw) {
						t.Fatalf("%s is lost", id)
					}
				}
			}
			check()
			if _, err := a.Expire(context.Background(), time.Now().Add(2*day)); err != nil {
				t.Error(err)
			}
			check()
			if all, problems := ids(t, dir); len(all) != 50 || problems != nil {
				t.Errorf("%d copies, %v", len(all), problems)
			}
		})
	}
}

// TestExpireDamaged leaves a damaged segment alone, until all in it has expired for certain.
func TestExpireDamaged(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offset  func(place) int64
		expires bool // it can be read for whom it was
	}{
		{"message", func(p place) int64 { return p.end() - 1 }, true},
		{"copy", func(p place) int64 { return p.at + headSize + int64(p.head.recipients) + 5 }, false},
		{"head", func(p place) int64 { return p.at + 20 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, places, _ := written(t, 5, true)
			flip(t, file, tt.offset(places[2]))
			dir := filepath.Dir(file)
			a := openTest(t, dir, Options{Retention: func(string) Retention { return Retention{Keep: 30 * day} }})
			k := must(NewMarker(dir))
			for m, err := range a.Outlines(context.Background()) {
				if err == nil && m.QueueID == "Q1" {
					noError(t, k.Forget(m, "u1@example.test"))
				}
			}
			noError(t, k.Close())
			if _, err := a.Expire(context.Background(), time.Now()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "left as it is") {
				t.Errorf("damaged: %v", err)
			}
			v, err := a.Verify(context.Background(), func(int, int) {})
			if err != nil || v.Copies < 4 || len(v.Damages) != 1 || !errors.Is(v.Damages[0], ErrDamaged) {
				t.Errorf("%+v, %v", v, err)
			}
			_, err = a.Expire(context.Background(), time.Now().Add(31*day))
			if names := must(segmentNames(dir)); (err == nil) != tt.expires || (len(names) == 0) != tt.expires {
				t.Errorf("a month later: %v, %v", names, err)
			}
		})
	}
}

// Copies on hold outlive their retention, with others in the same segment that do not; they go when they are on hold no longer, or
// when somebody erases them.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	held := "id-5b3c88e01f-00000007"
	a := openTest(t, dir, Options{
		SegmentSize: 20 << 10, Retention: func(string) Retention { return Retention{Keep: 30 * day} },
		Held: func(storm string) bool { return storm == held },
	})
	put := map[string][]byte{}
	kept := ""
	for n := range 60 {
		c, raw := copyOf(n, 3000)
		id := mustPutAll(t, a, []Entry{{c, "id-1"}}, raw)[0]
		put[id] = raw
		if n == 7 {
			kept = id
		}
	}
	now := time.Now()
	for range 3 {
		expire(t, a, now.Add(1000*day))
		if got := messages(t, dir); len(got) != 1 || !bytes.Equal(got[kept].Raw, put[kept]) {
			t.Fatalf("%d copies are left", len(got))
		}
		now = now.Add(day)
	}
	if done := expire(t, a, now.Add(1000*day)); done.Copies != 0 || done.Bytes != 0 || len(done.Waiting) != 0 {
		t.Errorf("the segment is written anew each time: %+v", done)
	}
	held = ""
	expire(t, a, now.Add(1000*day))
	if got := messages(t, dir); len(got) != 0 {
		t.Errorf("on hold no longer, %d copies are left", len(got))
	}
}
