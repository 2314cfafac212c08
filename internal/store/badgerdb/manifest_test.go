package badgerdb

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

// set is what Badger writes of changes.
func set(t *testing.T, changes ...*pb.ManifestChange) []byte {
	t.Helper()
	body, err := proto.Marshal(&pb.ManifestChangeSet{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	return append(binary.BigEndian.AppendUint32(b, crc32.Checksum(body, castagnoli)), body...)
}

// TestUnsyncedManifest has changes in the MANIFEST that Badger went back on, since the disk failed when they were
// written or synced: nothing is lost.
func TestUnsyncedManifest(t *testing.T) {
	dir := t.TempDir()
	const keys = 2000
	for round := range 3 { // so that there are some tables
		s := openTest(t, dir, Options{})
		for n := range keys {
			mustCount(t, s, round, key(n))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	create := func(id uint64, level uint32) *pb.ManifestChange {
		return &pb.ManifestChange{Id: id, Op: pb.ManifestChange_CREATE, Level: level}
	}
	remove := func(id uint64) *pb.ManifestChange {
		return &pb.ManifestChange{Id: id, Op: pb.ManifestChange_DELETE}
	}
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions(dir))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil || len(m.Tables) < 1 {
		t.Fatal(m.Tables, err)
	}
	compaction := []*pb.ManifestChange{create(9000, 6), create(9001, 6)}
	for _, id := range slices.Sorted(maps.Keys(m.Tables)) {
		compaction = append(compaction, remove(id))
	}
	past := slices.Concat(set(t, create(9003, 0)), set(t, remove(9003)))
	table := set(t, create(9002, 0))
	compacted, flushed := set(t, compaction...), slices.Concat(table, past)
	for name, more := range map[string][]byte{
		"a compaction":                       compacted,
		"two compactions":                    slices.Concat(compacted, set(t, append([]*pb.ManifestChange{create(9004, 6)}, compaction[2:]...)...)),
		"a table from memory":                flushed,
		"half a compaction, and the rest":    slices.Concat(compacted[:len(compacted)/2], past),
		"half a table, and a compaction":     slices.Concat(table[:len(table)/2], past, compacted),
		"two halves, and the rest":           slices.Concat(table[:len(table)/2], table[:len(table)/2], past),
		"halves of both, and the rest":       slices.Concat(compacted[:len(compacted)/2], table[:len(table)/2], compacted[:len(compacted)/2], past),
		"two halves at the end":              slices.Concat(table[:6], table[:6]),
		"many halves":                        bytes.Repeat(table[:6], 7),
		"a half at the end":                  slices.Concat(past, compacted[:len(compacted)/2]),
		"a compaction, and a half of it":     slices.Concat(compacted, compacted[:len(compacted)/2]),
		"nothing":                            nil,
		"what came and went":                 past,
		"a compaction between other changes": slices.Concat(past, compacted, set(t, create(9005, 0)), set(t, remove(9005))),
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(copied, badger.ManifestFilename)
			if err := os.WriteFile(path, append(must(os.ReadFile(path)), more...), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				s := openTest(t, copied, Options{})
				for n := range keys {
					if got := seen(t, s, key(n)); got != 3 {
						t.Fatalf("key %d was seen %d times, want 3", n, got)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestMissingTable: a table that is really lost is not mended away.
func TestMissingTable(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		s := openTest(t, dir, Options{})
		mustCount(t, s, round, key(1))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	tables := must(filepath.Glob(dir + "/*.sst"))
	if len(tables) == 0 {
		t.Fatal("no tables")
	}
	for _, name := range tables {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := Open(dir, Options{}); err == nil {
		s.Close()
		t.Error("opened without its tables")
	}
}
