package milterd

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ListenOptions says how a socket is to be.
type ListenOptions struct {
	Mode   fs.FileMode // of a unix socket; 0 leaves it to the umask
	Group  string      // of a unix socket; "" leaves it
	Public bool        // allow an address that other hosts can reach
}

// Listen opens a socket named as mail servers name them: inet:HOST:PORT, inet6:[HOST]:PORT
// or unix:/PATH. A socket that a dead daemon left behind is taken away.
func Listen(spec string, o ListenOptions) (net.Listener, error) {
	kind, addr, _ := strings.Cut(spec, ":")
	switch kind {
	case "unix", "local":
		return listenUnix(addr, o)
	case "inet", "inet6":
		return listenInet(map[string]string{"inet": "tcp4", "inet6": "tcp6"}[kind], addr, o)
	}
	return nil, fmt.Errorf("%q is no address; write unix:/run/breakwater/milter.sock, inet:127.0.0.1:8896 or inet6:[::1]:8896", spec)
}

func listenInet(network, addr string, o ListenOptions) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ip := net.ParseIP(host)
	if local := host == "localhost" || ip != nil && ip.IsLoopback(); !local && !o.Public {
		return nil, fmt.Errorf("other hosts can reach %s, and a milter has no protection of its own; to allow it all the same set public = true under [milter]", addr)
	}
	return net.Listen(network, addr)
}

func listenUnix(path string, o ListenOptions) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; make the folder %s first (systemd-tmpfiles --create does, as shipped)", err, filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	if err := permit(path, o); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// removeStale removes a socket on which nobody answers. Anything else stays.
func removeStale(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is no socket; remove it or choose another path", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("another daemon answers on %s; stop it first", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) { // somebody may listen who is too busy to answer
		return fmt.Errorf("find out who listens on %s: %w", path, err)
	}
	return os.Remove(path)
}

// mtaGroup is the group of the MTA where none is named. Sendmail needs none: it connects as root.
const mtaGroup = "postfix"

// MTAGroup is the group that may connect where none is named; "" if this host has none such.
func MTAGroup() string {
	if _, err := user.LookupGroup(mtaGroup); err != nil {
		return ""
	}
	return mtaGroup
}

func permit(path string, o ListenOptions) error {
	if o.Group != "" {
		g, err := user.LookupGroup(o.Group)
		if err != nil {
			return fmt.Errorf("group of %s: %w", path, err)
		}
		gid, err := strconv.Atoi(g.Gid)
		if err != nil {
			return fmt.Errorf("group of %s: %w", path, err)
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return fmt.Errorf("%w; make the daemon's user a member of the group %s, or let systemd open the socket (breakwater.socket)", err, o.Group)
		}
	}
	if o.Mode != 0 {
		return os.Chmod(path, o.Mode)
	}
	return nil
}
