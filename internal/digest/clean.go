package digest

import (
	"regexp"
	"strings"
	"time"
	"unicode"
)

// maxShown is how much of a foreign text is shown, in runes.
const maxShown = 80

// harmless takes off what makes a link of a text, or an encoded word (RFC 2047).
var harmless = strings.NewReplacer("://", ": //", "=?", "= ?")

var www = regexp.MustCompile(`(?i)\bwww\.`)

// clean makes a text that others wrote fit to be shown: one line, cut, without what changes
// the direction of writing or cannot be seen, and without links that a reader's program
// would make of it.
func clean(s string) string {
	if harmlessAlready(s) {
		return s
	}
	var b strings.Builder
	space, n := false, 0
	for _, r := range s { // a byte that is no UTF-8 is U+FFFD
		if n > maxShown {
			break // it is cut anyway
		}
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			space = true
			continue
		case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs):
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		n++
		b.WriteRune(r)
	}
	s = www.ReplaceAllString(harmless.Replace(b.String()), "$0 ")
	if runes := []rune(s); len(runes) > maxShown {
		s = strings.TrimSpace(string(runes[:maxShown-1])) + "…"
	}
	return s
}

var (
	hostDot = regexp.MustCompile(`([\p{L}\p{N}])\.(\p{L}{2})`)
	phone   = regexp.MustCompile(`\+?\d(?:[ ()/.–-]*\d){6,}`)
	isoDate = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	digits  = regexp.MustCompile(`\d`)
)

// told is a text of a stranger's choice, such as a subject, fit for a mail that comes from the reader's
// own postmaster: it names no host that could be visited and no number that could be called.
func told(s string) string {
	s = hostDot.ReplaceAllString(clean(s), "$1[.]$2")
	return phone.ReplaceAllStringFunc(s, func(number string) string {
		all := digits.FindAllString(number, -1)
		if isoDate.MatchString(number) {
			return number
		}
		return "…" + strings.Join(all[len(all)-4:], "")
	})
}

// harmlessAlready is a quick look at a text that clean would leave as it is.
func harmlessAlready(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' && (c != ' ' || i == 0 || i == len(s)-1 || s[i-1] == ' ') || c > '~' || c == ':' || c == '=' || i > 0 && c|0x20 == 'w' && s[i-1]|0x20 == 'w' {
			return false
		}
	}
	return len(s) <= maxShown
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@._+=:/-]+$`)

// shellWord quotes a word of a command line: mailboxes may be named by strangers, and
// commands are copied into shells.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// releaseCommand is what an operator types to deliver what s tells of after all. A storm is
// of one mailbox; a mailbox whose name cannot be shown as it is, is left out.
func releaseCommand(mailbox string, s Storm) string {
	shown := clean(mailbox)
	switch {
	case s.ID == "":
		const layout = "2006-01-02T15:04:05Z"
		return "breakwater release --mailbox " + shellWord(shown) + " --since " + s.First.UTC().Format(layout) +
			" --until " + s.Last.UTC().Add(time.Second).Format(layout)
	case shown != mailbox:
		return "breakwater release " + shellWord(s.ID)
	}
	return "breakwater release " + shellWord(s.ID) + " --mailbox " + shellWord(mailbox)
}
