// Package mark signs that by which breakwater knows its own mail when it comes back: a field of
// digests, and the envelope ID of copies that are released.
package mark

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"breakwater/internal/message"
	"breakwater/internal/seal"
)

// Names of the fields. Fields whose names begin like these are taken off all other mail.
const (
	DigestField  = "X-Breakwater-Digest"
	ReleaseField = "X-Breakwater-Release"
)

// Signer signs with the secret of a host. It is safe for concurrent use.
type Signer struct{ sealer *seal.Sealer }

// New returns a Signer. The secret is that of the fingerprints; it signs nothing else alike.
func New(secret []byte) *Signer { return &Signer{seal.New(secret, seal.Fixed)} }

// Digest is the value of DigestField in a digest with this Message-ID, without angle
// brackets, and Date field, for one recipient.
func (s *Signer) Digest(messageID, date, rcpt string) string {
	return s.sign("digest", messageID, date, strings.ToLower(rcpt))
}

// IsDigest reports whether m is a digest of ours for all its recipients.
func (s *Signer) IsDigest(m *message.Message) bool {
	value := m.Header.Get(DigestField)
	if value == "" || len(m.Recipients) == 0 {
		return false
	}
	for _, r := range m.Recipients {
		if !seal.Equal(value, s.Digest(m.MessageID, m.Header.Get("Date"), r.Addr)) {
			return false
		}
	}
	return true
}

// ReleaseID is the envelope ID (RFC 3461 §4.4) with which m is released. It is part of no message, so
// nobody has to take it off. Two releases with one ID, which has neither spaces nor slashes, are one
// release, tried twice.
func (s *Signer) ReleaseID(id string, m *message.Message) string {
	return id + "/" + s.ofBody(id, m.Body)
}

// Release is the value of ReleaseField in m when it is released to a server that takes no envelope IDs.
func (s *Signer) Release(id string, m *message.Message) string {
	return id + " " + s.ofBody(id, m.Body)
}

// Released returns the ID with which m was released by us.
func (s *Signer) Released(m *message.Message) (id string, ok bool) {
	for _, mark := range []struct{ value, sep string }{{m.EnvelopeID, "/"}, {m.Header.Get(ReleaseField), " "}} {
		id, signed, ok := strings.Cut(mark.value, mark.sep)
		if ok && seal.Equal(signed, s.ofBody(id, m.Body)) {
			return id, true
		}
	}
	return "", false
}

// ofBody signs the body, so that the mark is good for no other mail. Header fields are left
// out: mail servers write some of them anew.
func (s *Signer) ofBody(id string, body []byte) string {
	sum := sha256.Sum256(bytes.TrimRight(body, "\r\n"))
	return s.sign("release", id, string(sum[:]))
}

func (s *Signer) sign(texts ...string) string {
	sum := s.sealer.Sum("breakwater mark 1", texts...)
	return hex.EncodeToString(sum[:])[:32]
}
