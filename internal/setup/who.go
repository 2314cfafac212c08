package setup

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Listener is who listens at a socket.
type Listener struct {
	Program string // its name; "" where that is not known
	Process int    // its ID; 0 where that is not known
	Ours    bool   // it is breakwater
	Listens bool   // somebody does, for sure
}

func (l Listener) String() string {
	if l.Program == "" {
		return "another program"
	}
	if l.Process == 0 {
		return l.Program
	}
	return fmt.Sprintf("%s, process %d", l.Program, l.Process)
}

// Scout finds out who listens at the sockets of this host.
type Scout struct {
	Queue          string // Postfix's queue directory, in which its paths begin
	Actions, Steps uint32 // what breakwater asks for when a milter protocol is negotiated
}

// Who tells who listens at a milter's address: by the process that has the socket, which root may see, or by what it asks
// for when it is greeted as a milter.
func (s Scout) Who(address string) Listener {
	var l Listener
	if inodes := s.inodes(address); len(inodes) > 0 {
		l = owner(inodes)
		l.Listens = true
	}
	if l.Program == "systemd" { // it holds the socket for somebody who does not run yet
		return Listener{Listens: true}
	}
	if l.Ours = strings.HasPrefix(l.Program, "breakwater"); l.Ours || s.Steps == 0 {
		return l
	}
	switch actions, steps, err := s.negotiate(address); {
	case err != nil:
	case actions == s.Actions && steps == s.Steps:
		l.Program, l.Ours, l.Listens = "breakwater", true, true
	case l.Program == "":
		l.Program, l.Listens = "another milter", true
	}
	return l
}

// sockets are the networks and addresses that a milter's address may mean.
func (s Scout) sockets(address string) (all [][2]string) {
	kind, rest, _ := strings.Cut(address, ":")
	switch kind {
	case "inet", "inet6":
		all = append(all, [2]string{"tcp", rest})
	case "unix", "local":
		if path := filepath.Join(s.Queue, rest); s.Queue != "" {
			all = append(all, [2]string{"unix", path})
		}
		if strings.HasPrefix(rest, "/") {
			all = append(all, [2]string{"unix", rest})
		}
	}
	return all
}

// inodes are the sockets that listen at an address.
func (s Scout) inodes(address string) (inodes []string) {
	for _, socket := range s.sockets(address) {
		if socket[0] == "unix" {
			for _, f := range table("unix") {
				// Num RefCount Protocol Flags Type St Inode Path; Flags 00010000 is one that listens
				if len(f) == 8 && f[3] == "00010000" && f[7] == socket[1] {
					inodes = append(inodes, f[6])
				}
			}
			continue
		}
		host, port, err := net.SplitHostPort(socket[1])
		n, perr := strconv.ParseUint(port, 10, 16)
		if err != nil || perr != nil {
			continue
		}
		for _, f := range slices.Concat(table("tcp"), table("tcp6")) {
			// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode; st 0A is one that listens
			if len(f) < 10 || f[3] != "0A" {
				continue
			}
			if on, ok := listening(f[1]); ok && uint64(on.Port()) == n && reaches(on.Addr(), host) {
				inodes = append(inodes, f[9])
			}
		}
	}
	return inodes
}

// table is the rows of a table of sockets, proc_net(5).
func table(name string) (rows [][]string) {
	b, err := os.ReadFile("/proc/net/" + name)
	if err != nil {
		return nil // not this system
	}
	for line := range strings.Lines(string(b)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

// listening reads a local address of such a table: the address in words of the machine's byte order, and a port.
func listening(text string) (netip.AddrPort, bool) {
	words, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(words)
	n, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip, uint16(n)), ok
}

// reaches reports whether who connects to a host of this name, an address of this one, gets to who listens at an address.
func reaches(on netip.Addr, host string) bool {
	if host == "localhost" {
		return on.IsLoopback() || on.IsUnspecified()
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	return on.Unmap() == ip.Unmap() || on.IsUnspecified() && (on.Is6() || ip.Is4())
}

// owner is the process that has one of some sockets. What systemd opens for a service, both have.
func owner(inodes []string) (l Listener) {
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return l
	}
	for _, fd := range fds {
		to, err := os.Readlink(fd)
		inode := strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")
		if err != nil || inode == to || !slices.Contains(inodes, inode) {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		process, perr := strconv.Atoi(filepath.Base(dir))
		if err != nil || perr != nil {
			continue // it has ended
		}
		l = Listener{Program: strings.TrimSpace(string(name)), Process: process}
		if l.Program != "systemd" {
			return l
		}
	}
	return l
}

// milterOffer is what a mail server says first: version 6 of the protocol, and all actions and steps that there are.
var milterOffer = []byte{0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff}

const askTimeout = 2 * time.Second

// negotiate greets a milter as a mail server does, and returns what it asks for.
func (s Scout) negotiate(address string) (actions, steps uint32, err error) {
	err = errors.New("no address")
	for _, socket := range s.sockets(address) {
		if actions, steps, err = negotiate(socket[0], socket[1]); err == nil {
			return actions, steps, nil
		}
	}
	return 0, 0, err
}

func negotiate(network, addr string) (actions, steps uint32, err error) {
	conn, err := net.DialTimeout(network, addr, askTimeout)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return 0, 0, err
	}
	if _, err := conn.Write(milterOffer); err != nil {
		return 0, 0, err
	}
	var answer [17]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return 0, 0, err
	}
	if answer[4] != 'O' {
		return 0, 0, errors.New("it is no milter")
	}
	return binary.BigEndian.Uint32(answer[9:]), binary.BigEndian.Uint32(answer[13:]), nil
}

// who tells who listens at an address, where somebody can.
func (p Postfix) who(address string) Listener {
	if p.Who == nil {
		return Listener{}
	}
	return p.Who(address)
}

// Taken is an error if another program than breakwater listens at the address of our milter.
func (p Postfix) Taken(milter string) error {
	l := p.who(milter)
	if l.Program == "" || l.Ours {
		return nil
	}
	return fmt.Errorf("%s is not breakwater's: %s listens there. Give breakwater another address, by listen in breakwater.toml and --milter", milter, l)
}
