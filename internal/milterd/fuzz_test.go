package milterd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-milter"
	"golang.org/x/sys/unix"

	"breakwater/internal/address"
	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// FuzzSession plays any bytes to a session, and behind them a message of our own. The answers
// must be exactly those that the protocol asks for, and each verdict that of its own message.
func FuzzSession(f *testing.F) {
	one := bytes.Join(whole("x", "u1@example.test"), nil)
	f.Add([]byte{})
	f.Add(one)
	f.Add(slices.Concat(one, one, packet('A', ""), one))
	f.Add(slices.Concat(packet('D', "Mi\x00Q1\x00"), one, packet('D', "R"), one))
	f.Add(slices.Concat(packet('L', "X-Breakwater\x00x\x00"), one[:60]))
	f.Add(packet('L', "a\x00b\x00c\x00"))
	f.Add(packet('C', "h\x004"))
	f.Add(packet('C', "h\x006\x00\x19IPv6:::1\x00"))
	f.Add(slices.Concat(packet('M', "<a>\x00"), packet('E', "")))
	f.Add(slices.Concat(packet('M', "<>\x00"), packet('R', ""), packet('T', ""), packet('E', "")))
	f.Add(slices.Concat(packet('M', "<@r:a>\x00"), packet('R', "<@r:u>\x00"), packet('E', "")))
	f.Add(slices.Concat(packet('M', "<>\x00RET=HDRS\x00"), packet('R', "<no@x>\x00"), packet('R', "<u>\x00"), packet('R', "<no>\x00ORCPT=x\x00"), packet('E', "")))
	f.Add(slices.Concat(packet('M', "<a@b>\x00"), packet('R', "<no>\x00"), packet('E', "")))
	f.Add(slices.Concat(packet('C', "localhost\x004\x00\x00127.0.0.1\x00"), packet('M', "<>\x00"), packet('R', "<no>\x00"), packet('E', "")))
	f.Add(slices.Concat(packet('M', "\x00"), one[len(packet('M', "<a@example.net>\x00")):]))
	f.Add(packet('O', offer))
	f.Add(packet('Q', ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = slices.Concat(packet('O', offer), b, one)
		if got, want := answers(t, b), expected(b); !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// answers plays b to a session, and returns what it answers until it ends.
func answers(t *testing.T, b []byte) (got []string) {
	t.Helper()
	s := &Server{JudgeTimeout: time.Minute, Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		j := all(m, rules.Reject)
		for i := range j.Decisions {
			j.Decisions[i].Text = digest(m.QueueID, m.ReversePath, len(m.Recipients), string(m.Raw))
		}
		return j, nil
	}, Refuse: func(_ context.Context, _ message.Envelope, r message.Recipient) (string, bool) {
		return "no", strings.HasPrefix(r.Addr, "no")
	}}
	ours, theirs := socketpair(t)
	defer theirs.Close()
	in := inMemory(t, s)
	in.conns <- ours
	go func() {
		theirs.Write(b)
		theirs.CloseWrite()
	}()
	theirs.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		var head [5]byte
		if _, err := io.ReadFull(theirs, head[:]); err != nil {
			if err != io.EOF {
				t.Error("read answer:", err)
			}
			return got
		}
		data := make([]byte, binary.BigEndian.Uint32(head[:])-1)
		if _, err := io.ReadFull(theirs, data); err != nil {
			t.Error("read answer:", err)
		}
		answer := string(head[4:])
		if answer == "y" {
			answer += string(data)
		}
		got = append(got, answer)
	}
}

func digest(parts ...any) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q", parts)
	return fmt.Sprintf("%x", h.Sum(nil))
}

func socketpair(t *testing.T) (ours net.Conn, theirs *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "")
		if conns[i], err = net.FileConn(file); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	return conns[0], conns[1].(*net.UnixConn)
}

// peer is what a mail server knows of its session: what it must be answered.
type peer struct {
	want   []string
	macros map[string]string
	local  bool

	// of the message in hand
	begun, broken      bool
	id, from, raw      string
	recipients, marked int
}

