package socket

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestHint: who may not ask is told so.
func TestHint(t *testing.T) {
	if h := hint(&net.OpError{Err: os.NewSyscallError("connect", syscall.EACCES)}); !strings.Contains(h, "only root") {
		t.Error(h)
	}
}
