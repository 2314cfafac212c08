package incident

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"breakwater/internal/owned"
)

// ErrLocked is what Open says while another process has the folder.
var ErrLocked = errors.New("another process keeps the incidents")

// ErrUnknown is what errors wrap about an ID that there is not.
var ErrUnknown = errors.New("there is no such incident")

// Options are the settings of a Book. Zero values mean the defaults.
type Options struct {
	MaxSize int64 // bytes of ended incidents beyond which the smallest go; 1 GiB
	Log     *slog.Logger

	// Counted is told of each message that is counted to a part. It must not call the Book. nil: nobody is.
	Counted func(part string, m *Member)
	// Written is told of what has become part of a part's file, on disk, from a byte on. nil: nobody is.
	Written func(part string, from int64, lines []byte)
}

// Book keeps incidents in a folder. It is safe for concurrent use. Times are arguments, and never go back far.
type Book struct {
	o    Options
	dir  string
	lock *os.File

	mu      sync.Mutex
	parts   map[string]*part // those that a message can still belong to, and those that they were joined to
	index   map[key]*part
	ring    ring
	began   time.Time // Open
	ran     time.Time // when the process before last wrote; zero: it ended as it should, or there was none
	before  bool      // there was a process before
	urgent  bool
	crowded int64 // messages of storms beyond the bounds of a network

	writing sync.Mutex
}

// Open opens the incidents of a folder, which it creates when it is missing.
func Open(dir string, at time.Time, o Options) (*Book, error) {
	if o.MaxSize <= 0 {
		o.MaxSize = 1 << 30
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Book{o: o, dir: dir, parts: map[string]*part{}, index: map[key]*part{}, began: at}
	if err := b.open(at); err != nil {
		if b.lock != nil {
			err = errors.Join(err, b.lock.Close())
		}
		return nil, fmt.Errorf("open incidents %s: %w", dir, err)
	}
	return b, nil
}

func (b *Book) open(at time.Time) (err error) {
	if err := checkFolder(b.dir); err != nil {
		return err
	}
	if b.lock, err = owned.Open(filepath.Join(b.dir, lockFile), os.O_RDWR|os.O_CREATE); err != nil {
		return err
	}
	if err := unix.Flock(int(b.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return ErrLocked
	}
	if b.ran, b.before, err = lastRun(b.dir); err != nil {
		return err
	}
	names, err := list(b.dir)
	if err != nil {
		return err
	}
	since := int64(1) << 62
	if !b.ran.IsZero() {
		since = b.ran.Unix()/60 - int64(ringSpan/time.Minute)
	}
	for _, name := range names {
		p, err := readPart(name, since)
		if errors.Is(err, errEmpty) {
			if err := os.Remove(name); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			b.o.Log.Error("an incident is left out", "err", err) // the others are more
			continue
		}
		if st, err := os.Stat(name); err == nil && st.Size() > p.size {
			if err := os.Truncate(name, p.size); err != nil {
				return err
			}
		}
		b.parts[p.ID] = p
	}
	for _, p := range b.byAge() {
		for k := range p.keys {
			if b.index[k] == nil {
				b.index[k] = p
			}
		}
		if !b.ran.IsZero() && p.Ended.IsZero() {
			b.gap(p, Gap{From: b.ran, To: at, Why: "the program did not end as it should: mail that was not absorbed may be missing"})
		}
	}
	return b.beat(at)
}

// lastRun tells when the process before wrote last, if it did not end as it should.
func lastRun(dir string) (at time.Time, before bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, runFile))
	if errors.Is(err, fs.ErrNotExist) {
		return at, false, nil
	}
	if err != nil {
		return at, false, err
	}
	at, err = time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err != nil {
		return time.Time{}, true, nil // it ended
	}
	return at, true, nil
}

const stopped = "stopped             \n"

// beat notes that all was written until now.
func (b *Book) beat(at time.Time) error {
	return write(filepath.Join(b.dir, runFile), os.O_WRONLY|os.O_CREATE, 0, []byte(at.UTC().Format(time.RFC3339)+"\n"))
}

// byAge are all parts, oldest first.
func (b *Book) byAge() []*part { return slices.SortedFunc(maps.Values(b.parts), older) }

