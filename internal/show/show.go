// Package show writes what commands find out for people: tables, numbers, sizes, times, foreign text that
// must not move the cursor, and JSON for programs.
package show

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"
)

// Thousands is n with a comma between groups of three digits.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Number is n of something, as in "1 error", "2 errors", "2 copies" and "2 mailboxes".
func Number(n int, what string) string {
	if stem, ok := strings.CutSuffix(what, "y"); ok && n != 1 {
		what = stem + "ies"
	} else if strings.HasSuffix(what, "x") && n != 1 {
		what += "es"
	} else if n != 1 {
		what += "s"
	}
	return Thousands(n) + " " + what
}

// Bytes is a size as people read it.
func Bytes(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprint(n, " bytes")
}

// Progress is a bar on a terminal; elsewhere it is silent.
type Progress struct {
	w          io.Writer // nil: silent
	n, total   int       // total is 0 while nobody knows: there is no bar then
	begun, was time.Time
}

// NewProgress starts a bar for a number of steps; 0 if the number is not known.
func NewProgress(w io.Writer, total int) *Progress {
	p := &Progress{total: total, begun: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.w = w
	}
	return p
}

// BarWidth is how many columns a full bar has.
const BarWidth = 40

// Add notes that n more steps are done.
func (p *Progress) Add(n int) {
	p.n += n
	if now := time.Now(); p.w != nil && now.Sub(p.was) > 100*time.Millisecond {
		p.was = now
		bar := ""
		if p.total > 0 {
			full := min(BarWidth, p.n*BarWidth/p.total)
			bar = fmt.Sprintf("%s%s %3d%%  ", strings.Repeat("█", full), strings.Repeat("░", BarWidth-full), min(100, p.n*100/p.total))
		}
		fmt.Fprintf(p.w, "\r  %s%s, %s a second ", bar, Thousands(p.n), Thousands(int(float64(p.n)/now.Sub(p.begun).Seconds())))
	}
}

// At sets how many steps are done, and of how many.
func (p *Progress) At(n, total int) {
	p.total = total
	p.Add(n - p.n)
}

// Done removes the bar.
func (p *Progress) Done() {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r%*s\r", BarWidth+50, "")
	}
}

// Terminal returns w. If w is a terminal, characters that control it are replaced.
func Terminal(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return tame{w}
	}
	return w
}

type tame struct{ w io.Writer }

func (t tame) Write(b []byte) (int, error) {
	text := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, string(b))
	if _, err := io.WriteString(t.w, text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Clock formats a time: without its date if it is less than 20 hours away.
func Clock(at time.Time) string {
	at = at.Local()
	if time.Since(at).Abs() < 20*time.Hour {
		return at.Format(time.TimeOnly)
	}
	return at.Format("2006-01-02 15:04")
}

// Clip shortens foreign text to n runes, and removes what moves the cursor.
func Clip(s string, n int) string {
	r := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

// JSON writes v as JSON, indented.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Lines writes lines and keeps the first error.
type Lines struct {
	W   io.Writer
	Err error
}

// Line writes one, without spaces at its end.
func (p *Lines) Line(format string, args ...any) {
	if p.Err == nil {
		_, p.Err = fmt.Fprintln(p.W, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// Table writes lines whose cells, separated by tabs, are aligned. Flush writes them.
type Table struct{ *tabwriter.Writer }

// NewTable begins a table with a line of heads, if there are any.
func NewTable(w io.Writer, heads ...string) Table {
	t := Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(heads) > 0 {
		fmt.Fprintln(t, strings.Join(heads, "\t"))
	}
	return t
}

// NewNumbers begins a table whose cells are aligned at the right.
func NewNumbers(w io.Writer) Table {
	return Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
}

// Row adds a line.
func (t Table) Row(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t, "\t")
		}
		fmt.Fprint(t, c)
	}
	fmt.Fprintln(t)
}
