package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrPruned is what errors wrap where hashes are needed that went with their segments.
var ErrPruned = errors.New("the leaves are gone, since the ledger has its size")

// tree is the Merkle tree of a ledger. Its hashes are those of tlog: below a level, each segment keeps
// its own; above, all are in memory, of the roots of segments.
type tree struct {
	dir   string
	level int
	n     int64       // leaves
	upper []tlog.Hash // stored hashes of the tree of roots
	last  []tlog.Hash // stored hashes of the segment in hand, below the level
	full  []tlog.Hash // those of the segment before, when it has just become full
}

// openTree reads the tree as far as segments are full.
func openTree(dir string, level int) (tree, error) {
	t := tree{dir: dir, level: level}
	roots, err := readHashes(filepath.Join(dir, rootsFile))
	if err != nil {
		return t, err
	}
	for i, root := range roots {
		if err := t.addRoot(int64(i), root); err != nil {
			return t, err
		}
	}
	t.n = int64(len(roots)) << level
	return t, nil
}

// addRoot adds the root of a segment that is full.
func (t *tree) addRoot(segment int64, root tlog.Hash) error {
	hashes, err := tlog.StoredHashesForRecordHash(segment, root, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return pick(t.upper, indexes)
	}))
	t.upper = append(t.upper, hashes...)
	return err
}

// pick returns some of hashes.
func pick(hashes []tlog.Hash, indexes []int64) ([]tlog.Hash, error) {
	some := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at >= int64(len(hashes)) {
			return nil, fmt.Errorf("there is no hash %d", at)
		}
		some[i] = hashes[at]
	}
	return some, nil
}

// add adds a leaf.
func (t *tree) add(h tlog.Hash) error {
	at := t.n & (1<<t.level - 1) // in its segment
	hashes, err := tlog.StoredHashesForRecordHash(at, h, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return pick(t.last, indexes)
	}))
	if err != nil {
		return err
	}
	if at+1 < 1<<t.level {
		t.last, t.n = append(t.last, hashes...), t.n+1
		return nil
	}
	root := hashes[len(hashes)-1]
	if err := t.addRoot(t.n>>t.level, root); err != nil {
		return err
	}
	t.full, t.last = append(t.last, hashes[:len(hashes)-1]...), nil
	t.n++
	return nil
}

// root is that of a segment that is full.
func (t *tree) root(segment int64) tlog.Hash { return t.upper[tlog.StoredHashIndex(0, segment)] }

// ReadHashes is for tlog.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		h, err := t.hash(level, n)
		if err != nil {
			return nil, err
		}
		hashes[i] = h
	}
	return hashes, nil
}

func (t *tree) hash(level int, n int64) (h tlog.Hash, err error) {
	if level >= t.level {
		hashes, err := pick(t.upper, []int64{tlog.StoredHashIndex(level-t.level, n)})
		if err != nil {
			return h, err
		}
		return hashes[0], nil
	}
	segment := n >> (t.level - level)
	at := tlog.StoredHashIndex(level, n&(1<<(t.level-level)-1))
	if segment == t.n>>t.level {
		hashes, err := pick(t.last, []int64{at})
		if err != nil {
			return h, err
		}
		return hashes[0], nil
	}
	f, err := os.Open(segmentName(t.dir, segment, hashesExt))
	if errors.Is(err, os.ErrNotExist) {
		return h, fmt.Errorf("leaves %d to %d: %w", segment<<t.level, (segment+1)<<t.level-1, ErrPruned)
	}
	if err != nil {
		return h, err
	}
	_, err = f.ReadAt(h[:], at*tlog.HashSize)
	return h, errors.Join(err, f.Close())
}