func older(a, b *part) int {
	return cmp.Or(a.First.Compare(b.First), strings.Compare(a.ID, b.ID))
}

// root is the part that gives the incident of p its ID.
func (b *Book) root(p *part) *part {
	for range len(b.parts) {
		up := b.parts[p.Into]
		if up == nil {
			break
		}
		p = up
	}
	return p
}

// Add counts a message. It keeps m. It reports whether something is new that should be written soon: by Flush.
func (b *Book) Add(m *Member) (urgent bool) {
	m.Subject = strings.ToValidUTF8(m.Subject[:min(len(m.Subject), maxSubject)], "")
	b.mu.Lock()
	defer b.mu.Unlock()
	p, also := b.find(m)
	if p == nil {
		if len(m.Storms) == 0 && !b.flooded(m) {
			b.ring.add(m)
			return false
		}
		p = b.begin(m)
	}
	b.count(p, m)
	b.bridge(p, also, m)
	urgent, b.urgent = b.urgent, false
	return urgent
}

// Of is the ID of the incident that a storm, as storm.Key.Incident names it, belongs to; "" for none.
func (b *Book) Of(stormID string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.index[stormKey(stormID)]; p != nil {
		return b.root(p).ID
	}
	return ""
}

// Held reports whether the incident of a storm, as storm.Key.Incident names it, is on hold.
func (b *Book) Held(stormID string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.index[stormKey(stormID)]
	return p != nil && (p.Hold || b.root(p).Hold)
}

// find is the part that m belongs to, nil for none, and others that it could belong to. Of what it is a report on
// says most; then the storm that it counts to, then what it shares with others.
func (b *Book) find(m *Member) (p *part, also []*part) {
	note := func(k key) {
		q := b.index[k]
		if q == nil || q == p || slices.Contains(also, q) {
			return
		}
		if p == nil {
			p = q
		} else {
			also = append(also, q)
		}
	}
	if m.consequence() {
		for _, r := range m.About {
			note(selfKey(r))
		}
	}
	for _, k := range m.keys() {
		switch k.(type) {
		case selfKey:
		case domainKey: // that it is on a domain says least
			if p == nil {
				note(k)
			}
		default:
			note(k)
		}
	}
	return p, also
}

// flooded reports whether m is one of so many reports on mail of a domain that we did not send, that they are an incident. Many
// reports on one mail are none: they are consequences of that, which may come later.
func (b *Book) flooded(m *Member) bool {
	if m.Domain == "" || !m.consequence() {
		return false
	}
	about := map[Ref]bool{}
	for _, e := range b.ring.index[domainKey(m.Domain)] {
		if n := len(e.m.About); n > 0 {
			about[e.m.About[n-1]] = true
		}
		if len(about) >= backscatter {
			return true
		}
	}
	return false
}

// begin makes a part that begins with m, and with what is remembered of it.
func (b *Book) begin(m *Member) *part {
	from := network(m.Client)
	var newest *part
	under := 0
	var small *part
	for _, p := range b.parts {
		if !p.Ended.IsZero() {
			continue
		}
		under++
		if small == nil || smallest(p, small) < 0 {
			small = p
		}
		if p.network == from {
			if newest == nil || older(newest, p) < 0 {
				newest = p
			}
		}
	}
	if parts, incidents := b.of(from); parts >= maxOfNetwork || incidents >= maxNetwork {
		b.crowded++
		return newest
	}
	if under >= maxParts {
		b.end(small, m.At)
		b.forget(small)
		small.gone = true
	}
	domain := ""
	if len(m.Storms) == 0 {
		domain = m.Domain // it is backscatter, and no storm
	}
	earlier := b.ring.take(m, domain)
	first := m
	for _, e := range earlier {
		if e.At.Before(first.At) {
			first = e
		}
	}
	p := newPart(newID(first, b.taken), first.At)
	p.Subject, p.Class, p.Domain, p.network = m.Subject, m.Class, domain, from
	b.parts[p.ID] = p
	if b.ring.short.After(m.At.Add(-ringSpan)) {
		b.gap(p, Gap{From: m.At.Add(-ringSpan), To: b.ring.short, Why: "there was more mail than is remembered for ten minutes"})
	}
	if b.before && m.At.Sub(b.began) < ringSpan {
		b.gap(p, Gap{From: m.At.Add(-ringSpan), To: b.began, Why: "the program started then, and remembers nothing of before"})
	}
	for _, e := range earlier {
		b.count(p, e)
	}
	return p
}

