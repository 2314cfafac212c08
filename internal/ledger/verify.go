package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Leaf is one entry of a ledger.
type Leaf struct {
	Number int64
	Line   []byte // what is hashed; nil where it was erased
	At     time.Time
	Kind   string
}

// What reads what the leaf says into v.
func (l Leaf) What(v any) error {
	_, object, _ := bytes.Cut(l.Line, []byte{' '})
	return json.Unmarshal(object, v)
}

func parseLeaf(number int64, line []byte) (Leaf, error) {
	l := Leaf{Number: number}
	if erased(line) {
		return l, nil
	}
	l.Line = line
	var head struct {
		At   time.Time `json:"at"`
		Kind string    `json:"kind"`
	}
	if err := l.What(&head); err != nil {
		return l, fmt.Errorf("leaf %d is not what was written", number)
	}
	l.At, l.Kind = head.At, head.Kind
	return l, nil
}

// Leaves reads the leaves of a ledger from a number on, or from the oldest that is there. Another process may write to it meanwhile.
// Nothing is checked: see Verify.
func Leaves(ctx context.Context, dir string, from int64) iter.Seq2[Leaf, error] {
	return leaves(ctx, dir, from, defaultLevel)
}

func leaves(ctx context.Context, dir string, from int64, level int) iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		files, _, err := segments(dir)
		if err != nil {
			yield(Leaf{}, fmt.Errorf("read ledger: %w", err))
			return
		}
		for _, s := range files {
			if (s.number+1)<<level <= from {
				continue
			}
			lines, _, err := readLines(segmentName(dir, s.number, leavesExt))
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Leaf{}, fmt.Errorf("read ledger: %w", err))
				return
			}
			for i, line := range lines {
				n := s.number<<level + int64(i)
				if n < from {
					continue
				}
				if leaf, err := parseLeaf(n, line); !yield(leaf, err) {
					return
				}
			}
		}
	}
}

// Fault is something in a ledger that is not what was written.
type Fault struct {
	File string // its name, in the folder of the ledger
	What string
}

func (f Fault) String() string { return f.File + ": " + f.What }

// Verified is what Verify found.
type Verified struct {
	Leaves      int64 // how many there were ever
	First       int64 // the oldest that is still there
	Erased      int64
	Checkpoints int // that agree with the leaves
	Unchecked   int // checkpoints of which the leaves are gone
	Faults      []Fault
}

// Verify checks a ledger against a public key and, beside its own, against checkpoints that were kept elsewhere, such as
// in a mail. Only these tell where somebody has cut off the end, with the checkpoints in it. Another
// process may write to the ledger meanwhile.
func Verify(ctx context.Context, dir, vkey string, kept ...string) (Verified, error) {
	return verify(ctx, dir, vkey, defaultLevel, kept)
}

func verify(ctx context.Context, dir, vkey string, level int, kept []string) (Verified, error) {
	c := checker{dir: dir, level: level, tree: tree{dir: dir, level: level}, erasures: map[int64]bool{}, gone: map[int64]string{}}
	if err := c.run(ctx, vkey, kept); err != nil {
		return Verified{}, fmt.Errorf("verify ledger %s: %w", dir, err)
	}
	return c.found, nil
}

// signed is a checkpoint, and where it is from.
type signed struct {
	tlog.Tree
	file string
	name string
}

// checker is a ledger being checked.
type checker struct {
	dir      string
	level    int
	tree     tree // of what is there
	signed   []signed
	agreed   int64 // leaves under the last checkpoint that agrees
	differ   bool  // from a checkpoint
	erasures map[int64]bool
	gone     map[int64]string // leaves that are erased, and in which file
	found    Verified
}

func (c *checker) fault(file, format string, args ...any) {
	c.found.Faults = append(c.found.Faults, Fault{file, fmt.Sprintf(format, args...)})
}

func (c *checker) run(ctx context.Context, vkey string, kept []string) error {
	if fresh, err := checkFormat(c.dir); err != nil || fresh {
		return errors.Join(err, map[bool]error{true: errors.New("there is none")}[fresh])
	}
	// Before the leaves: of what is written meanwhile there are more leaves than checkpoints.
	if err := c.readSigned(vkey, kept); err != nil {
		return err
	}
	files, _, err := segments(c.dir)
	if err != nil {
		return err
	}
	roots, err := readHashes(filepath.Join(c.dir, rootsFile))
	if err != nil {
		return err
	}
	first, last := int64(len(roots)), int64(len(roots))
	if len(files) > 0 {
		first, last = files[0].number, files[len(files)-1].number
	}
	c.found.First = first << c.level
	for s := range first {
		if s >= int64(len(roots)) {
			c.fault(rootsFile, "it has no root of segment %d", s)
			return nil
		}
		if err := c.tree.addRoot(s, roots[s]); err != nil {
			return err
		}
		c.tree.n = (s + 1) << c.level
		if err := c.check(); err != nil {
			return err
		}
	}
	for s := first; s <= last; s++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		whole, err := c.segment(s, s < last)
		if err != nil || !whole {
			return err
		}
		if s < int64(len(roots)) && c.tree.n>>c.level > s && c.tree.root(s) != roots[s] {
			c.fault(rootsFile, "the root of segment %d is not that of its leaves", s)
		}
	}
	c.end()
	return nil
}

