package host

import (
	"os"
	"path/filepath"

	"breakwater/internal/config"
	"breakwater/internal/rules"
	shipped "breakwater/rules"
)

// InFolder copies the shipped rules into a folder, and returns the default configuration with all its paths in that
// folder.
func InFolder(folder string) (config.Config, error) {
	cfg := config.Default()
	cfg.Store = "badger:" + filepath.Join(folder, "store")
	cfg.Archive = filepath.Join(folder, "archive")
	cfg.Rules = filepath.Join(folder, "rules")
	cfg.Secret = filepath.Join(folder, "secret")
	def, err := shipped.Files.ReadFile(rules.DefaultFile)
	if err != nil {
		return cfg, err
	}
	if err := os.Mkdir(cfg.Rules, 0o700); err != nil {
		return cfg, err
	}
	return cfg, os.WriteFile(filepath.Join(cfg.Rules, rules.DefaultFile), def, 0o600)
}
