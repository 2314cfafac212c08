package milterd

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"strings"

	"github.com/emersion/go-milter"

	"breakwater/internal/address"
	"breakwater/internal/message"
)

// sameSession is an answer after which go-milter keeps the session. It ends the session after its own RespAccept,
// RespReject and others.
type sameSession struct{ answer milter.Response }

func (k sameSession) Response() *milter.Message { return k.answer.Response() }
func (sameSession) Continue() bool              { return true }

// session is what one MTA tells us over one connection: go-milter's backend.
type session struct {
	server *Server
	conn   *conn

	connection  message.Envelope // what is known of all its messages
	keepsParams bool             // the MTA keeps the parameters of MAIL when the reverse-path is changed
	params      []string         // of the last MAIL, such as RET=HDRS

	// of the message in hand
	env          message.Envelope
	foreign      foreignFields
	spool        *spool
	failed       error // our own failure, so far
	refuseFailed bool  // Refuse has failed, and is not asked again

	number  uint64   // of the connection
	outcome *Outcome // that Done is told once the answer is written
}

func newSession(s *Server, c *conn) *session {
	n := &session{server: s, conn: c}
	c.session = n
	if c.inherited != nil {
		n.restore(c.inherited)
	}
	return n
}

// reset forgets the message in hand.
func (s *session) reset() {
	s.env, s.foreign, s.refuseFailed = message.Envelope{}, foreignFields{}, false
	if s.spool != nil {
		s.spool.release()
		s.spool = nil
	}
}

// end forgets the message in hand with all that went wrong with it.
func (s *session) end() {
	s.reset()
	s.failed = nil
	s.conn.setBusy(false)
}

// malformed notes a packet that can not be read. The message in hand is then OnError, or
// the next one, since it may have been about that.
func (s *session) malformed(code milter.Code) {
	s.failed = fmt.Errorf("the mail server sent a malformed packet %q", byte(code))
}

func (s *session) queueID(m *milter.Modifier) {
	if id := m.Macros["i"]; id != "" {
		s.env.QueueID = id
	}
}

// Connect begins a connection. Sendmail and Postfix write IPv6 addresses differently, and
// some only in a macro.
func (s *session) Connect(host, _ string, port uint16, addr net.IP, m *milter.Modifier) (milter.Response, error) {
	client, ok := netip.AddrFromSlice(addr)
	if !ok {
		client, _ = netip.ParseAddr(strings.TrimPrefix(m.Macros["{client_addr}"], "IPv6:"))
	}
	client = client.Unmap().WithZone("")                         // no network contains an address with a zone
	s.keepsParams = strings.HasPrefix(m.Macros["v"], "Postfix ") // and warns of each that it is told again
	s.connection = message.Envelope{Client: client, ClientPort: port, DaemonName: m.Macros["{daemon_name}"], Host: m.Macros["j"], Local: local(host, port, client)}
	if !strings.HasPrefix(host, "[") && host != "unknown" { // what MTAs say of a client without a name
		s.connection.ClientName = host
	}
	s.number = s.server.numbers.Add(1)
	return nil, nil
}

// local tells whether a message did not come from the network. Of sendmail(1) and of its own bounces
// Postfix says localhost, 127.0.0.1 and port 0; of sendmail -bs Sendmail says localhost and no
// address. A client that really is connected has a port.
func local(host string, port uint16, client netip.Addr) bool {
	return host == "localhost" && port == 0 && (client.IsLoopback() || !client.IsValid())
}

// Helo comes again after STARTTLS.
func (s *session) Helo(name string, m *milter.Modifier) (milter.Response, error) {
	s.connection.Helo = name
	s.connection.TLS = strings.TrimSpace(m.Macros["{tls_version}"] + " " + m.Macros["{cipher}"])
	return nil, nil
}

