package archive

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"

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
	slog.New(slog.NewJSONHandler(&line, nil)).Info(what, append([]any{"user", User()}, args...)...)
	_, err = f.Write(line.Bytes())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// User is who runs this process: who has logged in, also behind sudo and su, or else whose user ID it has.
func User() string {
	if name := os.Getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		return name
	}
	uid := strconv.Itoa(os.Getuid())
	if b, err := os.ReadFile("/proc/self/loginuid"); err == nil && os.Geteuid() == 0 {
		if login := strings.TrimSpace(string(b)); login != unsetLogin {
			uid = login
		}
	}
	if u, err := osuser.LookupId(uid); err == nil {
		return u.Username
	}
	return "uid " + uid
}

const unsetLogin = "4294967295" // of a process that nobody has logged in for
