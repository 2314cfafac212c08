package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/show"
	"breakwater/internal/storm"
	"breakwater/internal/stormgen"
)

var (
	hasher = fingerprint.New([]byte("a secret to measure with"))
	now    = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
)

// index is what a store knows of texts.
type index map[storm.Key]notes.Note

// view is the index as it is when a message comes.
type view struct {
	index
	entries []notes.Entry // that the message would add
	known   bool          // its text is near to one that came before
}

// Noted is fingerprint.Memory's.
func (v *view) Noted(keys []storm.Key) ([]notes.Note, error) {
	found := make([]notes.Note, len(keys))
	for i, k := range keys {
		found[i] = v.index[k]
	}
	return found, nil
}

// Note is fingerprint.Memory's.
func (v *view) Note(entries []notes.Entry) ([]notes.Note, error) {
	v.entries = entries
	return nil, nil
}

// InOutbreak is fingerprint.Memory's.
func (v *view) InOutbreak([8]byte) (bool, error) {
	v.known = true
	return false, nil
}

// look compares a message with what was seen before.
func (x index) look(raw []byte) *seen {
	m := message.Parse(message.Envelope{Recipients: []message.Recipient{{Addr: "u1@example.test"}}}, now, raw)
	s := &seen{m: m}
	p := hasher.Prints(m, classify.Classify(m), 0)
	s.prints, s.near = p.Shared, p.Near
	if s.near == nil {
		return s
	}
	v := &view{index: x}
	copies, _ := s.near.Compare(v, fingerprint.Signs(m, nil)) // the index does not fail
	s.text, s.known, s.entries = copies.Text, v.known, v.entries
	s.prints = append(s.prints, copies.Prints...)
	return s
}

// count remembers a message.
func (x index) count(s *seen) {
	for _, e := range s.entries {
		x[e.Key] = notes.Add(x[e.Key], now, e)
	}
}

// seen is a message and what it is near to.
type seen struct {
	name    string
	m       *message.Message
	prints  []fingerprint.Print
	near    *fingerprint.Near
	text    [8]byte
	known   bool
	entries []notes.Entry
}

