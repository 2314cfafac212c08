package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// small are options with which a segment has eight leaves.
func small() Options { return Options{Origin: "mx.example.org/breakwater", level: 3} }

// house is a ledger in a folder of its own.
type house struct {
	t        testing.TB
	dir, key string
	o        Options
	*Ledger
}

func newHouse(t testing.TB, o Options) *house {
	folder := t.TempDir()
	h := &house{t: t, dir: filepath.Join(folder, "ledger"), key: filepath.Join(folder, "keys", "ledger.key"), o: o}
	h.open()
	t.Cleanup(func() { h.close() })
	return h
}

func (h *house) open() {
	h.t.Helper()
	l, err := Open(h.dir, h.key, h.o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Ledger = l
}

func (h *house) close() {
	if err := h.Close(); err != nil && !errors.Is(err, errClosed) {
		h.t.Error(err)
	}
}

func (h *house) append(n int) {
	h.t.Helper()
	for i := range n {
		h.Append(noon, "copy", map[string]int{"number": i})
	}
	if err := h.Flush(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) checkpoint() string {
	h.t.Helper()
	text, err := h.Checkpoint(noon)
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

func (h *house) verify(kept ...string) Verified {
	h.t.Helper()
	v, err := verify(h.t.Context(), h.dir, h.VerifierKey(), h.o.level, kept)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) leaves() []Leaf {
	h.t.Helper()
	var all []Leaf
	for leaf, err := range leaves(h.t.Context(), h.dir, 0, h.o.level) {
		if err != nil {
			h.t.Fatal(err)
		}
		all = append(all, leaf)
	}
	return all
}

func TestCheckpoint(t *testing.T) {
	h := newHouse(t, small())
	h.append(3)
	text := h.checkpoint()
	lines := strings.Split(text, "\n")
	if len(lines) != 6 || lines[0] != "mx.example.org/breakwater" || lines[1] != "4" || lines[3] != "" || !strings.HasPrefix(lines[4], "— mx.example.org/breakwater ") || lines[5] != "" {
		t.Errorf("a checkpoint is\n%s", text)
	}
	tree, err := ParseCheckpoint(text, h.VerifierKey())
	if err != nil || tree.N != 4 {
		t.Errorf("ParseCheckpoint: %d leaves, %v", tree.N, err)
	}
	// The root is that of RFC 6962 over the lines, which anybody can work out.
	var hashes []tlog.Hash
	for _, leaf := range h.leaves() {
		hashes = append(hashes, tlog.RecordHash(leaf.Line))
	}
	if want := tlog.NodeHash(tlog.NodeHash(hashes[0], hashes[1]), tlog.NodeHash(hashes[2], hashes[3])); tree.Hash != want {
		t.Errorf("the root is %v, want %v", tree.Hash, want)
	}
	if got, err := Checkpoints(h.dir); err != nil || !slices.Equal(got, []string{text}) {
		t.Errorf("kept are %q, %v", got, err)
	}
}

func TestKeyIsPrivate(t *testing.T) {
	h := newHouse(t, small())
	if st, err := os.Stat(h.key); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key has the mode %v, %v", st.Mode(), err)
	}
	if vkey, err := ReadVerifierKey(h.key); err != nil || vkey != h.VerifierKey() {
		t.Errorf("ReadVerifierKey = %q, %v; want %q", vkey, err, h.VerifierKey())
	}
	h.checkpoint()
	h.close()
	if err := os.Chmod(h.key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(h.dir, h.key, h.o); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("with a key that others may read, Open says %v", err)
	}
	if err := os.Remove(h.key); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(h.dir, h.key, h.o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without its key, Open says %v; a new one would make a ledger that anybody could have made", err)
	}
	if _, err := os.Stat(h.key); err == nil {
		t.Error("a new key was made")
	}
}

func TestOneWriter(t *testing.T) {
	h := newHouse(t, small())
	if _, err := Open(h.dir, h.key, h.o); !errors.Is(err, ErrLocked) {
		t.Errorf("a second Open says %v", err)
	}
}

// A law: whatever is appended, in whatever batches, over restarts: each leaf has a proof under each later checkpoint, and
// each checkpoint agrees with each later one.
func TestProofs(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := newHouse(t, small())
		defer h.close()
		var notes []string
		for range rapid.IntRange(1, 3).Draw(r, "steps") {
			for range rapid.IntRange(0, 11).Draw(r, "leaves") {
				h.Append(noon, "copy", nil)
			}
			if rapid.Bool().Draw(r, "restart") {
				h.close()
				h.open()
			}
			notes = append(notes, h.checkpoint())
		}
		all := h.leaves()
		for i, text := range notes {
			tree, err := ParseCheckpoint(text, h.VerifierKey())
			if err != nil {
				r.Fatal(err)
			}
			n := rapid.Int64Range(0, tree.N-1).Draw(r, "leaf")
			proof, err := h.Prove(n, text)
			if err != nil {
				r.Fatal(err)
			}
			if got, _, err := CheckProof(proof, all[n].Line, h.VerifierKey()); err != nil || got != n {
				r.Fatalf("the proof of leaf %d says leaf %d, %v", n, got, err)
			}
			if _, _, err := CheckProof(proof, append([]byte("x"), all[n].Line...), h.VerifierKey()); err == nil {
				r.Fatal("the proof is also one of another leaf")
			}
			for _, older := range notes[:i+1] {
				proof, err := h.ProveConsistency(older, text)
				if err != nil {
					r.Fatal(err)
				}
				if err := CheckConsistency(proof, older, text, h.VerifierKey()); err != nil {
					r.Fatal(err)
				}
			}
		}
		if v := h.verify(); len(v.Faults) > 0 || v.Checkpoints != len(notes) || v.Leaves != int64(len(all)) {
			r.Fatalf("Verify: %+v", v)
		}
	})
}

