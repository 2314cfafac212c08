package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// child is a sweep in a process of its own, to be killed.
type child struct {
	Options session.Options
	Dir     string
	Batch   int
	Do      string // plan, apply, resume or undo
}

const childEnv = "SWEEP_CHILD"

func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		os.Exit(beChild(spec))
	}
	os.Exit(m.Run())
}

// childT is what beChild has for a testing.TB: only a folder.
type childT struct {
	testing.TB
	dir string
}

func (childT) Helper() {}

func (c childT) TempDir() string { return c.dir }

func beChild(spec string) int {
	var c child
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		return 3
	}
	s := (&mailbox{childT{dir: c.Dir}, c.Options}).sweep("")
	s.Batch = c.Batch
	traffic := &session.Traffic{}
	s.Server.Traffic = traffic
	debug.SetMemoryLimit(128 << 20) // as the command has it
	var err error
	switch c.Do {
	case "plan":
		err = s.Run(context.Background(), "run1", func(*Plan) (bool, error) { return false, nil })
	case "apply":
		err = s.Run(context.Background(), "run1", func(*Plan) (bool, error) { return true, nil })
	case "resume":
		_, err = s.Resume(context.Background(), "")
	case "undo":
		_, err = s.Undo(context.Background(), "run1")
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	fmt.Println(traffic.Commands.Load(), traffic.Read.Load(), traffic.Written.Load(), peak())
	return 0
}

// peak is the most memory that this process ever had, in KiB. What getrusage says of a child
// begins with the memory of its parent.
func peak() (kib int) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	fmt.Sscan(after, &kib)
	return kib
}

// command is a sweep in another process.
func (c child) command(t testing.TB, do string) *exec.Cmd {
	t.Helper()
	c.Do = do
	spec, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(spec))
	cmd.Stderr = os.Stderr
	return cmd
}

// start begins one.
func (c child) start(t testing.TB, do string) *exec.Cmd {
	t.Helper()
	cmd := c.command(t, do)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// begun waits until a sweep has written so many more records into its journal, or has ended.
func begun(dir string, op string, n int, ended <-chan struct{}) {
	for have := records(dir, op); records(dir, op) < have+n; {
		select {
		case <-ended:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// records counts those of an operation in the journals of a folder.
func records(dir, op string) (n int) {
	names, _ := filepath.Glob(filepath.Join(dir, "runs", "*", "*.jsonl"))
	for _, name := range names {
		b, _ := os.ReadFile(name) // it may be about to be made
		n += strings.Count(string(b), `"op":"`+op+`"`)
	}
	return n
}

// TestKilled kills sweeps at random moments of their work, and resumes or undoes them.
func TestKilled(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	kills := 3
	if os.Getenv("BREAKWATER_SOAK") != "" {
		kills = 10
	}
	messages, mailshots := size(3_000)
	h := hitBy(halves, messages, mailshots)
	for name, of := range map[string]struct {
		caps  string
		kills int
	}{"Dovecot": {"", kills}, "Dovecot without MOVE": {withoutMove, kills / 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := lab.Dovecot(t, lab.Mailboxes{Capability: of.caps})
			maildir(t, srv, "u1@example.test", h.mails)
			kill(t, real(t, srv), of.kills, messages/75)
		})
	}
	t.Run("Cyrus", func(t *testing.T) {
		t.Parallel()
		b := servers["Cyrus"](t)
		b.fill("INBOX", hitBy(halves, 1_000, 4).mails) // it takes them one by one
		kill(t, b, kills/2, 1_000/75)
	})
}

// kill sweeps a mailbox in batches of a size, and kills it so many times.
func kill(t *testing.T, b *mailbox, kills, batch int) {
	before := b.contents()
	expected := b.outcome(t, before)
	for i := range kills {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			b := &mailbox{t, b.options}
			c := child{Options: b.options, Dir: t.TempDir(), Batch: batch}
			killAt(t, c, "apply", "begin", 1+rand.IntN(30))
			b.whole(before)
			if i%2 == 0 { // go on, to the same end as if nothing had happened; killed once more
				killAt(t, c, "resume", "begin", 1+rand.IntN(20))
				b.whole(before)
				if err := c.start(t, "resume").Wait(); err != nil {
					t.Fatal("resume:", err)
				}
				b.whole(before)
				if got := b.contents(); !slices.Equal(got["INBOX"], expected) {
					t.Errorf("resumed: %d messages in INBOX, not %d", len(got["INBOX"]), len(expected))
				}
			}
			killAt(t, c, "undo", "done", 1+rand.IntN(20))
			b.whole(before)
			if err := c.start(t, "undo").Wait(); err != nil {
				t.Fatal("undo:", err)
			}
			b.same(before)
		})
	}
}

// killAt kills a sweep a random moment after it has written n records more, unless it ends before.
func killAt(t testing.TB, c child, do, op string, n int) {
	t.Helper()
	cmd := c.start(t, do)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	begun(c.Dir, op, n, ended)
	time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	cmd.Process.Kill()
	<-ended
	t.Logf("%s: killed %v", do, cmd.ProcessState)
}
