package ledger

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// ProveMany shows that several leaves are in the log of a checkpoint, in little more room than it takes for one where they
// are beside each other. numbers are in order. It is hashes, one on each line: of each largest part of the tree in which no leaf is
// named, from left to right.
func ProveMany(dir, checkpoint, vkey string, numbers []int64) (string, error) {
	return proveMany(dir, checkpoint, vkey, numbers, defaultLevel)
}

func proveMany(dir, checkpoint, vkey string, numbers []int64, level int) (string, error) {
	signed, err := ParseCheckpoint(checkpoint, vkey)
	if err != nil {
		return "", err
	}
	t, err := openTree(dir, level)
	if err != nil {
		return "", fmt.Errorf("read ledger: %w", err)
	}
	if t.last, err = readHashes(segmentName(dir, t.n>>level, hashesExt)); err != nil {
		return "", fmt.Errorf("read ledger: %w", err)
	}
	var b strings.Builder
	err = walk(0, signed.N, numbers, func(lo, hi int64) error {
		h, err := t.subtree(lo, hi)
		fmt.Fprintln(&b, h)
		return err
	}, func(int64) error { return nil }, func() {})
	if err != nil {
		return "", fmt.Errorf("prove leaves: %w", err)
	}
	return b.String(), nil
}

// CheckMany checks what ProveMany made, of leaves as their lines are, by number in order.
func CheckMany(proof, checkpoint, vkey string, numbers []int64, lines [][]byte) error {
	signed, err := ParseCheckpoint(checkpoint, vkey)
	if err != nil {
		return err
	}
	hashes, err := parseHashes(strings.Fields(proof))
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	if len(numbers) != len(lines) || signed.N < 1 {
		return errors.New("proof: there are other leaves than it is about")
	}
	var stack []tlog.Hash
	err = walk(0, signed.N, numbers, func(int64, int64) error {
		if len(hashes) == 0 {
			return errors.New("it is too short")
		}
		stack, hashes = append(stack, hashes[0]), hashes[1:]
		return nil
	}, func(int64) error {
		stack, lines = append(stack, tlog.RecordHash(lines[0])), lines[1:]
		return nil
	}, func() {
		n := len(stack) - 2
		stack = append(stack[:n], tlog.NodeHash(stack[n], stack[n+1]))
	})
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	if len(hashes) > 0 || len(lines) > 0 || stack[0] != signed.Hash {
		return errors.New("proof: the leaves are not those that were signed")
	}
	return nil
}

// walk goes through the tree of the leaves from lo up to hi: other for a part without any of numbers, leaf for each of these, and
// node behind both halves of a part.
func walk(lo, hi int64, numbers []int64, other func(lo, hi int64) error, leaf func(int64) error, node func()) error {
	if hi-lo > 1 && len(numbers) > 0 {
		middle := lo + split(hi-lo)
		n := 0
		for n < len(numbers) && numbers[n] < middle {
			n++
		}
		if err := walk(lo, middle, numbers[:n], other, leaf, node); err != nil {
			return err
		}
		if err := walk(middle, hi, numbers[n:], other, leaf, node); err != nil {
			return err
		}
		node()
		return nil
	}
	switch {
	case len(numbers) == 0:
		return other(lo, hi)
	case len(numbers) > 1 || numbers[0] != lo:
		return fmt.Errorf("there is no leaf %d, or it is named twice", numbers[len(numbers)-1])
	}
	return leaf(lo)
}

// split is the largest power of two below n, RFC 6962 §2.1.
func split(n int64) int64 {
	k := int64(1)
	for k*2 < n {
		k *= 2
	}
	return k
}

// subtree is the hash of the leaves from lo up to hi.
func (t *tree) subtree(lo, hi int64) (tlog.Hash, error) {
	n := hi - lo
	if n&(n-1) == 0 {
		level := 0
		for 1<<level < n {
			level++
		}
		return t.hash(level, lo>>level)
	}
	middle := lo + split(n)
	left, err := t.subtree(lo, middle)
	if err != nil {
		return left, err
	}
	right, err := t.subtree(middle, hi)
	return tlog.NodeHash(left, right), err
}