// of is how many parts and incidents are under way that a network began.
func (b *Book) of(from Client) (parts, incidents int) {
	roots := map[*part]bool{}
	for _, p := range b.parts {
		if p.Ended.IsZero() && p.network == from {
			parts++
			roots[b.root(p)] = true
		}
	}
	return parts, len(roots)
}

func (b *Book) taken(id string) bool {
	if b.parts[id] != nil {
		return true
	}
	_, err := os.Lstat(filepath.Join(b.dir, oldDir, id+fileExt))
	_, here := os.Lstat(filepath.Join(b.dir, id+fileExt))
	return err == nil || here == nil
}

func (b *Book) known(k key) *part { return b.index[k] }

// own has k mean p. Reports that were about it until now are consequences of p.
func (b *Book) own(p *part) func(key) {
	return func(k key) {
		b.index[k] = p
		if self, ok := k.(selfKey); ok {
			if q := b.index[aboutKey(self)]; q != nil && !q.copied && q.Domain == "" {
				b.join(p, q, "consequences: its reports are about the other's messages")
			}
		}
	}
}

// count counts m to p.
func (b *Book) count(p *part, m *Member) {
	if !p.Ended.IsZero() && (!m.consequence() || !p.copied) {
		p.Ended = time.Time{}
	}
	for q := p; q != nil; q = b.parts[q.Into] {
		q.gone = false
	}
	p.count(m)
	if b.o.Counted != nil {
		b.o.Counted(p.ID, m)
	}
	b.urgent = p.learn(m, b.known, b.own(p)) || b.urgent
	for _, e := range b.ring.take(m, p.Domain) {
		b.count(p, e)
	}
	if p.signs.Copies >= max(4, p.checkAt) && !m.consequence() {
		p.checkAt = 2 * p.signs.Copies
		b.joinServers(p)
	}
}

// bridge notes that m could belong to other parts as well, and joins them when that is no accident: anybody who has got
// two mails can make one message that looks like both.
func (b *Book) bridge(p *part, also []*part, m *Member) {
	for _, q := range also {
		if b.root(p) == b.root(q) {
			continue
		}
		if m.consequence() && p.copied && !q.copied && q.Domain == "" {
			b.join(p, q, "consequences: its reports are about the other's messages")
			continue
		}
		if m.consequence() {
			continue
		}
		p.bridged[q.ID]++
		if n := p.bridged[q.ID]; n >= bridges && n*10 >= min(p.copies(), q.copies()) {
			b.join(p, q, "copies: the same messages are copies of both")
		}
		if len(p.bridged) > maxParts {
			clear(p.bridged)
		}
	}
}

// joinServers joins the incident of p with those of the same servers.
func (b *Book) joinServers(p *part) {
	own := b.root(p)
	all := map[*part]*signCounts{}
	last := map[*part]time.Time{}
	for _, q := range b.parts {
		r := b.root(q)
		if all[r] == nil {
			all[r] = &signCounts{}
		}
		all[r].plus(q.signs)
		last[r] = later(last[r], q.Last)
	}
	for _, r := range slices.SortedFunc(maps.Keys(all), older) {
		if r == own || all[r].Copies < 4 || p.First.Sub(last[r]) > sameServers || r.First.Sub(last[own]) > sameServers {
			continue
		}
		if together(p.signs, *all[r]) {
			b.join(own, r, "servers: the same servers sent both, with the same signs")
			own = b.root(p)
		}
	}
}

// join makes one incident of those of two parts. The older one's ID stays that of all.
func (b *Book) join(p, q *part, why string) bool {
	p, q = b.root(p), b.root(q)
	if p == q || p.Apart[q.ID] || q.Apart[p.ID] {
		return false
	}
	if older(q, p) < 0 {
		p, q = q, p
	}
	q.Into, q.Why = p.ID, why
	q.say(event{T: "join", At: later(p.Last, q.Last), Into: p.ID, Why: why})
	return true
}

