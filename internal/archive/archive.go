// Package archive keeps absorbed messages, byte for byte.
//
// A copy is on disk before Put returns. Copies are appended to segments, files named by
// the ID of their first record and not to be renamed; record.go says what they look like.
// A process that dies leaves an unfinished segment, whose tail may be torn. Nobody was told
// that what is torn is archived, so the next Open cuts it off. A damaged record in front of
// others stays where it is, is reported, and hides none of the others.
package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"breakwater/internal/owned"
)

// MaxMessage is the length of the longest message that is taken, in bytes.
const MaxMessage = 64 << 20

// Errors of Put.
var (
	ErrFull   = errors.New("there is no room in the archive")
	ErrTooBig = errors.New("message is too big for the archive")
	errClosed = errors.New("archive is closed")
)

// Recipient is one for whom a message was absorbed, and why.
type Recipient struct {
	Addr   string
	Class  string
	Reason string
	Rule   string
	Storm  string
	Tell   string // who is told of it, where the rule says so; "" else

	Released bool // delivered after all; Put takes no notice of it
}

// Failure is one recipient of whom an absorbed delivery report speaks.
type Failure struct {
	Recipient string
	Action    string // RFC 3464 §2.3.3: failed, delayed, …
	Status    string // RFC 3463; "" where the report gives none
}

// Copy is what is known of an absorbed message.
type Copy struct {
	ID          string // IDs sort by the time of Put
	At          time.Time
	QueueID     string
	Client      netip.Addr
	Helo        string
	AuthUser    string
	ReversePath string
	Domain      string    // of all recipients: what the archive keeps apart
	From        string    // addr-spec of the From field
	Subject     string    // decoded, cut
	Failures    []Failure // of a delivery report, not all where there are very many
	Recipients  []Recipient
	SHA256      [32]byte // of the message
	Size        int64    // of the message, in bytes
}

// Retention is how long the copies of a domain are kept.
type Retention struct {
	Keep    time.Duration // from when they were archived; 0: for ever
	MaxSize int64         // bytes of the domain's records; 0: no bound of its own
}

// Options are the settings of an Archive. Zero values mean the defaults.
type Options struct {
	MinFree     int64 // bytes free on the disk below which nothing is taken; 512 MiB
	MaxSize     int64 // bytes of all segments beyond which nothing is taken; 0: no bound
	SegmentSize int64 // bytes after which a new segment is begun; 64 MiB
	Retention   func(domain string) Retention
	Log         *slog.Logger

	files files // of the operating system, if nil
}

// Archive is an archive in a folder. It is safe for concurrent use.
type Archive struct {
	Reader
	o    Options
	lock *os.File
	puts chan *put

	closing sync.RWMutex // held by Put while it hands over
	closed  bool
	written chan struct{} // closed when the writer has ended

	w writer

	expiring sync.Mutex // one Expire at a time
	surveys  map[string]survey
	before   map[string]bool // segments that were there at Open and are not in domains yet

	mu      sync.Mutex
	failed  error            // of the last write
	needed  int64            // what there was no room for
	domains map[string]int64 // bytes by domain, as far as surveyed and written since
}

// Entry is a copy to be archived. Copies of one domain that are alike, those of one storm,
// have the same Family: they are kept as differences. "" is like no other.
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

// put is what is written together, or not at all.
type put struct {
	entries []entry
	ids     []id // of the entries, when they are on disk
	roll    bool // finish the segment in hand, instead
	ctx     context.Context
	done    chan error
}

// size is about what a put takes on disk at most, in bytes.
func (p *put) size() int64 {
	var n int64
	for _, e := range p.entries {
		n += headSize + int64(len(e.raw)) + int64(len(e.raw)>>7) + 1024 + 256*int64(len(e.states))
	}
	return n
}

// Open opens the archive in a folder, which it creates when it is missing.
func Open(dir string, o Options) (*Archive, error) {
	o = o.withDefaults()
	if err := makeFolder(filepath.Clean(dir), o.files); err != nil {
		return nil, fmt.Errorf("create archive: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open archive %s: %w", dir, err)
	}
	last, err := recoverAll(dir, o.Log)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open archive %s: %w", dir, err)
	}
	pack, err := newPacker()
	var names []string
	var used int64
	if err == nil {
		names, used, err = segments(dir)
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open archive %s: %w", dir, err)
	}
	a := &Archive{
		Reader: Reader{dir}, o: o, lock: lock, puts: make(chan *put, 64), written: make(chan struct{}),
		w: writer{dir: dir, o: o, last: last, packer: pack}, before: map[string]bool{}, domains: map[string]int64{},
	}
	a.w.used.Store(used)
	for _, name := range names {
		a.before[name] = true
	}
	go a.run()
	return a, nil
}

