package badgerdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"google.golang.org/protobuf/proto"

	"breakwater/internal/owned"
)

// Badger's MANIFEST is a header and sets of changes: which tables there are from then on, and which no longer.
// Where a set cannot be written or synced, Badger removes the tables that it names as new, goes on with the old ones,
// and tries again with others. But the set, or a part of it, may be in the file, and then Badger
// finds tables missing when it is opened the next time, and others that nobody knows.
const (
	manifestHeader = 8 // bytes: Badgr, and versions
	setHeader      = 8 // bytes: length and checksum of a set, which follows
	maxSet         = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mendManifest takes out of the MANIFEST in dir what Badger could not sync. What else is wrong with it is left
// alone, and Badger says it.
func mendManifest(dir string, log *slog.Logger) error {
	path := filepath.Join(dir, badger.ManifestFilename)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a new folder
	}
	if err != nil {
		return err
	}
	sets, cut, ok := changeSets(data)
	if !ok {
		return nil
	}
	void, err := voidSets(dir, sets)
	if err != nil || len(void) == 0 && !cut {
		return err
	}
	mended := slices.Clone(data[:manifestHeader])
	for i, s := range sets {
		if !void[i] {
			mended = append(mended, data[s.at:s.end]...)
		}
	}
	if err := owned.Replace(path, mended); err != nil {
		return fmt.Errorf("take what was not synced out of %s: %w", path, err)
	}
	log.Warn("the disk failed while the store was writing; what was not synced is taken out of its list of tables", "file", path, "changes", len(void))
	return nil
}

// changeSet is a set of changes, and where it is.
type changeSet struct {
	at, end int
	changes []*pb.ManifestChange
}

// changeSets are those of a MANIFEST, and whether halves of others are between them. Not ok is one that is
// damaged otherwise.
func changeSets(data []byte) (sets []changeSet, cut, ok bool) {
	for at := manifestHeader; at < len(data); {
		if s, ok := changeSetAt(data, at); ok {
			sets, at = append(sets, s), s.end
			continue
		}
		next := at + 1
		for ; next < len(data); next++ {
			if s, ok := changeSetAt(data, next); ok && len(s.changes) > 0 { // zeros are an empty one
				break
			}
		}
		if !halves(data[at:next]) {
			return nil, false, false
		}
		cut = cut || next < len(data) || long(data[at:]) // one half at the end is Badger's to cut off
		at = next
	}
	return sets, cut, true
}

// long reports whether b is long enough for the set that it begins with.
func long(b []byte) bool {
	return len(b) >= setHeader && len(b) >= setHeader+int(binary.BigEndian.Uint32(b))
}

// halves reports whether b is what was written of sets, one after the other, and not all of one with damage.
func halves(b []byte) bool {
	if len(b) < setHeader {
		return true
	}
	if crc32.Checksum(b[setHeader:], castagnoli) == binary.BigEndian.Uint32(b[4:]) {
		return false // its length is what is wrong
	}
	next := len(b) // where the next half begins, or the end
	for at := len(b) - 4; at >= 0; at-- {
		if length := int(binary.BigEndian.Uint32(b[at:])); length <= maxSet && next-at < setHeader+length {
			next = at
		}
	}
	return next == 0
}

func changeSetAt(data []byte, at int) (s changeSet, ok bool) {
	if at+setHeader > len(data) {
		return s, false
	}
	length, sum := int(binary.BigEndian.Uint32(data[at:])), binary.BigEndian.Uint32(data[at+4:])
	if length > len(data)-at-setHeader {
		return s, false
	}
	s.at, s.end = at, at+setHeader+length
	var set pb.ManifestChangeSet
	body := data[at+setHeader : s.end]
	if crc32.Checksum(body, castagnoli) != sum || proto.Unmarshal(body, &set) != nil {
		return s, false
	}
	s.changes = set.Changes
	return s, true
}

// voidSets are those that Badger went back on: all tables that they name as new are missing, and no set
// after them removed these. It never gives up on a table from memory: it wrote it once more, or its log is still there.
func voidSets(dir string, sets []changeSet) (map[int]bool, error) {
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return nil, err
	}
	again := len(logs) > 0
	void, removed := map[int]bool{}, map[uint64]bool{}
	for i, s := range slices.Backward(sets) {
		created, missing, deleted, fromMemory := 0, 0, 0, false
		for _, c := range s.changes {
			if c.Op == pb.ManifestChange_DELETE {
				deleted++
				continue
			}
			created++
			fromMemory = fromMemory || c.Level == 0
			_, err := os.Stat(table.NewFilename(c.Id, dir))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			if err != nil && !removed[c.Id] {
				missing++
			}
		}
		if created > 0 && missing == created && (deleted > 0 || again) {
			void[i] = true
			continue
		}
		again = again || fromMemory
		for _, c := range s.changes {
			if c.Op == pb.ManifestChange_DELETE {
				removed[c.Id] = true
			}
		}
	}
	return void, nil
}
