package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
)

// thousands is n with a comma between groups of three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number is n of something, as in "1 error", "2 errors", "2 copies" and "2 mailboxes".
func number(n int, what string) string {
	if stem, ok := strings.CutSuffix(what, "y"); ok && n != 1 {
		what = stem + "ies"
	} else if strings.HasSuffix(what, "x") && n != 1 {
		what += "es"
	} else if n != 1 {
		what += "s"
	}
	return thousands(n) + " " + what
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
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

// progress is a bar on a terminal; elsewhere it is silent.
type progress struct {
	w          io.Writer // nil: silent
	n, total   int       // total is 0 while nobody knows: there is no bar then
	begun, was time.Time
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{total: total, begun: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.w = w
	}
	return p
}

const barWidth = 40

func (p *progress) add(n int) {
	p.n += n
	if now := time.Now(); p.w != nil && now.Sub(p.was) > 100*time.Millisecond {
		p.was = now
		bar := ""
		if p.total > 0 {
			full := min(barWidth, p.n*barWidth/p.total)
			bar = fmt.Sprintf("%s%s %3d%%  ", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), min(100, p.n*100/p.total))
		}
		fmt.Fprintf(p.w, "\r  %s%s, %s a second ", bar, thousands(p.n), thousands(int(float64(p.n)/now.Sub(p.begun).Seconds())))
	}
}

// at is add for what tells how far it is.
func (p *progress) at(n, total int) {
	p.total = total
	p.add(n - p.n)
}

func (p *progress) done() {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r%*s\r", barWidth+50, "")
	}
}

// forTerminal is w, without what moves the cursor or worse if somebody looks at it.
func forTerminal(w io.Writer) io.Writer {
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
