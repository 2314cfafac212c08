package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"breakwater/internal/classify"
	"breakwater/internal/report"
	"breakwater/internal/show"
)

// bySource prints a confusion matrix for each source: what its messages are, and what they
// are taken for.
func bySource(w io.Writer, rs []result) {
	type row struct{ source, label string }
	n := map[row]map[classify.Class]int{}
	for _, r := range rs {
		key := row{r.source, r.label}
		if n[key] == nil {
			n[key] = map[classify.Class]int{}
		}
		n[key][r.verdict.Class]++
	}
	keys := slices.SortedFunc(maps.Keys(n), func(a, b row) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.label, b.label)) })
	matrix(w, "source, label", keys, func(k row) string { return k.source + ", " + k.label }, n)
}

// confusion prints the matrix of all sources.
func confusion(w io.Writer, rs []result) {
	n := map[string]map[classify.Class]int{}
	for _, r := range rs {
		if n[r.label] == nil {
			n[r.label] = map[classify.Class]int{}
		}
		n[r.label][r.verdict.Class]++
	}
	matrix(w, "label", slices.Sorted(maps.Keys(n)), func(l string) string { return l }, n)
}

func matrix[K comparable](w io.Writer, title string, rows []K, name func(K) string, n map[K]map[classify.Class]int) {
	t := show.NewNumbers(w)
	fmt.Fprintf(t, "%s \\ taken for\t", title)
	for _, c := range classify.Classes {
		fmt.Fprintf(t, "%s\t", c)
	}
	for _, r := range rows {
		fmt.Fprintf(t, "\n%s\t", name(r))
		for _, c := range classify.Classes {
			fmt.Fprintf(t, "%d\t", n[r][c])
		}
	}
	fmt.Fprint(t, "\n\n")
	t.Flush()
}

// right reports whether r is taken for what it is. The acknowledgements of forms are
// automatic replies.
func (r result) right() bool {
	want, got := r.sample.class(), r.class()
	return want == got || want == "form-ack" && got == "auto-reply"
}

// byClass prints recall and precision: how much of a class is found, and how much of what is
// taken for it belongs there.
func byClass(w io.Writer, rs []result) {
	for _, c := range []string{"dsn", "mdn", "feedback", "auto-reply", "form-ack", "challenge", "other"} {
		is, found, taken, right := 0, 0, 0, 0
		for _, r := range rs {
			if r.sample.class() == c {
				is++
				if r.right() {
					found++
				}
			}
			if r.class() == c {
				taken++
				if r.right() {
					right++
				}
			}
		}
		if is == 0 && taken == 0 {
			continue
		}
		fmt.Fprintf(w, "%-10s  recall %-24s", c, share(found, is))
		if c != "form-ack" {
			fmt.Fprintf(w, "  precision %s", share(right, taken))
		}
		fmt.Fprintln(w)
	}
	others, wrong := 0, 0
	for _, r := range rs {
		if r.sample.class() == "other" {
			others++
			if c := r.class(); c == "dsn" || c == "auto-reply" {
				wrong++
			}
		}
	}
	fmt.Fprintf(w, "others taken for a DSN or an automatic reply: %d of %d\n", wrong, others)
}

func share(n, of int) string {
	if of == 0 {
		return "none"
	}
	return fmt.Sprintf("%.2f%% (%d of %d)", 100*float64(n)/float64(of), n, of)
}

// labelled are the actions that a label of a DSN stands for.
var labelled = map[string][]report.Action{
	"dsn-failure": {report.Failed}, "dsn-delayed": {report.Delayed}, "dsn-success": {report.Delivered, report.Relayed, report.Expanded},
}

// acted reports whether r is a DSN with the action of its label; ok is false where the label
// says none.
func (r result) acted() (right, ok bool) {
	want, ok := labelled[r.label]
	return ok && r.verdict.Report != nil && slices.Contains(want, r.verdict.Report.Action()), ok
}

func actions(w io.Writer, rs []result) {
	stated, right := 0, 0
	for _, r := range rs {
		if is, ok := r.acted(); ok {
			stated++
			if is {
				right++
			}
		}
	}
	fmt.Fprintf(w, "actions right in %s of the DSNs whose label says one\n", share(right, stated))
}

// missing are the expected recipients that are not found.
func (r result) missing() []string {
	is := map[string]bool{}
	if r.verdict.Report != nil {
		for _, rcpt := range r.verdict.Report.Recipients {
			is[strings.ToLower(rcpt.Final)], is[strings.ToLower(rcpt.Original)] = true, true
		}
	}
	return slices.DeleteFunc(slices.Clone(r.expected), func(e string) bool { return is[e] })
}

func recipients(w io.Writer, rs []result) {
	stated, right, expected, missing := 0, 0, 0, 0
	for _, r := range rs {
		if len(r.expected) == 0 || r.sample.class() != "dsn" {
			continue
		}
		stated++
		expected += len(r.expected)
		missing += len(r.missing())
		if len(r.missing()) == 0 {
			right++
		}
	}
	fmt.Fprintf(w, "expected recipients found: %s; all of them in %s of the DSNs that state any\n", share(expected-missing, expected), share(right, stated))
}

// mistakes lists all that is not right, the acknowledgements of forms apart.
func mistakes(w io.Writer, rs []result) {
	fmt.Fprintln(w, "\nmistakes")
	for _, r := range rs {
		why := strings.Join(r.verdict.Reasons, "; ")
		action, labelled := r.acted()
		switch {
		case r.sample.class() == "form-ack":
		case !r.right():
			fmt.Fprintf(w, "  %s taken for %s: %s (%s)\n", r.sample.class(), r.verdict.Class, r.path, why)
		case labelled && !action:
			fmt.Fprintf(w, "  %s with the action %q: %s (%s)\n", r.label, r.verdict.Report.Action(), r.path, why)
		case len(r.missing()) > 0:
			fmt.Fprintf(w, "  without its recipients %q: %s\n", r.missing(), r.path)
		}
	}
	fmt.Fprintln(w, "\nacknowledgements of forms that are missed")
	for _, r := range rs {
		if r.sample.class() == "form-ack" && !r.right() {
			fmt.Fprintf(w, "  taken for %s: %s\n", r.verdict.Class, r.path)
		}
	}
}