// readSigned reads all checkpoints.
func (c *checker) readSigned(vkey string, kept []string) error {
	own, whole, err := readCheckpoints(c.dir)
	if err != nil {
		return err
	}
	if st, err := os.Stat(filepath.Join(c.dir, checkpointsFile)); err == nil && st.Size() > whole {
		c.fault(checkpointsFile, "checkpoint %d is not whole", len(own)+1)
	}
	for i, text := range slices.Concat(own, kept) {
		s := signed{file: checkpointsFile, name: fmt.Sprintf("checkpoint %d", i+1)}
		if i >= len(own) {
			s.file, s.name = "-", fmt.Sprintf("checkpoint %d that was kept elsewhere", i+1-len(own))
		}
		if s.Tree, err = ParseCheckpoint(text, vkey); err != nil {
			c.fault(s.file, "%s: %v", s.name, err)
			continue
		}
		c.signed = append(c.signed, s)
	}
	slices.SortStableFunc(c.signed, func(a, b signed) int { return cmp.Compare(a.N, b.N) })
	return nil
}

// segment checks one segment; whole is false where it ends too soon.
func (c *checker) segment(number int64, full bool) (whole bool, err error) {
	file := filepath.Base(segmentName(c.dir, number, leavesExt))
	hashFile := filepath.Base(segmentName(c.dir, number, hashesExt))
	stored, err := readHashes(segmentName(c.dir, number, hashesExt))
	if err != nil {
		return false, err
	}
	lines, torn, err := readLines(segmentName(c.dir, number, leavesExt))
	if err != nil {
		return false, err
	}
	var known []tlog.Hash // of leaves, by the file of hashes
	for at := tlog.StoredHashIndex(0, int64(len(known))); at < int64(len(stored)) && len(known) < 1<<c.level; at = tlog.StoredHashIndex(0, int64(len(known))) {
		known = append(known, stored[at])
	}
	sound := c.sound(known, stored)
	if !sound {
		c.fault(hashFile, "its hashes do not belong together")
		known = nil
	}
	first := number << c.level
	leaves, bad := align(lines, known)
	if n := c.loose(lines, known, bad); n >= 0 {
		c.fault(hashFile, "the hash of leaf %d is not that of its line", first+int64(n))
		known[n], leaves[n], bad = tlog.RecordHash(lines[n]), lines[n], nil
	}
	for _, b := range bad {
		c.fault(file, "leaf %d %s", first+int64(b.leaf), b.what)
	}
	end := first + int64(len(leaves))
	if torn > 0 && (full || c.promised(end)) {
		c.fault(file, "leaf %d is not whole", end)
	}
	for n := len(leaves); n < len(known) && (full || c.promised(first+int64(n))); n++ {
		c.fault(file, "leaf %d and those behind it are cut off", first+int64(n))
		break
	}
	for i, line := range leaves {
		h := tlog.RecordHash(line)
		if i < len(known) {
			h = known[i]
		}
		if line != nil {
			c.note(first+int64(i), line, file)
		}
		if err := c.tree.add(h); err != nil {
			return false, err
		}
		if err := c.check(); err != nil {
			return false, err
		}
	}
	if full && len(leaves) < 1<<c.level {
		if len(leaves) == len(known) || !sound {
			c.fault(file, "it ends after leaf %d, and there are further ones", end-1)
		}
		return false, nil
	}
	return true, nil
}

// loose is the last leaf, where its line differs from its hash, no hash above tells which of the two is right, and a
// checkpoint says that it is the line; else -1.
func (c *checker) loose(lines [][]byte, known []tlog.Hash, bad []misplaced) int {
	n := len(known) - 1
	if n < 0 || n%2 != 0 || len(lines) != len(known) || len(bad) != 1 || bad[0].leaf != n {
		return -1
	}
	t := c.tree
	t.upper = slices.Clip(t.upper)
	for _, h := range append(slices.Clone(known[:n]), tlog.RecordHash(lines[n])) {
		if t.add(h) != nil {
			return -1
		}
	}
	root, err := tlog.TreeHash(t.n, &t)
	if err != nil || !slices.ContainsFunc(c.signed, func(s signed) bool { return s.N == t.n && s.Hash == root }) {
		return -1
	}
	return n
}

