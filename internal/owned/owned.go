// Package owned makes files and folders that belong to the owner of the folder they are in.
// The daemon and its timers, which are not root, are to go on with what an operator's command
// leaves behind.
package owned

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Open is os.OpenFile with mode 0600. The owner of the folder may be somebody else than root: no
// link of his is followed.
func Open(name string, flag int) (*os.File, error) {
	f, err := os.OpenFile(name, flag|unix.O_NOFOLLOW, 0o600)
	if err != nil || flag&os.O_CREATE == 0 {
		return f, err
	}
	if err := Give(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Replace writes a file on disk, all at once: it has the old content or the new one, whatever happens meanwhile.
func Replace(name string, data []byte) error {
	return replace(name, data, func(*os.File) error { return nil })
}

// Rewrite is Replace for a file that keeps its owner and its mode. One that is not there is made as Open makes it.
func Rewrite(name string, data []byte) error {
	return replace(name, data, func(f *os.File) error {
		st, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if owner, ok := st.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
			err = f.Chown(int(owner.Uid), int(owner.Gid))
		}
		return errors.Join(err, f.Chmod(st.Mode().Perm()))
	})
}

// replace has like make the new file like the old one.
func replace(name string, data []byte, like func(*os.File) error) error {
	temp := name + ".new"
	_ = os.Remove(temp)                                     // left by a process that died
	f, err := Open(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL) // never a file that its owner has linked to
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = errors.Join(like(f), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, name); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(filepath.Dir(name))
}

// SyncDir has the names in a folder on disk.
func SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MkdirAll makes a folder and those above it, with mode 0700. What is there stays as it is.
func MkdirAll(name string) error {
	err := os.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := MkdirAll(filepath.Dir(name)); err != nil {
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
	return errors.Join(Give(f), f.Close())
}

// Give gives a file or folder that root has made to the owner of the folder that it is in.
func Give(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var above, own unix.Stat_t
	if err := errors.Join(unix.Stat(filepath.Dir(f.Name()), &above), unix.Fstat(int(f.Fd()), &own)); err != nil {
		return err
	}
	kind := own.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && (kind != unix.S_IFREG || own.Nlink != 1) {
		return fmt.Errorf("%s is a link, or no file", f.Name())
	}
	return f.Chown(int(above.Uid), int(above.Gid))
}

// Foreign tells when a folder, or the one that it would be made in, belongs to somebody else than
// root, who is asking: what root makes there its owner cannot open.
func Foreign(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var st unix.Stat_t
	err := unix.Stat(name, &st)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(name) != name {
		return Foreign(filepath.Dir(name))
	}
	if err != nil || st.Uid == 0 {
		return err
	}
	who := strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(who); err == nil {
		who = u.Username
	}
	return fmt.Errorf("%s belongs to %s, who could not open what root makes there; run it as that user: systemctl start breakwater, or runuser -u %s -- breakwater milter", name, who, who)
}