// say has a line written.
func (p *part) say(e event) {
	p.events = append(p.events, e)
	p.changed = true
}

func (b *Book) gap(p *part, g Gap) {
	p.Gaps = append(p.Gaps, g)
	p.say(event{T: "gap", At: g.To, Gap: &g})
}

// Tick ends what is over, and forgets what can not begin again. It returns the IDs of incidents that ended.
func (b *Book) Tick(at time.Time) (ended []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ring.expire(at)
	live := map[*part]bool{}
	for _, p := range b.byAge() {
		if p.Ended.IsZero() && at.Sub(p.Last) >= endsAfter {
			b.end(p, p.Last.Add(endsAfter))
			ended = append(ended, b.root(p).ID)
		}
		if p.Ended.IsZero() || p.Hold || at.Sub(p.Ended) < reopensFor {
			live[b.root(p)] = true
		}
	}
	for _, p := range b.byAge() {
		if !live[b.root(p)] {
			p.gone = true
		}
	}
	slices.Sort(ended)
	return slices.Compact(ended)
}

func (b *Book) end(p *part, at time.Time) {
	p.Ended, p.changed = at, true
}

// forget takes away by what messages are found to belong to p.
func (b *Book) forget(p *part) {
	for k := range p.keys {
		if b.index[k] == p {
			delete(b.index, k)
		}
	}
}

// Flush writes what was counted until now. all: also what is usually written later.
func (b *Book) Flush(at time.Time) error { return b.flush(at, false) }

