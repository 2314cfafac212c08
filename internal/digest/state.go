package digest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// state is what a Digester knows from one start to the next: a cut through the archive.
// What is up to Seen is in Accounts or was told; what is behind it is read anew.
type state struct {
	Version   int
	Seen      string               // ID of a copy
	Accounts  map[string]*account  // as in book
	Refused   map[string]time.Time // mailboxes that refused a digest for good, and when
	Sent      map[string]hour      // digests to mailboxes, by domain
	Announced map[string]string    // by domain, up to which ID it was announced that copies expire
	Upto      map[string]time.Time // by domain, all that is kept since then or longer was announced
	Pending   map[string]time.Time // likewise, where the notices have not gone out yet
	Noticed   time.Time            // when that was looked at last
}

// hour is how many digests were written in an hour.
type hour struct {
	Begun time.Time
	N     int
}

const (
	stateVersion = 1
	stateFile    = "state.json"
	outboxDir    = "outbox"
)

var errNewer = errors.New("written by a newer breakwater")

func newState() state {
	return state{
		Version: stateVersion, Accounts: map[string]*account{}, Refused: map[string]time.Time{}, Sent: map[string]hour{}, Announced: map[string]string{},
		Upto: map[string]time.Time{}, Pending: map[string]time.Time{},
	}
}

// files is what a Digester writes to the disk; tests make it fail.
type files interface {
	// Write replaces a file, on disk and all at once.
	Write(path string, data []byte) error
	Remove(path string) error
}

type osFiles struct{}

func (osFiles) Remove(path string) error { return os.Remove(path) }

func (osFiles) Write(path string, data []byte) (err error) {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// loadState reads the state. One that cannot be read is put aside: everything that is in
// the archive is then told again, which is better than not at all.
func (d *Digester) loadState(now time.Time) error {
	if err := os.MkdirAll(filepath.Join(d.Dir, outboxDir), 0o700); err != nil {
		return fmt.Errorf("create folder of digests: %w", err)
	}
	path := filepath.Join(d.Dir, stateFile)
	d.state = newState()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state of digests: %w", err)
	}
	var s state
	err = json.Unmarshal(data, &s)
	if err == nil && s.Version > stateVersion {
		return fmt.Errorf("state of digests %s was %w: it has version %d, this one reads up to %d; run the newer version, or move the file away to have all that is in the archive told again", path, errNewer, s.Version, stateVersion)
	}
	if err == nil && s.Version != stateVersion {
		err = fmt.Errorf("version %d is not known here", s.Version)
	}
	if err == nil && (s.Accounts == nil || s.Refused == nil || s.Sent == nil || s.Announced == nil) {
		err = errors.New("parts of it are missing")
	}
	if err != nil {
		aside := path + ".damaged"
		d.Log.Error("state of digests is of no use and put aside; what is in the archive is told again", "file", aside, "err", err)
		return os.Rename(path, aside)
	}
	for _, m := range []*map[string]time.Time{&s.Upto, &s.Pending} { // older versions have none
		if *m == nil {
			*m = map[string]time.Time{}
		}
	}
	s.clamp(now)
	d.state = s
	return nil
}

// clamp takes times that are still to come for now: they are from a clock that was ahead.
func (s *state) clamp(now time.Time) {
	past := func(t *time.Time) {
		if t.After(now) {
			*t = now
		}
	}
	past(&s.Noticed)
	for mailbox, at := range s.Refused {
		past(&at)
		s.Refused[mailbox] = at
	}
	for domain, h := range s.Sent {
		past(&h.Begun)
		s.Sent[domain] = h
	}
	for _, a := range s.Accounts {
		past(&a.Since)
		past(&a.Active)
		past(&a.Sent)
	}
}

// save writes the state.
func (d *Digester) save(now time.Time) error {
	d.state.Accounts = d.book.Accounts
	data, err := json.Marshal(d.state)
	if err == nil {
		err = d.files.Write(filepath.Join(d.Dir, stateFile), data)
	}
	if err != nil {
		return fmt.Errorf("write state of digests: %w", err)
	}
	d.saved, d.changed = now, false
	return nil
}
