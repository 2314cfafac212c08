package badgerdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

var errDamaged = errors.New("damaged table")

// checkTables looks at the ends of the table files in dir. Badger ends the process when it
// opens a table without a sound end.
func checkTables(dir string) error {
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return err
	}
	for _, path := range tables {
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
	before := func(n int64) []byte { // nil when there is no such thing
		if n < 0 || n > end {
			return nil
		}
		b := make([]byte, n)
		end -= n
		if _, err := f.ReadAt(b, end); err != nil {
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
	// A protobuf of one field: 2, the sum.
	want := binary.AppendUvarint([]byte{2 << 3}, uint64(crc32.Checksum(index, crc32.MakeTable(crc32.Castagnoli))))
	if len(index) == 0 || !bytes.Equal(checksum, want) {
		return errDamaged
	}
	return nil
}
