// Package host opens what the configuration of a host names, for the daemon and for the other commands alike: the
// secret, the keys, the rules in force, the phrases of the site, and what the daemon knows of sent mail.
package host

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"breakwater/internal/owned"
)

// ReadSecret reads the key of all fingerprints: 32 bytes, written as hexadecimal digits. It makes a new key if the
// file is missing; no default is shipped, since all hosts would share it.
func ReadSecret(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSecret(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("read secret %s: not 64 hexadecimal digits; restore it from a backup, or remove it to begin with a new one (storms under way are then forgotten)", name)
	}
	if err := private(name); err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	return key, nil
}

func makeSecret(name string) ([]byte, error) {
	key := make([]byte, 32)
	rand.Read(key)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("make secret: %w", err)
	}
	// All at once: half a secret would have to be removed by hand.
	f, err := os.CreateTemp(filepath.Dir(name), ".secret-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("make secret: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, hex.EncodeToString(key))
	if err = errors.Join(err, owned.Give(f), f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), name) // never over another one
	}
	if err != nil {
		return nil, fmt.Errorf("make secret %s: %w", name, err)
	}
	return key, nil
}
