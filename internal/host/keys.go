package host

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"breakwater/internal/origin"
	"breakwater/internal/owned"
)

// OpenKeys reads a file of keys, and makes it if it is missing.
func OpenKeys(name string, at time.Time) (*origin.Ring, error) {
	r, err := ReadKeys(name)
	if errors.Is(err, fs.ErrNotExist) {
		r = (&origin.Ring{}).With(NewKey(), at, at)
		return r, WriteKeys(name, r)
	}
	return r, err
}

// NewKey returns 32 random bytes, the secret of a key.
func NewKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// ReadKeys reads a file of keys.
func ReadKeys(name string) (*origin.Ring, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if err := private(name); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	r, err := origin.ParseRing(string(b))
	if err != nil {
		return nil, fmt.Errorf("read keys %s: %w; restore it from a backup, or remove it to begin with a new key (proofs of mail under way are then lost)", name, err)
	}
	return r, nil
}

// private returns an error if users other than the owner may read a file.
func private(name string) error {
	if st, err := os.Stat(name); err == nil && st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("other users may read %s; run chmod 600 %s", name, name)
	}
	return nil
}

// WriteKeys replaces the file of keys atomically. The file keeps its owner, so that root can rotate the keys of a
// daemon that runs as another user.
func WriteKeys(name string, r *origin.Ring) error {
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = owned.Rewrite(name, []byte(r.String()))
	}
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}
