package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"breakwater/internal/owned"
)

// rewrite writes a segment anew without the copies that are gone. While it does, nobody
// marks copies.
func (a *Archive) rewrite(name string, c *cleaner) (freed Expired, err error) {
	lock, err := owned.Open(filepath.Join(a.dir, marksFile), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return freed, err
	}
	defer lock.Close()
	changes := newSums()
	err = locked(lock, func() error {
		u, done, err := a.Reader.open(name)
		if err != nil {
			return err
		}
		defer done()
		n := &renewal{u: u, cleaner: c, shares: a.o.Shares, path: filepath.Join(a.dir, name), charged: newSums()}
		if err := n.run(a.o.files); err != nil {
			return fmt.Errorf("write %s anew: %w", name, err)
		}
		freed, changes = Expired{Copies: n.gone, Forgotten: n.forgot, Bytes: n.freed}, n.charged
		return nil
	})
	a.w.used.Add(-freed.Bytes)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sums.take(changes)
	if freed.Copies > 0 {
		if _, err := os.Lstat(filepath.Join(a.dir, name)); errors.Is(err, fs.ErrNotExist) {
			delete(a.known, name)
		}
	}
	return freed, err
}

// renewal is a segment on its way to become a smaller one.
type renewal struct {
	u       *unpacker
	cleaner *cleaner
	shares  []Share
	path    string

	packer  *packer
	buf     *bufio.Writer
	size    int64
	left    int // copies
	gone    int // copies
	forgot  int // of these
	freed   int64
	charged sums // change of bytes
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
		n.gone, n.forgot, n.charged = 0, 0, newSums()
		return errors.Join(err, os.Remove(temp))
	}
	if n.left > 0 {
		err = os.Rename(temp, n.path)
	} else {
		err = errors.Join(os.Remove(temp), os.Remove(n.path), removeIfThere(n.path+tornSuffix))
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
		if errors.Is(err, ErrDamaged) {
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
	n.charged.add(n.shares, &c, -p.head.length())
	if p.head.spare() {
		return nil
	}
	left, leftStates, forgot := n.cleaner.left(&c, p, states)
	if gone := len(states) - len(left); gone > 0 {
		n.gone++
		if forgot {
			n.forgot++
		}
	}
	if len(left) == 0 && len(states) > 0 || len(states) == 0 && n.cleaner.expired(c.Domain, c.Kept, 0) {
		if len(states) == 0 {
			n.gone++
		}
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
	records, err := n.packer.pack(p.head.id, entry{copy: c, family: familyOf(&c, family.String()), raw: raw, sha: p.head.sha, states: leftStates})
	if err != nil {
		return err
	}
	for _, r := range records {
		if _, err := n.buf.Write(r.append(nil, n.u.name)); err != nil {
			return err
		}
		n.size += r.head.length()
		n.charged.add(n.shares, &c, r.head.length())
	}
	n.left++
	return nil
}

// finish ends the new file with the mark of the old one.
func (n *renewal) finish() error {
	mark, ok, err := n.u.mark()
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("it is not finished")
	}
	n.size += headSize
	if _, err := n.buf.Write(mark.append(nil, n.u.name)); err != nil {
		return err
	}
	return n.buf.Flush()
}

func removeIfThere(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
