// Package texts remembers the texts of mail: by their shingles and by the first hop that they came with, so that
// near-duplicates are known, and how many copies of each were held. It keeps that as notes in a store.
package texts

import (
	"context"
	"math/bits"
	"net/netip"
	"time"

	"breakwater/internal/fingerprint"
	"breakwater/internal/notes"
	"breakwater/internal/store"
	"breakwater/internal/storm"
)

// remembered is how long copies of a text that were held are remembered after the last one: as long as a storm of
// identities lasts without another copy, by default.
const remembered = 48 * time.Hour

// Memory is what is known of texts when one message comes. It is for one goroutine.
type Memory struct {
	Store          store.Store
	Hasher         *fingerprint.Hasher
	DryRun         bool // look, but remember nothing
	Context        context.Context
	At             time.Time
	Server         netip.Addr // that sent the message; the zero Addr where it is one of our own hosts, through which everybody's mail comes
	HeldFromServer uint64     // how many copies of a text a server sends that were held, within an hour, when it takes part in its storm

	Mailboxes int  // at which copies of that were held, at least
	Stormy    bool // Server takes part in that
}

// Noted is fingerprint.Memory's.
func (m *Memory) Noted(keys []storm.Key) ([]notes.Note, error) {
	return m.Store.Noted(m.Context, m.At, keys)
}

// Note is fingerprint.Memory's.
func (m *Memory) Note(entries []notes.Entry) ([]notes.Note, error) {
	if m.DryRun {
		return nil, nil
	}
	return m.Store.Note(m.Context, m.At, entries)
}

// InOutbreak is fingerprint.Memory's. Where no copies of a text were held no server takes part.
func (m *Memory) InOutbreak(text [8]byte) (bool, error) {
	all, err := m.held(text, netip.Addr{})
	if m.Mailboxes = bits.OnesCount64(all.Bits); err != nil || m.Mailboxes == 0 || !m.Server.IsValid() {
		return false, err
	}
	sent, err := m.held(text, m.Server)
	m.Stormy = sent.Seen >= m.HeldFromServer
	return m.Stormy, err
}

func (m *Memory) held(text [8]byte, server netip.Addr) (notes.Note, error) {
	found, err := m.Noted([]storm.Key{m.Hasher.Outbreak(text, server, m.At)})
	if err != nil {
		return notes.Note{}, err
	}
	return found[0], nil
}

// Held remembers that the message is a copy of a text that was held: at mailboxes of which that was not known yet,
// and by the server that sent it.
func (m *Memory) Held(text [8]byte, mailboxes []string) error {
	var entries []notes.Entry
	var all uint64
	for _, box := range mailboxes {
		all |= m.Hasher.Bit(box)
	}
	if all != 0 {
		entries = append(entries, notes.Entry{Key: m.Hasher.Outbreak(text, netip.Addr{}, m.At), Keep: remembered, Bits: all})
	}
	if m.Server.IsValid() && !m.Stormy {
		entries = append(entries, notes.Entry{Key: m.Hasher.Outbreak(text, m.Server, m.At), Keep: remembered})
	}
	if len(entries) == 0 {
		return nil
	}
	_, err := m.Note(entries)
	return err
}
