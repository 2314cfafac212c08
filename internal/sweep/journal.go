package sweep

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"breakwater/internal/owned"
	"breakwater/internal/sweep/session"
)

// batchSize is how many messages one command moves at most: what is in doubt after a cut.
const batchSize = 2000 // 500 take Dovecot half as long again for the whole

// batch is messages of one folder that go to one place.
type batch struct {
	N           int     `json:"n"` // from 1
	Folder      string  `json:"folder"`
	UIDValidity uint32  `json:"uidvalidity"`
	To          string  `json:"to,omitempty"`      // a folder
	Keyword     string  `json:"keyword,omitempty"` // or a keyword
	Messages    []entry `json:"messages"`
}

// entry is a message of a batch: all that is needed to know it again and to put it back.
type entry struct {
	UID   uint32   `json:"uid"`
	Flags []string `json:"flags,omitempty"`
	Size  int64    `json:"size"`
	Hash  hash     `json:"hash"`

	now uint32 // its UID where it is now, while it is being moved
}

// hash is that of how a message begins, in hexadecimal.
type hash [16]byte

func (h hash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

func (h *hash) UnmarshalText(b []byte) error {
	if n, err := hex.Decode(h[:], b); err != nil || n != len(h) {
		return fmt.Errorf("%q is no hash", b)
	}
	return nil
}

func entries(list []*candidate) []entry {
	es := make([]entry, len(list))
	for i, c := range list {
		es[i] = entry{UID: c.uid, Flags: c.flags, Size: c.size, Hash: c.hash}
	}
	return es
}

// uidsOf are the UIDs that messages have in their batch.
func uidsOf(list []entry) []uint32 {
	all := make([]uint32, len(list))
	for i, e := range list {
		all[i] = e.UID
	}
	return all
}

// record is a line of a journal. Op says which of its fields there are.
type record struct {
	Op string    `json:"op"`
	At time.Time `json:"at"`

	Run     string `json:"run,omitempty"` // run
	Account string `json:"account,omitempty"`
	Server  string `json:"server,omitempty"`
	User    string `json:"user,omitempty"`

	Batch *batch `json:"batch,omitempty"` // batch

	N           int    `json:"n,omitempty"`           // begin, done, left
	Back        bool   `json:"back,omitempty"`        // it is being undone
	Of          string `json:"of,omitempty"`          // begin, done, left: which messages of the batch, by its UIDs
	UIDs        string `json:"uids,omitempty"`        // begin: their UIDs now; done: their UIDs there; in the order of Of
	UIDValidity uint32 `json:"uidvalidity,omitempty"` // of the folder where it goes
	UIDNext     uint32 `json:"uidnext,omitempty"`     // begin: of that folder; what is moved has this UID or a later one
	Why         string `json:"why,omitempty"`         // left
	Settled     bool   `json:"settled,omitempty"`     // done, left: found out later, since the answer did not come
}

// Operations of records.
const (
	opRun     = "run"     // the first line
	opBatch   = "batch"   // to be done
	opPlanned = "planned" // all batches are above
	opBegin   = "begin"   // a command comes that moves or marks messages of a batch
	opDone    = "done"    // it did, for these
	opLeft    = "left"    // these are not moved, and why; with N alone, all that is left of the batch
	opApplied = "applied" // nothing is left to do
	opUndone  = "undone"  // nothing is left to undo
)

// journal is the file of one run at one account.
type journal struct {
	head    record
	batches []*progress
	planned bool
	applied bool
	undone  bool

	name string
	f    *os.File
}

// progress is how far a batch is, forth and back.
type progress struct {
	batch
	forth, back leg
}

// leg is the state of a batch in one direction.
type leg struct {
	pending *record // begun, and not known how it ended
	cut     *record // the first that was begun and had to be found out about
	moved   []moved // done, in order
	closed  bool    // nothing more is to be done
}

// moved is where a message of a batch is now.
type moved struct {
	of       uint32 // its UID in the batch
	uid      uint32 // its UID now; 0 where the server did not say
	validity uint32 // of uid
}

func (p *progress) leg(back bool) *leg {
	if back {
		return &p.back
	}
	return &p.forth
}

// createJournal begins a journal. Nothing of it counts before the record planned.
func createJournal(name string, head record) (*journal, error) {
	if err := owned.MkdirAll(filepath.Dir(name)); err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	f, err := owned.Open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	j := &journal{name: name, f: f}
	head.Op = opRun
	if err := errors.Join(j.write(head), owned.SyncDir(filepath.Dir(name)), owned.SyncDir(filepath.Dir(filepath.Dir(name)))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// plan writes all batches.
func (j *journal) plan(plan *Plan) error {
	var all []record
	n := 0
	for _, f := range plan.Folders {
		for i := range f.batches {
			n++
			f.batches[i].N = n
			all = append(all, record{Op: opBatch, Batch: &f.batches[i]})
		}
	}
	return j.write(append(all, record{Op: opPlanned})...)
}

// openJournal reads a journal and goes on with it. A last line that was cut off is dropped:
// what it would have told has not begun.
func openJournal(name string) (*journal, error) {
	j, whole, err := readJournal(name, os.O_RDWR|os.O_APPEND)
	if err != nil {
		return nil, err
	}
	if err := j.f.Truncate(whole); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), j.Close())
	}
	return j, nil
}

