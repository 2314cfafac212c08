package setup

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"breakwater/internal/owned"
)

// Folder is a folder with a Postfix configuration; "" is where postconf looks for it.
type Folder string

// ChangedError says that a file was changed since --apply, and how to undo by hand.
type ChangedError struct{ text string }

func (e ChangedError) Error() string { return e.text }

// postconf runs Postfix's own tool on the configuration.
func (s Folder) postconf(args ...string) (string, error) {
	if s != "" {
		args = append([]string{"-c", string(s)}, args...)
	}
	cmd := exec.Command("postconf", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run postconf: %w\n%s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// Read asks postconf for the configuration.
func (s Folder) Read() (p Postfix, err error) {
	var out [4]string
	for i, args := range [][]string{Parameters, append([]string{"-x"}, Parameters...), {"-M"}, {"-xP"}} {
		if out[i], err = s.postconf(args...); err != nil {
			return p, err
		}
	}
	return ParsePostfix(out[0], out[1], out[2], out[3]), nil
}

// The files that postconf changes, and the way back from it.
var postfixFiles = []string{"main.cf", "master.cf"}

const wayBack = "breakwater-undo.json"

// backup is what is needed to undo.
type backup struct {
	Before map[string][]byte   `json:"before"` // null: there was no such file
	After  map[string][32]byte `json:"after"`  // SHA-256

	Changes []Change `json:"changes,omitempty"` // what was done
}

// Set makes the changes. Whatever fails on the way, the files are put back.
func (s Folder) Set(changes []Change) error {
	undo := filepath.Join(string(s), wayBack)
	if _, err := os.Stat(undo); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there from an earlier --apply; run --undo first, or remove it to keep those changes for good", undo)
	}
	b := backup{map[string][]byte{}, map[string][32]byte{}, changes}
	for _, name := range postfixFiles {
		data, err := os.ReadFile(filepath.Join(string(s), name))
		if err != nil {
			return err
		}
		b.Before[name] = data
	}
	for _, c := range changes {
		if c.File == "" {
			continue
		}
		data, err := os.ReadFile(c.File)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		b.Before[filepath.Base(c.File)] = data
	}
	if err := b.write(undo); err != nil {
		return err
	}
	for _, c := range changes {
		if err := s.change(c); err != nil {
			return errors.Join(err, s.restore(b))
		}
	}
	for name := range b.Before {
		data, err := os.ReadFile(filepath.Join(string(s), name))
		if err != nil {
			return err
		}
		b.After[name] = sha256.Sum256(data)
	}
	return b.write(undo)
}

func (s Folder) change(c Change) error {
	if c.File != "" {
		return os.WriteFile(c.File, []byte(c.New), 0o644)
	}
	_, err := s.postconf(c.Args()...)
	return err
}

func (b backup) write(name string) error {
	data, err := json.MarshalIndent(b, "", "  ")
	if err == nil {
		err = owned.Replace(name, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep the way back: %w", err)
	}
	return nil
}

// Undo puts the files back as they were before Set. Those that were changed since are a ChangedError, unless
// force says to lose that; a copy is kept then.
func (s Folder) Undo(force bool) error {
	undo := filepath.Join(string(s), wayBack)
	data, err := os.ReadFile(undo)
	if err != nil {
		return fmt.Errorf("nothing to undo: %w", err)
	}
	var b backup
	if err := json.Unmarshal(data, &b); err != nil {
		return fmt.Errorf("read %s: %w", undo, err)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Before)) {
		now, err := os.ReadFile(filepath.Join(string(s), name))
		if err != nil {
			return err
		}
		if sha256.Sum256(now) != b.After[name] && !force {
			return s.byHand(name, b)
		}
	}
	if force {
		if err := s.keepCopies(b); err != nil {
			return err
		}
	}
	return s.restore(b)
}

// byHand is the error of a file that was changed since --apply, with the commands that take breakwater out of it.
func (s Folder) byHand(name string, b backup) error {
	var lines strings.Builder
	if p, err := s.Read(); err == nil {
		for _, c := range p.Undo(b.Changes) {
			fmt.Fprintf(&lines, "\n  %s", strings.Replace(c.Line(), "postconf ", "postconf -c "+string(s)+" ", 1))
		}
	}
	return ChangedError{fmt.Sprintf("%s was changed since --apply. Take breakwater's lines out by hand:%s\n  rm %s\nor undo with --force and lose the other changes, of which a copy is kept",
		name, lines.String(), filepath.Join(string(s), wayBack))}
}

// keepCopies keeps the files as they are now beside them.
func (s Folder) keepCopies(b backup) error {
	for name := range b.Before {
		path := filepath.Join(string(s), name)
		now, err := os.ReadFile(path)
		if err == nil && sha256.Sum256(now) != b.After[name] {
			err = os.WriteFile(path+".before-undo", now, 0o600)
		}
		if err != nil {
			return fmt.Errorf("keep a copy: %w", err)
		}
	}
	return nil
}

// restore writes the files as they were and forgets the way back.
func (s Folder) restore(b backup) error {
	for name, data := range b.Before {
		path := filepath.Join(string(s), name)
		if err := putBack(path, data); err != nil {
			return fmt.Errorf("put %s back: %w", name, err)
		}
	}
	return os.Remove(filepath.Join(string(s), wayBack))
}

// putBack makes a file be as it was; nil is not there.
func putBack(path string, data []byte) error {
	if data == nil {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	return owned.Rewrite(path, data)
}