// A law: wherever a crash cuts what was written after the last checkpoint, the ledger opens, agrees with its checkpoints,
// and goes on.
func TestCrash(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := newHouse(t, small())
		defer h.close()
		h.append(rapid.IntRange(0, 20).Draw(r, "before"))
		signed := h.checkpoint()
		segment := h.Size() >> 3
		sizes := map[string]int64{}
		for _, name := range []string{segmentName(h.dir, segment, leavesExt), segmentName(h.dir, segment, hashesExt)} {
			if st, err := os.Stat(name); err == nil {
				sizes[name] = st.Size()
			}
		}
		h.append(rapid.IntRange(0, 7-int(h.Size()&7)).Draw(r, "behind")) // of the same segment
		h.close()
		for _, ext := range []string{leavesExt, hashesExt} {
			name := segmentName(h.dir, segment, ext)
			st, err := os.Stat(name)
			if err != nil {
				continue
			}
			if err := os.Truncate(name, rapid.Int64Range(sizes[name], st.Size()).Draw(r, ext)); err != nil {
				r.Fatal(err)
			}
		}
		if rapid.Bool().Draw(r, "torn checkpoint") {
			f, err := os.OpenFile(filepath.Join(h.dir, checkpointsFile), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				r.Fatal(err)
			}
			f.WriteString(signed[:rapid.IntRange(1, len(signed)).Draw(r, "bytes")])
			f.Close()
		}
		h.open()
		h.append(3)
		later := h.checkpoint()
		proof, err := h.ProveConsistency(signed, later)
		if err != nil {
			r.Fatal(err)
		}
		if err := CheckConsistency(proof, signed, later, h.VerifierKey()); err != nil {
			r.Fatal(err)
		}
		if v := h.verify(signed, later); len(v.Faults) > 0 || v.Checkpoints != 4 {
			r.Fatalf("Verify: %+v", v)
		}
	})
}

// A crash between the last leaf of a segment and its root.
func TestCrashBeforeRoot(t *testing.T) {
	h := newHouse(t, small())
	h.append(16)
	h.close()
	if err := os.Truncate(filepath.Join(h.dir, rootsFile), tlog.HashSize+5); err != nil {
		t.Fatal(err)
	}
	h.open()
	h.append(3)
	h.checkpoint()
	if v := h.verify(); len(v.Faults) > 0 || v.Leaves != 20 {
		t.Errorf("Verify: %+v", v)
	}
}

