package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/control"
	shipped "breakwater/rules"
)

// binary builds breakwater once, with the race detector.
var binary = sync.OnceValues(func() (string, error) {
	d, err := os.MkdirTemp("", "lab-bin-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(d, "breakwater")
	out, err := exec.Command("go", "build", "-race", "-o", name, "breakwater/cmd/breakwater").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build breakwater: %w\n%s", err, out)
	}
	return name, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if name, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(status)
}

// daemon is a running breakwater.
type daemon struct {
	t       testing.TB
	dir     string
	listen  string
	web     string   // where it shows its state; "" for nowhere
	under   []string // a command that runs it
	program string   // its file; "" for that of binary
	more    []string // arguments of the daemon
	env     []string
	cmd     *exec.Cmd
	log     *os.File
}

// newDaemon prepares one in a folder of its own, with the shipped default and other rule files.
func newDaemon(t testing.TB, listen string, files map[string]string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: Folder(t), listen: listen}
	if listen == "unix" {
		d.listen = "unix:" + filepath.Join(d.dir, "milter.sock")
	}
	if listen == "inet" {
		d.listen = fmt.Sprintf("inet:127.0.0.1:%d", Ports(t, 1))
	}
	def, err := shipped.Files.ReadFile("default.toml")
	if err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(d.dir, "rules")
	if err := os.Mkdir(rules, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(rules, "default.toml"), string(def))
	for name, text := range files {
		write(t, filepath.Join(rules, name), text)
	}
	d.configure("[digest]\nsubmit = \"\"\n")
	if d.log, err = os.Create(filepath.Join(d.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.stop(syscall.SIGTERM)
		if t.Failed() {
			log := d.logged()
			t.Logf("log of breakwater:\n%s", log[max(0, len(log)-4000):])
		}
		if log := d.logged(); strings.Contains(log, "DATA RACE") {
			t.Errorf("data race:\n%s", log[strings.Index(log, "WARNING: DATA RACE"):])
		}
	})
	return d
}

// configure writes the configuration file, with more behind what all need.
func (d *daemon) configure(more string) {
	d.t.Helper()
	write(d.t, d.path("breakwater.toml"), "[milter]\nsocket_mode = \"0666\"\n"+more)
}

// command is another command of breakwater beside the daemon.
func (d *daemon) command(args ...string) *exec.Cmd {
	d.t.Helper()
	name, err := binary()
	if err != nil {
		d.t.Fatal(err)
	}
	if d.program != "" {
		name = d.program
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), d.env...)
	return cmd
}

// run runs another command to its end, and returns what it prints.
func (d *daemon) run(args ...string) string {
	d.t.Helper()
	out, err := d.command(args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("breakwater %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

func (d *daemon) logged() string {
	b, err := os.ReadFile(d.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// arguments are those of the daemon.
func (d *daemon) arguments() []string {
	return append([]string{"milter", "--config", d.path("breakwater.toml"), "--listen", d.listen, "--store", "badger:" + d.path("store"),
		"--archive", d.path("archive"), "--rules", d.path("rules"), "--secret", d.path("secret"), "--web", d.web, "--control", d.path("control")}, d.more...)
}

// start runs it and waits until it answers.
func (d *daemon) start() *daemon {
	d.t.Helper()
	args := append(append(slices.Clone(d.under), d.command().Path), d.arguments()...)
	d.cmd = exec.Command(args[0], args[1:]...)
	d.cmd.Env = append(os.Environ(), d.env...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err := control.NewClient(d.path("control")).Incidents(context.Background(), time.Now()); err == nil {
			return d
		}
	}
	d.t.Fatalf("breakwater does not start:\n%s", d.logged())
	return d
}

// stop ends it by a signal and waits.
func (d *daemon) stop(sig syscall.Signal) {
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Signal(sig)
	err := d.cmd.Wait()
	if sig == syscall.SIGTERM && err != nil {
		d.t.Errorf("breakwater ended with %v", err)
	}
	d.cmd = nil
}

// kept is what is in the archive.
func (d *daemon) kept() (all []archive.Message) {
	d.t.Helper()
	r, err := archive.OpenReadOnly(d.path("archive"))
	if err != nil {
		d.t.Fatal(err)
	}
	for m, err := range r.Messages(context.Background()) {
		if err != nil {
			d.t.Fatal("archive:", err)
		}
		all = append(all, m)
	}
	return all
}

// absorbed is what is in the archive: the bytes of each copy with its recipients.
func (d *daemon) absorbed() []Delivery {
	d.t.Helper()
	var all []Delivery
	for _, m := range d.kept() {
		for _, rcpt := range m.Recipients {
			all = append(all, Delivery{From: m.ReversePath, To: rcpt.Addr, Raw: m.Raw})
		}
	}
	return all
}

// copies are the IDs of what is in the archive.
func (d *daemon) copies() (ids []string) {
	d.t.Helper()
	r, err := archive.OpenReadOnly(d.path("archive"))
	if err != nil {
		d.t.Fatal(err)
	}
	for c, err := range r.All(context.Background()) {
		if err != nil {
			d.t.Fatal("archive:", err)
		}
		ids = append(ids, c.ID)
	}
	return ids
}

func (d *daemon) incidents() []control.Incident {
	d.t.Helper()
	is, err := control.NewClient(d.path("control")).Incidents(context.Background(), time.Now().Add(-24*time.Hour))
	if err != nil {
		d.t.Fatal(err)
	}
	return is
}
