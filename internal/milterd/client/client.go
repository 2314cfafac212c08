// Package client speaks the milter protocol as a mail server does, to play messages through
// a milter. It offers what Postfix offers, and heeds which events get no answer.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"breakwater/internal/message"
)

// Mail is one message with its envelope.
type Mail struct {
	QueueID    string
	Client     netip.Addr
	Helo       string
	AuthUser   string
	DaemonName string
	Local      bool     // it did not come by SMTP, as Postfix says it
	From       string   // without angle brackets
	Params     []string // of MAIL, such as RET=HDRS
	To         []string
	Mailer     string // {rcpt_mailer} of all recipients
	Raw        []byte // header, empty line, body
}

// MailOf makes a Mail of a message whose recipients are mailboxes of the mail server.
func MailOf(env message.Envelope, raw []byte) Mail {
	m := Mail{
		QueueID: env.QueueID, Client: env.Client, Helo: env.Helo, AuthUser: env.AuthUser, DaemonName: env.DaemonName,
		Local: env.Local, From: env.ReversePath, Mailer: "virtual", Raw: raw,
	}
	for _, r := range env.Recipients {
		m.To = append(m.To, r.Addr)
	}
	return m
}

// Verdict is the milter's answer to a message, by its code in the protocol.
type Verdict byte

// Verdicts.
const (
	Accept   Verdict = 'a'
	Continue Verdict = 'c'
	Discard  Verdict = 'd'
	Reject   Verdict = 'r'
	Tempfail Verdict = 't'
	Reply    Verdict = 'y' // with a text
)

// Field is a header field that the milter inserts, adds, changes or, with an empty Value, deletes.
type Field struct {
	Index       int // among all fields, or of one name those to be changed; -1 is behind the last
	Name, Value string
}

// Result is what the milter did with a message.
type Result struct {
	Verdict     Verdict
	Reply       string   // of a Reply at the end
	Refused     []string // recipients refused at RCPT
	Deleted     []string // recipients taken off at the end
	Added       []string // recipients put on at the end
	From        string   // the new reverse-path in its angle brackets; "" where it stays
	Params      string   // of the new reverse-path
	Inserted    []Field
	Changed     []Field
	Quarantined string // why; "" if it was not
}

// Options says how a Conn behaves. The zero Options are Sendmail's manners.
type Options struct {
	Abort   bool          // send ABORT after each message, as Postfix does
	Timeout time.Duration // for one answer; 30 s
}

// Conn is a connection to a milter. It serves one goroutine.
type Conn struct {
	net.Conn
	o        Options
	r        *bufio.Reader
	out      bytes.Buffer
	protocol uint32
	greeted  Mail // whose CONNECT and HELO were sent
	begun    bool
}

// Host is what the mail server calls itself.
const Host = "mx.example.test"

// Protocol bits: no answer to an event, and header values with their leading white space.
const (
	noHeader = 1 << 7
	noConn   = 1 << 12
	noHelo   = 1 << 13
	noMail   = 1 << 14
	noRcpt   = 1 << 15
	noEOH    = 1 << 18
	noBody   = 1 << 19
	leading  = 1 << 20
)

// Dial connects and negotiates.
func Dial(ctx context.Context, network, addr string, o Options) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	c := &Conn{Conn: nc, o: o, r: bufio.NewReader(nc)}
	offer := binary.BigEndian.AppendUint32(nil, 6)
	offer = binary.BigEndian.AppendUint32(offer, 0x1ff)
	offer = binary.BigEndian.AppendUint32(offer, 0x1fffff)
	code, data, err := c.ask('O', offer)
	if err != nil || code != 'O' || len(data) < 12 {
		nc.Close()
		return nil, fmt.Errorf("negotiate with milter: answer %q, %w", code, errors.Join(err, io.ErrUnexpectedEOF))
	}
	c.protocol = binary.BigEndian.Uint32(data[8:])
	return c, nil
}

// Send plays one message. The connection can be used again, unless there is an error.
func (c *Conn) Send(m Mail) (Result, error) {
	var res Result
	err := c.send(m, &res)
	if err == nil && c.o.Abort {
		c.put('A', nil)
	}
	if err == nil {
		err = c.flush()
	}
	if err != nil {
		return res, fmt.Errorf("send %s to milter: %w", m.QueueID, err)
	}
	return res, nil
}

func (c *Conn) send(m Mail, res *Result) error {
	if err := c.greet(m); err != nil {
		return err
	}
	c.macros('M', "i", m.QueueID, "{auth_authen}", m.AuthUser, "{mail_addr}", m.From)
	if err := c.event('M', cstrings(append([]string{"<" + m.From + ">"}, m.Params...)...), noMail); err != nil {
		return err
	}
	kept := 0
	for _, to := range m.To {
		c.macros('R', "i", m.QueueID, "{rcpt_addr}", to, "{rcpt_mailer}", m.Mailer)
		if c.protocol&noRcpt != 0 {
			c.put('R', cstrings("<"+to+">"))
			kept++
			continue
		}
		code, _, err := c.ask('R', cstrings("<"+to+">"))
		if err != nil {
			return err
		}
		if code == 'c' || code == 'a' {
			kept++
		} else {
			res.Refused = append(res.Refused, to)
		}
	}
	if kept == 0 && len(m.To) > 0 {
		return nil
	}
	if err := c.message(m); err != nil {
		return err
	}
	c.macros('E', "i", m.QueueID)
	return c.end(res)
}

