package archive

import (
	"errors"
	"sync"
	"time"
)

// ErrStalled is the error of Put while the disk of the archive does not answer.
var ErrStalled = errors.New("the disk of the archive does not answer")

const (
	stallAfter = 2 * time.Second // may what is asked of the disk take, before nobody waits for it any more
	slowest    = 8 << 20         // bytes a second that a disk in order writes
)

// breaker tells when the disk takes too long.
type breaker struct {
	after   time.Duration
	mu      sync.Mutex
	tripped bool
	open    chan struct{} // closed while it takes too long
}

func newBreaker(after time.Duration) *breaker {
	return &breaker{after: after, open: make(chan struct{})}
}

// watch runs f, which writes so many bytes, and trips while it takes too long.
func (b *breaker) watch(bytes int64, f func()) {
	done := false
	timer := time.AfterFunc(b.after+time.Duration(bytes)*time.Second/slowest, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !done && !b.tripped {
			b.tripped = true
			close(b.open)
		}
	})
	defer func() {
		timer.Stop()
		b.mu.Lock()
		defer b.mu.Unlock()
		if done = true; b.tripped {
			b.tripped, b.open = false, make(chan struct{})
		}
	}()
	f()
}

// stalled is closed while the disk takes too long.
func (b *breaker) stalled() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

// err is ErrStalled while the disk takes too long.
func (b *breaker) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tripped {
		return ErrStalled
	}
	return nil
}

// put is what is written together, or not at all.
type put struct {
	entries []entry
	records []record
	at      []int64      // where the entries' records are in the segment
	bytes   []int64      // that the entries take, with spares
	ids     []id         // of the entries, when they are on disk
	do      func() error // what the writer does instead
	done    chan error
	packed  chan struct{} // closed when nobody needs the message's bytes any more

	mu    sync.Mutex
	taken bool // it is being written
	left  bool // nobody waits for it
	ended bool
}

func newPut() *put { return &put{done: make(chan error, 1), packed: make(chan struct{})} }

// take has a put written, unless nobody waits for it.
func (p *put) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = !p.left
	return p.taken
}

// leave says that nobody waits for a put any more; false if it has ended meanwhile. It waits until
// nobody needs the bytes.
func (p *put) leave() bool {
	p.mu.Lock()
	ended, taken := p.ended, p.taken
	p.left = !ended
	p.mu.Unlock()
	if taken {
		<-p.packed
	}
	return !ended
}

// end says what became of a put. It reports whether somebody still waited for it.
func (p *put) end(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.done <- err
	return !p.left
}
