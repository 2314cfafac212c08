// Package format notes in a folder the version of what is in it, so that an older breakwater leaves it alone.
//
// A folder that has no note was written before there were notes: it is read, and gets one when it is next opened
// for writing. The note is written before anything else, and by replacing the file in one step.
package format

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"breakwater/internal/owned"
)

// File is the name of the note in a folder.
const File = "FORMAT"

// Errors of Check.
var (
	ErrNewer   = errors.New("it was written by a newer breakwater")
	ErrDamaged = errors.New("the file " + File + " is damaged")
)

// Format is the layout of one kind of folder.
type Format struct {
	Name    string // as in "breakwater store": the note is the name and the version
	Version int    // of what is written
	Oldest  int    // that is read
	Instead string // what an operator can do who has no newer version, as in "move the folder away to begin anew"
}

// Check returns why a folder cannot be opened by this version: its format is newer, or too old, or the note is damaged.
// It writes nothing.
func (f Format) Check(dir string) error {
	path := filepath.Join(dir, File)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read format of %s: %w", dir, err)
	}
	number, ours := strings.CutPrefix(strings.TrimSpace(string(data)), f.Name+" ")
	n, err := strconv.Atoi(number)
	switch {
	case !ours || err != nil || n < 1:
		return fmt.Errorf("%s: %w: it is %.40q, and should be %q; if no newer breakwater has written to the folder, remove that file; else %s", dir, ErrDamaged, data, f.note(), f.Instead)
	case n > f.Version:
		return fmt.Errorf("%s has format %d, this breakwater reads up to %d: %w; install the newer version again, or %s", dir, n, f.Version, ErrNewer, f.Instead)
	case n < f.Oldest:
		return fmt.Errorf("%s has format %d, this breakwater reads from %d on; run the version before this one once, or %s", dir, n, f.Oldest, f.Instead)
	}
	return nil
}

// Write notes the format in a folder, on disk, if it is not noted yet.
func (f Format) Write(dir string) error {
	path := filepath.Join(dir, File)
	if data, err := os.ReadFile(path); err == nil && string(data) == f.note() {
		return nil
	}
	if err := owned.Replace(path, []byte(f.note())); err != nil {
		return fmt.Errorf("write format of %s: %w", dir, err)
	}
	return nil
}

func (f Format) note() string { return fmt.Sprintf("%s %d\n", f.Name, f.Version) }
