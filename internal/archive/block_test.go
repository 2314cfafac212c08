package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/format"
)

// stormSegment is a segment with copies of storms of several sizes, in turn, finished or as a
// killed process leaves it.
func stormSegment(t testing.TB, copies int, finished bool, sizes ...int) (name string, data []byte) {
	t.Helper()
	a := openTest(t, t.TempDir(), Options{})
	var group []*put
	for n := range copies {
		c, raw := copyOf(n, sizes[n%len(sizes)])
		group = append(group, must(a.newPut([]Entry{{c, fmt.Sprint("storm", n%len(sizes))}}, raw)))
	}
	noError(t, a.w.prepare(1))
	noError(t, a.w.pack(group))
	must(a.w.write(group))
	if finished {
		noError(t, a.w.finish())
	}
	name = must(segmentNames(a.dir))[0]
	return name, must(os.ReadFile(filepath.Join(a.dir, name)))
}

// unreadable is a file with a stretch for which reading fails.
type unreadable struct {
	io.ReaderAt
	from, to int64
}

func (u unreadable) ReadAt(b []byte, at int64) (int, error) {
	if at < u.to && at+int64(len(b)) > u.from {
		return 0, errFault
	}
	return u.ReaderAt.ReadAt(b, at)
}

// readable are the IDs of the copies that can be read in full.
func readable(t *testing.T, s segment) map[id]bool {
	t.Helper()
	u := must(newUnpacker(s))
	defer u.close()
	got := map[id]bool{}
	for m, err := range u.copies(u.whole) {
		if err == nil {
			got[m.place.head.id] = true
		}
	}
	return got
}

// TestOneBlock loses each block of a segment in turn, as zeros and as a read error: no copy is lost
// that does not lie in it, before the archive is opened and after, whether it was closed or killed.
func TestOneBlock(t *testing.T) {
	for _, finished := range []bool{true, false} {
		for _, tt := range []struct {
			copies int
			sizes  []int
		}{{150, []int{100}}, {60, []int{3000}}, {60, []int{9000, 200}}, {45, []int{40_000, 500, 700}}, {3, []int{15_000}}, {7, []int{8200}}, {12, []int{9000, 200}}} {
			sizes := tt.sizes
			name, data := stormSegment(t, tt.copies, finished, sizes...)
			all := segment{name, bytes.NewReader(data), int64(len(data))}
			within := map[id][][2]int64{}
			for p, err := range all.records() {
				noError(t, err)
				within[p.head.id] = append(within[p.head.id], [2]int64{p.at, p.end()})
			}
			if len(within) != tt.copies || len(readable(t, all)) != tt.copies {
				t.Fatalf("%d copies, %d of them can be read", len(within), len(readable(t, all)))
			}
			for from := int64(0); from < all.size; from += block {
				to := min(from+block, all.size)
				zeroed := bytes.Clone(data)
				clear(zeroed[from:to])
				dir := t.TempDir()
				noError(t, os.WriteFile(filepath.Join(dir, name), zeroed, 0o600))
				closeTest(t, openTest(t, dir, Options{}))
				opened := must(os.ReadFile(filepath.Join(dir, name)))
				for what, s := range map[string]segment{
					"zeros":      {name, bytes.NewReader(zeroed), all.size},
					"read error": {name, unreadable{bytes.NewReader(data), from, to}, all.size},
					"opened":     {name, bytes.NewReader(opened), int64(len(opened))},
				} {
					got := readable(t, s)
					for i, places := range within {
						inBlock := func(p [2]int64) bool { return p[0] < to && p[1] > from }
						if !got[i] && !slices.ContainsFunc(places, inBlock) {
							t.Fatalf("sizes %v, finished %v, block at %d, %s: the copy at %v is lost", sizes, finished, from, what, places)
						}
					}
				}
			}
		}
	}
}

