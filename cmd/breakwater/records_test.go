package main

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"breakwater/internal/incident"
	"breakwater/internal/milterd"
	"breakwater/internal/stormgen"
)

// tallied is what a mail server knows of a storm that it has handed on.
type tallied struct {
	copies, consequences map[string]incident.Sum // by client
}

func (c *tallied) add(it stormgen.Item, fates []bool) {
	of := c.copies
	switch it.Kind {
	case stormgen.Ordinary:
		return
	case stormgen.Bounce, stormgen.AutoReply:
		of = c.consequences
	}
	s := of[it.Envelope.Client.String()]
	for _, arrived := range fates {
		s.Came++
		if arrived {
			s.Delivered++
		} else {
			s.Absorbed++
		}
	}
	of[it.Envelope.Client.String()] = s
}

// playStorm plays a storm to a daemon in folder, and returns what the mail server saw, and what the daemon has recorded.
func playStorm(t *testing.T, folder string, o stormgen.Options) (tallied, []incident.Incident) {
	t.Helper()
	d, closeLog, err := demoDaemon(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog()
	ln, err := milterd.Listen("inet:127.0.0.1:0", milterd.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- d.serve(ctx, []net.Listener{ln}) }()
	items, outcomes := make(chan stormgen.Item), make(chan outcome)
	go func() {
		defer close(items)
		for it := range stormgen.Generate(o) {
			items <- it
		}
	}()
	go func() {
		sender(ctx, ln.Addr().String(), items, outcomes)
		close(outcomes)
	}()
	truth := tallied{map[string]incident.Sum{}, map[string]incident.Sum{}}
	for o := range outcomes {
		if o.err != nil {
			t.Fatal(o.err)
		}
		truth.add(o.item, o.fates)
	}
	stop()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	got := d.records.Incidents()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	return truth, got
}

// The incident of a storm has exactly the figures of who made the storm: what came, what was delivered and what absorbed, by
// server, and the bounces and auto-replies apart.
func TestIncidentIsTrue(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed+1), func(t *testing.T) {
			truth, got := playStorm(t, t.TempDir(), stormgen.Options{Seed: seed + 1, Messages: 3000, Start: time.Now().Add(-time.Hour)})
			if len(got) != 1 {
				for _, i := range got {
					t.Logf("%s %s %s: %+v %+v, %v %v %+v", i.ID, i.Class, i.Subject, i.Copies, i.Consequences, i.Kinds, i.Signs, i.Servers)
				}
				t.Fatalf("one storm is %d incidents", len(got))
			}
			servers := map[string]incident.Server{}
			for _, s := range got[0].Servers {
				servers[s.Client.String()] = s
				if s.Uncertain != 0 {
					t.Errorf("%v is not exact", s.Client)
				}
			}
			if n := len(got[0].Servers); n != len(truth.copies)+len(truth.consequences) {
				t.Errorf("%d servers are named; there were %d of copies and %d of consequences", n, len(truth.copies), len(truth.consequences))
			}
			for client, want := range truth.copies {
				if servers[client].Copies != want {
					t.Errorf("copies of %s: %+v, want %+v", client, servers[client].Copies, want)
				}
			}
			for client, want := range truth.consequences {
				if servers[client].Consequences != want {
					t.Errorf("consequences from %s: %+v, want %+v", client, servers[client].Consequences, want)
				}
			}
		})
	}
}
