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
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// MaxMessage is the length of the longest message that is taken, in bytes.
const MaxMessage = 64 << 20

// Errors of Put.
var (
	ErrFull   = errors.New("disk of the archive is nearly full")
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
	From        string    // addr-spec of the From field
	Subject     string    // decoded, cut
	Failures    []Failure // of a delivery report, not all where there are very many
	Recipients  []Recipient
	SHA256      [32]byte // of the message
	Size        int64    // of the message, in bytes
}

// Options are the settings of an Archive. Zero values mean the defaults.
type Options struct {
	MinFree     int64 // bytes free on the disk below which nothing is taken; 512 MiB
	SegmentSize int64 // bytes after which a new segment is begun; 64 MiB
	Log         *slog.Logger

	files files // of the operating system, if nil
}

// Archive is an archive in a folder. It is safe for concurrent use.
type Archive struct {
	Reader
	o    Options
	lock *os.File
	zstd *zstd.Encoder
	puts chan *put

	closing sync.RWMutex // held by Put while it hands over
	closed  bool
	written chan struct{} // closed when the writer has ended

	w writer

	mu     sync.Mutex
	failed error // of the last write
	needed int64 // what there was no room for
}

// put is a record on its way to the disk.
type put struct {
	record record
	done   chan error
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
	enc, err := newEncoder()
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open archive %s: %w", dir, err)
	}
	a := &Archive{
		Reader: Reader{dir}, o: o, lock: lock, zstd: enc, puts: make(chan *put, 64), written: make(chan struct{}),
		w: writer{dir: dir, o: o, last: last},
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
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
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
// Size of c for itself. When ctx ends first, the message may be archived or not.
func (a *Archive) Put(ctx context.Context, c Copy, raw []byte) (string, error) {
	if len(raw) > MaxMessage {
		return "", fmt.Errorf("archive %d bytes: %w", len(raw), ErrTooBig)
	}
	p := &put{record: newRecord(c, raw, a.zstd), done: make(chan error, 1)}
	if n := len(p.record.strings); n > maxStrings {
		return "", fmt.Errorf("archive %d bytes of recipients: %w", n, ErrTooBig)
	}
	err := a.handOver(ctx, p)
	if err != nil {
		return "", fmt.Errorf("archive message: %w", err)
	}
	select {
	case err = <-p.done:
	case <-ctx.Done():
		return "", fmt.Errorf("archive message: %w", ctx.Err())
	}
	if err != nil {
		return "", fmt.Errorf("archive message: %w", err)
	}
	return p.record.head.id.String(), nil
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

// Close archives what was handed over, and finishes the segment.
func (a *Archive) Close() error {
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
		group := []*put{p}
		length := p.record.size()
		for length < maxGroup {
			next, ok := a.waiting()
			if !ok {
				break
			}
			group = append(group, next)
			length += next.record.size()
		}
		err := a.w.write(group, length)
		a.mu.Lock()
		a.failed, a.needed = err, 0
		if errors.Is(err, ErrFull) {
			a.needed = length
		}
		a.mu.Unlock()
		for _, p := range group {
			p.done <- err
		}
	}
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
