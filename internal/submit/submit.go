// Package submit hands mail to a mail server, by SMTP (RFC 5321) or LMTP (RFC 2033).
//
// There is no TLS and no login: the server should be on this host, at a loopback address or
// a unix socket, and take mail from there.
package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// Conn is a connection to a server, for one transaction after the other. It is not safe
// for concurrent use.
type Conn struct {
	conn   net.Conn
	client *smtp.Client
	lmtp   bool
	dirty  bool // a transaction was begun and not ended
}

// Dial connects to a server and greets it.
func Dial(ctx context.Context, t Target) (*Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, t.Network, t.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w; does the mail server listen there? `breakwater setup` says what it needs", t, err)
	}
	c := &Conn{conn: conn, client: smtp.NewClient(conn), lmtp: t.LMTP}
	if t.LMTP {
		c.client = smtp.NewClientLMTP(conn)
	}
	err = c.within(ctx, func() error { return c.client.Hello("localhost") })
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet %s: %w", t, err)
	}
	return c, nil
}

// within runs f, and cuts the connection off when ctx ends first.
func (c *Conn) within(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	err := f()
	if !stop() && err != nil {
		return context.Cause(ctx)
	}
	return err
}

// Send sends one message in one transaction. It returns the server's answer for each
// recipient, nil where it took the message. With an error, the transaction failed before
// the server answered for any recipient: nobody got the message, or, if the connection was
// lost at the very end, nobody knows. When ctx ends first, the connection is of no more use.
//
// An empty from is the null reverse-path. The bytes of raw are sent as they are, but a bare
// LF becomes CRLF (RFC 5321 §2.3.8), and a last line without an end gets one.
// SMTPUTF8 (RFC 6531) is used where an address needs it and the server offers it; BODY=8BITMIME
// (RFC 6152) where the server offers it.
func (c *Conn) Send(ctx context.Context, from string, to []string, raw io.Reader) (answers []error, err error) {
	return c.SendAs(ctx, "", from, to, raw)
}

// TakesIDs reports whether the server takes envelope IDs (RFC 3461).
func (c *Conn) TakesIDs() bool {
	offered, _ := c.client.Extension("DSN")
	return offered
}

// SendAs is Send with an envelope ID of printable ASCII, for a server that TakesIDs; "" is none.
func (c *Conn) SendAs(ctx context.Context, id, from string, to []string, raw io.Reader) (answers []error, err error) {
	err = c.within(ctx, func() (err error) {
		answers, err = c.transact(id, from, to, raw)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("send message: %w", err)
	}
	return answers, nil
}

// Probe asks a server whether it takes mail from one address for another, and sends none. The
// error says why not, or why that is unknown.
func Probe(ctx context.Context, t Target, from, to string) error {
	c, err := Dial(ctx, t)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.within(ctx, func() error {
		if err := c.client.Mail(from, c.mailOptions([]string{from, to})); err != nil {
			return err
		}
		if err := c.client.Rcpt(to, nil); err != nil {
			return err
		}
		return c.client.Reset()
	})
}

func (c *Conn) transact(id, from string, to []string, raw io.Reader) ([]error, error) {
	if c.dirty {
		if err := c.client.Reset(); err != nil {
			return nil, err
		}
	}
	c.dirty = true
	options := c.mailOptions(append([]string{from}, to...))
	options.EnvelopeID = id
	if err := c.client.Mail(from, options); err != nil {
		return nil, err
	}
	answers := make([]error, len(to))
	var accepted []int
	for i, addr := range to {
		err := c.client.Rcpt(addr, nil)
		if err != nil && !isAnswer(err) {
			return nil, err
		}
		if answers[i] = err; err == nil {
			accepted = append(accepted, i)
		}
	}
	if len(accepted) == 0 {
		return answers, nil
	}
	return answers, c.data(to, accepted, answers, raw)
}

// data sends the message and notes the answer for each recipient that was accepted so far.
func (c *Conn) data(to []string, accepted []int, answers []error, raw io.Reader) error {
	cmd, err := c.client.Data()
	if err != nil {
		return err
	}
	if err := writeDots(c.conn, raw); err != nil {
		c.conn.Close() // the server must not take the part that it has for the whole
		return err
	}
	if c.lmtp {
		err = c.finishLMTP(cmd, to, accepted, answers)
	} else {
		err = finish(cmd, accepted, answers)
	}
	c.dirty = err != nil
	return err
}

// finish ends the message. SMTP has one answer for all.
func finish(cmd *smtp.DataCommand, accepted []int, answers []error) error {
	_, err := cmd.CloseWithResponse()
	if err != nil && !isAnswer(err) {
		return err
	}
	for _, i := range accepted {
		answers[i] = err
	}
	return nil
}

// finishLMTP ends the message. LMTP has an answer for each recipient, and the connection
// may be lost between two of them.
func (c *Conn) finishLMTP(cmd *smtp.DataCommand, to []string, accepted []int, answers []error) error {
	taken, err := cmd.CloseWithLMTPResponse()
	var refused smtp.LMTPDataError
	errors.As(err, &refused)
	if len(taken)+len(refused) == 0 {
		return err
	}
	for _, i := range accepted {
		no, isRefused := refused[to[i]]
		switch {
		case isRefused:
			answers[i] = no
		case taken[to[i]] == nil:
			answers[i] = errLost
		}
	}
	return nil
}

var errLost = errors.New("the connection was lost before the server answered")

func (c *Conn) mailOptions(addrs []string) *smtp.MailOptions {
	o := &smtp.MailOptions{}
	if offered, _ := c.client.Extension("SMTPUTF8"); !offered {
		return o // the server decides whether it likes such an address
	}
	for _, a := range addrs {
		for i := range len(a) {
			o.UTF8 = o.UTF8 || a[i] > 127
		}
	}
	return o
}

// isAnswer reports whether err is what the server said.
func isAnswer(err error) bool {
	var said *smtp.SMTPError
	return errors.As(err, &said)
}

// Answered reports whether err is a server's answer to this mail, for good or for now. 421
// is none: the server takes no mail at all (RFC 5321 §3.8). What cannot be said in SMTP
// at all, such as an address with a line end, is as good as refused.
func Answered(err error) bool {
	var said *smtp.SMTPError
	if errors.As(err, &said) {
		return said.Code != 421
	}
	return err != nil && strings.Contains(err.Error(), "must not contain CR or LF")
}

// Permanent reports whether err is a server's answer that it will never take this mail, 5xx.
func Permanent(err error) bool {
	var said *smtp.SMTPError
	return errors.As(err, &said) && said.Code/100 == 5
}

// quitTimeout is how long a server may take to answer QUIT. All that was sent has its answer by then.
const quitTimeout = 2 * time.Second

// Close says QUIT and closes the connection.
func (c *Conn) Close() error {
	c.client.CommandTimeout = quitTimeout
	if err := c.client.Quit(); err != nil {
		c.conn.Close() // all that was sent has its answer
	}
	return nil
}
