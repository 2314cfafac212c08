package mailfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Maildir writes messages into a Maildir: to tmp first, and then to new.
type Maildir struct{ dir string }

// CreateMaildir makes a Maildir, or opens the one that is there. It must be ours.
func CreateMaildir(dir string) (*Maildir, error) {
	if err := makeOurs(dir); err != nil {
		return nil, fmt.Errorf("create Maildir: %w", err)
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := makeOurs(filepath.Join(dir, sub)); err != nil {
			return nil, fmt.Errorf("create Maildir: %w", err)
		}
	}
	return &Maildir{dir}, nil
}

// makeOurs makes a folder and those above it. Nobody but us and root may be able to put something
// else in its place or into it: a link there would have us write where it leads.
func makeOurs(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	above, err := filepath.Abs(filepath.Dir(dir))
	if err == nil {
		above, err = filepath.EvalSymlinks(above)
	}
	if err != nil {
		return err
	}
	if err := ours(dir, false); err != nil {
		return err
	}
	for ; ; above = filepath.Dir(above) {
		if err := ours(above, true); err != nil {
			return err
		}
		if above == filepath.Dir(above) {
			return nil
		}
	}
}

// ours tells when others could put links into a folder, or, if it is only on the way, swap what we have there.
func ours(dir string, way bool) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: dir, Err: err}
	}
	owner := int(st.Uid)
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s is a link or a file; name a folder of your own", dir)
	case owner != os.Geteuid() && !(way && owner == 0):
		return fmt.Errorf("%s belongs to another user, who could have it lead elsewhere; name a folder of your own", dir)
	case st.Mode&0o022 != 0 && !(way && st.Mode&unix.S_ISVTX != 0):
		return fmt.Errorf("others may write to %s; name another folder, or run chmod go-w %s", dir, dir)
	}
	return nil
}

// Add writes a message under a name of its own. One that is there already stays as it is.
func (m *Maildir) Add(name, _ string, _ time.Time, raw []byte) error {
	temp, file := filepath.Join(m.dir, "tmp", name), filepath.Join(m.dir, "new", name)
	if err := writeFile(temp, raw); err != nil {
		return fmt.Errorf("write Maildir: %w", err)
	}
	err := os.Link(temp, file)
	if errors.Is(err, os.ErrExist) {
		err = nil
	}
	if err := errors.Join(err, os.Remove(temp)); err != nil {
		return fmt.Errorf("write Maildir: %w", err)
	}
	return nil
}

// writeFile makes a file, which is what a run that was stopped may have left half written.
func writeFile(name string, b []byte) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// Close writes the names of the messages to the disk.
func (m *Maildir) Close() error {
	d, err := os.Open(filepath.Join(m.dir, "new"))
	if err != nil {
		return fmt.Errorf("write Maildir: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Mbox writes messages in the form mboxrd: lines that begin like a separator get one more
// ">", which readers take off again, and lines end with LF.
type Mbox struct {
	w     *bufio.Writer
	close func() error
}

// CreateMbox begins a file, which must not be there yet, in a folder that must be ours.
func CreateMbox(name string) (*Mbox, error) {
	if err := makeOurs(filepath.Dir(name)); err != nil {
		return nil, fmt.Errorf("create mbox: %w", err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create mbox: %w", err)
	}
	m := NewMbox(f)
	m.close = func() error { return errors.Join(f.Sync(), f.Close()) }
	return m, nil
}

// NewMbox writes to w.
func NewMbox(w io.Writer) *Mbox {
	return &Mbox{bufio.NewWriter(w), func() error { return nil }}
}

var separator = regexp.MustCompile(`(?m)^(>*From )`)

// Add writes a message with its sender and the time it came.
func (m *Mbox) Add(_, sender string, at time.Time, raw []byte) error {
	if sender == "" || strings.ContainsAny(sender, " \r\n\t") {
		sender = "MAILER-DAEMON" // customary for the null reverse-path
	}
	text := separator.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte(">$1"))
	fmt.Fprintf(m.w, "From %s %s\n", sender, at.UTC().Format(time.ANSIC))
	m.w.Write(text)
	if !bytes.HasSuffix(text, []byte("\n")) {
		m.w.WriteByte('\n')
	}
	m.w.WriteByte('\n')
	if err := m.w.Flush(); err != nil {
		return fmt.Errorf("write mbox: %w", err)
	}
	return nil
}

// Close ends the file.
func (m *Mbox) Close() error {
	if err := m.close(); err != nil {
		return fmt.Errorf("write mbox: %w", err)
	}
	return nil
}
