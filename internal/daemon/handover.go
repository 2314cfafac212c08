package daemon

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"breakwater/internal/milterd"
)

// Names of what systemd stores for the next daemon (FileDescriptorStoreMax=, sd_notify(3)): each connection of
// a mail server, and what is known of it.
const (
	storedConn  = "mta-"
	storedState = "state-"
)

// given is what systemd hands over at the start.
type given struct {
	listeners []net.Listener
	handed    []milterd.Handed
}

// takeGiven takes what systemd hands over. It is stored no longer then: a connection that is closed must
// not live on there.
func takeGiven(log *slog.Logger) (g given, err error) {
	conns, states := map[string]*os.File{}, map[string]*os.File{}
	for _, f := range activation.Files(true) {
		if id, ok := strings.CutPrefix(f.Name(), storedConn); ok {
			conns[id] = f
		} else if id, ok := strings.CutPrefix(f.Name(), storedState); ok {
			states[id] = f
		} else {
			ln, lerr := net.FileListener(f)
			if lerr != nil {
				err = errors.Join(err, fmt.Errorf("take socket %s from systemd: %w", f.Name(), lerr))
			} else {
				g.listeners = append(g.listeners, ln)
			}
			f.Close()
		}
	}
	for id, conn := range conns {
		notify(log, "FDSTOREREMOVE=1\nFDNAME="+storedConn+id)
		state := states[id]
		if state == nil {
			conn.Close()
			continue
		}
		b, rerr := readFrom(state)
		if rerr != nil {
			log.Warn("a connection of the mail server was not handed over; its session goes on unfiltered", "err", rerr)
			conn.Close()
			continue
		}
		g.handed = append(g.handed, milterd.Handed{Conn: conn, State: b})
	}
	for id, state := range states {
		notify(log, "FDSTOREREMOVE=1\nFDNAME="+storedState+id)
		state.Close()
	}
	return g, err
}

func readFrom(f *os.File) ([]byte, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// handover collects connections for the next daemon.
type handover struct {
	mu  sync.Mutex
	all []milterd.Handed
}

// add is milterd.Server's HandOver.
func (h *handover) add(c milterd.Handed) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, c)
	return nil
}

// barrierLimit is how long systemd may take to store what it is given.
const barrierLimit = 5 * time.Second

// store has systemd keep the connections for the next daemon. Where it keeps none, since the unit allows
// none or will not be started again, they end.
func (h *handover) store() (stored int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == 0 {
		return 0, nil
	}
	to, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("hand connections over: %w", err)
	}
	defer unix.Close(to)
	var wrong []error
	for i, c := range h.all {
		if err := storeOne(to, fmt.Sprint(i), c); err != nil {
			wrong = append(wrong, fmt.Errorf("hand a connection over: %w", err))
			continue
		}
		stored++
	}
	h.all = nil
	return stored, errors.Join(append(wrong, barrier(to))...)
}

func storeOne(to int, id string, c milterd.Handed) error {
	defer c.Conn.Close()
	fd, err := unix.MemfdCreate("breakwater-"+storedState+id, unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	state := os.NewFile(uintptr(fd), storedState+id)
	defer state.Close()
	if _, err := state.Write(c.State); err != nil {
		return err
	}
	if err := send(to, "FDSTORE=1\nFDNAME="+storedState+id, state); err != nil {
		return err
	}
	return send(to, "FDSTORE=1\nFDNAME="+storedConn+id, c.Conn)
}

// send tells systemd something about a file, by a socket.
func send(to int, what string, f *os.File) error {
	systemd := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
	if err := unix.Sendmsg(to, []byte(what), unix.UnixRights(int(f.Fd())), systemd, 0); err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	return nil
}

// barrier waits until systemd has read all that it was sent: what it reads of a process that has ended it
// may not be able to assign to a unit.
func barrier(to int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	err = send(to, "BARRIER=1", w)
	if w.Close(); err != nil {
		return err
	}
	if err := r.SetReadDeadline(time.Now().Add(barrierLimit)); err != nil {
		return err
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("systemd does not say that it keeps the connections: %w", err)
	}
	return nil
}
