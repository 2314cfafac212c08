package archive

import (
	"errors"
	"log/slog"

	"breakwater/internal/format"
)

// layout is the format of the archive; record.go has what older ones were.
var layout = format.Format{Name: "breakwater archive", Version: 3, Oldest: 2, Instead: "let `archive` name another folder; the mail in this one stays"}

// checkFormat returns why the archive in a folder cannot be opened. A damaged note stops nobody: each segment says
// for itself what it is.
func checkFormat(dir string, log *slog.Logger) error {
	err := layout.Check(dir)
	if errors.Is(err, format.ErrDamaged) {
		log.Error("the archive's note of its format is damaged; its segments are read for what they are", "err", err)
		return nil
	}
	return err
}
