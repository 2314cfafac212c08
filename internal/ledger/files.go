package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"breakwater/internal/format"
	"breakwater/internal/owned"
)

const (
	leavesExt       = ".leaves"
	hashesExt       = ".hashes"
	rootsFile       = "roots"
	checkpointsFile = "checkpoints"
)

// layout is what is in the folder of a ledger.
var layout = format.Format{Name: "breakwater ledger", Version: 1, Oldest: 1, Instead: "move the folder away to begin a new ledger"}

// checkFormat reports whether a folder has no ledger yet. It refuses one of another format.
func checkFormat(dir string) (fresh bool, err error) {
	if err := layout.Check(dir); err != nil {
		return false, err
	}
	if _, err := os.Stat(filepath.Join(dir, format.File)); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	names, _, err := segments(dir)
	return len(names) == 0, err
}

func segmentName(dir string, number int64, ext string) string {
	return filepath.Join(dir, fmt.Sprintf("%012d%s", number, ext))
}

// segmentFile is a segment that is there, with the bytes of both its files.
type segmentFile struct{ number, size int64 }

// segments lists the segments of a folder in their order, and how many bytes they have.
func segments(dir string) (all []segmentFile, sum int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	sizes := map[int64]int64{}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		number, err := strconv.ParseInt(strings.TrimSuffix(e.Name(), ext), 10, 64)
		if err != nil || number < 0 || e.Name() != filepath.Base(segmentName(dir, number, ext)) || ext != leavesExt && ext != hashesExt {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		sizes[number] += info.Size()
		sum += info.Size()
	}
	for number, size := range sizes {
		all = append(all, segmentFile{number, size})
	}
	slices.SortFunc(all, func(a, b segmentFile) int { return cmp.Compare(a.number, b.number) })
	return all, sum, nil
}

// readLines reads the leaves of a segment, none where there is no file; torn is how many bytes are behind the last of them.
func readLines(name string) (lines [][]byte, torn int, err error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			return lines, len(b), nil
		}
		lines, b = append(lines, line), rest
	}
	return lines, 0, nil
}

// readHashes reads the whole hashes of a file, none where there is no file.
func readHashes(name string) ([]tlog.Hash, error) {
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	hashes := make([]tlog.Hash, len(b)/tlog.HashSize)
	for i := range hashes {
		copy(hashes[i][:], b[i*tlog.HashSize:])
	}
	return hashes, nil
}

func join(hashes []tlog.Hash) []byte {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// writeAt writes into a file, which it creates where it is missing.
func writeAt(name string, at int64, b []byte) error {
	f, err := owned.Open(name, os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

// writeSynced writes a file with flags, and has it on disk.
func writeSynced(name string, flag int, b []byte) error {
	f, err := owned.Open(name, flag)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close(), syncFile(filepath.Dir(name)))
}

// syncFile has a file or folder on disk; one that is not there needs nothing.
func syncFile(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// eraseLines overwrites some lines of a file in their place.
func eraseLines(name string, which map[int64]bool) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	for at, n := 0, int64(0); err == nil && at < len(b); n++ {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			break
		}
		if which[n] {
			_, err = f.WriteAt(bytes.Repeat([]byte{'-'}, end), int64(at))
		}
		at += end + 1
	}
	return errors.Join(err, f.Sync(), f.Close())
}
