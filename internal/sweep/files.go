package sweep

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// makeFolder makes a folder and those above it.
func makeFolder(name string) error {
	err := os.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeFolder(filepath.Dir(name)); err != nil {
			return err
		}
		err = os.Mkdir(name, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(give(f), f.Close())
}

// open opens a file. The owner of its folder may be somebody else than root: no link of his
// is followed.
func open(name string, flag int) (*os.File, error) {
	f, err := os.OpenFile(name, flag|unix.O_NOFOLLOW, 0o600)
	if err != nil || flag&os.O_CREATE == 0 {
		return f, err
	}
	if err := give(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// give gives what root has made to the owner of the folder that it is in: the timer, which is
// not root, is to go on with what an operator has begun.
func give(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var above, own unix.Stat_t
	if err := errors.Join(unix.Stat(filepath.Dir(f.Name()), &above), unix.Fstat(int(f.Fd()), &own)); err != nil {
		return err
	}
	if own.Mode&unix.S_IFMT == unix.S_IFREG && own.Nlink != 1 {
		return fmt.Errorf("%s is a link", f.Name())
	}
	return f.Chown(int(above.Uid), int(above.Gid))
}

// syncFolder has the names in a folder on disk.
func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// remove removes a file, and is content if it is not there.
func remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