func (b *Book) flush(at time.Time, all bool) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	type todo struct {
		p    *part
		text []byte
		at   int64
	}
	var work []todo
	var errs []error
	b.mu.Lock()
	for _, p := range b.byAge() {
		if p.changed || len(p.buffer) > 0 || all && p.hopsNew {
			if err := p.buffered(at, all); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		if len(p.buffer) > 0 || p.gone {
			work = append(work, todo{p, p.buffer, p.size})
		}
	}
	b.mu.Unlock()
	moved, failed := false, map[*part]bool{}
	for _, f := range []func(w todo) error{ // all are written before any is synced: the disk takes them at once then
		func(w todo) error { return writeAt(b.file(w.p), w.at, w.text) },
		func(w todo) error { return syncFile(b.file(w.p)) },
	} {
		for _, w := range work {
			if len(w.text) == 0 || failed[w.p] {
				continue
			}
			if err := f(w); err != nil {
				errs = append(errs, err)
				failed[w.p] = true
			}
		}
	}
	for _, w := range work {
		if failed[w.p] {
			continue
		}
		if b.o.Written != nil && len(w.text) > 0 {
			b.o.Written(w.p.ID, w.at, w.text)
		}
		name := b.file(w.p)
		b.mu.Lock()
		w.p.size, w.p.buffer = w.p.size+int64(len(w.text)), nil
		if w.p.gone && !w.p.changed {
			if err := os.Rename(name, filepath.Join(b.dir, oldDir, filepath.Base(name))); err != nil {
				errs = append(errs, err)
			} else {
				delete(b.parts, w.p.ID)
				b.forget(w.p)
				moved = true
			}
		}
		b.mu.Unlock()
	}
	if len(errs) == 0 {
		errs = append(errs, b.beat(at))
		if moved {
			errs = append(errs, b.prune())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("write incidents %s: %w", b.dir, err)
	}
	return nil
}

// prune takes the smallest ended incidents away while all have more bytes than they may.
func (b *Book) prune() error {
	names, err := list(filepath.Join(b.dir, oldDir))
	if err != nil {
		return err
	}
	var sum int64
	for _, name := range names {
		if st, err := os.Stat(name); err == nil {
			sum += onDisk(st.Size())
		}
	}
	if sum <= b.o.MaxSize {
		return nil
	}
	parts, err := readAll(filepath.Join(b.dir, oldDir))
	if err != nil {
		return err
	}
	slices.SortFunc(parts, smallest)
	for _, p := range parts {
		if sum <= b.o.MaxSize*9/10 {
			return nil
		}
		if p.Hold {
			continue
		}
		if err := os.Remove(filepath.Join(b.dir, oldDir, p.ID+fileExt)); err != nil {
			return err
		}
		sum -= onDisk(p.size)
		b.o.Log.Warn("an ended incident is gone, since there is no room for more", "id", p.ID, "copies", p.copies())
	}
	return nil
}

func (b *Book) file(p *part) string { return filepath.Join(b.dir, p.ID+fileExt) }

// onDisk is what a file of a size takes, in whole blocks.
func onDisk(size int64) int64 { return (size + 4095) &^ 4095 }

// Close writes all, and closes the book.
func (b *Book) Close(at time.Time) error {
	err := b.flush(at, true)
	if err == nil {
		err = write(filepath.Join(b.dir, runFile), os.O_WRONLY|os.O_CREATE, 0, []byte(stopped))
	}
	return errors.Join(err, b.lock.Close())
}

// Crashed is since when counts may be missing, since the process before did not end as it should; zero: none are.
func (b *Book) Crashed() time.Time { return b.ran }

// Absorbed is a message that the archive has.
type Absorbed struct {
	At         time.Time
	Client     Client
	Subject    string
	Bytes      int64
	Recipients []AbsorbedRecipient
}

// AbsorbedRecipient is one for whom it was absorbed.
type AbsorbedRecipient struct {
	Class string
	Storm string // as storm.Key.Incident names it
}

// Rebuild counts what was absorbed before a crash and is not written: archived is all that the archive has since
// ten minutes before Crashed. What was written is not counted again. It returns how many copies were missing.
func (b *Book) Rebuild(at time.Time, archived []Absorbed) (missing int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ran.IsZero() {
		return 0
	}
	since := b.ran.Unix()/60 - int64(ringSpan/time.Minute)
	truth := map[*part]map[int64]*Table{}
	for _, a := range archived {
		minute := a.At.Unix() / 60
		if minute < since {
			continue
		}
		cells := map[*part]map[string]*Cell{}
		for _, r := range a.Recipients {
			if r.Storm == "" {
				continue
			}
			p := b.index[stormKey(r.Storm)]
			if p == nil && a.At.Before(b.ran) {
				continue // it is of no incident
			}
			if p == nil {
				// Its incident began in the last moment before the crash.
				m := &Member{At: a.At, Client: a.Client, Class: r.Class, Storms: []string{r.Storm}, Subject: a.Subject}
				p = b.begin(m)
				p.copied = p.copied || !m.consequence()
				b.urgent = p.learn(m, b.known, b.own(p)) || b.urgent
			}
			if cells[p] == nil {
				cells[p] = map[string]*Cell{}
			}
			if cells[p][r.Class] == nil {
				cells[p][r.Class] = &Cell{Messages: 1, Bytes: a.Bytes}
			}
			cells[p][r.Class].Copies++
		}
		for p, of := range cells {
			if truth[p] == nil {
				truth[p] = map[int64]*Table{}
			}
			if truth[p][minute] == nil {
				truth[p][minute] = &Table{}
			}
			for class, c := range of {
				truth[p][minute].Add(Row{Client: a.Client, Class: class, Action: "absorb", Consequence: consequences[class]}, *c)
			}
			p.Last = later(p.Last, a.At)
		}
	}
	for p, minutes := range truth {
		for minute, t := range minutes {
			for r, c := range t.Rows() {
				if had := p.recent[minute]; had != nil && had.cells[r] != nil {
					c.Messages -= had.cells[r].Messages
					c.Copies -= had.cells[r].Copies
					c.Bytes -= had.cells[r].Bytes
				}
				if c.Copies <= 0 {
					continue
				}
				c.Messages, c.Bytes = max(c.Messages, 0), max(c.Bytes, 0)
				if p.pending[minute] == nil {
					p.pending[minute] = &Table{}
				}
				p.pending[minute].Add(r, c)
				p.changed = true
				missing += c.Copies
			}
		}
		p.recent = nil
	}
	return missing
}

// change finds the incident with an ID, and writes what f does to it at once.
func (b *Book) change(at time.Time, id string, f func(p *part) error) error {
	b.mu.Lock()
	p := b.parts[id]
	if p == nil {
		b.mu.Unlock()
		return fmt.Errorf("%s: %w, or it is over for good", id, ErrUnknown)
	}
	err := f(p)
	b.mu.Unlock()
	return errors.Join(err, b.flush(at, false))
}

// tell adds what the operator says to the incident with an ID, also to one that is over for good.
func (b *Book) tell(id string, e event) error {
	b.mu.Lock()
	live := b.parts[id] != nil
	b.mu.Unlock()
	if live {
		return b.change(e.At, id, func(p *part) error {
			p = b.root(p)
			p.apply(e, 0)
			p.say(e)
			return nil
		})
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	name := filepath.Join(b.dir, oldDir, filepath.Base(id)+fileExt)
	p, err := readPart(name, 1<<62)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w; `breakwater incident list` shows those that there are", id, ErrUnknown)
	}
	if err != nil {
		return err
	}
	line, err := appendLine(nil, e)
	if err != nil {
		return err
	}
	if err := write(name, os.O_WRONLY, p.size, line); err != nil {
		return err
	}
	if b.o.Written != nil {
		b.o.Written(p.ID, p.size, line)
	}
	return nil
}

// Note adds a note.
func (b *Book) Note(id string, n Note) error { return b.tell(id, event{T: "note", At: n.At, Note: &n}) }

// Cost adds what the incident has cost.
func (b *Book) Cost(id string, c Cost) error { return b.tell(id, event{T: "cost", At: c.At, Cost: &c}) }

// Hold keeps the incident's copies from expiry, or no longer.
func (b *Book) Hold(at time.Time, id string, on bool, by string) error {
	if err := b.revive(id); err != nil {
		return err
	}
	return b.tell(id, event{T: "hold", At: at, On: on, Why: by})
}

// revive takes an incident that is over for good back into memory, so that its copies are known to be on hold.
func (b *Book) revive(id string) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parts[id] != nil {
		return nil
	}
	old, err := readAll(filepath.Join(b.dir, oldDir))
	if err != nil {
		return err
	}
	of := map[string]*part{}
	for _, p := range old {
		of[p.ID] = p
	}
	root := func(p *part) *part {
		for range len(old) {
			if of[p.Into] == nil {
				break
			}
			p = of[p.Into]
		}
		return p
	}
	if of[id] == nil {
		return nil // tell says so
	}
	for _, p := range old {
		if root(p) != root(of[id]) {
			continue
		}
		if err := os.Rename(filepath.Join(b.dir, oldDir, p.ID+fileExt), b.file(p)); err != nil {
			return err
		}
		b.parts[p.ID] = p
		for k := range p.keys {
			if b.index[k] == nil {
				b.index[k] = p
			}
		}
	}
	return nil
}

