package incident

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Files reads the files of an incident's parts, by ID. ids are those of the incident and of its parts.
func Files(dir string, ids ...string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, id := range ids {
		name := filepath.Base(id) + fileExt
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			b, err = os.ReadFile(filepath.Join(dir, oldDir, name))
		}
		if err != nil {
			return nil, fmt.Errorf("read incident: %w", err)
		}
		files[id] = b
	}
	return files, nil
}

// Counted is a row of a minute.
type Counted struct {
	Minute time.Time
	Row
	Cell
}

// FromFiles makes an incident, and all that was counted by minute, of the files of its parts. What stands in them of other incidents is
// left out.
func FromFiles(id string, files map[string][]byte) (Incident, []Counted, error) {
	var parts []*part
	minutes := map[int64]*Table{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.ContainsAny(name, "/\\") {
			return Incident{}, nil, fmt.Errorf("%q is no ID", name)
		}
		p, err := parsePart(files[name], name, -1<<62)
		if err != nil {
			return Incident{}, nil, fmt.Errorf("incident %s: %w", name, err)
		}
		parts = append(parts, p)
		for minute, t := range p.recent {
			if minutes[minute] == nil {
				minutes[minute] = &Table{}
			}
			minutes[minute].Merge(t)
		}
	}
	all := views(parts)
	if len(all) != 1 || all[0].ID != id {
		return Incident{}, nil, fmt.Errorf("the files are of %d incidents, and not of %s alone", len(all), id)
	}
	var counted []Counted
	for _, minute := range slices.Sorted(maps.Keys(minutes)) {
		for r, c := range minutes[minute].Rows() {
			counted = append(counted, Counted{time.Unix(minute*60, 0).UTC(), r, c})
		}
	}
	return all[0], counted, nil
}
