// Package message turns an envelope and raw bytes into facts. It never fails:
// what cannot be read is listed in Message.Problems, and any bytes at all are
// read in bounded time and memory. It is the only package that knows enmime.
package message

import (
	"net/netip"
	"strings"
	"time"

	"breakwater/internal/address"
)

// Envelope is what is known of a message besides its bytes.
type Envelope struct {
	QueueID     string      // the MTA's, {i}
	Client      netip.Addr  // who is connected to the MTA; the zero Addr where unknown
	ClientPort  uint16      // from which it is connected; 0 where unknown
	ClientName  string      // the name of Client, as the MTA has looked it up; "" where there is none
	TLS         string      // version and cipher of the connection, such as "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" without
	Helo        string      // HELO or EHLO argument
	AuthUser    string      // {auth_authen}; "" if nobody logged in
	DaemonName  string      // {daemon_name}: the MTA's listener, such as ORIGINATING or MSA
	Host        string      // {j}: what the MTA calls itself, in Received fields, too; "" where unknown
	Local       bool        // it was made on the MTA's host, by sendmail(1) or the MTA itself, and did not come by SMTP
	EnvelopeID  string      // ENVID of MAIL (RFC 3461 §4.4), without its xtext encoding; "" where there is none
	ReversePath string      // without angle brackets; "" is the null reverse-path, RFC 5321 §4.5.5
	Recipients  []Recipient // those that the MTA accepted, in their order
	Rebuilt     bool        // put together from header fields, not seen on the wire
	Truncated   bool        // the message is longer than the raw bytes at hand
}

// Recipient is one RCPT of a transaction.
type Recipient struct {
	Addr   string // as it came, without angle brackets
	Mailer string // {rcpt_mailer}: how the MTA will deliver, such as local, virtual, smtp; "" where unknown
	User   string // {rcpt_addr} of Sendmail: whose mailbox it is, after aliases and catch-alls; "" where the MTA does not tell
}

// Field is one header field. Value is as it came, folded, without the colon,
// without leading white space and without the last line end.
type Field struct{ Name, Value string }

// Header is the fields of a header in their order.
type Header []Field

// ContentType is a parsed Content-Type field (RFC 2045 §5.1, with RFC 2231 parameters).
type ContentType struct {
	Type   string            // lower case, "text/plain" where missing or unreadable
	Params map[string]string // names in lower case
}

// Part is one leaf of the MIME tree; message/* parts are leaves, too.
type Part struct {
	ContentType
	Header   Header
	Filename string
	Content  []byte // transfer encoding undone, charset as it is
}

// Message is what a message says of itself, without any judgement.
type Message struct {
	Envelope
	At  time.Time // when it was received
	Raw []byte    // header and body as they came; valid as long as the message is being judged

	Header      Header
	Body        []byte // Raw behind the empty line
	ContentType ContentType
	From        string    // addr-spec of the first mailbox of From, domain in lower case
	Subject     string    // unfolded, RFC 2047 words decoded
	MessageID   string    // without angle brackets; "" where missing
	Date        time.Time // zero where missing or unreadable
	Received    []string  // unfolded, newest first
	Problems    []string  // what could not be read, in words

	parts  []Part
	parsed bool // parts is filled
}

// NullPath reports whether m came with the null reverse-path, as programs send what must not
// be answered (RFC 3834 §3.3, RFC 5321 §4.5.5). Some mail servers keep it in Return-Path as
// their own mailer-daemon. Of a message that is rebuilt, the field has to say so.
func (m *Message) NullPath() bool {
	if IsDaemon(address.Local(m.ReversePath)) {
		return true
	}
	return m.ReversePath == "" && (!m.Rebuilt || strings.TrimSpace(m.Header.Get("Return-Path")) == "<>")
}

// Sender is who sent m: the reverse-path, or the address in From where that is null.
func (m *Message) Sender() string {
	if m.ReversePath != "" {
		return m.ReversePath
	}
	return m.From
}