func TestCutBelowCheckpoint(t *testing.T) {
	h := newHouse(t, small())
	h.append(3)
	h.checkpoint()
	h.close()
	name := segmentName(h.dir, 0, leavesExt)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(h.dir, h.key, h.o); !errors.Is(err, ErrCut) {
		t.Errorf("Open says %v; it must not go on from there", err)
	}
}

func TestErase(t *testing.T) {
	h := newHouse(t, small())
	h.append(20)
	before := h.checkpoint()
	lines := map[int64][]byte{}
	proofs := map[int64]string{}
	for _, leaf := range h.leaves() {
		lines[leaf.Number] = leaf.Line
		proof, err := h.Prove(leaf.Number, before)
		if err != nil {
			t.Fatal(err)
		}
		proofs[leaf.Number] = proof
	}
	if err := h.Erase(noon, "a mailbox was forgotten", 2, 9, 19); err != nil {
		t.Fatal(err)
	}
	h.close()
	h.open()
	after := h.checkpoint()
	for _, n := range []int64{2, 9, 19} {
		leaf := h.leaves()[n]
		if leaf.Line != nil {
			t.Errorf("leaf %d is still there: %s", n, leaf.Line)
		}
		// Whoever was given the leaf can still prove it, before and after.
		if proof, err := h.Prove(n, after); err != nil {
			t.Error(err)
		} else if _, _, err := CheckProof(proof, lines[n], h.VerifierKey()); err != nil {
			t.Error(err)
		}
	}
	for n, proof := range proofs {
		if _, _, err := CheckProof(proof, lines[n], h.VerifierKey()); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []int64{0, 1, 2} {
		b, err := os.ReadFile(segmentName(h.dir, s, leavesExt))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int64{2, 9, 19} {
			if bytes.Contains(b, lines[n][:2*saltLength]) {
				t.Errorf("the salt of leaf %d is still on disk", n)
			}
		}
	}
	if v := h.verify(before); len(v.Faults) > 0 || v.Erased != 3 {
		t.Errorf("Verify: %+v", v)
	}
	if err := h.Erase(noon, "", 999); err == nil {
		t.Error("a leaf was erased that is not there")
	}
}

// What somebody may do to a ledger, and what Verify says. There are 20 leaves and a checkpoint of 21, then 3 more and one of 25.
var attacks = []struct {
	name string
	do   func(h *house)
	want []string // a fault begins with each of these
}{
	{"nothing", func(h *house) {}, nil},
	{"a letter of a leaf", func(h *house) { h.flip("000000000001.leaves", 60) }, []string{"000000000001.leaves: leaf 8 was altered"}},
	{"a salt", func(h *house) { h.flip("000000000000.leaves", 3) }, []string{"000000000000.leaves: leaf 0 was altered"}},
	{"an end of line", func(h *house) {
		h.change("000000000000.leaves", func(b []byte) []byte { b[bytes.IndexByte(b, '\n')] = ' '; return b })
	}, []string{"000000000000.leaves: leaf 0 was altered"}},
	{"two leaves swapped", func(h *house) {
		h.lines("000000000001.leaves", func(l []string) []string { l[2], l[5] = l[5], l[2]; return l })
	}, []string{"000000000001.leaves: leaf 10 has the content of leaf 5 of this file", "000000000001.leaves: leaf 13 has the content of leaf 2 of this file"}},
	{"a leaf taken out", func(h *house) {
		h.lines("000000000000.leaves", func(l []string) []string { return slices.Delete(l, 4, 5) })
	}, []string{"000000000000.leaves: leaf 4 is missing"}},
	{"a leaf put in", func(h *house) {
		h.lines("000000000000.leaves", func(l []string) []string { return slices.Insert(l, 4, "forged") })
	}, []string{"000000000000.leaves: leaf 4 has a line before it that was never written"}},
	{"a leaf blotted out", func(h *house) {
		h.lines("000000000000.leaves", func(l []string) []string { l[1] = strings.Repeat("-", len(l[1])); return l })
	}, []string{"000000000000.leaves: leaf 1 was erased, and no leaf says so"}},
	{"the tail of the leaves cut", func(h *house) {
		h.lines("000000000003.leaves", func(l []string) []string { return nil })
	}, []string{"000000000003.leaves: leaf 24 and those behind it are cut off", "checkpoints: checkpoint 2 is of 25 leaves, but the ledger ends after 24: it was cut"}},
	{"a segment gone", func(h *house) {
		h.remove("000000000001.leaves", "000000000001.hashes")
	}, []string{"000000000001.leaves: it ends after leaf 7, and there are further ones"}},
	{"the tail cut in all files but the checkpoints", func(h *house) {
		h.remove("000000000003.leaves", "000000000003.hashes")
	}, []string{"checkpoints: checkpoint 2 is of 25 leaves, but the ledger ends after 24: it was cut"}},
	{"the tail cut in all files", func(h *house) {
		h.remove("000000000003.leaves", "000000000003.hashes")
		h.remove("checkpoints")
	}, []string{"-: checkpoint 1 that was kept elsewhere is of 25 leaves, but the ledger ends after 24: it was cut"}},
	{"a hash", func(h *house) { h.flip("000000000001.hashes", 40) }, []string{"000000000001.hashes: its hashes do not belong together"}},
	{"the hash of the last leaf", func(h *house) { h.flip("000000000003.hashes", 9) }, []string{"000000000003.hashes: the hash of leaf 24 is not that of its line"}},
	{"a root", func(h *house) { h.flip("roots", 40) }, []string{"roots: the root of segment 1 is not that of its leaves"}},
	{"a checkpoint", func(h *house) { h.flip("checkpoints", 30) }, []string{"checkpoints: checkpoint 1: checkpoint: it was altered after it was signed"}},
	{"the last checkpoint cut", func(h *house) {
		h.change("checkpoints", func(b []byte) []byte { return b[:len(b)-9] })
	}, []string{"checkpoints: checkpoint 2 is not whole"}},
	{"a leaf changed with all its hashes", func(h *house) {
		h.lines("000000000002.leaves", func(l []string) []string { l[5] = strings.Replace(l[5], "12:00", "13:00", 1); return l })
		h.rehash(2)
	}, []string{"checkpoints: checkpoint 2, of 25 leaves: the leaves are others than were signed, from leaf 21 on or behind it"}},
	{"a ledger made anew with another key", func(h *house) {
		h.remove("FORMAT", "lock", "roots", "checkpoints", "000000000000.leaves", "000000000000.hashes", "000000000001.leaves", "000000000001.hashes",
			"000000000002.leaves", "000000000002.hashes", "000000000003.leaves", "000000000003.hashes")
		forger, err := Open(h.dir, filepath.Join(h.t.TempDir(), "key"), h.o)
		if err != nil {
			h.t.Fatal(err)
		}
		for range 24 {
			forger.Append(noon, "copy", nil)
		}
		if _, err := forger.Checkpoint(noon); err != nil {
			h.t.Fatal(err)
		}
		forger.Close()
	}, []string{"checkpoints: checkpoint 1: checkpoint: it is not signed with the key of this ledger"}},
}

func TestVerify(t *testing.T) {
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			h := newHouse(t, small())
			h.append(20)
			h.checkpoint()
			h.append(3)
			kept := h.checkpoint()
			h.close()
			attack.do(h)
			v := h.verify(kept)
			var faults []string
			for _, f := range v.Faults {
				faults = append(faults, f.String())
			}
			for _, want := range attack.want {
				if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, want) }) {
					t.Errorf("Verify does not say %q, but %q", want, faults)
				}
			}
			if (len(v.Faults) == 0) != (len(attack.want) == 0) {
				t.Errorf("Verify says %q", faults)
			}
		})
	}
}

