package archive

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"breakwater/internal/owned"
)

// AuditFile is the file of an archive that says who did what with it, a JSON object a line.
const AuditFile = "audit.log"

// Audit notes in an archive what somebody does with its contents. args are as for slog.
func Audit(dir, what string, args ...any) error {
	f, err := owned.Open(filepath.Join(dir, AuditFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	var line bytes.Buffer
	slog.New(slog.NewJSONHandler(&line, nil)).Info(what, append([]any{"user", user()}, args...)...)
	_, err = f.Write(line.Bytes())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// user is who runs this process, through sudo if so.
func user() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	return fmt.Sprint("uid ", os.Getuid())
}
