package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"breakwater/internal/stormgen"
)

// TestRelease plays a storm and then releases all that was absorbed, through the same mail
// server and the milter, while the storm is still active. The first release is
// killed half-way; run again, it goes on behind the last copy.
func TestRelease(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			o := stormgen.Options{Seed: 11, Messages: 600}
			if full {
				o.Messages = 20_000
			}
			all := storm(o)
			d := newDaemon(t, "unix", nil).start()
			sink := NewSink(t)
			s := srv.start(t, Options{Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses()})
			play(t, s.Addr(), all, 10)
			s.Drained(t)
			absorbed := places(t, all, d.absorbed(), same)
			check(t, all, places(t, all, sink.Deliveries(), srv.as), absorbed)

			release := []string{"release", "--all", "--archive", d.path("archive"), "--secret", d.path("secret"), "--submit", "smtp://" + s.Addr()}
			before := len(sink.Deliveries())
			first := d.command(release...)
			if err := first.Start(); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(time.Minute); len(sink.Deliveries()) < before+len(absorbed)/3 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			first.Process.Kill()
			if err := first.Wait(); err == nil {
				t.Error("it was not killed half-way: no test")
			}
			out := d.run(release...)
			s.Drained(t)

			twice := 0
			arrived := places(t, all, sink.Deliveries(), srv.as)
			for i, m := range all {
				again := false
				for _, addr := range to(m.Item) {
					switch n := arrived[place{i, strings.ToLower(addr)}]; {
					case n == 0:
						t.Errorf("message %d for %s did not arrive", i, addr)
					case n > 1:
						again = true
					}
				}
				if again {
					twice++
				}
			}
			if twice > 1 { // that in hand at the kill, for however many
				t.Errorf("%d arrived twice", twice)
			}
			for _, got := range sink.Deliveries() {
				if strings.Contains(string(got.Raw), "X-Breakwater") {
					t.Fatalf("a mark is left in what arrived:\n%s", clip(got.Raw))
				}
			}
			t.Logf("%d absorbed, %d twice; %s", len(absorbed), twice, out)
			releasedTwice(t, d, s, sink, release)
		})
	}
}

// releasedTwice releases what was released: nothing happens, unless it is asked for.
func releasedTwice(t *testing.T, d *daemon, s *Server, sink *Sink, release []string) {
	t.Helper()
	before := len(sink.Deliveries())
	if out := d.run(release...); !strings.Contains(out, "nothing to release") {
		t.Errorf("again: %s", out)
	}
	var id string
	for c := range strings.FieldsSeq(d.logged()) {
		if name, ok := strings.CutPrefix(c, "storm="); ok {
			id = name
		}
	}
	out := d.run(append(release, "--again", id)...)
	s.Drained(t)
	var n, of int
	if _, err := fmt.Sscanf(out, "released %d of %d", &n, &of); err != nil || n == 0 || n != of || len(sink.Deliveries()) != before+n {
		t.Errorf("--again %s: %s, %d more arrived", id, out, len(sink.Deliveries())-before)
	}
	if out := d.run("storms", "verify", "--archive", d.path("archive")); !strings.Contains(out, "all sound") {
		t.Error(out)
	}
}