// MailFrom begins a message, whether or not the last one was ended by ABORT.
func (s *session) MailFrom(from string, m *milter.Modifier) (milter.Response, error) {
	s.reset()
	s.conn.setBusy(true)
	id := envelopeID(s.params)
	if s.keepsParams {
		s.params = nil
	}
	s.env = s.connection
	s.env.AuthUser, s.env.ReversePath, s.env.EnvelopeID = m.Macros["{auth_authen}"], address.WithoutRoute(from), id
	s.queueID(m)
	s.spool = newSpool(s.server)
	return nil, nil
}

// envelopeID is the value of ENVID among the parameters of MAIL; "" where there is none. It is xtext:
// + and two upper-case hex digits are a character (RFC 3461 §4).
func envelopeID(params []string) string {
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(name, "ENVID") {
			continue
		}
		var b strings.Builder
		for len(value) > 0 {
			if value[0] == '+' && len(value) >= 3 {
				if c, err := hex.DecodeString(value[1:3]); err == nil {
					b.Write(c)
					value = value[3:]
					continue
				}
			}
			b.WriteByte(value[0])
			value = value[1:]
		}
		return b.String()
	}
	return ""
}

// RcptTo collects a recipient, or refuses it.
func (s *session) RcptTo(to string, m *milter.Modifier) (milter.Response, error) {
	s.queueID(m)
	rcpt := message.Recipient{Addr: address.WithoutRoute(to), Mailer: m.Macros["{rcpt_mailer}"]}
	// Sendmail tells the user whom a local address comes to, Postfix the address itself.
	if user := m.Macros["{rcpt_addr}"]; rcpt.Mailer == "local" && !address.In(user) {
		rcpt.User = user
	}
	if text, refused := s.refuse(rcpt); refused {
		return reply("550 5.7.1", text), nil
	}
	s.env.Recipients = append(s.env.Recipients, rcpt)
	return milter.RespContinue, nil
}

// ours is what the names of all our header fields begin with.
const ours = "X-Breakwater"

func isOurs(name string) bool {
	return len(name) >= len(ours) && strings.EqualFold(name[:len(ours)], ours)
}

// foreignFields are the names of the fields that only we may write, but that came with the message.
type foreignFields struct {
	names []string // the first maxForeign
	count int
}

// maxForeign bounds the fields of one message that are removed. An MTA looks for each of them from the
// beginning of the message, and Postfix's cleanup ends with a panic at some 10,000 (3.7).
const maxForeign = 100

func (k *foreignFields) add(name string) {
	if k.count++; k.count <= maxForeign {
		k.names = append(k.names, name)
	}
}

// Header collects a field as it came: with its leading white space, in its folds.
func (s *session) Header(name, value string, _ *milter.Modifier) (milter.Response, error) {
	if isOurs(name) {
		s.foreign.add(name)
	}
	if strings.Contains(value, "\n") {
		value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n")
	}
	write(s, name+":"+value+"\r\n")
	return nil, nil
}

// Headers ends the header.
func (s *session) Headers(_ textproto.MIMEHeader, m *milter.Modifier) (milter.Response, error) {
	s.queueID(m)
	write(s, "\r\n")
	return nil, nil
}

// BodyChunk collects a part of the body.
func (s *session) BodyChunk(chunk []byte, _ *milter.Modifier) (milter.Response, error) {
	write(s, chunk)
	return nil, nil
}

// take takes a packet that is too long for go-milter.
func (s *session) take(code milter.Code, data []byte) {
	if code == milter.CodeBody {
		_, _ = s.BodyChunk(data, nil)
		return
	}
	name, value, _ := strings.Cut(strings.TrimSuffix(string(data), "\x00"), "\x00")
	_, _ = s.Header(name, value, nil)
}

func write[T string | []byte](s *session, p T) {
	if s.failed == nil && s.spool != nil {
		s.failed = spoolTo(s.spool, p)
	}
}

// Abort gives the message in hand up.
func (s *session) Abort(*milter.Modifier) error {
	s.end()
	return nil
}
