package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"breakwater/internal/owned"
)

// openKey reads the key that signs. It makes one only for a ledger that is new: with another key, nobody could tell
// the ledger from one that somebody else has made.
func openKey(name, origin string, fresh bool) (note.Signer, string, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && fresh {
		skey, _, err := note.GenerateKey(rand.Reader, originOf(origin))
		if err != nil {
			return nil, "", fmt.Errorf("make key: %w", err)
		}
		if err := owned.MkdirAll(filepath.Dir(name)); err != nil {
			return nil, "", fmt.Errorf("make key: %w", err)
		}
		if err := writeSynced(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, []byte(skey+"\n")); err != nil {
			return nil, "", fmt.Errorf("make key: %w", err)
		}
		b = []byte(skey)
	} else if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("%w: it signed this ledger; restore it from a backup, or move the folder aside to begin a new ledger", err)
	} else if err != nil {
		return nil, "", fmt.Errorf("read key: %w", err)
	} else if st, err := os.Stat(name); err == nil && st.Mode().Perm()&0o077 != 0 {
		return nil, "", fmt.Errorf("other users may read %s; run chmod 600 %s", name, name)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, "", fmt.Errorf("read key %s: it is damaged; restore it from a backup", name) // err may show it
	}
	vkey, err := verifierKey(string(b))
	return signer, vkey, err
}

// originOf is a name that a note can be signed by.
func originOf(name string) string {
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r == '+' || r > '~' {
			return -1
		}
		return r
	}, name)
	if name == "" {
		return "localhost/breakwater"
	}
	return name
}

