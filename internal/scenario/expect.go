package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"breakwater/internal/rules"
	"breakwater/internal/tomlfile"
)

// run is what is expected of so many messages in a row.
type run struct {
	count   int // 0: the rest
	actions []rules.Action
	reason  string
}

// readRuns reads what a send expects: "3 deliver", "absorb: id storm", or "deliver absorb"
// where the two recipients differ.
func readRuns(doc *tomlfile.Document, key string, s send, recipients int) (runs []run, wrong []*tomlfile.Error) {
	if (len(s.Expect) == 0) == (len(s.Total) == 0) {
		return nil, []*tomlfile.Error{doc.WrongKey(key, "a send has either expect or total")}
	}
	for i, text := range s.Expect {
		r, err := readRun(text, recipients)
		if err == nil && r.count == 0 && i < len(s.Expect)-1 {
			err = fmt.Errorf("%q has no number, and only the last may have none", text)
		}
		if err != nil {
			wrong = append(wrong, doc.WrongValue(fmt.Sprintf("%s.expect[%d]", key, i), "%v", err))
		}
		runs = append(runs, r)
	}
	return runs, wrong
}

func readRun(text string, recipients int) (r run, err error) {
	what, reason, _ := strings.Cut(text, ":")
	r.reason = strings.TrimSpace(reason)
	words := strings.Fields(what)
	if len(words) > 0 && words[0][0] >= '0' && words[0][0] <= '9' {
		if r.count, err = strconv.Atoi(words[0]); err != nil || r.count < 1 {
			return r, fmt.Errorf("%q is no number of messages", words[0])
		}
		words = words[1:]
	}
	for _, w := range words {
		if !slices.Contains(rules.Actions, rules.Action(w)) {
			return r, fmt.Errorf("%q is no action; there are %s%s", w, strings.Join(rules.Action("").Values(), ", "), tomlfile.DidYouMean(w, rules.Action("").Values()))
		}
		r.actions = append(r.actions, rules.Action(w))
	}
	if len(words) != 1 && len(words) != recipients {
		return r, fmt.Errorf("%q has %d actions for %d recipients; write one for all, or one for each", text, len(words), recipients)
	}
	return r, nil
}

// expectation compares decisions with what a sequence expects of them.
type expectation struct {
	sq    *sequence
	n     int // messages so far
	place int // in sq.runs
	left  int // of that run
	total map[rules.Action]int
	wrong []*tomlfile.Error
}

func newExpectation(sq *sequence) *expectation {
	e := &expectation{sq: sq, total: map[rules.Action]int{}}
	if len(sq.runs) > 0 {
		e.left = sq.runs[0].count
	}
	return e
}

// maxWrong bounds how much is told of one send: after one wrong message most are.
const maxWrong = 3

func (e *expectation) add(ds []rules.Decision) {
	e.n++
	for _, d := range ds {
		e.total[d.Action]++
	}
	if len(e.sq.runs) == 0 {
		return
	}
	if e.left == 0 && e.sq.runs[e.place].count > 0 {
		if e.place == len(e.sq.runs)-1 {
			e.fail("message %d is more than is expected", e.n)
			return
		}
		e.place++
		e.left = e.sq.runs[e.place].count
	}
	r := e.sq.runs[e.place]
	e.left = max(0, e.left-1)
	for i, d := range ds {
		want := r.actions[min(i, len(r.actions)-1)]
		if d.Action != want || !strings.Contains(d.Reason, r.reason) {
			e.fail("message %d to %s: %s, because of %s (%s)", e.n, d.Recipient.Addr, d.Action, d.Rule, d.Reason)
		}
	}
}

func (e *expectation) fail(format string, args ...any) {
	if len(e.wrong) < maxWrong {
		e.wrong = append(e.wrong, e.sq.doc.WrongValue(fmt.Sprintf("%s.expect[%d]", e.sq.key, e.place), format, args...))
	}
}

// done returns all that was not as expected.
func (e *expectation) done() []*tomlfile.Error {
	if len(e.sq.runs) > 0 && (e.left > 0 || e.place < len(e.sq.runs)-1) {
		e.fail("there were only %d messages", e.n)
	}
	if e.sq.Total != nil && !maps.Equal(e.sq.Total, e.total) {
		e.wrong = append(e.wrong, e.sq.doc.WrongKey(e.sq.key+".total", "in all: %s", totals(e.total)))
	}
	return e.wrong
}

func totals(of map[rules.Action]int) string {
	var all []string
	for _, a := range rules.Actions {
		if of[a] > 0 {
			all = append(all, fmt.Sprintf("%d %s", of[a], a))
		}
	}
	return strings.Join(all, ", ")
}
