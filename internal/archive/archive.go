// Package archive keeps absorbed messages, byte for byte.
//
// A copy is on disk before Put returns. Copies are appended to segments, files named by
// the ID of their first record and not to be renamed; record.go says what they look like.
// A process that dies leaves an unfinished segment, whose tail may be torn. Nobody was told
// that what is torn is archived, so the next Open cuts it off, and keeps it in a file beside the
// segment. A damaged record in front of others stays where it is, is reported, and hides none of
// the others. The loss of one block of the disk is the loss of no copy that does not lie in it.
//
// How long copies are kept is measured by a clock of the archive's own, which the host's clock
// does not move (clock.go). What each may take of the room that is left is bounded (share.go).
package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
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
	Notify string // who gets the digest of it, where the rule says so; "" else
	Domain string // whose retention it has; "" for that of the copy

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
	ID          string    // IDs sort by the time of Put
	At          time.Time // when the message came, by the host's clock
	Kept        time.Time // since when it is kept, by the archive's own clock (Archive.Now)
	QueueID     string
	Client      netip.Addr
	Helo        string
	AuthUser    string
	ReversePath string
	Domain      string    // of all recipients who have none of their own
	From        string    // addr-spec of the From field
	Subject     string    // decoded, cut
	Failures    []Failure // of a delivery report, not all where there are very many
	Recipients  []Recipient
	SHA256      [32]byte // of the message
	Size        int64    // of the message, in bytes
}

// DomainOf is the domain whose retention a recipient of the copy has.
func (c *Copy) DomainOf(r Recipient) string { return cmp.Or(r.Domain, c.Domain) }

// Domains are those of all recipients, each once.
func (c *Copy) Domains() []string {
	if len(c.Recipients) == 0 {
		return []string{c.Domain}
	}
	var all []string
	for _, r := range c.Recipients {
		all = append(all, c.DomainOf(r))
	}
	slices.Sort(all)
	return slices.Compact(all)
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
	Erasable    func(domain string) time.Time // only what is kept since this time or longer is erased for its age; nil: all
	Held        func(storm string) bool       // copies of a storm, by its ID, are neither erased for their age nor to make room; nil: none
	Shares      []Share
	Log         *slog.Logger
	Clock       HostClock

	files files         // of the operating system, if nil
	stall time.Duration // stallAfter, if 0
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

	w       writer
	clock   *clock
	breaker *breaker

	expiring sync.Mutex // one Expire at a time
	surveys  map[string]survey

	mu      sync.Mutex
	failed  error           // of the last write
	needed  int64           // what there was no room for
	known   map[string]bool // segments that should be there
	before  map[string]bool // of these, those that are not in sums yet
	sums    sums            // what was surveyed and written since
	refused map[string]time.Time
	oldest  map[string]time.Time // by domain
}

// Open opens the archive in a folder, which it creates when it is missing.
func Open(dir string, o Options) (*Archive, error) {
	o = o.withDefaults()
	if err := checkFormat(dir, o.Log); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	if err := makeFolder(filepath.Clean(dir), o.files); err != nil {
		return nil, fmt.Errorf("create archive: %w", err)
	}
	a := &Archive{
		Reader: Reader{dir}, o: o, puts: make(chan *put, 64), written: make(chan struct{}), breaker: newBreaker(o.stall),
		known: map[string]bool{}, before: map[string]bool{}, sums: newSums(), refused: map[string]time.Time{},
	}
	lock, err := lockFolder(dir)
	if err == nil {
		a.lock = lock
		if err = a.begin(); err != nil {
			lock.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open archive %s: %w", dir, err)
	}
	go a.run()
	return a, nil
}

// begin reads what is there. Where nothing can be written, the archive is open and Err says so.
func (a *Archive) begin() error {
	newest, err := newestWritten(a.dir)
	if err != nil {
		return err
	}
	if a.failed = a.probe(); a.failed == nil {
		a.failed = layout.Write(a.dir)
	}
	clock, err := openClock(a.dir, a.o.Clock, newest, a.o.Log)
	a.clock = clock
	a.failed = cmp.Or(a.failed, err)
	last, err := recoverAll(a.dir, a.o.Log)
	if err != nil {
		return err
	}
	names, used, err := segments(a.dir)
	if err != nil {
		return err
	}
	pack, err := newPacker()
	if err != nil {
		return err
	}
	a.w = writer{dir: a.dir, o: a.o, last: last, packer: pack, clock: clock}
	a.w.used.Store(used)
	a.expect(names)
	return nil
}

// expect has it that these segments are there, and are not in sums yet. a.mu is held, or nobody else is there.
func (a *Archive) expect(names []string) {
	for _, name := range names {
		a.known[name], a.before[name] = true, true
	}
}

const probeFile = "probe"

// probe tells why nothing could be written now.
func (a *Archive) probe() error {
	path := filepath.Join(a.dir, probeFile)
	_ = os.Remove(path) // left by a process that died
	f, err := a.o.files.Create(path)
	if err != nil {
		return fmt.Errorf("write to the archive: %w; the daemon's user needs to own its folder", err)
	}
	_, err = f.Write([]byte("breakwater looks whether it can write here\n"))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("write to the archive: %w", err)
	}
	return nil
}

// Probe looks whether mail could be archived now, and has Err say what it finds. It notes the time, too.
func (a *Archive) Probe(ctx context.Context) error {
	return a.have(ctx, func() error {
		err := a.probe()
		if err == nil {
			err = layout.Write(a.dir)
		}
		if err == nil {
			err = a.clock.save()
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if err != nil || !errors.Is(a.failed, ErrFull) {
			a.failed = err
		}
		return err
	})
}

// have has the writer do something between two groups.
func (a *Archive) have(ctx context.Context, do func() error) error {
	p := newPut()
	p.do = do
	if err := a.handOver(ctx, p); err != nil {
		return err
	}
	return a.await(ctx, p)
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
	if o.stall == 0 {
		o.stall = stallAfter
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

// Err says why the archive cannot take mail, or nil.
func (a *Archive) Err() error {
	if err := a.breaker.err(); err != nil {
		return err
	}
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
	if err := errors.Join(a.w.finish(), a.clock.save(), a.lock.Close()); err != nil {
		return fmt.Errorf("close archive %s: %w", a.dir, err)
	}
	return nil
}
