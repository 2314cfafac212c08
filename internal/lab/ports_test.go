package lab

import (
	"fmt"
	"net"
	"testing"
)

func TestPorts(t *testing.T) {
	taken := map[int]bool{}
	for range portBlock {
		first := Ports(t, 3)
		for port := first; port < first+3; port++ {
			if taken[port] || port < firstPort || port >= lastPort {
				t.Fatalf("port %d: given out before, or outside the range", port)
			}
			taken[port] = true
		}
	}
	// What somebody listens on, we or another process, is passed over.
	block.Lock()
	next := block.next
	block.Unlock()
	if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", next+1)); err == nil {
		defer ln.Close()
	}
	if first := Ports(t, 3); first <= next+1 && next+1 < first+3 {
		t.Errorf("%d to %d, though somebody listens on %d", first, first+2, next+1)
	}
}
