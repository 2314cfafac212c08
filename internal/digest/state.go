package digest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"breakwater/internal/format"
	"breakwater/internal/owned"
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

// layout is the format of the folder: of the state, and of letters in the outbox.
var layout = format.Format{Name: "breakwater digests", Version: 1, Oldest: 1, Instead: "move the folder away to have all that is in the archive told again"}

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

func (osFiles) Write(path string, data []byte) error { return owned.Replace(path, data) }

// loadState reads the state. One that cannot be read is put aside: everything that is in
// the archive is then told again, which is better than not at all. That of a newer version is left as it is.
func (d *Digester) loadState(now time.Time) error {
	path := filepath.Join(d.Dir, stateFile)
	s, damage, err := readState(d.Dir, path)
	if err != nil {
		return fmt.Errorf("read state of digests: %w", err)
	}
	if err := owned.MkdirAll(filepath.Join(d.Dir, outboxDir)); err != nil {
		return fmt.Errorf("create folder of digests: %w", err)
	}
	if err := layout.Write(d.Dir); err != nil { // a full disk keeps nobody from being told
		d.Log.Error("the format of the folder of digests is not noted before the next start", "err", err)
	}
	d.state = newState()
	if damage != nil {
		aside := path + ".damaged"
		d.Log.Error("state of digests is of no use and put aside; what is in the archive is told again", "file", aside, "err", damage)
		return os.Rename(path, aside)
	}
	if s == nil {
		return nil
	}
	for _, m := range []*map[string]time.Time{&s.Upto, &s.Pending} { // older versions have none
		if *m == nil {
			*m = map[string]time.Time{}
		}
	}
	s.clamp(now)
	d.state = *s
	return nil
}

// readState reads the state in a folder, nil if there is none. damage is why it is of no use; err, why the folder is not
// to be written to.
func readState(dir, path string) (s *state, damage, err error) {
	if err := layout.Check(dir); err != nil {
		return nil, nil, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	s = &state{}
	switch damage := json.Unmarshal(data, s); {
	case damage != nil:
		return nil, damage, nil
	case s.Version > stateVersion:
		return nil, nil, fmt.Errorf("%s has version %d, this breakwater reads up to %d: %w; install the newer version again, or %s", path, s.Version, stateVersion, format.ErrNewer, layout.Instead)
	case s.Version != stateVersion:
		return nil, fmt.Errorf("version %d is not known here", s.Version), nil
	case s.Accounts == nil || s.Refused == nil || s.Sent == nil || s.Announced == nil:
		return nil, errors.New("parts of it are missing"), nil
	}
	return s, nil, nil
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