// A law: no bit of any file can be flipped unnoticed.
func TestEveryBit(t *testing.T) {
	h := newHouse(t, small())
	h.append(11)
	if err := h.Erase(noon, "", 2); err != nil {
		t.Fatal(err)
	}
	kept := h.checkpoint()
	h.close()
	rapid.Check(t, func(r *rapid.T) {
		file := rapid.SampledFrom([]string{"000000000000.leaves", "000000000001.leaves", "000000000000.hashes", "000000000001.hashes", "roots", "checkpoints", "FORMAT"}).Draw(r, "file")
		was, err := os.ReadFile(filepath.Join(h.dir, file))
		if err != nil {
			r.Fatal(err)
		}
		at, bit := rapid.IntRange(0, len(was)-1).Draw(r, "byte"), rapid.IntRange(0, 7).Draw(r, "bit")
		h.change(file, func(b []byte) []byte { b[at] ^= 1 << bit; return b })
		v, err := verify(context.Background(), h.dir, h.VerifierKey(), 3, []string{kept})
		h.change(file, func([]byte) []byte { return was })
		named := slices.ContainsFunc(v.Faults, func(f Fault) bool { return f.File == file })
		// White space around the number of the format says nothing.
		if err == nil && !named && !(file == "FORMAT" && at == len(was)-1 && strings.TrimSpace(string([]byte{was[at] ^ 1<<bit})) == "") {
			r.Fatalf("bit %d of byte %d of %s was flipped, and Verify says %v", bit, at, file, v.Faults)
		}
	})
}

