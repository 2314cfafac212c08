package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"breakwater/internal/config"
	"breakwater/internal/format"
	"breakwater/internal/owned"
	"breakwater/internal/rules"
)

// KeptRules is the folder with the last good version of each rule file, under the same name.
type KeptRules string

// KeptLayout is the format of the folder.
var KeptLayout = format.Format{Name: "breakwater kept rules", Version: 1, Oldest: 1, Instead: "remove the folder to begin anew"}

// KeptRulesOf returns the folder of a host, which is beside its secret.
func KeptRulesOf(c config.Config) KeptRules {
	return KeptRules(filepath.Join(filepath.Dir(c.Secret), "rules.kept"))
}

// AllowedAliases returns the aliases that the configuration allows in rule files.
func AllowedAliases(c config.Config) rules.Aliases { return rules.Aliases(c.Site.Aliases) }

// Read returns the last good version of each file. There may be none yet.
func (k KeptRules) Read() (map[string][]byte, error) {
	if err := KeptLayout.Check(string(k)); err != nil {
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

// Write stores the files that are in force, if they differ from the last versions.
func (k KeptRules) Write(files []rules.File, last map[string][]byte) error {
	if KeptLayout.Check(string(k)) != nil {
		return nil // Read has said why
	}
	if err := errors.Join(owned.MkdirAll(string(k)), KeptLayout.Write(string(k))); err != nil {
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

func (k KeptRules) path(name string) string { return filepath.Join(string(k), name) }

// Rules reads the rules as the daemon does: it replaces a broken file by its last good version, and logs that.
func Rules(c config.Config, log *slog.Logger) (*rules.Set, error) {
	last, err := KeptRulesOf(c).Read()
	if err != nil {
		log.Warn("last good versions of rule files are not known", "err", err)
	}
	set, files, err := rules.LoadKept(os.DirFS(c.Rules), last, AllowedAliases(c))
	if err != nil {
		return nil, fmt.Errorf("rules in %s:\n%w", c.Rules, err)
	}
	for _, f := range files {
		if f.Broken != nil {
			log.Warn("a rule file is broken", "file", f.Name, "in force", f.InForce(), "err", f.Broken)
		}
	}
	return set, nil
}

// Settings returns the settings of a domain as the daemon has them, and the rule files with their errors.
func Settings(c config.Config, domain string) ([]rules.Setting, *rules.Domain, []rules.File, error) {
	last, err := KeptRulesOf(c).Read()
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, nil, nil, err
	}
	settings, d, files, err := rules.SettingsKept(os.DirFS(c.Rules), last, AllowedAliases(c), domain)
	if err != nil {
		err = fmt.Errorf("rules in %s:\n%w", c.Rules, err)
	}
	return settings, d, files, err
}
