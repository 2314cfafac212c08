package message

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func nested(depth int, closed bool) string {
	var b strings.Builder
	b.WriteString("From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b0\n\n")
	for i := range depth {
		fmt.Fprintf(&b, "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i, i+1)
	}
	for i := depth; closed && i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d--\n", i)
	}
	return b.String()
}

// TestBombs plays mails that keep a MIME parser busy, some of them for ever.
func TestBombs(t *testing.T) {
	bombs := map[string]string{
		"50,000 parts":        "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 50_000),
		"20,000 parameters":   "Content-Type: text/plain" + strings.Repeat("; p=a", 20_000) + "\n\nx\n",
		"part parameters":     "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain" + strings.Repeat(";\n p=a", 20_000) + "\n\nx\n--b--\n",
		"100,000 fields":      strings.Repeat("X: y\n", 100_000) + "\nx\n",
		"1 MB field":          "Subject: " + strings.Repeat("x", 1<<20) + "\n\nx\n",
		"1 MB folded":         "Subject: x\n" + strings.Repeat(" x\n", 1<<19) + "\nx\n",
		"64 KB address":       "From: " + strings.Repeat("a", 64<<10) + "@example.org\n\nx\n",
		"angle brackets":      "From: " + strings.Repeat("<", 64<<10) + "\n\nx\n",
		"NULs":                strings.Repeat("\x00", 1<<20),
		"line feeds":          "A: b\n\n" + strings.Repeat("\n", 4<<20),
		"blanks":              "A: b\n\n" + strings.Repeat(" ", 4<<20) + "x",
		"dashes":              "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--c\nContent-Type: text/plain\n\n", 20_000),
		"folds":               "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-X: y\n" + strings.Repeat(" x\n", 1<<19),
		"folded types":        "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: a/b\n"+strings.Repeat(";\n p=a", 1000)+"\n\n", 500),
		"boundaries":          "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: multipart/mixed; boundary=b\n\n", 50_000),
		"other boundaries":    "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--\n", 1<<20),
		"one long line":       "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("=", 4<<20),
		"soft line breaks":    "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("=\n", 1<<20),
		"one base64 line":     "Content-Transfer-Encoding: base64\n\nx" + strings.Repeat("QUJD", 1<<20),
		"short base64":        "Content-Transfer-Encoding: base64\n\n" + strings.Repeat("Q\n", 1<<20),
		"base64 of junk":      "Content-Transfer-Encoding: base64\n\n" + strings.Repeat("Q!=", 1<<20),
		"blank lines":         "A: b\n\n" + strings.Repeat(" \n", 1<<20) + "x",
		"trailing blanks":     "A: b\n\nx" + strings.Repeat(" ", 4<<20),
		"status of no fields": "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" + strings.Repeat("x\n", 100_000) + "--b--\n",
		"open part header":    "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + strings.Repeat("Content-X: y\n", 100_000),
	}
	for _, depth := range []int{10, 16, 24, 100, 3000} {
		bombs[fmt.Sprintf("nested %d", depth)] = nested(depth, false)
		bombs[fmt.Sprintf("nested %d, closed", depth)] = nested(depth, true)
	}
	for _, tag := range []string{"<style>", "<script>", "<!--", "<br", "<", "</", "<a b=", "&amp", "<![CDATA[", "<script><!--", "<p>", "<td>"} {
		bombs["HTML "+tag] = "Content-Type: text/html\n\n" + strings.Repeat(tag, MaxParse/len(tag))
	}
	for _, field := range []string{"=?", "=?utf-8?q?", "=?big5?b?pA==?= ", "(", "[", "\"", "<", "a@b,", "a@[", "g:", "\\"} {
		value := strings.Repeat(field, maxHeader/2/len(field))
		bombs["fields of "+field] = "From: " + value + "\nSubject: " + value + "\nContent-Type: a/b;" + value + "\n\nx\n"
	}
	for name, text := range bombs {
		t.Run(name, func(t *testing.T) { withinBounds(t, text) })
	}
}

// withinBounds asks a message for everything. Time and memory may grow with its length, and
// no faster.
func withinBounds(t *testing.T, text string) {
	raw := []byte(strings.ReplaceAll(text, "\n", "\r\n"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	m := Parse(Envelope{}, at, raw)
	parts := m.Parts()
	m.Text(64 << 10)
	m.WriteContent(discard{})
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	// A millionth of a second a byte is ten times what the slowest takes.
	if limit := 2*time.Second + time.Duration(len(raw))*time.Microsecond; took > limit {
		t.Errorf("took %v, limit %v", took, limit)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("took %d MB", took>>20)
	}
	if len(parts) > maxParts || len(m.Header) > maxFields {
		t.Errorf("%d parts, %d fields", len(parts), len(m.Header))
	}
	t.Logf("%8d bytes: %12v %6d KB", len(raw), took, (after.TotalAlloc-before.TotalAlloc)>>10)
}

// TestGuard runs enmime on what it must not see: the guard alone stops it.
func TestGuard(t *testing.T) {
	begun := time.Now()
	if _, err := guarded([]byte(nested(24, false))); !errors.Is(err, errOverread) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	for n := range len(report) {
		if _, err := guarded([]byte(report[:n])); errors.Is(err, errOverread) {
			t.Errorf("a report of %d bytes is stopped", n)
		}
	}
}
