// Package ledger keeps a log that nobody can change unnoticed, the operator neither.
//
// Each entry is a leaf of a Merkle tree (RFC 6962 §2.1). Checkpoints say how many leaves there are and what
// the root is, and are signed. Who has a checkpoint, from the system log or a mail, can tell later that
// nothing before it was altered, moved or taken away. Proofs show to others that one leaf is in the log, and
// none of the rest. Checkpoints and proofs have the forms of C2SP: signed-note, tlog-checkpoint, tlog-proof.
//
// A leaf begins with a salt. So its content can be erased: the hash stays, tells nothing of the content, and
// all proofs stay valid. An erasure is a leaf, too, or else Verify calls it damage.
//
// # Files
//
//	FORMAT              the version of the format, 1
//	000000000000.leaves a segment of 16,384 leaves, one on each line: salt, blank, JSON object with "at" and "kind".
//	                    The line without its end is what is hashed. Of an erased one all bytes are "-"
//	000000000000.hashes its hashes, 32 bytes each, in the order of tlog.StoredHashIndex
//	roots               the roots of the segments that are full, 32 bytes each
//	checkpoints         signed notes, an empty line behind each
//	lock                empty, to be locked
//
// Append never waits for the disk. Leaves are written in batches and synced about each second; a crash loses
// what was not synced, and nobody has a checkpoint of that. Where the log has its size the oldest
// segments go. Their roots stay, so that the tree stays the same.
package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"breakwater/internal/owned"
)

// Errors of Open.
var (
	ErrLocked = errors.New("another process writes to the ledger")
	ErrCut    = errors.New("the ledger is shorter than its last checkpoint says")
)

var errClosed = errors.New("ledger is closed")

// Options are the settings of a Ledger. Zero values mean the defaults.
type Options struct {
	Origin  string // who signs, such as mx1.example.org/breakwater; for a key that is made
	MaxSize int64  // bytes of all segments, beyond which the oldest go; 1 GiB
	Log     *slog.Logger

	level int // a segment has 1<<level leaves; 14
}

const (
	defaultMaxSize = 1 << 30
	defaultLevel   = 14

	maxLeaf    = 16 << 10 // bytes of a leaf
	maxWaiting = 16 << 20 // bytes of leaves that are not written yet
	syncEvery  = time.Second
	saltLength = 16
)

// Kinds of leaves that the ledger itself makes.
const (
	KindCheckpoint = "checkpoint" // the last leaf of each checkpoint: when it was made
	KindErase      = "erase"      // leaves whose content was erased
	KindLost       = "lost"       // how many leaves there was no room for
)

// Ledger is a log in a folder. It is safe for concurrent use.
type Ledger struct {
	o      Options
	dir    string
	lock   *os.File
	signer note.Signer
	vkey   string

	mu      sync.Mutex // of what waits
	waiting [][]byte   // lines
	bytes   int
	lost    int64
	closed  bool
	failed  error // of the last write
	wake    chan struct{}
	done    chan struct{} // closed when the writer has ended

	writing sync.Mutex // of what follows
	tree    tree
	size    int64 // of the leaves of the segment in hand
	unsaved bool  // written and not synced
	signed  int64 // leaves under the last checkpoint
}