// TestDeadBase opens, lists and expires a segment of full size whose base is lost with its spares: it
// does not take the square of its copies.
func TestDeadBase(t *testing.T) {
	name, data := stormSegment(t, 3000, false, 300)
	s := segment{name, bytes.NewReader(data), int64(len(data))}
	for p, err := range s.records() {
		if noError(t, err); !p.head.delta() {
			data[p.end()-1] ^= 1
			data[p.at+headSize+int64(p.head.recipients)] ^= 1
		}
	}
	dir := t.TempDir()
	noError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	begun := worked(t)
	a := openTest(t, dir, Options{Retention: func(string) Retention { return Retention{Keep: day} }})
	if size := must(os.Stat(filepath.Join(dir, name))).Size(); size < int64(len(data)) {
		t.Errorf("%d of %d bytes were cut off", int64(len(data))-size, len(data))
	}
	damaged := 0
	for _, err := range a.All(context.Background()) {
		if !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		damaged++
	}
	_, _ = a.Expire(context.Background(), time.Now().Add(2*day))
	if took := worked(t) - begun; damaged < 3000 || took > 30*time.Second { // a tenth of a second; the square takes minutes
		t.Errorf("%d damages, %v", damaged, took)
	}
}

// TestRecoverKeeps: what Open cuts off a segment is kept beside it, and goes with it.
func TestRecoverKeeps(t *testing.T) {
	file, places, all := written(t, 4, false)
	data := must(os.ReadFile(file))
	cut := places[3].at + headSize + 10
	noError(t, os.WriteFile(file, data[:cut], 0o600))
	a := openTest(t, filepath.Dir(file), Options{Retention: func(string) Retention { return Retention{Keep: day} }})
	if got, problems := ids(t, a.dir); !slices.Equal(got, all[:3]) || problems != nil {
		t.Errorf("%v, %v", got, problems)
	}
	if kept, err := os.ReadFile(file + tornSuffix); err != nil || !bytes.Equal(kept, data[places[3].at:cut]) {
		t.Errorf("%d bytes are kept of %d, %v", len(kept), cut-places[3].at, err)
	}
	expire(t, a, time.Now().Add(2*day))
	if left := must(filepath.Glob(file + "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestUnreadableTail: records that cannot be read for a moment, with sound heads, are no torn tail.
func TestUnreadableTail(t *testing.T) {
	name, data := stormSegment(t, 6, false, 3000)
	whole := segment{name, bytes.NewReader(data), int64(len(data))}
	var places []place
	for p := range whole.records() {
		places = append(places, p)
	}
	flaky := whole
	for _, p := range places[3:] {
		flaky.r = unreadable{flaky.r, p.at + headSize + 1, p.at + headSize + 2}
	}
	if _, _, err := flaky.whole(); !errors.Is(err, errFault) {
		t.Errorf("recovery sees %v", err)
	}
	if end, _, err := whole.whole(); err != nil || end != whole.size {
		t.Errorf("%d of %d, %v", end, whole.size, err)
	}
	f := must(os.OpenFile(filepath.Join(t.TempDir(), name), os.O_RDWR|os.O_CREATE, 0o600))
	defer f.Close()
	must(f.Write(data))
	if _, err := flaky.finish(f, slog.New(slog.DiscardHandler)); !errors.Is(err, errFault) || !bytes.Equal(must(os.ReadFile(f.Name())), data) {
		t.Errorf("it was written to; %v", err)
	}
	if _, err := whole.finish(f, slog.New(slog.DiscardHandler)); err != nil || len(must(os.ReadFile(f.Name()))) != len(data)+headSize {
		t.Errorf("it is not finished when it can be read again: %v", err)
	}
}

// TestUnknownSegment: a file with no record that this version knows is never written to.
func TestUnknownSegment(t *testing.T) {
	for _, tt := range []struct {
		finished bool
		version  string
		said     string
	}{{true, "\x7f", "newer breakwater: format 127"}, {false, "\x7f", "newer breakwater: format 127"}, {true, "\x01", "very old breakwater: format 1"}} {
		file, _, _ := written(t, 3, tt.finished)
		newer := bytes.ReplaceAll(must(os.ReadFile(file)), []byte(magic), []byte(stem+tt.version))
		noError(t, os.WriteFile(file, newer, 0o600))
		var said bytes.Buffer
		a := openTest(t, filepath.Dir(file), Options{Log: textLog(&said)})
		mustPut(t, a, sample(1), mail(10))
		_, _ = a.Expire(context.Background(), time.Now())
		closeTest(t, a)
		if !bytes.Equal(must(os.ReadFile(file)), newer) || !strings.Contains(said.String(), "nothing is written to it") {
			t.Errorf("it was written to; logged %q", &said)
		}
		if _, problems := ids(t, filepath.Dir(file)); len(problems) != 1 || !strings.Contains(problems[0].Error(), tt.said) {
			t.Errorf("%v", problems)
		}
	}
}

// TestOldSegment: a segment of format 2 is read, marked, expires, and is of this format when it is
// written anew.
func TestOldSegment(t *testing.T) {
	file, _, all := written(t, 3, true)
	data := must(os.ReadFile(file))
	name := filepath.Base(file)
	old := oldFormat(t, name, data)
	noError(t, os.WriteFile(file, old, 0o600))
	dir := filepath.Dir(file)
	a := openTest(t, dir, Options{Retention: func(string) Retention { return Retention{Keep: 30 * day} }})
	got := messages(t, dir)
	for _, i := range all {
		if m := got[i]; m.QueueID == "" || len(m.Recipients) != 2 || time.Until(m.Kept).Abs() > time.Hour {
			t.Errorf("%s: %+v", i, m.Copy)
		}
	}
	k := must(NewMarker(dir))
	noError(t, k.Forget(got[all[0]], "u1@example.test", "m\xfcller@example.test"))
	noError(t, k.Close())
	if done := expire(t, a, time.Now()); done.Copies != 1 || done.Forgotten != 1 {
		t.Errorf("%+v", done)
	}
	if b := must(os.ReadFile(file)); bytes.Contains(b, []byte(magicOld+"\x18")) || len(messages(t, dir)) != 2 {
		t.Error("it is not written anew as it should be")
	}
	expire(t, a, time.Now().Add(31*day))
	if len(messages(t, dir)) != 0 {
		t.Error("it does not expire")
	}
}

// kept is where the text of Kept begins, which is behind the number of failures.
func kept(c Copy, b []byte) int {
	number := fmt.Sprint(len(c.Failures))
	return bytes.Index(b, append([]byte(c.Subject), append([]byte{byte(len(number))}, number...)...)) + len(c.Subject) + 1 + len(number)
}

// oldFormat makes a segment as format 2 had it of one without bases.
func oldFormat(t *testing.T, name string, data []byte) (old []byte) {
	t.Helper()
	u := must(newUnpacker(segment{name, bytes.NewReader(data), int64(len(data))}))
	defer u.close()
	pack := must(newPacker())
	for p, err := range u.records() {
		noError(t, err)
		c, states, err := u.copyAt(p)
		noError(t, err)
		raw := must(u.messageAt(p))
		b := appendCopy(nil, Copy{At: c.At, QueueID: c.QueueID, Client: c.Client, Helo: c.Helo, AuthUser: c.AuthUser, ReversePath: c.ReversePath, Domain: c.Domain, From: c.From, Subject: c.Subject, Failures: c.Failures})
		b = slices.Delete(b, kept(c, b), kept(c, b)+1)
		for _, r := range c.Recipients {
			for _, s := range []string{r.Addr, r.Class, r.Reason, r.Rule, r.Storm} {
				b = append(append(b, byte(len(s))), s...)
			}
		}
		r := record{states: states, head: p.head}
		r.head.old = true
		r.fill(pack.plain.EncodeAll(b, nil), pack.plain.EncodeAll(raw, nil))
		old = r.append(old, name)
	}
	mark, _, _ := u.mark()
	mark.old = true
	return mark.append(old, name)
}

// TestFormat: an archive of a newer version is refused, in plain words, and is left as it is. One
// without the file is of an older version; a damaged file stops nobody.
func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		text    string
		refused bool
	}{{"", false}, {"breakwater archive 2\n", false}, {"\x00\x00\x00", false}, {"breakwater archive 3\n", false}, {"breakwater archive 4\n", true}, {"breakwater archive 10", true}} {
		dir := t.TempDir()
		path := filepath.Join(dir, format.File)
		if tt.text != "" {
			noError(t, os.WriteFile(path, []byte(tt.text), 0o600))
		}
		_, rerr := OpenReadOnly(dir)
		var said bytes.Buffer
		a, err := Open(dir, Options{MinFree: 1, Log: slog.New(slog.NewTextHandler(&said, nil))})
		if told := strings.Contains(said.String(), "damaged"); told != strings.HasPrefix(tt.text, "\x00") {
			t.Errorf("%q: said %s", tt.text, &said)
		}
		if tt.refused {
			if files := must(os.ReadDir(dir)); len(files) != 1 {
				t.Errorf("%q: written to: %v", tt.text, files)
			}
			for _, err := range []error{err, rerr} {
				if err == nil || !strings.Contains(err.Error(), "written by a newer breakwater") || !strings.Contains(err.Error(), dir) {
					t.Errorf("%q: %v", tt.text, err)
				}
			}
			if string(must(os.ReadFile(path))) != tt.text {
				t.Errorf("%q was changed", tt.text)
			}
			continue
		}
		noError(t, errors.Join(err, rerr))
		closeTest(t, a)
		if got := string(must(os.ReadFile(path))); got != "breakwater archive 3\n" {
			t.Errorf("%q became %q", tt.text, got)
		}
	}
}

// TestFormatLater: what could not be noted at the start is noted as soon as there can be mail.
func TestFormatLater(t *testing.T) {
	fs := &faulty{fault: func(op string) bool { return op == "create" }}
	a := openTest(t, t.TempDir(), Options{files: fs})
	fs.set(nil)
	noError(t, a.Probe(context.Background()))
	if got := string(must(os.ReadFile(filepath.Join(a.dir, format.File)))); got != "breakwater archive 3\n" {
		t.Errorf("%q", got)
	}
}

// TestUnwritable: an archive that cannot be written to says so from the start, and takes mail as soon
// as it can.
func TestUnwritable(t *testing.T) {
	fs := &faulty{fault: func(op string) bool { return op == "create" }}
	var said bytes.Buffer
	a := openTest(t, t.TempDir(), Options{files: fs, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err := a.Err(); !errors.Is(err, errFault) || !strings.Contains(err.Error(), "daemon's user") {
		t.Errorf("Err: %v", err)
	}
	fs.set(nil)
	noError(t, a.Probe(context.Background()))
	noError(t, a.Err())
	fs.set(func(op string) bool { return op == "sync" })
	if err := a.Probe(context.Background()); !errors.Is(err, errFault) || !errors.Is(a.Err(), errFault) {
		t.Errorf("%v, %v", err, a.Err())
	}
	fs.set(nil)
	mustPut(t, a, sample(1), mail(10))
	if left := must(filepath.Glob(filepath.Join(a.dir, probeFile+"*"))); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestByHand removes segments while the archive is open: there is room again after the next look.
func TestByHand(t *testing.T) {
	a := openTest(t, t.TempDir(), Options{MaxSize: 200_000, SegmentSize: 20_000, Retention: func(string) Retention { return Retention{MaxSize: 150_000} }})
	var err error
	for n := 0; err == nil; n++ {
		_, err = a.Put(context.Background(), sample(n), mail(5000+n))
	}
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	for _, name := range must(segmentNames(a.dir)) {
		noError(t, os.Remove(filepath.Join(a.dir, name)))
	}
	_, _ = a.Expire(context.Background(), a.Now())
	if a.Used() != 0 || len(a.sums.domains) != 0 {
		t.Errorf("%d bytes, %v", a.Used(), a.sums.domains)
	}
	mustPut(t, a, sample(1), mail(5000))
}

// TestAbandonedExpires: a segment that a write error has left unfinished expires without a restart.
func TestAbandonedExpires(t *testing.T) {
	fs := &faulty{}
	a := openTest(t, t.TempDir(), Options{files: fs, Retention: func(string) Retention { return Retention{Keep: day} }})
	mustPut(t, a, sample(1), mail(1000))
	fs.set(func(op string) bool { return op == "sync" || op == "truncate" })
	if _, err := a.Put(context.Background(), sample(2), mail(1000)); err == nil {
		t.Fatal("no error")
	}
	fs.set(nil)
	mustPut(t, a, sample(3), mail(1000))
	_, err := a.Expire(context.Background(), a.Now().Add(2*day))
	if names := must(segmentNames(a.dir)); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
}
