package milterd

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAcknowledging sends in pieces: after each of them the kernel is to acknowledge at once.
func TestAcknowledging(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	theirs, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := acknowledging(nc)
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	for range 3 {
		theirs.Write([]byte("piece"))
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "piece" {
			t.Fatal(n, err)
		}
		quickack := 0
		raw.Control(func(fd uintptr) { quickack, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK) })
		if err != nil || quickack != 1 {
			t.Errorf("TCP_QUICKACK is %d, %v", quickack, err)
		}
		c.Write([]byte("answer")) // after which the kernel forgets
	}
	pipe, other := net.Pipe()
	defer other.Close()
	defer pipe.Close()
	if acknowledging(pipe) != pipe {
		t.Error("what is no TCP is wrapped")
	}
}
