package badgerdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
	"golang.org/x/sys/unix"
)

var (
	errDamaged = errors.New("damaged table")
	errInUse   = errors.New("another process has it open")
)

// prepare makes the files of o.Dir fit to be opened, or says what is wrong with them.
func prepare(o badger.Options, log *slog.Logger) error {
	d, err := os.Open(o.Dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// The lock that Badger will take: nobody has the files open while we look.
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errInUse
	} else if err != nil {
		return fmt.Errorf("lock folder: %w", err)
	}
	if err := layout.Write(o.Dir); err != nil {
		return err
	}
	return errors.Join(removeEmpty(o.Dir), mendManifest(o.Dir, log), checkTables(o))
}

// removeEmpty removes the logs that a killed process had just created. Badger refuses to
// open them (dgraph-io/badger#2207).
func removeEmpty(dir string) error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		logs, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range logs {
			info, err := os.Stat(path)
			if err == nil && info.Size() == 0 {
				err = os.Remove(path)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTables looks at the ends of the tables that the database knows. Badger ends the
// process when it opens one without a sound end. What a killed process left of a table that
// is not known yet is no matter.
func checkTables(o badger.Options) error {
	f, err := os.Open(filepath.Join(o.Dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a new folder
	}
	if err != nil {
		return err
	}
	defer f.Close()
	manifest, _, err := badger.ReplayManifestFile(f, o.ExternalMagicVersion, o)
	if err != nil {
		return err
	}
	for number := range manifest.Tables {
		path := table.NewFilename(number, o.Dir)
		if err := checkTable(path); err != nil {
			return fmt.Errorf("check %s: %w", filepath.Base(path), err)
		}
	}
	return nil
}

// checkTable reads a table from its end: length of the checksum, checksum of the index,
// length of the index, index.
func checkTable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	var unreadable error
	before := func(n int64) []byte { // nil when there is no such thing
		if n < 0 || n > end {
			return nil
		}
		b := make([]byte, n)
		end -= n
		if _, err := f.ReadAt(b, end); err != nil {
			unreadable = err
			return nil
		}
		return b
	}
	length := func() int64 {
		b := before(4)
		if b == nil {
			return -1
		}
		return int64(binary.BigEndian.Uint32(b))
	}
	checksum := before(length())
	index := before(length())
	if unreadable != nil {
		return unreadable
	}
	// A protobuf of one field: 2, the sum.
	want := binary.AppendUvarint([]byte{2 << 3}, uint64(crc32.Checksum(index, crc32.MakeTable(crc32.Castagnoli))))
	if len(index) == 0 || !bytes.Equal(checksum, want) {
		return errDamaged
	}
	return nil
}
