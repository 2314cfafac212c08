package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	formatFile = "FORMAT"
	formatText = "breakwater archive " // and the number
	format     = 3                     // of what is written; record.go has what older ones were

	formatOldest = 2 // that is read
)

// checkFormat tells when an archive was written by a newer version. A file that cannot be understood
// is damaged and stops nobody: each segment says for itself what it is.
func checkFormat(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	number, ours := strings.CutPrefix(strings.TrimSpace(string(data)), formatText)
	if n, err := strconv.Atoi(number); ours && err == nil && n > format {
		return fmt.Errorf("it was written by a newer breakwater: it has format %d, this version reads up to %d; run the newer version", n, format)
	}
	return nil
}

// writeFormat notes the format of what is written from now on.
func writeFormat(dir string) error {
	text := formatText + strconv.Itoa(format) + "\n"
	if data, err := os.ReadFile(filepath.Join(dir, formatFile)); err == nil && string(data) == text {
		return nil
	}
	return replaceFile(filepath.Join(dir, formatFile), []byte(text))
}
