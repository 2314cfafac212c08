package sweep

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// cutter is a proxy that cuts connections after some bytes in either direction.
type cutter struct {
	net.Listener
	to   string
	mu   sync.Mutex
	cuts int // still to be made
	rng  *rand.Rand
	made int
}

func newCutter(t testing.TB, to string, cuts int) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("cut by seed %d", seed)
	c := &cutter{Listener: ln, to: to, cuts: cuts, rng: rand.New(rand.NewPCG(seed, 0))}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go c.pass(conn)
		}
	}()
	return c
}

// more lets at least so many cuts be made yet.
func (c *cutter) more(cuts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts = max(c.cuts, cuts)
}

func (c *cutter) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer server.Close()
	down, up := int64(1<<62), int64(1<<62)
	c.mu.Lock()
	if c.cuts > 0 {
		c.cuts--
		c.made++
		some := func(most float64) int64 { return int64(100 * math.Exp(c.rng.Float64()*math.Log(most/100))) }
		switch c.rng.IntN(4) {
		case 0:
			down = some(300_000) // of messages
		case 1:
			down = some(8_000) // of answers
		default:
			up = some(8_000) // of commands
		}
	}
	c.mu.Unlock()
	done := make(chan struct{}, 2)
	forward := func(to, from net.Conn, n int64) {
		io.CopyN(to, from, n)
		done <- struct{}{}
	}
	go forward(server, client, up)
	go forward(client, server, down)
	<-done
}

// TestCut cuts the connection again and again, in all phases.
func TestCut(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	rounds := 1
	if os.Getenv("BREAKWATER_SOAK") != "" {
		rounds = 10
	}
	h := hitBy(halves, 1_000, 4)
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.fill("INBOX", h.mails)
			before := b.contents()
			expected := b.outcome(t, before)
			for range rounds {
				cut(t, b, before, expected)
			}
		})
	}
}

// cut sweeps a mailbox and undoes it, with cuts all the time.
func cut(t *testing.T, b *mailbox, before map[string][]string, expected []string) {
	c := newCutter(t, strings.TrimPrefix(b.options.Server, "imap+plain://"), 25)
	s := b.sweep("")
	s.Batch = 30
	s.Server.Server = "imap+plain://" + c.Addr().String()
	run(t, s, c)
	got := b.contents()
	if !slices.Equal(got["INBOX"], expected) || count(got) != count(before) {
		t.Errorf("%d in INBOX, not %d; %d in all, not %d", len(got["INBOX"]), len(expected), count(got), count(before))
	}
	there := c.made
	c.more(12)
	for range 20 {
		_, err := s.Undo(context.Background(), "run1")
		if err == nil {
			break
		}
		if !errors.Is(err, session.ErrLost) {
			t.Fatal(err)
		}
	}
	b.same(before)
	t.Logf("%d cuts, and %d in the undo", there, c.made-there)
}

// run applies, and resumes as often as it takes.
func run(t testing.TB, s *Sweep, c *cutter) {
	t.Helper()
	err := s.Run(context.Background(), "run1", func(*Plan) (bool, error) {
		c.more(12) // some are left for the moving
		return true, nil
	})
	for try := 0; err != nil && try < 20; try++ {
		if !errors.Is(err, session.ErrLost) {
			t.Fatal(err)
		}
		var more bool
		if more, err = s.Resume(context.Background(), ""); err == nil && !more {
			err = s.Run(context.Background(), "run1", func(*Plan) (bool, error) { return true, nil })
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