// readJournal reads a journal, and tells how long it is without a last line that was cut off.
func readJournal(name string, mode int) (j *journal, whole int64, err error) {
	f, err := owned.Open(name, mode)
	if err != nil {
		return nil, 0, fmt.Errorf("open journal: %w", err)
	}
	j = &journal{name: name, f: f}
	if whole, err = j.read(); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("read journal %s: %w", name, err), f.Close())
	}
	return j, whole, nil
}

// readableJournal reads a journal up to what is damaged in it.
func readableJournal(name string) (j *journal, damaged, err error) {
	f, err := owned.Open(name, os.O_RDONLY)
	if err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	j = &journal{name: name, f: f}
	_, damaged = j.read()
	return j, damaged, nil
}

// hasEnded reports whether the last line of a journal says that nothing is left to do, without
// reading all of it.
func hasEnded(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, fmt.Errorf("open journal: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("open journal: %w", err)
	}
	end := make([]byte, min(st.Size(), 200))
	if _, err := f.ReadAt(end, st.Size()-int64(len(end))); err != nil {
		return false, fmt.Errorf("read journal: %w", err)
	}
	end, whole := bytes.CutSuffix(end, []byte("\n"))
	var rec record
	if !whole || json.Unmarshal(end[bytes.LastIndexByte(end, '\n')+1:], &rec) != nil {
		return false, nil // it is longer, or cut off
	}
	return rec.Op == opApplied || rec.Op == opUndone, nil
}

// undoing reports whether an undo was begun that did not come to its end.
func (j *journal) undoing() bool {
	return !j.undone && slices.ContainsFunc(j.batches, func(p *progress) bool {
		return p.back.pending != nil || p.back.closed || len(p.back.moved) > 0
	})
}

func (j *journal) read() (whole int64, err error) {
	r := bufio.NewReaderSize(j.f, 1<<20)
	for line := 1; ; line++ {
		b, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return 0, err
		}
		var rec record
		if err := json.Unmarshal(b, &rec); err != nil {
			return 0, fmt.Errorf("line %d: %w", line, err)
		}
		if err := j.take(rec); err != nil {
			return 0, fmt.Errorf("line %d: %w", line, err)
		}
		whole += int64(len(b))
	}
}

// take brings j up to date with a record.
func (j *journal) take(rec record) error {
	switch rec.Op {
	case opRun:
		j.head = rec
		return nil
	case opBatch:
		if rec.Batch == nil || rec.Batch.N != len(j.batches)+1 {
			return errors.New("a batch out of order")
		}
		j.batches = append(j.batches, &progress{batch: *rec.Batch})
		return nil
	case opPlanned:
		j.planned = true
		return nil
	case opApplied:
		j.applied = true
		return nil
	case opUndone:
		j.undone = true
		return nil
	}
	if rec.N < 1 || rec.N > len(j.batches) {
		return fmt.Errorf("there is no batch %d", rec.N)
	}
	return j.batches[rec.N-1].leg(rec.Back).take(rec)
}

func (l *leg) take(rec record) error {
	if rec.Settled && l.cut == nil {
		l.cut = l.pending
	}
	switch rec.Op {
	case opBegin:
		l.pending = &rec
	case opDone:
		of, err := session.ParseUIDs(rec.Of)
		if err != nil {
			return err
		}
		now, err := session.ParseUIDs(rec.UIDs)
		if err != nil {
			return err
		}
		for i, uid := range of {
			m := moved{of: uid, validity: rec.UIDValidity}
			if len(now) == len(of) {
				m.uid = now[i]
			}
			l.moved = append(l.moved, m)
		}
		l.pending = nil
	case opLeft:
		l.pending = nil
		l.closed = l.closed || rec.Of == ""
	default:
		return fmt.Errorf("unknown record %q", rec.Op)
	}
	return nil
}

// write appends records, on disk before it returns, and takes them.
func (j *journal) write(recs ...record) error {
	w := bufio.NewWriterSize(j.f, 64<<10)
	lines := json.NewEncoder(w)
	for i := range recs {
		recs[i].At = time.Now().UTC()
		if err := lines.Encode(&recs[i]); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	for _, rec := range recs {
		if err := j.take(rec); err != nil {
			return err
		}
	}
	return nil
}

func (j *journal) Close() error { return j.f.Close() }