func (h *house) change(file string, f func([]byte) []byte) {
	h.t.Helper()
	name := filepath.Join(h.dir, file)
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, f(slices.Clone(b)), 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) flip(file string, at int) {
	h.change(file, func(b []byte) []byte { b[at] ^= 1; return b })
}

func (h *house) lines(file string, f func([]string) []string) {
	h.change(file, func(b []byte) []byte {
		var text strings.Builder
		for _, line := range f(strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")) {
			fmt.Fprintln(&text, line)
		}
		return []byte(text.String())
	})
}

func (h *house) remove(files ...string) {
	for _, file := range files {
		if err := os.Remove(filepath.Join(h.dir, file)); err != nil {
			h.t.Fatal(err)
		}
	}
}

// rehash makes the hashes of a segment anew, as who has the key of nothing can.
func (h *house) rehash(segment int64) {
	lines, _, err := readLines(segmentName(h.dir, segment, leavesExt))
	if err != nil {
		h.t.Fatal(err)
	}
	t := tree{level: 3}
	for _, line := range lines {
		if err := t.add(tlog.RecordHash(line)); err != nil {
			h.t.Fatal(err)
		}
	}
	h.change(filepath.Base(segmentName(h.dir, segment, hashesExt)), func([]byte) []byte { return join(t.full) })
	root := t.root(0)
	h.change(rootsFile, func(b []byte) []byte { return append(b[:segment*tlog.HashSize], root[:]...) })
}

// Whoever makes the daemon write leaves without end fills the ledger, and no more of the disk. The tree stays what it was.
func TestSize(t *testing.T) {
	o := small()
	o.MaxSize = 8 << 10
	h := newHouse(t, o)
	h.append(3)
	first := h.checkpoint()
	h.append(500)
	if _, sum, err := segments(h.dir); err != nil || sum > o.MaxSize+4<<10 {
		t.Errorf("the segments have %d bytes, %v", sum, err)
	}
	last := h.checkpoint()
	h.close()
	h.open()
	v := h.verify(first, last)
	if len(v.Faults) > 0 || v.First == 0 || v.Unchecked != 2 || v.Checkpoints != 2 {
		t.Errorf("Verify: %+v", v)
	}
	if _, err := h.Prove(0, last); !errors.Is(err, ErrPruned) {
		t.Errorf("the proof of a leaf that is gone: %v", err)
	}
	proof, err := h.Prove(v.First, last)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := CheckProof(proof, h.leaves()[0].Line, h.VerifierKey()); err != nil {
		t.Error(err)
	}
}

