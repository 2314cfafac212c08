package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"breakwater/internal/show"
	"breakwater/internal/sweep"
)

func printLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// shownGroups is how many groups of a folder are shown.
const shownGroups = 10

// printSweep shows a plan to a person.
func printSweep(w io.Writer, p *sweep.Plan) {
	fmt.Fprintf(w, "%s\n", p.Account)
	messages := 0
	for _, f := range p.Folders {
		messages += f.Messages
		if f.Skipped != "" {
			fmt.Fprintf(w, "  %s: left alone (%s)\n", show.Clip(f.Folder, 60), show.Clip(f.Skipped, 80))
			continue
		}
		printFolder(w, f)
	}
	fmt.Fprintf(w, "  in all %d messages: %d move, %d get a keyword\n", messages, p.Move(), p.Mark())
}

func printFolder(w io.Writer, f sweep.FolderPlan) {
	fmt.Fprintf(w, "  %s: %d messages, %d looked at, %d stay\n", show.Clip(f.Folder, 60), f.Messages, f.Looked, f.Keep)
	rest, left := 0, 0
	for i, g := range f.Groups {
		if i >= shownGroups {
			rest++
			left += g.Count
			continue
		}
		what := "to " + g.To
		if g.Keyword != "" {
			what = "marked " + g.Keyword
		}
		s := g.Samples[0]
		fmt.Fprintf(w, "    %6d %s: %s, %s (%s)\n           %s  %s  %s\n", g.Count, what, g.Class, g.Reason, g.Rule,
			s.At.Local().Format("2006-01-02 15:04"), show.Clip(s.From, 40), show.Clip(s.Subject, 60))
	}
	if rest > 0 {
		fmt.Fprintf(w, "    %6d more in %d groups (--json has all)\n", left, rest)
	}
	for _, why := range slices.Sorted(maps.Keys(f.Protected)) {
		fmt.Fprintf(w, "    %6d copies stay: %s\n", f.Protected[why], show.Clip(why, 60))
	}
	for _, v := range []struct {
		n    int
		what string
	}{
		{f.Young, "are too young, and left for the next sweep"},
		{f.Restored, "were brought back, by undo or by hand, and are left alone"},
		{f.Observed, "would go, were the rules not in observe mode"},
	} {
		if v.n > 0 {
			fmt.Fprintf(w, "    %6d %s\n", v.n, v.what)
		}
	}
}

func printRuns(w io.Writer, all []sweep.Journal, asJSON bool) error {
	if asJSON {
		return show.JSON(w, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no runs")
		return err
	}
	t := show.NewTable(w, "RUN", "ACCOUNT", "STATE", "PLANNED", "MOVED", "BACK")
	for _, j := range all {
		t.Row(j.Run, show.Clip(j.Account, 50), j.State, j.Planned, j.Moved, j.Back)
	}
	return t.Flush()
}

// bar shows on a terminal how far sweeps are. What is logged goes around it.
type bar struct {
	w    io.Writer
	tty  bool
	mu   sync.Mutex
	line string
	last time.Time
}

func newBar(w io.Writer) *bar {
	f, ok := w.(*os.File)
	return &bar{w: w, tty: ok && term.IsTerminal(int(f.Fd()))}
}

func (b *bar) progress(p sweep.Progress) {
	if !b.tty || p.Of == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.Done < p.Of && time.Since(b.last) < 100*time.Millisecond {
		return
	}
	b.last = time.Now()
	full := show.BarWidth * p.Done / p.Of
	b.clear()
	b.line = fmt.Sprintf("%s %s %s%s %d/%d", p.Stage, show.Clip(p.Account+" "+p.Folder, 40), strings.Repeat("█", full), strings.Repeat("░", show.BarWidth-full), p.Done, p.Of)
	if p.Done >= p.Of {
		b.line = ""
		return
	}
	fmt.Fprint(b.w, b.line)
}

func (b *bar) clear() {
	if b.line != "" {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}

// Write writes what is no progress.
func (b *bar) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	n, err := b.w.Write(text)
	fmt.Fprint(b.w, b.line)
	return n, err
}
