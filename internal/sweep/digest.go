package sweep

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"breakwater/internal/sweep/session"
)

// digest puts a message into INBOX that says what the run has done.
func (s *Sweep) digest(ctx context.Context, in *session.Session, j *journal) error {
	type way struct{ from, to, keyword string }
	counts := map[way]int{}
	for _, p := range j.batches {
		counts[way{p.Folder, p.To, p.Keyword}] += len(p.forth.moved)
	}
	now := s.Now()
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("From", "Breakwater <"+s.Mailbox+">")
	field("To", "<"+s.Mailbox+">")
	field("Subject", "Copies were taken out of your mailbox")
	field("Date", now.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	field("Message-ID", fmt.Sprintf("<%s.%s@breakwater.invalid>", j.head.Run, url.QueryEscape(s.Account))) // a second digest of one run is a copy
	field("Auto-Submitted", "auto-generated")                                                              // RFC 3834 §5
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", "8bit")
	b.WriteString("\r\nYour mailbox was hit by a flood of copies of the same messages. Of each the first\r\nones are where they were. The others were moved, and none was deleted:\r\n\r\n")
	for _, w := range slices.SortedFunc(maps.Keys(counts), func(a, b way) int { return bytes.Compare([]byte(a.from+a.to), []byte(b.from+b.to)) }) {
		if w.keyword != "" {
			fmt.Fprintf(&b, "  %d messages in %s were marked with %s\r\n", counts[w], w.from, w.keyword)
		} else {
			fmt.Fprintf(&b, "  %d messages from %s are in %s\r\n", counts[w], w.from, w.to)
		}
	}
	fmt.Fprintf(&b, "\r\nYour postmaster can put them back: breakwater undo %s\r\n", j.head.Run)
	return in.Append(ctx, "INBOX", b.Bytes(), now)
}
