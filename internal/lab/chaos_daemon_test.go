package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/control"
)

// chaos is a breakwater to which things happen, and what starts it again.
type chaos struct {
	t       *testing.T
	d       *daemon
	m       *manager
	disk    string
	faults  faults
	shipped string
	begun   time.Time
	done    map[string]int // deeds
	asking  sync.WaitGroup // other commands
	stuck   bool           // it does not start, though all is in order

	mu    sync.Mutex
	proc  *os.Process // nil while there is none
	meant bool        // it is to end
	pause time.Duration
	full  bool
	over  bool
	ended chan struct{} // closed when it is not started any more

	lastBad, lastFull time.Time // when something was wrong last, and when the disk was full
}

func (c *chaos) say(format string, args ...any) {
	c.t.Logf("%9s  %s", time.Since(c.begun).Round(time.Millisecond), fmt.Sprintf(format, args...))
}

// begin starts the daemon, and goes on to start it whenever it ends.
func (c *chaos) begin() {
	c.begun, c.ended = time.Now(), make(chan struct{})
	c.t.Cleanup(func() {
		c.mu.Lock()
		over := c.over
		c.over = true
		c.mu.Unlock()
		if !over {
			c.stop(syscall.SIGKILL, 0)
			<-c.ended
		}
		write(c.t, filepath.Join(c.t.ArtifactDir(), "breakwater.log"), c.d.logged()) // go test -artifacts keeps it
	})
	up := make(chan struct{})
	go c.supervise(sync.OnceFunc(func() { close(up) }))
	select {
	case <-up:
	case <-time.After(2 * time.Minute):
		c.t.Fatalf("breakwater does not start:\n%s", c.d.logged())
	}
}

func (c *chaos) supervise(ready func()) {
	defer close(c.ended)
	for {
		for len(c.m.ready) > 0 { // of one that was killed
			<-c.m.ready
		}
		if err := c.m.spawn(c.d); err != nil {
			c.t.Error(err)
			return
		}
		cmd, began := c.d.cmd, len(c.d.logged())
		c.mu.Lock()
		c.proc, c.meant, c.pause = cmd.Process, false, 0
		c.mu.Unlock()
		exit := make(chan error, 1)
		go func() { exit <- cmd.Wait() }()
		started, err := false, error(nil)
		for running := true; running; {
			select {
			case <-c.m.ready:
				started = true
				ready()
			case err = <-exit:
				running = false
			}
		}
		c.mu.Lock()
		meant, pause, over := c.meant, c.pause, c.over
		c.proc = nil
		c.mu.Unlock()
		c.judge(err, meant, started, c.d.logged()[began:])
		if over {
			c.d.cmd = nil
			return
		}
		if !meant {
			pause = 200 * time.Millisecond
		}
		time.Sleep(pause)
	}
}

// judge tells whether the daemon may have ended. It may not start while something is wrong; what it was doing may fail
// while it is stopped; it never ends by itself, but where the disk was filled faster than the store looks.
func (c *chaos) judge(err error, meant, started bool, log string) {
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	last := log[max(0, len(log)-3000):]
	c.mu.Lock()
	full := c.full || time.Since(c.lastFull) < 30*time.Second
	c.mu.Unlock()
	switch bad := c.bad(); {
	case full && strings.Contains(log, "[signal SIGBUS"):
		c.say("it ended: the disk was full before the store noticed, whose files are mapped into memory")
	case strings.Contains(log, "panic") || strings.Contains(log, "fatal error"):
		c.t.Errorf("breakwater broke, %v:\n%s", err, last)
	case meant && (code == -1 || code == 0 || bad):
	case meant:
		c.t.Errorf("breakwater was stopped and ended with %v:\n%s", err, last)
	case started:
		c.t.Errorf("breakwater ended by itself, with %v:\n%s", err, last)
	case bad:
		c.say("it does not start now: %s", lastLine(log))
	case !c.stuck:
		c.stuck = true // once is enough
		c.t.Errorf("breakwater does not start, %v:\n%s", err, last)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// bad reports whether something is wrong now, or was a moment ago.
func (c *chaos) bad() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.full
	for kind := range kindsOfFaults {
		now = now || kind != clockFault && c.faults[kind].Load() != 0
	}
	return now || time.Since(c.lastBad) < 30*time.Second
}

// stop ends the daemon; it is started again after a pause.
func (c *chaos) stop(sig syscall.Signal, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return
	}
	c.meant, c.pause = true, pause
	_ = c.proc.Signal(sig) // it may have ended
}

func (c *chaos) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc != nil {
		_ = c.proc.Signal(sig) // it may have ended
	}
}

// up reports whether the daemon answers; before, a signal may end it.
func (c *chaos) up() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := control.NewClient(c.d.path("control")).Incidents(ctx, time.Now())
	return err == nil
}

// end puts all in order and ends the daemon.
func (c *chaos) end() {
	for kind := range kindsOfFaults {
		c.faults[kind].Store(0)
	}
	c.signal(syscall.SIGCONT)
	c.edit(edits[0], 2)
	client := control.NewClient(c.d.path("control"))
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := client.Reload(context.Background())
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("all is in order, and breakwater does not read its rules: %v", err)
		}
	}
	c.asking.Wait()
	c.say("all is in order")
}

// settled ends the daemon in order, and starts it for what follows.
func (c *chaos) settled() {
	c.mu.Lock()
	c.over, c.lastBad = true, time.Time{}
	c.mu.Unlock()
	c.stop(syscall.SIGTERM, 0)
	<-c.ended
	c.m.start(c.d)
}
