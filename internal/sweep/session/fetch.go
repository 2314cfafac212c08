package session

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Message is what FETCH tells of a message.
type Message struct {
	UID          uint32
	Flags        []string
	InternalDate time.Time
	Size         int64
	Raw          []byte // what was asked for; the callee's to keep
	Truncated    bool   // Raw is not all of it
}

// Part is what of a message is fetched besides flags, date and size.
type Part int

// Parts.
const (
	Nothing Part = iota
	Whole
)

// Fetch calls f with each message of uids that there is, in the server's order. Of each at
// most limit bytes of part are kept. No flag is changed.
func (s *Session) Fetch(ctx context.Context, uids []uint32, part Part, limit int64, f func(Message) error) error {
	for some := range Sets(uids) {
		if err := s.fetch(ctx, set(some), len(some), part, limit, f); err != nil {
			return err
		}
	}
	return nil
}

// FetchFrom is Fetch of all messages from a UID on.
func (s *Session) FetchFrom(ctx context.Context, first uint32, part Part, limit int64, f func(Message) error) error {
	return s.fetch(ctx, imap.UIDSet{{Start: imap.UID(max(first, 1)), Stop: 0}}, int(s.in.state.Messages), part, limit, func(m Message) error {
		if m.UID < first {
			return nil // n:* has the last message, whatever n is (RFC 3501 §6.4.8)
		}
		return f(m)
	})
}

// Bounds of an answer to FETCH. A server may tell of messages that were not asked for (RFC 3501 §7.4.2), but
// one that never comes to an end keeps a sweep from all other accounts.
const (
	fetchTime   = 10 * time.Minute      // for any number of messages
	perMessage  = 50 * time.Millisecond // and for each
	perWhole    = 5 * time.Second       // or for each that comes with its bytes
	moreAnswers = 10_000                // than there should be
)

// fetchLimit is how long n messages may take.
func fetchLimit(n int, part Part) time.Duration {
	if part == Whole {
		return fetchTime + time.Duration(n)*perWhole
	}
	return fetchTime + time.Duration(n)*perMessage
}

// fetch fetches messages, n of them as far as is known.
func (s *Session) fetch(ctx context.Context, uids imap.UIDSet, n int, part Part, limit int64, f func(Message) error) error {
	o := &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true}
	if part == Whole {
		o.BodySection = []*imap.FetchItemBodySection{{Peek: true, Partial: &imap.SectionPartial{Size: limit + 1}}}
	}
	var failed error // f's: the answer is read to its end all the same
	err := s.watch(ctx, fetchLimit(n, part), func(alive func()) error {
		cmd := s.c.Fetch(uids, o)
		answers := 0
		for d := cmd.Next(); d != nil; d = cmd.Next() {
			alive()
			if answers++; answers > 2*n+moreAnswers {
				return s.leave(cmd.Close, "the server tells of more than %d messages, and there are %d", answers, n)
			}
			m, err := read(d, limit)
			if err != nil {
				return err
			}
			if failed == nil && m.UID != 0 && (part == Nothing || m.Raw != nil) {
				failed = f(m)
			}
		}
		return cmd.Close()
	})
	if failed != nil {
		return failed
	}
	return wrap("fetch", err)
}

// read takes the items of a message as they come.
func read(d *imapclient.FetchMessageData, limit int64) (Message, error) {
	var m Message
	for item := d.Next(); item != nil; item = d.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			m.UID = uint32(item.UID)
		case imapclient.FetchItemDataFlags:
			m.Flags = make([]string, 0, len(item.Flags))
			for _, flag := range item.Flags {
				m.Flags = append(m.Flags, string(flag))
			}
		case imapclient.FetchItemDataInternalDate:
			m.InternalDate = item.Time
		case imapclient.FetchItemDataRFC822Size:
			m.Size = item.Size
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				m.Raw = []byte{}
				continue
			}
			// The server says how long it is, and may lie: no more than asked for is kept.
			want := min(item.Literal.Size(), limit)
			b := bytes.NewBuffer(make([]byte, 0, min(want, 1<<20)+bytes.MinRead))
			n, err := io.Copy(b, io.LimitReader(item.Literal, want))
			if err != nil || n < want {
				return m, fmt.Errorf("message cut off after %d bytes: %w", n, io.ErrUnexpectedEOF)
			}
			m.Raw, m.Truncated = b.Bytes(), item.Literal.Size() > limit
		}
	}
	return m, nil
}

// lineBytes is how many bytes of UIDs there may be in one command. All servers read lines of
// about 8192 bytes (RFC 7162 §4); the rest is for the name of a folder.
const lineBytes = 7000

// Sets cuts UIDs into parts, each short enough to be written in one command.
func Sets(uids []uint32) iter.Seq[[]uint32] {
	return func(yield func([]uint32) bool) {
		first, length := 0, 0
		for i, uid := range uids {
			if i > first+1 && uid == uids[i-1]+1 && uids[i-1] == uids[i-2]+1 {
				continue // it makes a range longer, and not what is written
			}
			n := len(strconv.AppendUint(nil, uint64(uid), 10)) + 1
			if length += n; length > lineBytes {
				if !yield(uids[first:i]) {
					return
				}
				first, length = i, n
			}
		}
		if first < len(uids) {
			yield(uids[first:])
		}
	}
}

func set(uids []uint32) imap.UIDSet {
	sorted := slices.Sorted(slices.Values(uids))
	var s imap.UIDSet
	for _, uid := range sorted {
		s.AddNum(imap.UID(uid))
	}
	return s
}

// FormatUIDs writes UIDs as IMAP has it, such as 1:3,7, but in their order.
func FormatUIDs(uids []uint32) string {
	var b []byte
	for i := 0; i < len(uids); {
		last := i
		for last+1 < len(uids) && uids[last+1] == uids[last]+1 {
			last++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(uids[i]), 10)
		if last > i {
			b = strconv.AppendUint(append(b, ':'), uint64(uids[last]), 10)
		}
		i = last + 1
	}
	return string(b)
}

// maxUIDs bounds what a short text can stand for.
const maxUIDs = 10_000_000

// ParseUIDs reads what FormatUIDs wrote.
func ParseUIDs(s string) ([]uint32, error) {
	var uids []uint32
	if s == "" {
		return nil, nil
	}
	for r := range strings.SplitSeq(s, ",") {
		var first, last uint32
		if n, err := fmt.Sscanf(r, "%d:%d", &first, &last); n == 1 && err != nil {
			last = first
		} else if err != nil || last < first {
			return nil, fmt.Errorf("%q is no set of UIDs", s)
		}
		if last-first > maxUIDs || len(uids) > maxUIDs {
			return nil, fmt.Errorf("%.40q has too many UIDs", s)
		}
		for uid := uint64(first); uid <= uint64(last); uid++ {
			uids = append(uids, uint32(uid))
		}
	}
	return uids, nil
}