// verifierKey is the public key to one that signs.
func verifierKey(skey string) (string, error) {
	fields := strings.SplitN(strings.TrimSpace(skey), "+", 5)
	if len(fields) != 5 {
		return "", errors.New("read key: it is damaged; restore it from a backup")
	}
	key, err := base64.StdEncoding.DecodeString(fields[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return "", errors.New("read key: it is damaged; restore it from a backup")
	}
	pub, _ := ed25519.NewKeyFromSeed(key[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(fields[2], pub)
}

// ReadVerifierKey is the public key to the key in a file, which only who may read that can ask for.
func ReadVerifierKey(keyFile string) (string, error) {
	b, err := os.ReadFile(keyFile)
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	return verifierKey(string(b))
}

// sign makes a signed checkpoint: origin, size and root, each on a line (C2SP tlog-checkpoint).
func sign(s note.Signer, t tlog.Tree) (string, error) {
	b, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", s.Name(), t.N, t.Hash)}, s)
	return string(b), err
}

// ErrForeign is what errors wrap about a checkpoint that another key has signed.
var ErrForeign = errors.New("it is not signed with the key of this ledger")

// ParseCheckpoint reads a signed checkpoint, and checks it against a public key.
func ParseCheckpoint(text, vkey string) (tlog.Tree, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("read public key: %w", err)
	}
	n, err := note.Open([]byte(text), note.VerifierList(v))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", ErrForeign)
	case errors.As(err, &invalid):
		return tlog.Tree{}, errors.New("checkpoint: it was altered after it was signed")
	case err != nil:
		return tlog.Tree{}, fmt.Errorf("checkpoint: it is not whole: %w", err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != v.Name() {
		return tlog.Tree{}, errors.New("checkpoint: it has not the three lines of one, or is of another ledger")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %q is no size", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %q is no hash", lines[2])
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// Checkpoints reads the notes that a ledger keeps, oldest first.
func Checkpoints(dir string) ([]string, error) {
	notes, _, err := readCheckpoints(dir)
	return notes, err
}

// readCheckpoints reads them; whole is how many bytes of the file they are. A crash may leave a part of one behind them.
func readCheckpoints(dir string) (notes []string, whole int64, err error) {
	b, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	parts := strings.SplitAfter(string(b), "\n\n")
	for i := 0; i+1 < len(parts) && strings.HasSuffix(parts[i+1], "\n\n"); i += 2 {
		notes = append(notes, parts[i]+strings.TrimSuffix(parts[i+1], "\n"))
		whole += int64(len(parts[i]) + len(parts[i+1]))
	}
	return notes, whole, nil
}

// mendCheckpoints takes away what a crash left of a checkpoint, and returns the newest one that is whole; of no leaves,
// where there is none.
func mendCheckpoints(dir, vkey string) (tlog.Tree, error) {
	notes, whole, err := readCheckpoints(dir)
	if err != nil || len(notes) == 0 && whole == 0 {
		return tlog.Tree{}, err
	}
	name := filepath.Join(dir, checkpointsFile)
	if st, err := os.Stat(name); err == nil && st.Size() > whole {
		if err := os.Truncate(name, whole); err != nil {
			return tlog.Tree{}, err
		}
	}
	return ParseCheckpoint(notes[len(notes)-1], vkey)
}

const proofHead = "c2sp.org/tlog-proof@v1"

// Prove makes the proof that a leaf is in the log, under a checkpoint of it: C2SP tlog-proof.
func (l *Ledger) Prove(leaf int64, checkpoint string) (string, error) {
	t, err := ParseCheckpoint(checkpoint, l.vkey)
	if err != nil {
		return "", err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	return prove(&l.tree, t, leaf, checkpoint)
}

func prove(r *tree, t tlog.Tree, leaf int64, checkpoint string) (string, error) {
	if leaf < 0 || leaf >= t.N || t.N > r.n {
		return "", fmt.Errorf("prove leaf %d of %d: there is no such leaf", leaf, t.N)
	}
	p, err := tlog.ProveRecord(t.N, leaf, r)
	if err != nil {
		return "", fmt.Errorf("prove leaf %d of %d: %w", leaf, t.N, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nindex %d\n", proofHead, leaf)
	for _, h := range p {
		fmt.Fprintln(&b, h)
	}
	fmt.Fprintf(&b, "\n%s", checkpoint)
	return b.String(), nil
}

// CheckProof checks that a leaf, as its line is, is in the log with a public key, and tells its number and
// the checkpoint that says so.
func CheckProof(proof string, line []byte, vkey string) (leaf int64, t tlog.Tree, err error) {
	head, checkpoint, ok := strings.Cut(proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 2 || lines[0] != proofHead {
		return 0, t, fmt.Errorf("proof: it does not begin with %s", proofHead)
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") && len(lines) > 1 {
		lines = lines[1:]
	}
	number, ok := strings.CutPrefix(lines[0], "index ")
	leaf, err = strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || strconv.FormatInt(leaf, 10) != number {
		return 0, t, errors.New("proof: it has no index")
	}
	if len(lines) > 1+63 {
		return 0, t, errors.New("proof: it has more hashes than any log needs")
	}
	p, err := parseHashes(lines[1:])
	if err != nil {
		return 0, t, fmt.Errorf("proof: %w", err)
	}
	if t, err = ParseCheckpoint(checkpoint, vkey); err != nil {
		return 0, t, err
	}
	if leaf < 0 || leaf >= t.N {
		return 0, t, fmt.Errorf("proof: there is no leaf %d under a checkpoint of %d", leaf, t.N)
	}
	if err := tlog.CheckRecord(p, t.N, t.Hash, leaf, tlog.RecordHash(line)); err != nil {
		return 0, t, fmt.Errorf("proof: the leaf is not the one that leaf %d was", leaf)
	}
	return leaf, t, nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		b, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(b) != tlog.HashSize {
			return nil, fmt.Errorf("%q is no hash", line)
		}
		hashes = append(hashes, tlog.Hash(b))
	}
	return hashes, nil
}

// ProveConsistency shows that the log of one checkpoint is the beginning of that of a later one. It is hashes, one on each line.
func (l *Ledger) ProveConsistency(older, newer string) (string, error) {
	a, errA := ParseCheckpoint(older, l.vkey)
	b, errB := ParseCheckpoint(newer, l.vkey)
	if err := errors.Join(errA, errB); err != nil {
		return "", err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if a.N < 1 || a.N > b.N || b.N > l.tree.n {
		return "", fmt.Errorf("prove that %d leaves begin with %d: there is no such log", b.N, a.N)
	}
	p, err := tlog.ProveTree(b.N, a.N, &l.tree)
	if err != nil {
		return "", fmt.Errorf("prove that %d leaves begin with %d: %w", b.N, a.N, err)
	}
	var text bytes.Buffer
	for _, h := range p {
		fmt.Fprintln(&text, h)
	}
	return text.String(), nil
}

// CheckConsistency checks what ProveConsistency made.
func CheckConsistency(proof, older, newer, vkey string) error {
	a, errA := ParseCheckpoint(older, vkey)
	b, errB := ParseCheckpoint(newer, vkey)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	p, err := parseHashes(strings.Fields(proof))
	if err != nil {
		return fmt.Errorf("consistency: %w", err)
	}
	if a.N < 1 || a.N > b.N || tlog.CheckTree(p, b.N, b.Hash, a.N, a.Hash) != nil {
		return fmt.Errorf("consistency: the log of %d leaves does not begin with that of %d", b.N, a.N)
	}
	return nil
}
