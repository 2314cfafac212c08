package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"breakwater/internal/host"
	"breakwater/internal/rules"
)

// loadedRules is the rules in force, and what was found in their files.
type loadedRules struct {
	at    time.Time
	set   *rules.Set
	files []rules.File
	last  map[string][]byte // their last good versions
}

// loadRules reads the rule files. What is broken is replaced by its last good version, and
// told in the log. The error is that of rules that cannot be used at all.
func (d *Daemon) loadRules() (*loadedRules, error) {
	kept := host.KeptRulesOf(d.cfg)
	last, err := kept.Read()
	if err != nil {
		d.log.Warn("last good versions of rule files are not known", "err", err)
	}
	if now := d.loaded.Load(); now != nil {
		last = now.last // also where they cannot be kept
	}
	set, files, err := rules.LoadKept(os.DirFS(d.cfg.Rules), last, host.AllowedAliases(d.cfg))
	if err != nil {
		return nil, err
	}
	if err := kept.Write(files, last); err != nil {
		d.log.Warn("rule files that break later have no good version to fall back to", "err", err)
	}
	what := "rules not reloaded, the old ones stay in force"
	if d.loaded.Load() == nil {
		what = "a rule file is broken"
	}
	l := &loadedRules{at: d.now(), set: set, files: files, last: map[string][]byte{}}
	for _, f := range files {
		if f.Broken != nil {
			d.log.Error(what, "file", f.Name, "in force", f.InForce(), "err", f.Broken)
		}
		if f.Text != nil {
			l.last[f.Name] = f.Text
		}
	}
	return l, nil
}

// broken is what is wrong in the rule files now, and what is in force instead; nil if nothing is.
func (l *loadedRules) broken() error {
	var wrong []error
	for _, f := range l.files {
		if f.Broken != nil {
			wrong = append(wrong, fmt.Errorf("%w\nin force is %s", f.Broken, f.InForce()))
		}
	}
	return errors.Join(wrong...)
}

// same reports whether the same texts are in force.
func (l *loadedRules) same(o *loadedRules) bool {
	if len(l.files) != len(o.files) {
		return false
	}
	for i, f := range l.files {
		if g := o.files[i]; f.Name != g.Name || !bytes.Equal(f.Text, g.Text) {
			return false
		}
	}
	return true
}
