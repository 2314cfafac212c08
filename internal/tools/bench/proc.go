package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	shipped "breakwater/rules"
)

// target is a milter in a process of its own.
type target struct {
	name string
	addr map[string]string // by network: "unix", "tcp"
	cmd  *exec.Cmd
	log  *os.File
}

// startNull starts this program again as a milter that delivers everything at once.
func startNull(ctx context.Context, folder string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(ctx, "null milter", folder, func(listen []string) []string {
		return append([]string{self, "-null"}, listen...)
	})
}

// startBreakwater starts the real daemon with everything on.
func startBreakwater(ctx context.Context, binary, folder string) (*target, error) {
	rules := filepath.Join(folder, "rules")
	if err := os.CopyFS(rules, shipped.Files); err != nil {
		return nil, err
	}
	return start(ctx, "breakwater", folder, func(listen []string) []string {
		args := []string{binary, "milter", "--store", "badger:" + filepath.Join(folder, "store"), "--archive", filepath.Join(folder, "archive"),
			"--rules", rules, "--secret", filepath.Join(folder, "secret"), "--control", filepath.Join(folder, "control.sock"), "--web", "127.0.0.1:0"}
		for _, l := range listen {
			args = append(args, "--listen", l)
		}
		return args
	})
}

// start runs a command that listens on a unix and an inet socket, and waits for both.
func start(ctx context.Context, name, folder string, command func(listen []string) []string) (*target, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(folder, "milter.sock")
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		return nil, err
	}
	args := command([]string{"unix:" + socket, "inet:" + port})
	t := &target{name: name, addr: map[string]string{"unix": socket, "tcp": port}, log: log, cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	t.cmd.Stdout, t.cmd.Stderr = log, log
	t.cmd.Cancel = func() error { return t.cmd.Process.Signal(syscall.SIGTERM) }
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	for network, addr := range t.addr {
		if err := reachable(ctx, network, addr); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w\n%s", name, err, t.said()), t.stop())
		}
	}
	return t, nil
}

// freePort is an address on loopback that nobody listens on.
func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func reachable(ctx context.Context, network, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial(network, addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// said is the end of what the target logged.
func (t *target) said() string {
	b, _ := os.ReadFile(t.log.Name())
	return string(b[max(0, len(b)-2000):])
}

// stop ends the target in good order.
func (t *target) stop() error {
	err := t.cmd.Process.Signal(syscall.SIGTERM)
	return errors.Join(err, t.cmd.Wait(), t.log.Close())
}

// cpu is the processor time that the target has used so far.
func (t *target) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime, proc(5)
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ is 100 on Linux
}

// memory is a line of /proc/PID/status, such as VmHWM, in bytes.
func (t *target) memory(name string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in the status of %s", name, t.name)
}
