package sweep

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// BenchmarkSweep sweeps a mailbox of 50,000 messages on Dovecot, in a process of its own: the
// time, the CPU of both sides, memory, commands and bytes of a plan, of a plan that is applied,
// of a second sweep over what is then there, and of the undo.
func BenchmarkSweep(b *testing.B) {
	lab.Need(b, "dovecot")
	h := hitBy(halves, 49_020, 20)
	srv := lab.Dovecot(b, lab.Mailboxes{})
	maildir(b, srv, "u1@example.test", h.mails)
	box := real(b, srv)
	box.contents() // what any program that has looked before leaves behind: Dovecot's index
	for b.Loop() {
		c := child{Options: box.options, Dir: b.TempDir()}
		for _, do := range []string{"plan", "apply", "again", "undo"} {
			measure(b, srv, c, do)
		}
	}
}

// BenchmarkUnchanged sweeps a mailbox of 100,000 messages on Dovecot, and then again with nothing
// changed since; and once more with some flags changed, as people do.
func BenchmarkUnchanged(b *testing.B) {
	lab.Need(b, "dovecot")
	h := hitBy(halves, 98_040, 40)
	srv := lab.Dovecot(b, lab.Mailboxes{})
	maildir(b, srv, "u1@example.test", h.mails)
	box := real(b, srv)
	box.contents()
	for b.Loop() {
		c := child{Options: box.options, Dir: b.TempDir()}
		measure(b, srv, c, "apply")
		measure(b, srv, c, "again")
		in := box.session()
		if _, err := in.Select(b.Context(), "INBOX", false); err != nil {
			b.Fatal(err)
		}
		if err := in.Store(b.Context(), []uint32{1, 2, 3}, session.Add, 0, `\Seen`); err != nil {
			b.Fatal(err)
		}
		in.Close()
		measure(b, srv, c, "again")
	}
	b.ReportMetric(float64(len(h.mails)), "messages")
}

func measure(b *testing.B, srv *lab.Server, c child, do string) {
	b.Helper()
	var out bytes.Buffer
	before, begun := serverCPU(b, srv), time.Now()
	cmd := c.command(b, strings.Replace(do, "again", "apply", 1))
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		b.Fatal(do, err)
	}
	took := time.Since(begun)
	time.Sleep(300 * time.Millisecond) // Dovecot's process ends
	var commands, read, written, peak int64
	if _, err := fmt.Sscan(out.String(), &commands, &read, &written, &peak); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("%6s: %6.2f s, CPU %5.2f s here and %5.2f s at the server, %4d MiB of memory, %5d commands, %4d MiB read, %6d KiB written\n", do, took.Seconds(),
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), (serverCPU(b, srv) - before).Seconds(), peak>>10, commands, read>>20, written>>10)
}

// serverCPU is the CPU time of all processes of a Dovecot that have ended.
func serverCPU(b *testing.B, srv *lab.Server) time.Duration {
	b.Helper()
	pid, err := os.ReadFile(filepath.Join(srv.Dir, "run", "master.pid"))
	if err != nil {
		b.Fatal(err)
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat"))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, f := range fields[13:15] { // cutime, cstime: fields 16 and 17 of proc(5)
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
