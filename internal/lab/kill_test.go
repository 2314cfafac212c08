package lab

import (
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/stormgen"
)

// TestKilled kills breakwater at random moments of a storm, and starts it again later. What
// was answered 250 is in a mailbox or in the archive, and ordinary mail flows on meanwhile.
func TestKilled(t *testing.T) {
	Need(t, "postfix")
	o, kills := stormgen.Options{Seed: 3, Messages: 900}, 3
	if full {
		o.Messages, kills = 20_000, 10
	}
	all := storm(o)
	d := newDaemon(t, "inet", nil).start()
	sink := NewSink(t)
	s := Postfix(t, Options{
		Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses(),
		Settings: map[string]string{"milter_default_action": "accept"},
	})
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	// Postfix asks no more in a session in which the milter was lost, so each kill gets
	// sessions of its own.
	for part := range slices.Chunk(all, (len(all)+kills-1)/kills) {
		at := strings.Count(d.logged(), "msg=decision") + len(part)/4 + r.IntN(len(part)/2)
		played := make(chan struct{})
		go func() {
			defer close(played)
			play(t, s.Addr(), part, 10)
		}()
		for over := false; !over && strings.Count(d.logged(), "msg=decision") < at; {
			select {
			case <-played:
				over = true
			case <-time.After(time.Duration(r.IntN(10)) * time.Millisecond):
			}
		}
		d.stop(syscall.SIGKILL)
		<-played
		d.start()
	}
	s.Drained(t)
	arrived, absorbed := places(t, all, sink.Deliveries(), same), places(t, all, d.absorbed(), same)
	twice, nowhere := 0, 0
	for i, m := range all {
		if m.code != 250 {
			t.Errorf("message %d was answered %d %s", i, m.code, m.text)
		}
		for _, addr := range to(m.Item) {
			p := place{i, address.Mailbox(addr)}
			switch n := arrived[p] + absorbed[p]; {
			case n == 0:
				nowhere++
				t.Errorf("%s %d for %s is nowhere", m.Kind, i, addr)
			case n > 1:
				twice++
			}
			if m.Kind == stormgen.Ordinary && arrived[p] == 0 {
				t.Errorf("ordinary message %d for %s did not arrive", i, addr)
			}
		}
	}
	// A message in hand at a kill may be in both: one for each connection.
	if twice > 10*kills {
		t.Errorf("%d messages are in both", twice)
	}
	d.stop(syscall.SIGTERM) // all is in the log then
	if n := strings.Count(d.logged(), "msg=decision"); n < len(all)/6 || len(absorbed) == 0 {
		t.Errorf("the daemon saw %d messages and absorbed %d", n, len(absorbed))
	}
	t.Logf("killed %d times: %d in both, %d nowhere, %d absorbed", kills, twice, nowhere, len(absorbed))
}

// TestRestart ends breakwater in the middle of a storm, in an orderly way or, when it has been
// idle for longer than counts stay in memory, by kill -9. It goes on as if nothing had been.
func TestRestart(t *testing.T) {
	for name, end := range map[string]func(*daemon){
		"SIGTERM": func(d *daemon) { d.stop(syscall.SIGTERM) },
		"SIGKILL": func(d *daemon) {
			time.Sleep(2500 * time.Millisecond)
			d.stop(syscall.SIGKILL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			Need(t, "postfix")
			o := stormgen.Options{Seed: 7, Messages: 500}
			all := storm(o)
			d := newDaemon(t, "unix", nil).start()
			sink := NewSink(t)
			s := Postfix(t, Options{Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses()})
			play(t, s.Addr(), all[:len(all)/2], 10)
			end(d)
			d.start()
			play(t, s.Addr(), all[len(all)/2:], 10)
			s.Drained(t)
			check(t, all, places(t, all, sink.Deliveries(), same), places(t, all, d.absorbed(), same))
		})
	}
}
