package incident

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/format"
	"breakwater/internal/owned"
	"breakwater/internal/storm"
)

// Each part has a file, to which lines are appended: CRC-32C in hexadecimal, a blank, a JSON object. What the lines
// say, one after the other, is the part. So rows and totals cannot differ, and a crash costs the end of the file
// alone. Files of parts that can not be reopened any more are in the folder "old".
const (
	version  = 1
	fileExt  = ".incident"
	oldDir   = "old"
	runFile  = "running" // while a Book is open: when it last wrote
	lockFile = "lock"
)

// event is a line of a file. T says what kind of, and which fields it has.
type event struct {
	T      string    `json:"t"`
	At     time.Time `json:"at"`
	Format int       `json:"format,omitempty"` // begin
	ID     string    `json:"id,omitempty"`     // begin; apart: the other part
	Minute int64     `json:"minute,omitempty"` // rows: since 1970
	Rows   []fileRow `json:"rows,omitempty"`
	Keys   []string  `json:"keys,omitempty"`
	State  *state    `json:"state,omitempty"`
	Said   []Said    `json:"said,omitempty"`
	Hops   *Claimed  `json:"hops,omitempty"`
	Into   string    `json:"into,omitempty"`
	Why    string    `json:"why,omitempty"`
	On     bool      `json:"on,omitempty"` // hold
	Note   *Note     `json:"note,omitempty"`
	Cost   *Cost     `json:"cost,omitempty"`
	Gap    *Gap      `json:"gap,omitempty"`
}

// state is what of a part is written as a whole; the last one is true.
type state struct {
	First   time.Time  `json:"first"`
	Last    time.Time  `json:"last"`
	Ended   time.Time  `json:"ended,omitzero"`
	Class   string     `json:"class"`
	Subject string     `json:"subject"`
	Kinds   []string   `json:"kinds"`
	Domain  string     `json:"domain,omitempty"`
	Copied  bool       `json:"copied"`
	Network Client     `json:"network"`
	Signs   signCounts `json:"signs"`
}

// fileRow is a row with its counts, as an array.
type fileRow struct {
	Row
	Cell
}

// MarshalJSON writes client, class, action, whether it is a consequence, messages, copies, bytes, connections.
func (r fileRow) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{r.Client, r.Class, r.Action, number(r.Consequence), r.Messages, r.Copies, r.Bytes, r.Connections})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *fileRow) UnmarshalJSON(b []byte) error {
	var consequence int
	fields := []any{&r.Client, &r.Class, &r.Action, &consequence, &r.Messages, &r.Copies, &r.Bytes, &r.Connections}
	want := len(fields)
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if len(fields) != want || r.Messages < 0 || r.Copies < 0 || r.Bytes < 0 || r.Connections < 0 {
		return errors.New("a row has eight fields, and counts are not negative")
	}
	r.Consequence = consequence != 0
	return nil
}

func keyText(k key) string {
	switch k := k.(type) {
	case Print:
		return fmt.Sprintf("p%d:%x", k.Kind, k.Hash)
	case stormKey:
		return "s:" + string(k)
	case selfKey:
		return fmt.Sprintf("r:%x", k[:])
	case aboutKey:
		return fmt.Sprintf("a:%x", k[:])
	case domainKey:
		return "d:" + string(k)
	}
	return ""
}

func parseKey(text string) (key, bool) {
	kind, value, ok := strings.Cut(text, ":")
	var hash [8]byte
	if b, err := hex.DecodeString(value); err == nil && len(b) == len(hash) {
		hash = [8]byte(b)
	} else if kind != "s" && kind != "d" {
		return nil, false
	}
	switch {
	case !ok:
	case kind == "s":
		return stormKey(value), true
	case kind == "d":
		return domainKey(value), true
	case kind == "r":
		return selfKey(hash), true
	case kind == "a":
		return aboutKey(hash), true
	case strings.HasPrefix(kind, "p"):
		n, err := strconv.ParseUint(kind[1:], 10, 8)
		return Print{storm.Kind(n), hash}, err == nil
	}
	return nil, false
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendLine(b []byte, e event) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return b, err
	}
	return append(append(fmt.Appendf(b, "%08x ", crc32.Checksum(text, castagnoli)), text...), '\n'), nil
}

// parseLine reads a line without its end.
func parseLine(line []byte) (e event, ok bool) {
	sum, text, ok := bytes.Cut(line, []byte{' '})
	if want, err := strconv.ParseUint(string(sum), 16, 32); !ok || err != nil || uint32(want) != crc32.Checksum(text, castagnoli) {
		return e, false
	}
	return e, json.Unmarshal(text, &e) == nil
}

// readPart reads a file. since is the first minute of which the rows are also kept by minute.
func readPart(name string, since int64) (*part, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p, err := parsePart(b, strings.TrimSuffix(filepath.Base(name), fileExt), since)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return p, nil
}

func parsePart(b []byte, id string, since int64) (*part, error) {
	var p *part
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			break // a crash cut it
		}
		b = rest
		e, ok := parseLine(line)
		switch {
		case p == nil && (!ok || e.T != "begin" || e.ID != id):
			return nil, errors.New("it does not begin as a file of this incident; restore it from a backup")
		case p == nil && e.Format != version:
			return nil, fmt.Errorf("it has format %d; this version reads format %d: use the version that wrote it, or a newer one", e.Format, version)
		case p == nil:
			p = newPart(id, e.At)
			p.recent = map[int64]*Table{}
		case !ok:
			p.damaged++
		default:
			p.apply(e, since)
		}
		p.size += int64(len(line)) + 1
	}
	if p == nil {
		return nil, errEmpty
	}
	return p, nil
}

