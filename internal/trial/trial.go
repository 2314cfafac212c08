// Package trial tries rules: on tests, and by engines that have seen nothing.
package trial

import (
	"context"
	"path/filepath"
	"time"

	"breakwater/internal/config"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/scenario"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/tomlfile"
)

// scratchKey is that of all scratch engines: their stores are thrown away, so it protects nothing. What
// counts as nearly the same text depends a little on the key, and two rule sets are compared by equal ones.
var scratchKey = make([]byte, 32)

// Engine returns an engine with an empty store, in memory or, if one is named, in a folder. The caller closes the
// store.
func Engine(set *rules.Set, folder string) (*engine.Engine, error) {
	store, err := badgerdb.Open(folder, badgerdb.Options{InMemory: folder == ""})
	if err != nil {
		return nil, err
	}
	ring := (&origin.Ring{}).With(scratchKey, time.Time{}, time.Time{})
	return &engine.Engine{
		Store: store, Rules: func() *rules.Set { return set }, Hasher: fingerprint.New(scratchKey), Ring: func() *origin.Ring { return ring },
		Site: engine.Site{SubmitDaemons: config.Default().Site.SubmitDaemons},
	}, nil
}

// Played is how a test ends, as `rules test --json` prints it.
type Played struct {
	Test     string   `json:"test"`
	File     string   `json:"file"`
	Line     int      `json:"line"`
	OK       bool     `json:"ok"`
	Messages int      `json:"messages"`
	Wrong    []string `json:"wrong,omitempty"`
}

// Play plays one test, of a folder of tests, by rules. The error is one of ours, not of the test.
func Play(ctx context.Context, set *rules.Set, folder string, t *scenario.Test) (p Played, err error) {
	e, err := Engine(set, "")
	if err != nil {
		return p, err
	}
	defer e.Store.Close()
	if err := e.AssumeIndex(ctx, scenario.Start, scenario.Start.Add(origin.Life)); err != nil {
		return p, err
	}
	n, err := t.Run(ctx, e.Judge)
	wrong, rest := tomlfile.Errors(err)
	if rest != nil {
		return p, rest
	}
	p = Played{Test: t.Name, File: filepath.Join(folder, t.File), Line: t.Line, OK: len(wrong) == 0, Messages: n}
	for _, e := range wrong {
		e.File = filepath.Join(folder, e.File)
		p.Wrong = append(p.Wrong, e.Error())
	}
	return p, nil
}