// Join makes one incident of two. An operator's word counts over what was taken apart before.
func (b *Book) Join(at time.Time, id, other, by string) error {
	return b.change(at, id, func(p *part) error {
		q := b.parts[other]
		if q == nil {
			return fmt.Errorf("%s: %w, or it is over for good", other, ErrUnknown)
		}
		if b.root(p) == b.root(q) {
			return fmt.Errorf("%s and %s are one incident", id, other)
		}
		delete(b.root(p).Apart, b.root(q).ID)
		delete(b.root(q).Apart, b.root(p).ID)
		b.join(p, q, "the operator: "+by)
		return nil
	})
}

// Split takes a part out of its incident, for ever.
func (b *Book) Split(at time.Time, id, by string) error {
	return b.change(at, id, func(p *part) error {
		if p.Into == "" {
			return fmt.Errorf("%s is the part that gives the incident its ID; split off the others", id)
		}
		r := b.root(p)
		p.Into, p.Why = "", ""
		p.say(event{T: "join", At: at, Why: "the operator: " + by})
		for _, pair := range [][2]*part{{p, r}, {r, p}} {
			pair[0].Apart[pair[1].ID] = true
			pair[0].say(event{T: "apart", At: at, ID: pair[1].ID})
		}
		return nil
	})
}

// readAll reads all parts of a folder that can be read.
func readAll(dir string) ([]*part, error) {
	names, err := list(dir)
	if err != nil {
		return nil, err
	}
	var all []*part
	var errs []error
	for _, name := range names {
		p, err := readPart(name, 1<<62)
		switch {
		case err == nil:
			all = append(all, p)
		case !errors.Is(err, errEmpty) && !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, err)
		}
	}
	return all, errors.Join(errs...)
}