// expected returns the answers to b.
func expected(b []byte) []string {
	var p peer
	for len(b) >= 4 {
		n := int(binary.BigEndian.Uint32(b))
		if n == 0 || n > maxPacket || len(b) < 4+n || !p.packet(milter.Code(b[4]), string(b[5:4+n])) {
			break
		}
		b = b[4+n:]
	}
	return p.want
}

// packet takes one packet; false if it ends the session.
func (p *peer) packet(code milter.Code, data string) bool {
	first, _, terminated := strings.Cut(data, "\x00")
	p.broken = p.broken || !wellFormed(code, []byte(data))
	switch code {
	case milter.CodeOptNeg:
		p.want = append(p.want, "O")
		return capable([]byte(data)) || p.drop()
	case milter.CodeMacro:
		if data != "" {
			p.setMacros(data[1:])
		}
	case milter.CodeMail:
		p.forget()
		p.begun, p.from = true, address.WithoutRoute(strings.Trim(first, "<>"))
		p.id = p.macros["i"]
	case milter.CodeRcpt:
		p.stage()
		if p.begun && !p.broken && !p.local && p.from == "" && strings.HasPrefix(address.WithoutRoute(strings.Trim(first, "<>")), "no") {
			p.want = append(p.want, "y550 5.7.1 no\x00")
			break
		}
		p.recipients++
		p.want = append(p.want, "c")
	case milter.CodeData:
		p.want = append(p.want, "c")
	case milter.CodeHeader:
		if _, value, _ := strings.Cut(data, "\x00"); terminated && wellFormed(code, []byte(data)) {
			p.field(first, strings.TrimSuffix(value, "\x00"))
		}
	case milter.CodeEOH:
		p.stage()
		p.raw += "\r\n"
	case milter.CodeBody:
		p.raw += data
	case milter.CodeEOB:
		p.stage()
		p.verdict()
		p.abort()
	case milter.CodeAbort:
		p.abort()
	case milter.CodeConn:
		if wellFormed(code, []byte(data)) {
			p.connect(first, data[len(first)+1:])
		}
	case milter.CodeHelo:
	default:
		return false
	}
	return true
}

// connect takes the family, the port and the address of a client.
func (p *peer) connect(host, data string) {
	addr, _ := netip.ParseAddr(strings.TrimPrefix(p.macros["{client_addr}"], "IPv6:"))
	port := uint16(0)
	if data[0] == '4' || data[0] == '6' {
		port = binary.BigEndian.Uint16([]byte(data[1:3]))
		text, _, _ := strings.Cut(data[3:], "\x00")
		if told := net.ParseIP(strings.TrimPrefix(text, "IPv6:")); told != nil {
			addr, _ = netip.AddrFromSlice(told)
		}
	}
	p.local = local(host, port, addr.Unmap().WithZone(""))
}

func (p *peer) drop() bool {
	p.want = p.want[:len(p.want)-1]
	return false
}

func (p *peer) setMacros(data string) {
	p.macros = map[string]string{}
	if data == "" {
		return
	}
	kv := append(strings.Split(strings.Trim(data, "\x00"), "\x00"), "")
	for i := 0; i+1 < len(kv); i += 2 {
		p.macros[kv[i]] = kv[i+1]
	}
}

func (p *peer) stage() {
	if id := p.macros["i"]; id != "" {
		p.id = id
	}
}

func (p *peer) field(name, value string) {
	if strings.HasPrefix(strings.ToLower(name), "x-breakwater") {
		p.marked++
	}
	value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n")
	p.raw += name + ":" + value + "\r\n"
}

// verdict expects what the end of the message is answered: by Judge, if the message was
// begun and whole and has recipients.
func (p *peer) verdict() {
	if p.begun && !p.broken && p.recipients > 0 {
		p.want = append(p.want, "y550 5.7.1 "+digest(p.id, p.from, p.recipients, p.raw)+"\x00")
		return
	}
	p.want = append(append(p.want, slices.Repeat([]string{"m"}, p.marked)...), "a")
}

func (p *peer) forget() {
	p.begun, p.id, p.from, p.raw, p.recipients, p.marked = false, "", "", "", 0, 0
}

func (p *peer) abort() {
	p.forget()
	p.broken, p.macros = false, nil
}
