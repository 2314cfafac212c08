package ledger

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A law: a proof of any leaves holds for these, and for no others.
func TestProveMany(t *testing.T) {
	h := newHouse(t, small())
	h.append(21)
	first := h.checkpoint()
	h.append(12)
	note := h.checkpoint()
	all := h.leaves()
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.SampledFrom([]string{first, note}).Draw(r, "checkpoint")
		signed, err := ParseCheckpoint(text, h.VerifierKey())
		if err != nil {
			r.Fatal(err)
		}
		numbers := rapid.SliceOfNDistinct(rapid.Int64Range(0, signed.N-1), 1, 12, rapid.ID).Draw(r, "leaves")
		slices.Sort(numbers)
		var lines [][]byte
		for _, n := range numbers {
			lines = append(lines, all[n].Line)
		}
		proof, err := proveMany(h.dir, text, h.VerifierKey(), numbers, 3)
		if err != nil {
			r.Fatal(err)
		}
		if err := CheckMany(proof, text, h.VerifierKey(), numbers, lines); err != nil {
			r.Fatal(err)
		}
		which := rapid.IntRange(0, len(lines)-1).Draw(r, "altered")
		lines[which] = append([]byte("x"), lines[which]...)
		if CheckMany(proof, text, h.VerifierKey(), numbers, lines) == nil {
			r.Fatal("an altered leaf is proved")
		}
		if CheckMany(proof, text, h.VerifierKey(), numbers[1:], lines[1:]) == nil || CheckMany(proof+proof, text, h.VerifierKey(), numbers, lines) == nil {
			r.Fatal("other leaves are proved")
		}
	})
	if _, err := proveMany(h.dir, note, h.VerifierKey(), []int64{999}, 3); err == nil {
		t.Error("a leaf is proved that is not there")
	}
	if err := CheckMany("", note, h.VerifierKey(), []int64{3, 3}, [][]byte{nil, nil}); err == nil {
		t.Error("a leaf is proved twice")
	}
}
