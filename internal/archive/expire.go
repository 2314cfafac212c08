package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"breakwater/internal/owned"
)

const (
	overdue = 24 * time.Hour // what is gone in part of a segment is erased after this at the latest

	highMark, lowMark = 90, 80 // per cent of a bound: above the one, what was released is given up until below the other
	rewriting         = ".new" // behind the name of a segment while it is written anew
)

// Expired is what Expire did.
type Expired struct {
	Copies int   // that are gone
	Bytes  int64 // of disk space that are free again
}

// survey is what a finished segment holds, as it was when the file had this size and time.
type survey struct {
	size    int64
	written time.Time
	damaged error
	domains map[string]holding
}

// holding is what a segment holds of one domain.
type holding struct {
	bytes       int64
	released    int64 // bytes of copies that all their recipients have got
	first, last id
	forgotten   bool // there is something to erase
}

// Expire erases what is forgotten and what is older than its domain keeps it, and, where the
// disk, the archive or a domain is nearly full, what was released, oldest first. What nobody
// was given is never erased for want of room.
//
// A segment is written anew without the copies that are gone, under its old name, or
// removed when none is left. One that is damaged stays as it is.
func (a *Archive) Expire(ctx context.Context, now time.Time) (Expired, error) {
	a.expiring.Lock()
	defer a.expiring.Unlock()
	done, err := a.expire(ctx, now)
	if err != nil {
		return done, fmt.Errorf("expire copies in %s: %w", a.dir, err)
	}
	return done, nil
}