func (o Options) withDefaults() Options {
	if o.MinFree <= 0 {
		o.MinFree = 512 << 20
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = 64 << 20
	}
	if o.Retention == nil {
		o.Retention = func(string) Retention { return Retention{} }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.files == nil {
		o.files = osFiles{}
	}
	return o
}

// makeFolder creates dir and what is missing above it, on disk.
func makeFolder(dir string, fs files) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := makeFolder(filepath.Dir(dir), fs); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(dir))
}

// lockFolder keeps a second process from writing to dir. Readers need no lock.
func lockFolder(dir string) (*os.File, error) {
	f, err := owned.Open(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.New("another process has it open")
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// Put archives a message and returns its ID when it is on disk. It fills in ID, SHA256 and
// Size of c for itself. When ctx ends before the message is being written, it is not
// archived. Put needs raw until it returns, and no longer.
func (a *Archive) Put(ctx context.Context, c Copy, raw []byte) (string, error) {
	ids, err := a.PutAll(ctx, []Entry{{Copy: c}}, raw)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// PutAll is Put of several copies of one message: all of them are archived, or none.
func (a *Archive) PutAll(ctx context.Context, copies []Entry, raw []byte) ([]string, error) {
	p, err := a.newPut(ctx, copies, raw)
	if err == nil {
		err = a.handOver(ctx, p)
	}
	if err == nil {
		err = <-p.done // whatever ctx says: the writer reads raw until then
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

func (a *Archive) newPut(ctx context.Context, copies []Entry, raw []byte) (*put, error) {
	if len(raw) > MaxMessage {
		return nil, fmt.Errorf("%d bytes: %w", len(raw), ErrTooBig)
	}
	p := &put{ctx: ctx, done: make(chan error, 1)}
	sha := sha256.Sum256(raw)
	for _, c := range copies {
		if n := len(appendCopy(nil, c.Copy)); n > maxStrings {
			return nil, fmt.Errorf("%d bytes of recipients: %w", n, ErrTooBig)
		}
		if err := a.domainFull(c.Domain); err != nil {
			return nil, err
		}
		family := c.Family
		if family != "" {
			family = c.Domain + "\x00" + family
		}
		p.entries = append(p.entries, entry{copy: c.Copy, family: family, raw: raw, sha: sha, states: make([]state, len(c.Recipients))})
	}
	return p, nil
}

// domainFull tells when a domain has as much in the archive as it may have.
func (a *Archive) domainFull(domain string) error {
	limit := a.o.Retention(domain).MaxSize
	a.mu.Lock()
	defer a.mu.Unlock()
	if used := a.domains[domain]; limit > 0 && used >= limit {
		return fmt.Errorf("%w: %s has %d MiB there, its max_size is %d MiB", ErrFull, domain, used>>20, limit>>20)
	}
	return nil
}

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
	}
}

// Err says why the archive cannot take mail, or nil.
func (a *Archive) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.w.room(a.needed); err != nil {
		return err
	}
	if errors.Is(a.failed, ErrFull) {
		return nil // no longer
	}
	return a.failed
}

// Used is the size of all segments, in bytes.
func (a *Archive) Used() int64 { return a.w.used.Load() }

// NearlyFull reports whether the archive or its disk is so full that Expire gives up what
// was released.
func (a *Archive) NearlyFull() bool { return a.excess() > 0 }

// Close archives what was handed over, and finishes the segment.
func (a *Archive) Close() error {
	a.expiring.Lock() // no segment is being written anew
	defer a.expiring.Unlock()
	a.closing.Lock()
	if a.closed {
		a.closing.Unlock()
		return nil
	}
	a.closed = true
	close(a.puts)
	a.closing.Unlock()
	<-a.written
	if err := errors.Join(a.w.finish(), a.lock.Close()); err != nil {
		return fmt.Errorf("close archive %s: %w", a.dir, err)
	}
	return nil
}

// run writes what waits in groups, each with one fsync for all.
func (a *Archive) run() {
	defer close(a.written)
	for p := range a.puts {
		if !a.wanted(p) {
			continue
		}
		group := []*put{p}
		length := p.size()
		for length < maxGroup {
			next, ok := a.waiting()
			if !ok {
				break
			}
			if a.wanted(next) {
				group = append(group, next)
				length += next.size()
			}
		}
		written, err := a.w.write(group, length)
		a.mu.Lock()
		a.failed, a.needed = err, 0
		if errors.Is(err, ErrFull) {
			a.needed = length
		}
		for domain, n := range written {
			a.domains[domain] += n
		}
		a.mu.Unlock()
		for _, p := range group {
			p.done <- err
		}
	}
}

// wanted reports whether p is to be written: somebody still waits for it.
func (a *Archive) wanted(p *put) bool {
	switch {
	case p.roll:
		p.done <- a.w.finish()
	case p.ctx.Err() != nil:
		p.done <- p.ctx.Err()
	default:
		return true
	}
	return false
}

// maxGroup bounds what is written at once, in bytes; one long message may be more.
const maxGroup = 8 << 20

func (a *Archive) waiting() (*put, bool) {
	select {
	case p, ok := <-a.puts:
		return p, ok
	default:
		return nil, false
	}
}