// greet begins a client's connection, if it is another one than that of the last message.
func (c *Conn) greet(m Mail) error {
	if c.begun && c.greeted.Client == m.Client && c.greeted.Helo == m.Helo && c.greeted.DaemonName == m.DaemonName && c.greeted.Local == m.Local {
		return nil
	}
	c.greeted, c.begun = m, true
	addr, family := m.Client.Unmap(), byte('4')
	text := addr.String()
	switch {
	case !addr.IsValid():
		family = 'U'
	case addr.Is6():
		family, text = '6', "IPv6:"+text
	}
	host, port := "client.example.net", uint16(2525)
	if m.Local {
		host, port, family, text = "localhost", 0, '4', "127.0.0.1"
	}
	c.macros('C', "j", Host, "{daemon_name}", m.DaemonName, "{client_addr}", addr.String())
	data := append(cstrings(host), family)
	if family != 'U' {
		data = append(binary.BigEndian.AppendUint16(data, port), cstrings(text)...)
	}
	if err := c.event('C', data, noConn); err != nil {
		return err
	}
	return c.event('H', cstrings(m.Helo), noHelo)
}

// message sends header and body.
func (c *Conn) message(m Mail) error {
	header, body, _ := bytes.Cut(m.Raw, []byte("\r\n\r\n"))
	lines := strings.Split(string(header), "\r\n")
	for i := 0; i < len(lines); {
		field := lines[i]
		for i++; i < len(lines) && strings.HasPrefix(lines[i], " ") || i < len(lines) && strings.HasPrefix(lines[i], "\t"); i++ {
			field += "\n" + lines[i]
		}
		name, value, ok := strings.Cut(field, ":")
		if !ok {
			continue
		}
		if c.protocol&leading == 0 {
			value = strings.TrimPrefix(value, " ")
		}
		if err := c.event('L', cstrings(name, value), noHeader); err != nil {
			return err
		}
	}
	if err := c.event('N', nil, noEOH); err != nil {
		return err
	}
	for len(body) > 0 {
		n := min(len(body), 65535)
		if err := c.event('B', body[:n], noBody); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

// end sends the end of the message and gathers what the milter wants done.
func (c *Conn) end(res *Result) error {
	code, data, err := c.ask('E', nil)
	for ; err == nil; code, data, err = c.answer() {
		switch code {
		case 'a', 'c', 'd', 'r', 't':
			res.Verdict = Verdict(code)
			return nil
		case 'y':
			res.Verdict, res.Reply = Reply, strings.TrimRight(string(data), "\x00")
			return nil
		case '-':
			res.Deleted = append(res.Deleted, strings.Trim(string(data), "<>\x00"))
		case '+':
			addr := strings.TrimSuffix(string(data), ">\x00")
			res.Added = append(res.Added, strings.TrimPrefix(addr, "<")) // one pair: Postfix loses <<a@b>>
		case 'e':
			res.From, res.Params, _ = strings.Cut(strings.TrimSuffix(string(data), "\x00"), "\x00")
		case 'h':
			name, value, _ := strings.Cut(string(data), "\x00")
			res.Inserted = append(res.Inserted, Field{-1, name, strings.TrimSuffix(value, "\x00")})
		case 'i', 'm':
			f, err := field(data)
			if err != nil {
				return err
			}
			if code == 'i' {
				res.Inserted = append(res.Inserted, f)
			} else {
				res.Changed = append(res.Changed, f)
			}
		case 'q':
			res.Quarantined = strings.TrimRight(string(data), "\x00")
		case 'p': // progress
		default:
			return fmt.Errorf("unexpected answer %q", code)
		}
	}
	return err
}

func field(data []byte) (Field, error) {
	if len(data) < 4 {
		return Field{}, io.ErrUnexpectedEOF
	}
	name, value, _ := strings.Cut(string(data[4:]), "\x00")
	return Field{int(binary.BigEndian.Uint32(data)), name, strings.TrimSuffix(value, "\x00")}, nil
}

// event sends an event and takes its answer, if one was negotiated.
func (c *Conn) event(code byte, data []byte, silent uint32) error {
	if c.protocol&silent != 0 {
		c.put(code, data)
		return nil
	}
	got, _, err := c.ask(code, data)
	if err == nil && got != 'c' {
		err = fmt.Errorf("answer %q to %q", got, code)
	}
	return err
}

func (c *Conn) macros(stage byte, kv ...string) {
	var set []string
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] != "" {
			set = append(set, kv[i], kv[i+1])
		}
	}
	c.put('D', append([]byte{stage}, cstrings(set...)...))
}

func cstrings(ss ...string) []byte {
	var b []byte
	for _, s := range ss {
		b = append(append(b, s...), 0)
	}
	return b
}

func (c *Conn) put(code byte, data []byte) {
	c.out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1)))
	c.out.WriteByte(code)
	c.out.Write(data)
}

func (c *Conn) flush() error {
	if err := c.SetDeadline(time.Now().Add(c.o.Timeout)); err != nil {
		return err
	}
	_, err := c.out.WriteTo(c.Conn)
	return err
}

func (c *Conn) ask(code byte, data []byte) (byte, []byte, error) {
	c.put(code, data)
	if err := c.flush(); err != nil {
		return 0, nil, err
	}
	return c.answer()
}

func (c *Conn) answer() (byte, []byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > 1<<20 {
		return 0, nil, fmt.Errorf("answer of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return 0, nil, err
	}
	return b[0], b[1:], nil
}

// Quit ends the session in an orderly way.
func (c *Conn) Quit() error {
	c.put('Q', nil)
	return errors.Join(c.flush(), c.Close())
}
