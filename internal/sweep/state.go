package sweep

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"breakwater/internal/notes"
	"breakwater/internal/owned"
	"breakwater/internal/storm"
	"breakwater/internal/sweep/session"
)

// state is what an account's next sweep begins with, by folder. It is written when a sweep
// was applied to its end, and what is in it can always be found out anew: without it all
// messages are looked at again.
type state map[string]*folderState

type folderState struct {
	UIDValidity uint32 `json:"uidvalidity"`
	UIDNext     uint32 `json:"uidnext"`            // what has this UID or a later one is new
	Young       string `json:"young,omitempty"`    // UIDs that were too young
	Restored    string `json:"restored,omitempty"` // UIDs of what was undone: left alone ever after
	Held        string `json:"held,omitempty"`     // UIDs of what stays because of its flags
	ModSeq      uint64 `json:"modseq,omitempty"`   // HIGHESTMODSEQ when their flags were read; 0 without CONDSTORE
	Tallies     []byte `json:"tallies,omitempty"`  // those that still count, each with its length before it
}

func readState(name string) (state, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	s := state{}
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read state %s: %w; remove the file to look at all messages again", name, err)
	}
	return s, nil
}

// write replaces the file in one step.
func (s state) write(name string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := owned.MkdirAll(filepath.Dir(name)); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := owned.Replace(name, b); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// of is the state of a folder as the server has it now; empty where it is another folder.
func (s state) of(name string, now session.State) folderState {
	if f := s[name]; f != nil && f.UIDValidity == now.UIDValidity {
		return *f
	}
	return folderState{UIDValidity: now.UIDValidity}
}

// unchanged reports whether nothing is to be looked at.
func (f *folderState) unchanged(now session.State) bool {
	return f.UIDNext != 0 && f.UIDNext == now.UIDNext && f.Young == "" && f.sameFlags(now)
}

// sameFlags reports whether the flags of what is held are known to be as they were.
func (f *folderState) sameFlags(now session.State) bool {
	return f.Held == "" || f.ModSeq != 0 && f.ModSeq == now.HighestModSeq
}

// keep takes over the tallies and notes that can still count at a time.
func (f *folderState) keep(s *scratch, at time.Time) error {
	f.Tallies = nil
	add := func(b []byte, err error) error {
		f.Tallies = append(binary.AppendUvarint(f.Tallies, uint64(len(b))), b...)
		return err
	}
	for _, t := range s.tallies {
		if t.Forgotten(at) {
			continue
		}
		if err := add(t.AppendBinary(nil)); err != nil {
			return err
		}
	}
	for _, n := range s.notes {
		if n.Forgotten(at) {
			continue
		}
		if err := add(n.AppendBinary(nil)); err != nil {
			return err
		}
	}
	return nil
}

// restore gives back to s what keep took. What was counted while the clock was ahead has the times of now.
func (f *folderState) restore(s *scratch, now time.Time) error {
	for b := f.Tallies; len(b) > 0; {
		size, w := binary.Uvarint(b)
		if w <= 0 || size > uint64(len(b)-w) {
			return errors.New("tallies are cut off")
		}
		value := b[w : w+int(size)]
		var t storm.Tally // a note has the same form
		if err := t.UnmarshalBinary(value); err != nil {
			return err
		}
		if notes.Of(t.Key.Kind) {
			var n notes.Note
			if err := n.UnmarshalBinary(value); err != nil {
				return err
			}
			s.notes[n.Key] = n.SetBack(now)
		} else {
			s.tallies[t.Key] = t.SetBack(now)
		}
		b = b[w+int(size):]
	}
	return nil
}

// restored adds UIDs of messages that were brought back.
func (s state) restored(folder string, validity uint32, uids []uint32) error {
	f := s[folder]
	if f == nil || f.UIDValidity != validity {
		f = &folderState{UIDValidity: validity}
		s[folder] = f
	}
	var err error
	f.Restored, err = withUIDs(f.Restored, uids)
	return err
}

// keepRestored takes over the UIDs of what was brought back since s was read.
func (s state) keepRestored(now state) error {
	for folder, f := range now {
		uids, err := session.ParseUIDs(f.Restored)
		if err != nil {
			return err
		}
		if next := s[folder]; next != nil && next.UIDValidity != f.UIDValidity || len(uids) == 0 {
			continue // it is another folder now
		}
		if err := s.restored(folder, f.UIDValidity, uids); err != nil {
			return err
		}
	}
	return nil
}

// withUIDs adds UIDs to those that are written in a text.
func withUIDs(text string, uids []uint32) (string, error) {
	known, err := session.ParseUIDs(text)
	if err != nil {
		return "", err
	}
	all := append(known, uids...)
	slices.Sort(all)
	return session.FormatUIDs(slices.Compact(all)), nil
}
