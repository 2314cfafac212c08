package digest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"breakwater/internal/submit"
)

// liar is an SMTP server that says at each step what it is told to; for each connection the
// next of its scripts, then the last one again.
type liar struct {
	scripts [][]string
	took    chan string
}

func (l *liar) serve(ln net.Listener) {
	for n := 0; ; n++ {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		l.talk(c, l.scripts[min(n, len(l.scripts)-1)])
		c.Close()
	}
}

// talk gives one answer to each line, and to a message, and then hangs up.
func (l *liar) talk(c net.Conn, answers []string) {
	r := bufio.NewReader(c)
	for i, a := range answers {
		fmt.Fprintf(c, "%s\r\n", a)
		if strings.HasPrefix(a, "354") {
			var message bytes.Buffer
			for !strings.HasSuffix(message.String(), "\r\n.\r\n") {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				message.WriteString(line)
			}
			if i+1 < len(answers) && strings.HasPrefix(answers[i+1], "250") {
				l.took <- message.String()
			}
			continue
		}
		if i == len(answers)-1 {
			return
		}
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
	}
}

// TestSubmission sends through servers that hang up, talk nonsense, refuse for now or say so
// much too late, and at last take it; each time with the same Message-ID.
func TestSubmission(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := &liar{took: make(chan string, 10), scripts: [][]string{
		{"220 hi"}, {"554 no service"}, {"nonsense"}, {"220 hi", "250 hi", "451 not now"}, {"220 hi", "250 hi", "250 ok", "452 full", "250 ok"},
		{"220 hi", "250 hi", "250 ok", "250 ok", "354 go on"},           // lost behind the message
		{"220 hi", "250 hi", "250 ok", "250 ok", "354 go on", "451 no"}, // not now
		{"220 hi", "250 hi", "250 ok", "250 ok", "354 go on", "250 ok"}, // took it
	}}
	go l.serve(ln)
	b := newBench(t)
	defer b.close()
	b.absorb("", 2, "ann@a.example")
	d := b.digester()
	target, err := submit.Parse("smtp://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d.Send = func(ctx context.Context, to string, raw []byte) error {
		c, err := submit.Dial(ctx, target)
		if err != nil {
			return err
		}
		defer c.Close()
		answers, err := c.Send(ctx, "", []string{to}, bytes.NewReader(raw))
		if err == nil && submit.Permanent(answers[0]) {
			return fmt.Errorf("%w: %w", ErrRefused, answers[0])
		}
		if err == nil {
			err = answers[0]
		}
		return err
	}
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(time.Hour)
	for range l.scripts {
		for _, w := range d.outbox {
			w.next = time.Time{}
		}
		d.turn(context.Background(), now)
	}
	if s := d.Stats(); s.Sent != 1 || s.Waiting != 0 || s.Failed != uint64(len(l.scripts)-1) {
		t.Errorf("%+v\n%s", s, b.said())
	}
	select {
	case got := <-l.took:
		if !strings.Contains(got, "Auto-Submitted: auto-generated\r\n") || !strings.Contains(got, "To: ann@a.example\r\n") {
			t.Error(got)
		}
	default:
		t.Error("nothing came")
	}
	if !strings.Contains(b.said(), "not now") {
		t.Error(b.said())
	}
}