func (a *Archive) expire(ctx context.Context, now time.Time) (done Expired, err error) {
	if err := a.roll(ctx); err != nil {
		return done, err
	}
	names, err := segmentNames(a.dir)
	if err != nil {
		return done, err
	}
	surveys := map[string]survey{} // without those of segments that are gone
	for _, name := range names {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		if s, ok := a.survey(name); ok {
			surveys[name] = s
		}
	}
	a.surveys = surveys
	c := a.cleaner(now)
	var wrong []error
	for _, name := range names {
		s, ok := surveys[name]
		if !ok || !c.due(s) {
			continue
		}
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		freed, err := a.rewrite(name, c)
		done.Copies += freed.Copies
		done.Bytes += freed.Bytes
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return done, errors.Join(wrong...)
}

// roll finishes the segment in hand, since only what is finished expires.
func (a *Archive) roll(ctx context.Context) error {
	p := &put{roll: true, done: make(chan error, 1)}
	if err := a.handOver(ctx, p); err != nil {
		return err
	}
	return <-p.done
}

// survey looks what a segment holds, if it is finished.
func (a *Archive) survey(name string) (survey, bool) {
	info, err := os.Stat(filepath.Join(a.dir, name))
	if err != nil {
		return survey{}, false
	}
	if s, ok := a.surveys[name]; ok && s.size == info.Size() && s.written.Equal(info.ModTime()) {
		return s, true
	}
	u, done, err := a.open(name)
	if err != nil {
		return survey{}, false
	}
	defer done()
	if _, finished := u.mark(); !finished {
		return survey{}, false
	}
	s := survey{size: info.Size(), written: info.ModTime(), domains: map[string]holding{}}
	for p, err := range u.records() {
		var c Copy
		var states []state
		if err == nil {
			c, states, err = u.copyAt(p)
		}
		if err != nil {
			s.damaged = err
			continue
		}
		h := s.domains[c.Domain]
		h.add(p, states)
		s.domains[c.Domain] = h
	}
	a.account(name, s)
	return s, true
}

func (h *holding) add(p place, states []state) {
	h.bytes += p.head.length()
	if allReleased(states) {
		h.released += p.head.length()
	}
	if h.first == 0 {
		h.first = p.head.id
	}
	h.last = max(h.last, p.head.id)
	for _, s := range states {
		h.forgotten = h.forgotten || s == forgotten
	}
}

func allReleased(states []state) bool {
	for _, s := range states {
		if s == held {
			return false
		}
	}
	return len(states) > 0
}

// account adds what was there before the archive was opened to what its domains have.
func (a *Archive) account(name string, s survey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.before[name] {
		return
	}
	delete(a.before, name)
	for domain, h := range s.domains {
		a.domains[domain] += h.bytes
	}
}

// cleaner says which copies are gone.
type cleaner struct {
	now       time.Time
	retention func(domain string) Retention
	over      int64            // bytes that the archive should give up
	domains   map[string]int64 // likewise, by domain
}

func (a *Archive) cleaner(now time.Time) *cleaner {
	c := &cleaner{now: now, retention: a.o.Retention, over: a.excess(), domains: map[string]int64{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	for domain, used := range a.domains {
		if n := excess(used, a.o.Retention(domain).MaxSize); n > 0 {
			c.domains[domain] = n
		}
	}
	return c
}

// excess is how much the archive should give up, in bytes.
func (a *Archive) excess() int64 {
	over := excess(a.w.used.Load(), a.o.MaxSize)
	if free, err := a.o.files.Free(a.dir); err == nil && free < a.o.MinFree*5/4 {
		over = max(over, a.o.MinFree*3/2-free)
	}
	return over
}

// excess is how much should go, 0 while a bound is not near.
func excess(used, bound int64) int64 {
	if bound <= 0 || used < bound/100*highMark {
		return 0
	}
	return used - bound/100*lowMark
}

// due reports whether a segment is to be written anew.
func (c *cleaner) due(s survey) bool {
	for domain, h := range s.domains {
		if h.forgotten || h.released > 0 && (c.over > 0 || c.domains[domain] > 0) {
			return true
		}
		if c.expired(domain, h.last, 0) || c.expired(domain, h.first, overdue) {
			return true
		}
	}
	return len(s.domains) == 0 && s.damaged == nil
}

// expired reports whether a copy is older than its domain keeps it, and by how much.
func (c *cleaner) expired(domain string, i id, by time.Duration) bool {
	keep := c.retention(domain).Keep
	return keep > 0 && c.now.Sub(i.time()) > keep+by
}

// gone reports whether a copy is to be erased.
func (c *cleaner) gone(domain string, p place, states []state) bool {
	if c.expired(domain, p.head.id, 0) {
		return true
	}
	if !allReleased(states) || c.over <= 0 && c.domains[domain] <= 0 {
		return false
	}
	c.over -= p.head.length()
	c.domains[domain] -= p.head.length()
	return true
}

// rewrite writes a segment anew without the copies that are gone. While it does, nobody
// marks copies.
func (a *Archive) rewrite(name string, c *cleaner) (freed Expired, err error) {
	lock, err := owned.Open(filepath.Join(a.dir, marksFile), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return freed, err
	}
	defer lock.Close()
	var changes map[string]int64
	err = locked(lock, func() error {
		u, done, err := a.open(name)
		if err != nil {
			return err
		}
		defer done()
		n := &renewal{u: u, cleaner: c, path: filepath.Join(a.dir, name), domains: map[string]int64{}}
		if err := n.run(a.o.files); err != nil {
			return fmt.Errorf("write %s anew: %w", name, err)
		}
		freed, changes = Expired{Copies: n.gone, Bytes: n.freed}, n.domains
		return nil
	})
	a.w.used.Add(-freed.Bytes)
	a.mu.Lock()
	defer a.mu.Unlock()
	for domain, change := range changes {
		if a.domains[domain] += change; a.domains[domain] <= 0 {
			delete(a.domains, domain)
		}
	}
	return freed, err
}

// renewal is a segment on its way to become a smaller one.
type renewal struct {
	u       *unpacker
	cleaner *cleaner
	path    string

	packer  *packer
	buf     *bufio.Writer
	size    int64
	left    int // copies
	gone    int // copies
	freed   int64
	domains map[string]int64 // change of bytes by domain
}

// run sifts the records into a new file and puts it in the place of the old one.
func (n *renewal) run(fs files) (err error) {
	if n.packer, err = newPacker(); err != nil {
		return err
	}
	temp := n.path + rewriting
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // left by a process that died
	}
	f, err := fs.Create(temp)
	if err != nil {
		return err
	}
	n.buf = bufio.NewWriterSize(f, 256<<10)
	err = n.sift()
	if err == nil && n.left > 0 {
		err = errors.Join(n.finish(), f.Sync())
	}
	err = errors.Join(err, f.Close())
	if err != nil || n.gone == 0 {
		n.gone, n.domains = 0, nil
		return errors.Join(err, os.Remove(temp))
	}
	if n.left > 0 {
		err = os.Rename(temp, n.path)
	} else {
		err = errors.Join(os.Remove(temp), os.Remove(n.path))
	}
	if err == nil {
		err = fs.SyncDir(filepath.Dir(n.path))
	}
	n.freed = n.u.segment.size - n.size
	return err
}

// sift writes what is not gone. Where something is damaged nothing is erased: how long it
// was to be kept can stand in what cannot be read.
func (n *renewal) sift() error {
	var damage error
	for p, err := range n.u.records() {
		if err == nil {
			err = n.one(p)
		}
		if errors.Is(err, errDamaged) {
			damage = err
		} else if err != nil {
			return err
		}
	}
	if damage != nil {
		return fmt.Errorf("left as it is; remove the file when it is of no more use: %w", damage)
	}
	return nil
}

// one writes a record, or leaves it out.
func (n *renewal) one(p place) error {
	c, states, err := n.u.copyAt(p)
	if err != nil {
		return err
	}
	n.domains[c.Domain] -= p.head.length()
	if p.head.spare() {
		return nil
	}
	left, leftStates := remembered(c.Recipients, states)
	gone := n.cleaner.gone(c.Domain, p, states) || len(left) == 0 && len(states) > 0
	if gone || len(left) < len(states) { // for one recipient at least
		n.gone++
	}
	if gone {
		return nil
	}
	c.Recipients = left
	raw, err := n.u.messageAt(p)
	if err != nil {
		return err
	}
	family := p.head.id
	if p.head.delta() {
		family = p.head.base
	}
	records, err := n.packer.pack(p.head.id, entry{copy: c, family: family.String(), raw: raw, sha: p.head.sha, states: leftStates})
	if err != nil {
		return err
	}
	for _, r := range records {
		if _, err := n.buf.Write(r.append(nil, n.u.name)); err != nil {
			return err
		}
		n.size += r.head.length()
		n.domains[c.Domain] += r.head.length()
	}
	n.left++
	return nil
}

// finish ends the new file with the mark of the old one.
func (n *renewal) finish() error {
	mark, ok := n.u.mark()
	if !ok {
		return errors.New("it is not finished")
	}
	n.size += headSize
	if _, err := n.buf.Write(mark.append(nil, n.u.name)); err != nil {
		return err
	}
	return n.buf.Flush()
}

// remembered leaves out the recipients who are forgotten, with their states.
func remembered(rs []Recipient, states []state) (left []Recipient, leftStates []state) {
	for i, r := range rs {
		if states[i] != forgotten {
			left, leftStates = append(left, r), append(leftStates, states[i])
		}
	}
	return left, leftStates
}