// Append waits for nothing, takes no more memory than it may, and says what it lost.
func TestLost(t *testing.T) {
	h := newHouse(t, small())
	h.writing.Lock() // the disk is busy
	const each = 10 << 10
	n := maxWaiting/each + 500
	for range n {
		h.Append(noon, "copy", map[string]string{"text": strings.Repeat("x", each)})
	}
	h.writing.Unlock()
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var lost struct {
		Leaves int `json:"leaves"`
	}
	written := 0
	for _, leaf := range h.leaves() {
		if leaf.Kind != KindLost {
			written++
		} else if err := leaf.What(&lost); err != nil {
			t.Fatal(err)
		}
	}
	if lost.Leaves < 300 || written+lost.Leaves != n {
		t.Errorf("of %d leaves %d were written, and %d said to be lost", n, written, lost.Leaves)
	}
}

func TestLongLeaf(t *testing.T) {
	h := newHouse(t, small())
	h.Append(noon, "copy", map[string]string{"text": strings.Repeat("x", maxLeaf)})
	h.Append(noon, "copy", "no object")
	h.Append(noon, "copy", func() {})
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := h.leaves(); len(all) != 1 || all[0].Kind != KindLost || !strings.Contains(string(all[0].Line), `"leaves":3`) {
		t.Errorf("written were %v", all)
	}
}

func TestNewerFormat(t *testing.T) {
	h := newHouse(t, small())
	h.close()
	h.change("FORMAT", func([]byte) []byte { return []byte("breakwater ledger 2\n") })
	if _, err := Open(h.dir, h.key, h.o); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("Open of a newer format says %v", err)
	}
	if _, err := verify(t.Context(), h.dir, h.VerifierKey(), 3, nil); err == nil {
		t.Error("Verify reads a newer format")
	}
}

func TestLeaf(t *testing.T) {
	h := newHouse(t, small())
	h.Append(noon.In(time.FixedZone("", 3600)), "release", map[string]string{"by": "ann\n\u202e"})
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	leaf := h.leaves()[0]
	var what struct{ By string }
	if err := leaf.What(&what); err != nil || what.By != "ann\n\u202e" || leaf.Kind != "release" || !leaf.At.Equal(noon) {
		t.Errorf("%+v says %q, %v", leaf, what.By, err)
	}
	if !json.Valid(leaf.Line[2*saltLength+1:]) {
		t.Errorf("%s is no JSON behind its salt", leaf.Line)
	}
}

func FuzzCheckProof(f *testing.F) {
	h := newHouse(f, small())
	h.append(9)
	note := h.checkpoint()
	proof, err := h.Prove(4, note)
	if err != nil {
		f.Fatal(err)
	}
	line, vkey := h.leaves()[4].Line, h.VerifierKey()
	f.Add(proof, line)
	f.Add(strings.Replace(proof, "index 4", "index 5", 1), line)
	f.Add(strings.Replace(proof, "\nindex", "\nextra YQ==\nindex", 1), line)
	f.Add(note, line)
	f.Fuzz(func(t *testing.T, text string, leaf []byte) {
		if n, tree, err := CheckProof(text, leaf, vkey); err == nil && (!bytes.Equal(leaf, line) || n != 4 || tree.N != 10) {
			t.Errorf("a forged proof of leaf %d holds:\n%s", n, text)
		}
	})
}

func FuzzAlign(f *testing.F) {
	f.Add("a\nb\nc", "a\nc")
	f.Add("a\nb\nc", "c\nb\na\n-")
	f.Fuzz(func(t *testing.T, were, are string) {
		written, lines := bytes.Split([]byte(were), []byte{'\n'}), bytes.Split([]byte(are), []byte{'\n'})
		var known []tlog.Hash
		for _, line := range written {
			known = append(known, tlog.RecordHash(line))
		}
		leaves, bad := align(lines, known)
		for i, line := range leaves {
			if i < len(written) && line != nil && !erased(line) && !bytes.Equal(line, written[i]) {
				t.Fatalf("leaf %d is taken for %q and was %q", i, line, written[i])
			}
		}
		if len(bad) == 0 && len(leaves) == len(written) && !bytes.Contains([]byte(are), []byte{'-'}) && were != are {
			t.Fatalf("%q is taken for %q", are, were)
		}
	})
}