var errEmpty = errors.New("it is empty")

// apply makes of p what a line says.
func (p *part) apply(e event, since int64) {
	switch e.T {
	case "rows":
		t := &Table{}
		for _, r := range e.Rows {
			t.Add(r.Row, r.Cell)
		}
		p.total.Merge(t)
		if e.Minute >= since {
			if p.recent[e.Minute] == nil {
				p.recent[e.Minute] = &Table{}
			}
			p.recent[e.Minute].Merge(t)
		}
	case "keys":
		for _, text := range e.Keys {
			if k, ok := parseKey(text); ok && len(p.keys) < maxKeys {
				p.keys[k] = true
			}
		}
	case "state":
		if s := e.State; s != nil {
			p.First, p.Last, p.Ended, p.Class, p.Subject, p.Domain, p.copied = s.First, s.Last, s.Ended, s.Class, s.Subject, s.Domain, s.Copied
			p.network, p.signs = s.Network, s.Signs
			p.Kinds = map[string]bool{}
			for _, k := range s.Kinds {
				p.Kinds[k] = true
			}
		}
	case "hops":
		if e.Hops != nil {
			p.hops = graph{}
			p.hops.merge(e.Said, *e.Hops)
		}
	case "join":
		p.Into, p.Why = e.Into, e.Why
	case "apart":
		p.Apart[e.ID] = true
	case "hold":
		p.Hold = e.On
	case "note":
		if e.Note != nil {
			p.Notes = append(p.Notes, *e.Note)
		}
	case "cost":
		if e.Cost != nil {
			p.Costs = append(p.Costs, *e.Cost)
		}
	case "gap":
		if e.Gap != nil {
			p.Gaps = append(p.Gaps, *e.Gap)
		}
	}
}

func (p *part) state() *state {
	kinds := []string{}
	for k := range p.Kinds {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	return &state{p.First, p.Last, p.Ended, p.Class, p.Subject, kinds, p.Domain, p.copied, p.network, p.signs}
}

// hopsEvery is how often the ways are written, which are long.
const hopsEvery = 10 * time.Minute

// buffered puts what the file of p lacks into its buffer. What is in there already waits for the disk, and what came
// since for that. all: also what is usually written later.
func (p *part) buffered(at time.Time, all bool) error {
	if len(p.buffer) > 0 {
		p.squeeze()
		return nil
	}
	events := p.events
	if p.size == 0 {
		events = append([]event{{T: "begin", At: p.First, Format: version, ID: p.ID}}, events...)
	}
	for _, minute := range slices.Sorted(maps.Keys(p.pending)) {
		if !all && p.size > hoursAbove && minute == p.span(at) {
			continue // it is not over
		}
		e := event{T: "rows", At: at, Minute: minute}
		for r, c := range p.pending[minute].Rows() {
			e.Rows = append(e.Rows, fileRow{r, c})
		}
		events = append(events, e)
		p.total.Merge(p.pending[minute])
		delete(p.pending, minute)
	}
	if len(p.fresh) > 0 {
		e := event{T: "keys", At: at}
		for _, k := range p.fresh {
			e.Keys = append(e.Keys, keyText(k))
		}
		events = append(events, e)
	}
	if p.hopsNew && (all || at.Sub(p.hopsAt) >= hopsEvery) {
		said, claimed := p.hops.export()
		events = append(events, event{T: "hops", At: at, Said: said, Hops: &claimed})
		p.hopsNew, p.hopsAt = false, at
	}
	events = append(events, event{T: "state", At: at, State: p.state()})
	p.fresh, p.events, p.changed = nil, nil, false
	for _, e := range events {
		b, err := appendLine(p.buffer, e)
		if err != nil {
			return err
		}
		p.buffer = b
	}
	return nil
}

// maxPending is how many minutes are kept apart while the disk takes nothing.
const maxPending = 60

// squeeze counts the oldest minutes together.
func (p *part) squeeze() {
	minutes := slices.Sorted(maps.Keys(p.pending))
	for ; len(minutes) > maxPending; minutes = minutes[1:] {
		p.pending[minutes[1]].Merge(p.pending[minutes[0]])
		delete(p.pending, minutes[0])
	}
}

// layout is what is in the folder of incidents.
var layout = format.Format{Name: "breakwater incidents", Version: 1, Oldest: 1, Instead: "move the folder away to begin anew"}

// checkFolder reads the format of a folder, and makes one that is new.
func checkFolder(dir string) error {
	if err := layout.Check(dir); err != nil {
		return err
	}
	if err := owned.MkdirAll(filepath.Join(dir, oldDir)); err != nil {
		return err
	}
	return layout.Write(dir)
}

// write writes at a place of a file, which ends there, and has it on disk.
func write(name string, flag int, at int64, b []byte) error {
	f, err := owned.Open(name, flag)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Sync(), f.Close())
}

// writeAt writes at a place of a file, which it makes where it is missing.
func writeAt(name string, at int64, b []byte) error {
	f, err := owned.Open(name, os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// list lists the files of parts in a folder.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), "I-") && strings.HasSuffix(e.Name(), fileExt) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}
