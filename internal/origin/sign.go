package origin

import (
	"encoding/hex"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/message"
)

// SignOptions is how a domain wants its mail to leave.
type SignOptions struct {
	Token bool
	Tag   Form
}

// Sign makes the stamp of mail that a domain of ours sends. id is its Message-ID without
// angle brackets, its own or the one that it gets.
func (r *Ring) Sign(m *message.Message, domain string, w SignOptions) (s Stamp, id string) {
	field := func(name, otherwise string) string {
		value := m.Header.Get(name)
		if strings.TrimSpace(value) == "" {
			value = otherwise
			s.Fields = append(s.Fields, message.Field{Name: name, Value: value})
		}
		return value
	}
	made := hex.EncodeToString(r.Signing(m.At).sign("message-id", m.QueueID, m.At.Format(time.RFC3339Nano), string(m.Raw)))[:32]
	id = field("Message-ID", "<"+address.Join(made, domain)+">")
	date := field("Date", m.At.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	if w.Token {
		s.Fields = append(s.Fields, message.Field{Name: TokenField, Value: r.Token(domain, m.Header.Get("From"), date, id, m.At)})
	}
	if tagged := r.Tagged(m.ReversePath, w.Tag, m.At); tagged != m.ReversePath {
		s.ReversePath = tagged
	}
	return s, messageID(id)
}