// Open opens the ledger in a folder, which it creates when it is missing. keyFile holds the key that signs;
// it is made together with the ledger.
func Open(dir, keyFile string, o Options) (*Ledger, error) {
	if o.MaxSize <= 0 {
		o.MaxSize = defaultMaxSize
	}
	if o.level == 0 {
		o.level = defaultLevel
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Ledger{o: o, dir: dir, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := l.open(keyFile); err != nil {
		if l.lock != nil {
			err = errors.Join(err, l.lock.Close())
		}
		return nil, fmt.Errorf("open ledger %s: %w", dir, err)
	}
	go l.run()
	return l, nil
}

func (l *Ledger) open(keyFile string) error {
	if err := owned.MkdirAll(l.dir); err != nil {
		return err
	}
	var err error
	if l.lock, err = owned.Open(filepath.Join(l.dir, "lock"), os.O_RDWR|os.O_CREATE); err != nil {
		return err
	}
	if err := unix.Flock(int(l.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return ErrLocked
	}
	fresh, err := checkFormat(l.dir)
	if err != nil {
		return err
	}
	if l.signer, l.vkey, err = openKey(keyFile, l.o.Origin, fresh); err != nil {
		return err
	}
	if err := layout.Write(l.dir); err != nil { // after the key: a ledger without its key would be refused for ever
		return err
	}
	return l.recover()
}

// recover reads where the ledger ends, and mends what a crash left there.
func (l *Ledger) recover() error {
	t, err := openTree(l.dir, l.o.level)
	if err != nil {
		return err
	}
	l.tree = t
	segment := t.n >> l.o.level
	lines, torn, err := readLines(l.name(segment, leavesExt))
	if err != nil {
		return err
	}
	kept, err := readHashes(l.name(segment, hashesExt))
	if err != nil {
		return err
	}
	for i, line := range lines {
		l.size += int64(len(line)) + 1
		h := tlog.RecordHash(line)
		if at := tlog.StoredHashIndex(0, int64(i)); at < int64(len(kept)) {
			if erased(line) {
				h = kept[at]
			}
			if h != kept[at] {
				return fmt.Errorf("leaf %d in %s is not what was written; run breakwater incident verify, then move the folder aside to begin a new ledger", t.n+int64(i), l.name(segment, leavesExt))
			}
		} else if erased(line) {
			return fmt.Errorf("the hash of leaf %d, which is erased, is missing in %s", t.n+int64(i), l.name(segment, hashesExt))
		}
		if err := l.tree.add(h); err != nil {
			return err
		}
	}
	last, err := mendCheckpoints(l.dir, l.vkey)
	if err != nil {
		return err
	}
	if last.N > l.tree.n {
		return fmt.Errorf("%w: %d leaves of %d; somebody cut it, or it is from a backup: move the folder aside to begin a new one", ErrCut, l.tree.n, last.N)
	}
	if last.N > 0 {
		root, err := tlog.TreeHash(last.N, &l.tree)
		if err != nil && !errors.Is(err, ErrPruned) {
			return err
		}
		if err == nil && root != last.Hash {
			return fmt.Errorf("the ledger is not what its last checkpoint says, of %d leaves; run breakwater incident verify, then move the folder aside to begin a new one", last.N)
		}
	}
	l.signed = last.N
	if torn > 0 {
		l.o.Log.Warn("the ledger ended in the midst of a leaf after a crash; it is cut off", "bytes", torn)
		if err := os.Truncate(l.name(segment, leavesExt), l.size); err != nil {
			return err
		}
	}
	return l.rewriteHashes(segment, kept)
}

// rewriteHashes writes what a crash kept from the hashes of the segment in hand, and takes away what belongs to leaves that
// are not there.
func (l *Ledger) rewriteHashes(segment int64, kept []tlog.Hash) error {
	if segment != l.tree.n>>l.o.level || len(kept) == len(l.tree.last) && l.aligned(segment) {
		if segment == l.tree.n>>l.o.level {
			return nil
		}
		// A crash came between the last leaf of a segment and its root.
		return l.finish(segment, l.tree.full)
	}
	return writeSynced(l.name(segment, hashesExt), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, join(l.tree.last))
}

// aligned reports whether a file of hashes has no part of one at its end.
func (l *Ledger) aligned(segment int64) bool {
	st, err := os.Stat(l.name(segment, hashesExt))
	return err != nil || st.Size()%tlog.HashSize == 0
}

func (l *Ledger) name(segment int64, ext string) string { return segmentName(l.dir, segment, ext) }

// Append adds a leaf of a kind, with what it says as JSON fields. It waits for nothing: where there is no room
// the leaf is lost, and a later leaf says how many were.
func (l *Ledger) Append(at time.Time, kind string, what any) {
	line, err := newLine(at, kind, what)
	if err != nil {
		l.o.Log.Error("ledger", "kind", kind, "err", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
	case err != nil, l.failed != nil, l.bytes+len(line) > maxWaiting:
		l.lost++
	default:
		l.waiting, l.bytes = append(l.waiting, line), l.bytes+len(line)
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// newLine is a leaf as it is written, without the end of its line.
func newLine(at time.Time, kind string, what any) ([]byte, error) {
	head, err := json.Marshal(struct {
		At   time.Time `json:"at"`
		Kind string    `json:"kind"`
	}{at.UTC(), kind})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(body, []byte("null")):
		body = []byte("{}")
	case body[0] != '{':
		return nil, fmt.Errorf("a leaf of the kind %s is no object: %T", kind, what)
	}
	salt := make([]byte, saltLength)
	rand.Read(salt)
	line := append(append([]byte(hex.EncodeToString(salt)), ' '), head[:len(head)-1]...)
	if len(body) > 2 {
		line = append(append(line, ','), body[1:]...)
	} else {
		line = append(line, '}')
	}
	if len(line) > maxLeaf {
		return nil, fmt.Errorf("a leaf of the kind %s has %d bytes, more than %d", kind, len(line), maxLeaf)
	}
	return line, nil
}

// run writes what waits until the ledger is closed.
func (l *Ledger) run() {
	defer close(l.done)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.note(l.flush(true))
		case _, open := <-l.wake:
			if !open {
				return
			}
			l.note(l.flush(false))
		}
	}
}

// note remembers what writing came to. After an error nothing more is taken until the next tick tries again.
func (l *Ledger) note(err error) {
	l.mu.Lock()
	before := l.failed
	l.failed = err
	l.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) {
		l.o.Log.Error("ledger", "err", err)
	}
}

// Err is why the ledger cannot be written; nil while it can.
func (l *Ledger) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// flush writes what waits, and has it on disk when it returns, if that is asked for.
func (l *Ledger) flush(sync bool) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.flushLocked(sync)
}

func (l *Ledger) flushLocked(sync bool) error {
	l.mu.Lock()
	lines, lost := l.waiting, l.lost
	l.waiting, l.bytes, l.lost = nil, 0, 0
	l.mu.Unlock()
	if lost > 0 {
		line, err := newLine(time.Now(), KindLost, map[string]int64{"leaves": lost})
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	if n, err := l.write(lines); err != nil {
		l.mu.Lock()
		// What could not be written is tried again, before what came since.
		l.waiting = append(lines[n:], l.waiting...)
		for _, line := range lines[n:] {
			l.bytes += len(line)
		}
		l.mu.Unlock()
		return fmt.Errorf("write ledger %s: %w", l.dir, err)
	}
	if !sync || !l.unsaved {
		return nil
	}
	segment := l.tree.n >> l.o.level
	if err := errors.Join(syncFile(l.name(segment, leavesExt)), syncFile(l.name(segment, hashesExt))); err != nil {
		return fmt.Errorf("write ledger %s: %w", l.dir, err)
	}
	l.unsaved = false
	return nil
}

// write appends leaves, segment by segment, and returns how many it has written.
func (l *Ledger) write(lines [][]byte) (written int, err error) {
	for written < len(lines) {
		segment := l.tree.n >> l.o.level
		room := (segment+1)<<l.o.level - l.tree.n
		some := lines[written:min(written+int(room), len(lines))]
		var text bytes.Buffer
		for _, line := range some {
			text.Write(line)
			text.WriteByte('\n')
		}
		if err := writeAt(l.name(segment, leavesExt), l.size, text.Bytes()); err != nil {
			return written, err
		}
		before := len(l.tree.last)
		saved := l.tree
		saved.last = saved.last[:before:before]
		for _, line := range some {
			if err := l.tree.add(tlog.RecordHash(line)); err != nil {
				l.tree = saved
				return written, err
			}
		}
		hashes := l.tree.last
		if len(some) == int(room) {
			hashes = l.tree.full
		}
		if err := writeAt(l.name(segment, hashesExt), int64(before)*tlog.HashSize, join(hashes[before:])); err != nil {
			l.tree = saved
			return written, err
		}
		l.size, l.unsaved, written = l.size+int64(text.Len()), true, written+len(some)
		if len(some) == int(room) {
			if err := l.finish(segment, hashes); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// finish has a segment that is full on disk, notes its root and makes room.
func (l *Ledger) finish(segment int64, hashes []tlog.Hash) error {
	if err := writeSynced(l.name(segment, hashesExt), os.O_WRONLY|os.O_CREATE, join(hashes)); err != nil {
		return err
	}
	name := filepath.Join(l.dir, rootsFile)
	had, err := readHashes(name)
	if err != nil {
		return err
	}
	var roots []tlog.Hash // more than one where the last try failed
	for s := int64(len(had)); s <= segment; s++ {
		roots = append(roots, l.tree.root(s))
	}
	if err := errors.Join(syncFile(l.name(segment, leavesExt)), writeAt(name, int64(len(had))*tlog.HashSize, join(roots)), syncFile(name)); err != nil {
		return err
	}
	l.size = 0
	return l.prune(segment)
}

// prune takes the oldest segments away while all are larger than they may be. The last one that is full stays.
func (l *Ledger) prune(last int64) error {
	names, sum, err := segments(l.dir)
	if err != nil {
		return err
	}
	for _, s := range names {
		if sum <= l.o.MaxSize || s.number >= last {
			return nil
		}
		if err := errors.Join(remove(l.name(s.number, leavesExt)), remove(l.name(s.number, hashesExt))); err != nil {
			return err
		}
		sum -= s.size
		l.o.Log.Warn("the oldest leaves of the ledger are gone, since it has its size; their hash stays", "leaves", fmt.Sprintf("%d to %d", s.number<<l.o.level, (s.number+1)<<l.o.level-1))
	}
	return nil
}

// Flush has all leaves on disk that were appended before.
func (l *Ledger) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := l.flush(true)
	l.note(err)
	return err
}

// Size is how many leaves are written.
func (l *Ledger) Size() int64 {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.tree.n
}

// VerifierKey is the public key, in the form of C2SP signed-note.
func (l *Ledger) VerifierKey() string { return l.vkey }

// Checkpoint signs the log as it is, with a leaf that says when, and keeps the note that it returns.
func (l *Ledger) Checkpoint(at time.Time) (string, error) {
	l.Append(at, KindCheckpoint, nil)
	l.writing.Lock()
	defer l.writing.Unlock()
	text, err := l.checkpoint()
	if err != nil {
		return "", fmt.Errorf("checkpoint of ledger %s: %w", l.dir, err)
	}
	return text, nil
}

func (l *Ledger) checkpoint() (string, error) {
	if err := l.flushLocked(true); err != nil {
		return "", err
	}
	root, err := tlog.TreeHash(l.tree.n, &l.tree)
	if err != nil {
		return "", err
	}
	signed, err := sign(l.signer, tlog.Tree{N: l.tree.n, Hash: root})
	if err != nil {
		return "", err
	}
	if err := writeSynced(filepath.Join(l.dir, checkpointsFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, []byte(signed+"\n")); err != nil {
		return "", err
	}
	l.signed = l.tree.n
	return signed, nil
}

// Erase erases the content of leaves, for ever. All proofs stay valid. A leaf says which were erased, and why. It can be
// called again where it failed.
func (l *Ledger) Erase(at time.Time, why string, leaves ...int64) error {
	if len(leaves) == 0 {
		return nil
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.erase(at, why, leaves); err != nil {
		return fmt.Errorf("erase leaves of ledger %s: %w", l.dir, err)
	}
	return nil
}

func (l *Ledger) erase(at time.Time, why string, leaves []int64) error {
	if err := l.flushLocked(true); err != nil {
		return err
	}
	before := l.tree.n
	for _, n := range leaves {
		if n < 0 || n >= before {
			return fmt.Errorf("there is no leaf %d", n)
		}
	}
	const each = 500 // so that a leaf is not too long
	for some := leaves; len(some) > 0; some = some[min(len(some), each):] {
		line, err := newLine(at, KindErase, map[string]any{"leaves": some[:min(len(some), each)], "why": why})
		if err != nil {
			return err
		}
		if _, err := l.write([][]byte{line}); err != nil {
			return err
		}
	}
	if err := l.flushLocked(true); err != nil {
		return err
	}
	of := map[int64]map[int64]bool{}
	for _, n := range leaves {
		segment := n >> l.o.level
		if of[segment] == nil {
			of[segment] = map[int64]bool{}
		}
		of[segment][n-segment<<l.o.level] = true
	}
	for segment, lines := range of {
		if err := eraseLines(l.name(segment, leavesExt), lines); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close writes what waits, and closes the ledger.
func (l *Ledger) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	l.closed = true
	close(l.wake)
	l.mu.Unlock()
	<-l.done
	return errors.Join(l.flush(true), l.lock.Close())
}

// erased reports whether a line is what erasing leaves of one.
func erased(line []byte) bool { return len(line) > 0 && strings.Trim(string(line), "-") == "" }