// promised reports whether a checkpoint covers a leaf.
func (c *checker) promised(leaf int64) bool {
	return len(c.signed) > 0 && c.signed[len(c.signed)-1].N > leaf
}

// sound reports whether the hashes above the leaves are those of the leaves. There may be fewer or more of them, of leaves that are
// being written.
func (c *checker) sound(known, stored []tlog.Hash) bool {
	t := tree{level: c.level}
	for _, h := range known {
		if t.add(h) != nil {
			return false
		}
	}
	made := t.last
	if t.full != nil {
		made = t.full
	}
	n := min(len(made), len(stored))
	return slices.Equal(made[:n], stored[:n])
}

// note remembers what a leaf says of others.
func (c *checker) note(number int64, line []byte, file string) {
	leaf, err := parseLeaf(number, line)
	switch {
	case err != nil: // it was counted as damaged, or was written so
	case leaf.Line == nil:
		c.gone[number] = file
		c.found.Erased++
	case leaf.Kind == KindErase:
		var what struct {
			Leaves []int64 `json:"leaves"`
		}
		if leaf.What(&what) == nil {
			for _, n := range what.Leaves {
				c.erasures[n] = n < number
			}
		}
	}
}

// check compares the tree with checkpoints of as many leaves.
func (c *checker) check() error {
	for len(c.signed) > 0 && c.signed[0].N <= c.tree.n {
		s := c.signed[0]
		c.signed = c.signed[1:]
		if s.N < c.tree.n {
			c.found.Unchecked++
			continue
		}
		root, err := tlog.TreeHash(s.N, &c.tree)
		if err != nil {
			return err
		}
		switch {
		case root == s.Hash:
			c.agreed = s.N
			c.found.Checkpoints++
		case !c.differ:
			c.differ = true
			c.fault(s.file, "%s, of %d leaves: the leaves are others than were signed, from leaf %d on or behind it", s.name, s.N, c.agreed)
		}
	}
	return nil
}

// end looks at what only all leaves tell.
func (c *checker) end() {
	c.found.Leaves = c.tree.n
	for _, s := range c.signed {
		c.fault(s.file, "%s is of %d leaves, but the ledger ends after %d: it was cut", s.name, s.N, c.tree.n)
	}
	for _, n := range slices.Sorted(func(yield func(int64) bool) {
		for n := range c.gone {
			if !yield(n) {
				return
			}
		}
	}) {
		if !c.erasures[n] {
			c.fault(c.gone[n], "leaf %d was erased, and no leaf says so", n)
		}
	}
}

// misplaced is a leaf that is not where or what it was.
type misplaced struct {
	leaf int
	what string
}

// align finds the leaves in lines by their hashes. Of one that is missing or altered the line is nil. Without hashes,
// each line is a leaf.
func align(lines [][]byte, known []tlog.Hash) (leaves [][]byte, bad []misplaced) {
	if known == nil {
		return lines, nil
	}
	number := make(map[tlog.Hash]int, len(known))
	for i, h := range known {
		number[h] = i
	}
	hashes := make([]tlog.Hash, len(lines))
	is := func(line, leaf int) bool {
		return line < len(lines) && leaf < len(known) && (hashes[line] == known[leaf] || erased(lines[line]))
	}
	for i, line := range lines {
		hashes[i] = tlog.RecordHash(line)
	}
	for i, line := range lines {
		leaf := len(leaves)
		if leaf >= len(known) { // it has no hash yet
			leaves = append(leaves, line)
			continue
		}
		other, found := number[hashes[i]]
		switch {
		case is(i, leaf):
			leaves = append(leaves, line)
		case found && other > leaf && (is(i+1, other+1) || i+1 == len(lines)):
			for n := leaf; n < other; n++ {
				leaves, bad = append(leaves, nil), append(bad, misplaced{n, "is missing"})
			}
			leaves = append(leaves, line)
		case found:
			leaves, bad = append(leaves, nil), append(bad, misplaced{leaf, fmt.Sprintf("has the content of leaf %d of this file", other)})
		case is(i+1, leaf):
			bad = append(bad, misplaced{leaf, "has a line before it that was never written"})
		default:
			leaves, bad = append(leaves, nil), append(bad, misplaced{leaf, "was altered"})
		}
	}
	return leaves, bad
}
