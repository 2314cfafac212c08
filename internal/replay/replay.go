// Package replay puts mail of the past in the order in which it came.
//
// Of mail in files only the time and the place are held in memory, some hundred bytes a
// message; each is read again when its turn comes. An archive has its copies in order.
package replay

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/mailfile"
	"breakwater/internal/message"
)

// Mail is one message of the past.
type Mail struct {
	Path    string // of its file, as mailfile has it, or the archive and the copy's ID
	Message *message.Message
	Guessed bool // nothing says whom it was for but To and Cc
}

// Plan is mail in the order of its time.
type Plan struct {
	Total  int     // messages
	Errors []error // of files that could not be read

	files    []entry
	archives []string
}

type entry struct {
	at    int64 // Unix seconds
	place mailfile.Place
}

// Scan looks through paths: .eml files, mbox files, Maildirs, folders of them, and archives.
// It tells progress after each message. The error is that of ctx.
func Scan(ctx context.Context, paths []string, progress func(n int)) (*Plan, error) {
	p := &Plan{}
	for _, path := range paths {
		if archive.Is(path) {
			p.archives = append(p.archives, path)
			p.count(ctx, path)
		} else {
			p.scan(ctx, path, progress)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	slices.SortStableFunc(p.files, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	p.Total += len(p.files)
	return p, nil
}

func (p *Plan) scan(ctx context.Context, path string, progress func(n int)) {
	for f, err := range mailfile.Walk([]string{path}, nil) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.Errors = append(p.Errors, err)
			continue
		}
		p.files = append(p.files, entry{came(f).Unix(), f.Place})
		progress(1)
	}
}

// count counts the copies of an archive. What is damaged there is told when it is read.
func (p *Plan) count(ctx context.Context, path string) {
	r, err := archive.OpenReadOnly(path)
	if err != nil {
		p.Errors = append(p.Errors, err)
		return
	}
	for _, err := range r.All(ctx) {
		if err == nil {
			p.Total++
		}
	}
}

// came is when a message came: by its newest Received field, or else its Date, or else the
// time of its file.
func came(f mailfile.File) time.Time {
	h, _, _ := message.ParseHeader(f.Raw[:min(len(f.Raw), 64<<10)])
	newest := h.Get("Received")
	if at := message.ParseDate(newest[strings.LastIndexByte(newest, ';')+1:]); !at.IsZero() { // RFC 5321 §4.4
		return at
	}
	if at := message.ParseDate(h.Get("Date")); !at.IsZero() {
		return at
	}
	if st, err := os.Stat(f.Place.Name); err == nil {
		return st.ModTime()
	}
	return time.Unix(0, 0)
}

// All yields the mail in order. An error is of one message, and the loop goes on; it ends
// with ctx.
func (p *Plan) All(ctx context.Context) iter.Seq2[Mail, error] {
	sources := []iter.Seq2[Mail, error]{p.fromFiles}
	for _, path := range p.archives {
		sources = append(sources, fromArchive(ctx, path))
	}
	return func(yield func(Mail, error) bool) {
		for m, err := range merge(sources) {
			if ctx.Err() != nil || !yield(m, err) {
				return
			}
		}
	}
}

// merge yields what sources yield, the oldest first. Errors come at once.
func merge(sources []iter.Seq2[Mail, error]) iter.Seq2[Mail, error] {
	type head struct {
		mail Mail
		err  error
		next func() (Mail, error, bool)
	}
	return func(yield func(Mail, error) bool) {
		var heads []*head
		for _, s := range sources {
			next, stop := iter.Pull2(s)
			defer stop()
			if m, err, ok := next(); ok {
				heads = append(heads, &head{m, err, next})
			}
		}
		for len(heads) > 0 {
			first := slices.MinFunc(heads, func(a, b *head) int {
				if a.err != nil || b.err != nil {
					return cmp.Compare(btoi(a.err == nil), btoi(b.err == nil))
				}
				return a.mail.Message.At.Compare(b.mail.Message.At)
			})
			if !yield(first.mail, first.err) {
				return
			}
			var ok bool
			if first.mail, first.err, ok = first.next(); !ok {
				heads = slices.DeleteFunc(heads, func(h *head) bool { return h == first })
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p *Plan) fromFiles(yield func(Mail, error) bool) {
	for _, e := range p.files {
		f, err := e.place.Read()
		if err != nil {
			if !yield(Mail{}, err) {
				return
			}
			continue
		}
		env := f.Envelope()
		env.Client = client(f)
		m := Mail{Path: f.Path, Message: message.Parse(env, time.Unix(e.at, 0).UTC(), f.Raw)}
		if len(env.Recipients) == 0 {
			m.guess()
		}
		if !yield(m, nil) {
			return
		}
	}
}

// guess takes the recipients from To and Cc.
func (m *Mail) guess() {
	m.Guessed = true
	for _, name := range []string{"To", "Cc"} {
		for _, addr := range message.Addresses(m.Message.Header.Get(name)) {
			m.Message.Recipients = append(m.Message.Recipients, message.Recipient{Addr: addr})
		}
	}
}

// clientIP is the IP address that an MTA writes into its Received field (RFC 5321 §4.4).
var clientIP = regexp.MustCompile(`\[(?:IPv6:)?([0-9a-fA-F:.]+)\]`)

// client is who handed the message to the server that received it last.
func client(f mailfile.File) netip.Addr {
	h, _, _ := message.ParseHeader(f.Raw[:min(len(f.Raw), 16<<10)])
	if m := clientIP.FindStringSubmatch(h.Get("Received")); m != nil {
		if a, err := netip.ParseAddr(m[1]); err == nil {
			return a
		}
	}
	return netip.Addr{}
}

// fromArchive yields the copies of an archive, each for those for whom it was absorbed.
func fromArchive(ctx context.Context, path string) iter.Seq2[Mail, error] {
	return func(yield func(Mail, error) bool) {
		r, err := archive.OpenReadOnly(path)
		if err != nil {
			yield(Mail{}, err)
			return
		}
		for c, err := range r.Messages(ctx) {
			if err != nil {
				if !yield(Mail{}, err) {
					return
				}
				continue
			}
			env := message.Envelope{QueueID: c.QueueID, Client: c.Client, Helo: c.Helo, AuthUser: c.AuthUser, ReversePath: c.ReversePath}
			for _, rcpt := range c.Recipients {
				env.Recipients = append(env.Recipients, message.Recipient{Addr: rcpt.Addr})
			}
			m := Mail{Path: fmt.Sprintf("%s#%s", path, c.ID), Message: message.Parse(env, c.At, c.Raw)}
			if !yield(m, nil) {
				return
			}
		}
	}
}
