package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Entry is a copy to be archived. Copies that are alike, those of one storm, have the same Family: where
// they are for the same domains, they are kept as differences. "" is like no other.
type Entry struct {
	Copy
	Family string
}

// entry is a copy on its way to the disk.
type entry struct {
	copy   Copy
	family string
	raw    []byte
	sha    [32]byte
	states []state
}

// size is about what a put takes on disk at most, in bytes.
func (p *put) size() int64 {
	var n int64
	for _, e := range p.entries {
		n += headSize + int64(len(e.raw)) + int64(len(e.raw)>>7) + 1024 + 256*int64(len(e.states))
	}
	return n
}

// Put archives a message and returns its ID when it is on disk. It fills in ID, Kept, SHA256 and
// Size of c for itself. When ctx ends before the message is being written, it is not
// archived; when it ends later, or the disk stalls, it may be archived after all, as one that
// its recipients have got. Put needs raw until it returns, and no longer.
func (a *Archive) Put(ctx context.Context, c Copy, raw []byte) (string, error) {
	ids, err := a.PutAll(ctx, []Entry{{Copy: c}}, raw)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// PutAll is Put of several copies of one message: all of them are archived, or none.
func (a *Archive) PutAll(ctx context.Context, copies []Entry, raw []byte) ([]string, error) {
	p, err := a.newPut(copies, raw)
	if err == nil {
		err = a.handOver(ctx, p)
	}
	if err == nil {
		err = a.await(ctx, p)
	}
	if err != nil {
		return nil, fmt.Errorf("archive message: %w", err)
	}
	ids := make([]string, len(p.ids))
	for i, id := range p.ids {
		ids[i] = id.String()
	}
	return ids, nil
}

// await waits until p is on disk, unless that takes too long.
func (a *Archive) await(ctx context.Context, p *put) (err error) {
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		err = ctx.Err()
	case <-a.breaker.stalled():
		err = ErrStalled
	}
	if p.leave() {
		return err
	}
	return <-p.done
}

func (a *Archive) newPut(copies []Entry, raw []byte) (*put, error) {
	if len(raw) > MaxMessage {
		return nil, fmt.Errorf("%d bytes: %w", len(raw), ErrTooBig)
	}
	if err := a.breaker.err(); err != nil {
		return nil, err
	}
	p := newPut()
	sha := sha256.Sum256(raw)
	for _, c := range copies {
		if n := len(appendCopy(nil, c.Copy)); n > maxStrings {
			return nil, fmt.Errorf("%d bytes of recipients: %w", n, ErrTooBig)
		}
		if err := a.full(&c.Copy); err != nil {
			return nil, err
		}
		family := c.Family
		if family != "" {
			family = familyOf(&c.Copy, family)
		}
		p.entries = append(p.entries, entry{copy: c.Copy, family: family, raw: raw, sha: sha, states: make([]state, len(c.Recipients))})
	}
	return p, nil
}

// familyOf makes copies for the same domains alike, and no others: what one domain has in the archive
// is never what is left of another's.
func familyOf(c *Copy, name string) string { return strings.Join(append(c.Domains(), name), "\x00") }

func (a *Archive) handOver(ctx context.Context, p *put) error {
	a.closing.RLock()
	defer a.closing.RUnlock()
	if a.closed {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case a.puts <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-a.breaker.stalled():
		return ErrStalled
	}
}

// run writes what waits in groups, each with one fsync for all.
func (a *Archive) run() {
	defer close(a.written)
	for p := range a.puts {
		var group []*put
		for length := int64(0); p != nil && p.do == nil; p = a.waiting() {
			group = append(group, p)
			if length += p.size(); length >= maxGroup {
				p = nil
				break
			}
		}
		if group != nil {
			a.write(group)
		}
		if p != nil && p.take() {
			close(p.packed)
			a.breaker.watch(0, func() { p.end(p.do()) })
		}
	}
}

// write writes a group, without those for whom nobody waits any more.
func (a *Archive) write(group []*put) {
	var length int64
	for _, p := range group {
		length += p.size()
	}
	var err error
	a.breaker.watch(0, func() { err = a.w.prepare(length) })
	group = slices.DeleteFunc(group, func(p *put) bool { return !p.take() })
	if err == nil {
		err = a.w.pack(group)
	}
	for _, p := range group {
		close(p.packed)
	}
	var written sums
	if err == nil && len(group) > 0 {
		a.breaker.watch(length, func() { written, err = a.w.write(group) })
	}
	a.mu.Lock()
	a.failed, a.needed = err, 0
	if errors.Is(err, ErrFull) {
		a.needed = length
	}
	a.sums.take(written)
	if a.w.file != nil {
		a.known[a.w.name] = true
	}
	a.mu.Unlock()
	var late []*put
	for _, p := range group {
		if !p.end(err) && err == nil {
			late = append(late, p)
		}
	}
	a.breaker.watch(0, func() { err = a.w.release(late) })
	if err != nil {
		a.o.Log.Error("mail that was delivered, since the disk stalled, is in the archive as if it was not", "folder", a.dir, "err", err)
	}
}

// maxGroup bounds what is written at once, in bytes; one long message may be more.
const maxGroup = 8 << 20

// waiting is the next put, nil if none waits.
func (a *Archive) waiting() *put {
	select {
	case p := <-a.puts: // nil when it is closed
		return p
	default:
		return nil
	}
}
