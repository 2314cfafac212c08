package sweep

import (
	"errors"
	"io/fs"
	"os"
)

// remove removes a file, and is content if it is not there.
func remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
