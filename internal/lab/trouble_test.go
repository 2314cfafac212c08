package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"breakwater/internal/address"
	"breakwater/internal/stormgen"
)

// onSmallDisk puts store and archive of a daemon on a file system of so many MiB.
func (d *daemon) onSmallDisk(mib int) (disk string) {
	d.t.Helper()
	disk = d.path("disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		d.t.Fatal("mount a small disk:", err)
	}
	d.t.Cleanup(func() {
		d.stop(syscall.SIGTERM)
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			d.t.Error(err)
		}
	})
	for _, name := range []string{"store", "archive"} {
		err := errors.Join(os.Mkdir(filepath.Join(disk, name), 0o700), os.Symlink(filepath.Join(disk, name), d.path(name)))
		if err != nil {
			d.t.Fatal(err)
		}
	}
	return disk
}

// once checks that each message is in its mailbox or in the archive, and not in both, and
// that ordinary mail arrived.
func once(t testing.TB, all []*sent, arrived, absorbed map[place]int) (kept int) {
	t.Helper()
	for i, m := range all {
		if m.code != 250 {
			t.Errorf("message %d was answered %d %s", i, m.code, m.text)
		}
		for _, addr := range to(m.Item) {
			p := place{i, address.Mailbox(addr)}
			if arrived[p]+absorbed[p] != 1 || m.Kind == stormgen.Ordinary && arrived[p] != 1 {
				t.Errorf("%s %d for %s: %d times in the mailbox, %d times in the archive", m.Kind, i, addr, arrived[p], absorbed[p])
			}
			kept += absorbed[p]
		}
	}
	return kept
}

// TestFullDisk fills the disk of store and archive for a third of a storm: meanwhile all mail
// is delivered, and the daemon lives on. With room again, it absorbs again.
func TestFullDisk(t *testing.T) {
	Need(t, "postfix")
	o := stormgen.Options{Seed: 13, Messages: 600}
	all := storm(o)
	d := newDaemon(t, "inet", nil)
	d.configure("[digest]\nsubmit = \"\"\n[retention]\nmin_free = \"40MiB\"\n")
	disk := d.onSmallDisk(200)
	d.start()
	sink := NewSink(t)
	s := Postfix(t, Options{Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses()})
	third := len(all) / 3
	count := func() int { return len(d.absorbed()) }

	play(t, s.Addr(), all[:third], 10)
	before := count()
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 200<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	play(t, s.Addr(), all[third:2*third], 10)
	during := count()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	play(t, s.Addr(), all[2*third:], 10)
	s.Drained(t)

	kept := once(t, all, places(t, all, sink.Deliveries(), same), places(t, all, d.absorbed(), same))
	if before == 0 || during != before || kept <= during {
		t.Errorf("%d copies were absorbed before the disk was full, %d until it was not, %d in the end", before, during, kept)
	}
	if log := d.logged(); !strings.Contains(log, "there is no room in the archive") || strings.Contains(log, "panic") {
		t.Error("the log does not say why nothing was absorbed")
	}
	d.stop(syscall.SIGTERM)
	d.start()
	if out := d.run("storms", "verify", "--archive", d.path("archive")); !strings.Contains(out, "all sound") {
		t.Error(out)
	}
}

// TestDamagedFiles damages what a stopped daemon has on disk. A damaged archive is reported,
// and all the rest of it can be released; with a damaged store the daemon does not start
// and says what to do, or it starts.
func TestDamagedFiles(t *testing.T) {
	Need(t, "postfix")
	o := stormgen.Options{Seed: 17, Messages: 400}
	all := storm(o)
	d := newDaemon(t, "inet", nil).start()
	sink := NewSink(t)
	s := Postfix(t, Options{
		Milter: d.listen, LMTP: sink.Port, Mailboxes: o.Addresses(),
		Settings: map[string]string{"milter_default_action": "accept"},
	})
	play(t, s.Addr(), all, 10)
	s.Drained(t)
	total := len(d.absorbed())
	d.stop(syscall.SIGTERM)

	segments, err := filepath.Glob(d.path("archive") + "/*.seg")
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	overwrite(t, segments[0], 10_000, 600)
	d.start()
	out, err := d.command("storms", "verify", "--archive", d.path("archive")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "DAMAGED") || !strings.Contains(string(out), filepath.Base(segments[0])) {
		t.Errorf("verify: %v\n%s", err, out)
	}
	out, err = d.command("release", "--all", "--archive", d.path("archive"), "--secret", d.path("secret"), "--submit", "smtp://"+s.Addr()).CombinedOutput()
	var n, of int
	if _, serr := fmt.Sscanf(string(out), "released %d of %d", &n, &of); serr != nil || err == nil || n < total-20 || n > total {
		t.Errorf("%d copies, release: %v, %v\n%s", total, serr, err, out)
	}
	d.stop(syscall.SIGTERM)

	for _, name := range []string{"MANIFEST", "*.sst", "*.vlog", "*.mem"} {
		files, err := filepath.Glob(filepath.Join(d.path("store"), name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, f, info.Size()/3, info.Size()/3)
		}
	}
	said, err := d.command(d.arguments()...).CombinedOutput()
	if err == nil || !strings.Contains(string(said), d.path("store")) || !strings.Contains(string(said), "move") {
		t.Errorf("started with a damaged store: %v\n%s", err, said)
	}
	if err := os.Rename(d.path("store"), d.path("damaged")); err != nil {
		t.Fatal(err)
	}
	d.start()
	play(t, s.Addr(), all[:50], 5)
	s.Drained(t)
}

func overwrite(t testing.TB, name string, at, n int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("\xa5", int(n))), at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
