package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/daemon"
	"breakwater/internal/incident"
	"breakwater/internal/ledger"
	"breakwater/internal/milterd"
	"breakwater/internal/record"
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
// each is called after each transaction, and before the daemon is closed.
func playStorm(t *testing.T, folder string, o stormgen.Options, each func(d *daemon.Daemon, sent int, last bool)) (tallied, []incident.Incident) {
	t.Helper()
	d, closeLog, err := open(folder)
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
	go func() { served <- d.Serve(ctx, []net.Listener{ln}) }()
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
	sent := 0
	for o := range outcomes {
		if o.err != nil {
			t.Fatal(o.err)
		}
		truth.add(o.item, o.fates)
		if sent++; each != nil {
			each(d, sent, false)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if each != nil {
		each(d, sent, true)
	}
	got := d.Records().Incidents()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return truth, got
}

// The incident of a storm has exactly the figures of who made the storm: what came, what was delivered and what absorbed, by
// server, and the bounces and auto-replies apart.
func TestIncidentIsTrue(t *testing.T) {
	seeds := uint64(1)
	if os.Getenv("BREAKWATER_SOAK") != "" {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed+1), func(t *testing.T) {
			truth, got := playStorm(t, t.TempDir(), stormgen.Options{Seed: seed + 1, Messages: 2000, Start: time.Now().Add(-time.Hour)}, nil)
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

// copyAll copies a file or folder.
func copyAll(to, from string) error {
	if st, err := os.Stat(from); err != nil || st.IsDir() {
		return errors.Join(err, os.CopyFS(to, os.DirFS(from)))
	}
	b, err := os.ReadFile(from)
	return errors.Join(err, os.WriteFile(to, b, 0o600))
}

// After kill -9 in the midst of a storm, what was absorbed is counted from the archive, for each server as if nothing had been.
func TestAbsorbedAfterKill(t *testing.T) {
	folder, crashed := t.TempDir(), t.TempDir()
	truth, _ := playStorm(t, folder, stormgen.Options{Seed: 1, Messages: 1500, Start: time.Now().Add(-time.Hour)}, func(d *daemon.Daemon, sent int, last bool) {
		if sent == 500 {
			d.Records().Flush(time.Now())
		}
		if last { // what is on disk now is all that there is
			for _, dir := range []string{"archive", "keys", "ledger.key"} {
				if err := copyAll(filepath.Join(crashed, dir), filepath.Join(folder, dir)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	again, closeLog, err := open(crashed)
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog()
	defer again.Close()
	r := again.Records()
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	r.Recover(t.Context())
	got := map[string]int64{}
	for _, i := range r.Incidents() {
		for _, s := range i.Servers {
			got[s.Client.String()] += s.Copies.Absorbed + s.Consequences.Absorbed
		}
	}
	want := map[string]int64{}
	for _, of := range []map[string]incident.Sum{truth.copies, truth.consequences} {
		for client, s := range of {
			want[client] += s.Absorbed
		}
	}
	for client, n := range want {
		if got[client] != n {
			t.Errorf("of %s %d were absorbed, and %d are counted", client, n, got[client])
		}
	}
}

// The ledger of a storm is sound, has each absorbed message once, names no mailbox, and says so of a byte that was altered.
func TestLedgerOfStorm(t *testing.T) {
	folder := t.TempDir()
	truth, incidents := playStorm(t, folder, stormgen.Options{Seed: 2, Messages: 800, Start: time.Now().Add(-time.Hour)}, func(d *daemon.Daemon, _ int, last bool) {
		if last {
			if err := archive.Audit(filepath.Join(folder, "archive"), "release", "ids", []string{"x"}); err != nil {
				t.Fatal(err)
			}
		}
	})
	dir := record.LedgerDir(filepath.Join(folder, "archive"))
	key, err := ledger.ReadVerifierKey(record.KeyFile(filepath.Join(folder, "keys")))
	if err != nil {
		t.Fatal(err)
	}
	v, err := ledger.Verify(t.Context(), dir, key)
	if err != nil || len(v.Faults) > 0 || v.Checkpoints == 0 {
		t.Fatalf("Verify: %+v, %v", v, err)
	}
	kinds, copies := map[string]int{}, int64(0)
	for leaf, err := range ledger.Leaves(t.Context(), dir, 0) {
		if err != nil {
			t.Fatal(err)
		}
		kinds[leaf.Kind]++
		if leaf.Kind == "absorb" {
			var what struct{ Actions map[string]int64 }
			if err := leaf.What(&what); err != nil {
				t.Fatal(err)
			}
			copies += what.Actions["absorb"]
		}
		if strings.Contains(string(leaf.Line), "@example.test") {
			t.Errorf("a leaf names a mailbox: %s", leaf.Line)
		}
	}
	var want int64
	for _, of := range []map[string]incident.Sum{truth.copies, truth.consequences} {
		for _, s := range of {
			want += s.Absorbed
		}
	}
	if copies != want {
		t.Errorf("%d copies were absorbed, and the ledger has %d", want, copies)
	}
	for _, kind := range []string{"start", "deliver", "rows", "audit", "stop", "checkpoint"} {
		if kinds[kind] == 0 {
			t.Errorf("the ledger has no leaf of the kind %s, but %v", kind, kinds)
		}
	}
	if len(incidents) == 0 {
		t.Error("there is no incident")
	}
	name := filepath.Join(dir, "000000000000.leaves")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := ledger.Verify(t.Context(), dir, key); err != nil || len(v.Faults) == 0 || v.Faults[0].File != "000000000000.leaves" {
		t.Errorf("with a bit flipped, Verify says %+v, %v", v.Faults, err)
	}
}
