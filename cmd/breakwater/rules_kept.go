package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"breakwater/internal/config"
	"breakwater/internal/format"
	"breakwater/internal/owned"
	"breakwater/internal/rules"
)

// keptRules is the folder with the last good version of each rule file, under its name.
type keptRules string

var keptLayout = format.Format{Name: "breakwater kept rules", Version: 1, Oldest: 1, Instead: "remove the folder to begin anew"}

func keptRulesOf(c config.Config) keptRules {
	return keptRules(filepath.Join(filepath.Dir(c.Secret), "rules.kept"))
}

// allowed is what aliases rule files may have, by the configuration.
func allowed(c config.Config) rules.Aliases { return rules.Aliases(c.Site.Aliases) }

// read returns the last good versions by file. There may be none yet.
func (k keptRules) read() (map[string][]byte, error) {
	if err := keptLayout.Check(string(k)); err != nil {
		return nil, fmt.Errorf("read kept rules: %w", err)
	}
	names, err := filepath.Glob(k.path("*.toml"))
	if err != nil {
		return nil, fmt.Errorf("read kept rules: %w", err)
	}
	last := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return last, fmt.Errorf("read kept rules: %w", err)
		}
		last[filepath.Base(name)] = text
	}
	return last, nil
}

// write keeps what is in force, where it differs from what was kept last.
func (k keptRules) write(files []rules.File, last map[string][]byte) error {
	if keptLayout.Check(string(k)) != nil {
		return nil // read has said why
	}
	if err := errors.Join(owned.MkdirAll(string(k)), keptLayout.Write(string(k))); err != nil {
		return fmt.Errorf("keep rules: %w", err)
	}
	wrong := []error{}
	there := map[string]bool{}
	for _, f := range files {
		there[f.Name] = true
		if f.Use == rules.Current && (last[f.Name] == nil || !bytes.Equal(last[f.Name], f.Text)) {
			wrong = append(wrong, owned.Replace(k.path(f.Name), f.Text))
		}
	}
	for name := range last {
		if !there[name] {
			wrong = append(wrong, os.Remove(k.path(name)))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("keep rules: %w", err)
	}
	return nil
}

func (k keptRules) path(name string) string { return filepath.Join(string(k), name) }

// loadedRules is the rules in force, and what was found in their files.
type loadedRules struct {
	at    time.Time
	set   *rules.Set
	files []rules.File
	last  map[string][]byte // their last good versions
}

// loadRules reads the rule files. What is broken is replaced by its last good version, and
// told in the log. The error is that of rules that cannot be used at all.
func (d *daemon) loadRules() (*loadedRules, error) {
	kept := keptRulesOf(d.cfg)
	last, err := kept.read()
	if err != nil {
		d.log.Warn("last good versions of rule files are not known", "err", err)
	}
	if now := d.loaded.Load(); now != nil {
		last = now.last // also where they cannot be kept
	}
	set, files, err := rules.LoadKept(os.DirFS(d.cfg.Rules), last, allowed(d.cfg))
	if err != nil {
		return nil, err
	}
	if err := kept.write(files, last); err != nil {
		d.log.Warn("rule files that break later have no good version to fall back to", "err", err)
	}
	what := "rules not reloaded, the old ones stay in force"
	if d.loaded.Load() == nil {
		what = "a rule file is broken"
	}
	l := &loadedRules{at: time.Now(), set: set, files: files, last: map[string][]byte{}}
	for _, f := range files {
		if f.Broken != nil {
			d.log.Error(what, "file", f.Name, "in force", inForce(f), "err", f.Broken)
		}
		if f.Text != nil {
			l.last[f.Name] = f.Text
		}
	}
	return l, nil
}

// inForce says what stands in for a file.
func inForce(f rules.File) string {
	switch f.Use {
	case rules.LastGood:
		return "its last good version"
	case rules.Observed:
		return "default.toml, which only observes this domain, since the file has no good version"
	case rules.Nothing:
		return "nothing of it"
	}
	return "the file"
}

// broken is what is wrong in the rule files now, and what is in force instead; nil if nothing is.
func (l *loadedRules) broken() error {
	var wrong []error
	for _, f := range l.files {
		if f.Broken != nil {
			wrong = append(wrong, fmt.Errorf("%w\nin force is %s", f.Broken, inForce(f)))
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

// rulesInForce reads the rules that the daemon has, or would have: broken files are replaced by their last
// good versions, and told in the log.
func rulesInForce(c config.Config, log *slog.Logger) (*rules.Set, error) {
	last, err := keptRulesOf(c).read()
	if err != nil {
		log.Warn("last good versions of rule files are not known", "err", err)
	}
	set, files, err := rules.LoadKept(os.DirFS(c.Rules), last, allowed(c))
	if err != nil {
		return nil, fmt.Errorf("rules in %s:\n%w", c.Rules, err)
	}
	for _, f := range files {
		if f.Broken != nil {
			log.Warn("a rule file is broken", "file", f.Name, "in force", inForce(f), "err", f.Broken)
		}
	}
	return set, nil
}