// recall says how many changed messages are near to what they were, by change and language,
// and returns the share of all. There are n messages in each language.
func recall(w io.Writer, n int) float64 {
	x := index{}
	for c := range stormgen.Changes(2, 12) { // other mail, from which boilerplate is learned
		if strings.Contains(c.Change, "disclaimers") || c.Change == "all at once" {
			x.count(x.look(c.Raw))
		}
	}
	type cell struct{ change, language string }
	found, of := map[cell]int{}, map[cell]int{}
	var changes, languages []string
	var was *seen
	bases, mistaken, held := 0, 0, map[string]int{}
	for c := range stormgen.Changes(1, n) {
		if c.Change == "" {
			was = x.look(c.Raw)
			x.count(was)
			if bases++; was.known {
				mistaken++
			}
			if !slices.Contains(languages, c.Language) {
				languages = append(languages, c.Language)
			}
			continue
		}
		if !slices.Contains(changes, c.Change) {
			changes = append(changes, c.Change)
		}
		is := x.look(c.Raw)
		for _, at := range []cell{{c.Change, c.Language}, {c.Change, ""}, {"", c.Language}, {"", ""}} {
			of[at]++
			if is.known && is.text == was.text {
				found[at]++
			}
		}
		if shared(was, is) != "" {
			held[c.Change]++
		}
	}
	fmt.Fprintf(w, "\nnear-duplicates: recall in percent, of %d messages of which %d are near to an earlier one\n", bases, mistaken)
	t := show.NewNumbers(w)
	fmt.Fprintf(t, "\t%s\tall\twith a witness\t\n", strings.Join(languages, "\t"))
	for _, c := range append(changes, "") {
		fmt.Fprintf(t, "%s\t", c)
		for _, l := range append(languages, "") {
			at := cell{c, l}
			fmt.Fprintf(t, "%.1f\t", 100*float64(found[at])/float64(of[at]))
		}
		if c != "" {
			fmt.Fprintf(t, "%.1f\t", 100*float64(held[c])/float64(of[cell{c, ""}]))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	return float64(found[cell{}]) / float64(of[cell{}])
}

// shared is a print that says that two messages are copies; "" if there is none.
func shared(a, b *seen) string {
	for _, p := range a.prints {
		if p.Kind.Rate() || p.Kind == storm.DSN || p.Kind == storm.Reply || !slices.Contains(b.prints, p) {
			continue
		}
		return strings.TrimSpace(p.Kind.String() + " " + p.Evidence)
	}
	return ""
}

// lookalikes looks at all pairs of series of generated messages, and returns how many would be
// taken for copies.
func lookalikes(w io.Writer) (copies int) {
	series := map[string][]named{}
	for it := range stormgen.Lookalikes(1) {
		series[it.Group] = append(series[it.Group], named{it.At.Format(time.TimeOnly), it.Raw})
	}
	for _, name := range slices.Sorted(maps.Keys(series)) {
		copies += pairs(w, "series: "+name, series[name], false)
	}
	return copies
}

// falsePairs looks at all pairs of the labelled messages.
func falsePairs(w io.Writer, rs []result) error {
	for _, label := range []string{"human", "bulk", "spam", "autoreply", "dsn-failure"} {
		var mail []named
		for _, r := range rs {
			if r.label == label {
				raw, err := os.ReadFile(r.path)
				if err != nil {
					return err
				}
				mail = append(mail, named{r.path, raw})
			}
		}
		pairs(w, label, mail, true)
	}
	return nil
}

type named struct {
	name string
	raw  []byte
}

// pairs counts the pairs that are near, with the boilerplate of all of them left out, and
// those that would be taken for copies at one mailbox, and returns the number of these.
func pairs(w io.Writer, what string, mail []named, list bool) int {
	x := index{}
	for _, n := range mail {
		x.count(x.look(n.raw))
	}
	all := make([]*seen, len(mail))
	by := map[storm.Key][]int{}
	prints := map[fingerprint.Print][]int{}
	with := 0
	for i, n := range mail {
		s := x.look(n.raw)
		s.name = n.name
		all[i] = s
		for _, p := range s.prints {
			prints[p] = append(prints[p], i)
		}
		if s.near == nil {
			continue
		}
		with++
		for _, k := range s.near.Compared() {
			by[k] = append(by[k], i)
		}
	}
	votes := map[[2]int]int{}
	for _, of := range by {
		couples(of, func(p [2]int) { votes[p]++ })
	}
	near := map[[2]int]bool{}
	for p, n := range votes {
		if n >= 2 {
			near[p] = true
		}
	}
	copies := map[[2]int]string{}
	for _, of := range prints {
		couples(of, func(p [2]int) {
			if why := shared(all[p[0]], all[p[1]]); why != "" {
				copies[p] = why
			}
		})
	}
	fmt.Fprintf(w, "\n%s: %d messages, %d with a near key, %d pairs; near %d, taken for copies %d\n", what, len(mail), with, len(mail)*(len(mail)-1)/2, len(near), len(copies))
	order := func(a, b [2]int) int { return slices.Compare(a[:], b[:]) }
	for _, p := range slices.SortedFunc(maps.Keys(copies), order) {
		fmt.Fprintf(w, "  copies by %s:\n    %s\n    %s\n", copies[p], all[p[0]].name, all[p[1]].name)
	}
	for _, p := range slices.SortedFunc(maps.Keys(near), order) {
		if list && copies[p] == "" {
			fmt.Fprintf(w, "  near, no copies:\n    %s (%s)\n    %s (%s)\n", all[p[0]].name, all[p[0]].m.Subject, all[p[1]].name, all[p[1]].m.Subject)
		}
	}
	return len(copies)
}

func couples(of []int, yield func([2]int)) {
	for i, a := range of {
		for _, b := range of[i+1:] {
			yield([2]int{a, b})
		}
	}
}
