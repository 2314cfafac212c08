package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/mark"
	"breakwater/internal/message"
	"breakwater/internal/submit"
)

// Deliverer delivers copies after all.
type Deliverer struct {
	Dir    string // of the archive
	Reader *archive.Reader
	Marks  *mark.Signer // so that our own milter lets them pass
	Target submit.Target
	Wait   []time.Duration // before each further try of a copy
	Serial string          // tells a release from one before; "" for the first

	conn  *submit.Conn
	tired map[string]bool // recipients for whom waiting was in vain
}

// DefaultWait gives a mail server that is restarted the time that it needs.
var DefaultWait = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}

// Deliver hands a selection to the mail server, in the order in which it was absorbed, each
// copy with its own envelope. A copy is noted as released when the server has taken it, so
// that the next call goes on behind it. With an error, it ended before the end.
func (d *Deliverer) Deliver(ctx context.Context, s Selection, progress func(n int)) (res Result, err error) {
	done, err := archive.LockReleases(d.Dir)
	if err != nil {
		return res, err
	}
	defer done()
	k, err := archive.NewMarker(d.Dir)
	if err != nil {
		return res, err
	}
	d.tired = map[string]bool{}
	defer d.close()
	defer func() { err = errors.Join(err, k.Close()) }()
	for m, err := range pick(ctx, d.Reader, s) {
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		if err != nil {
			res.Damages = append(res.Damages, err)
			continue
		}
		answers, err := d.send(ctx, m)
		if err != nil {
			return res, fmt.Errorf("copy %s: %w", m.ID, err)
		}
		var taken []string
		for i, r := range m.Recipients {
			if answers[i] != nil {
				res.Refused = append(res.Refused, Refusal{m.ID, r.Addr, answers[i]})
				continue
			}
			taken = append(taken, r.Addr)
		}
		if err := k.Released(m, taken...); err != nil {
			return res, err
		}
		res.Deliveries += len(taken)
		progress(len(m.Recipients))
	}
	return res, nil
}

// send sends one copy, and tries again where the connection or the server fails.
func (d *Deliverer) send(ctx context.Context, m archive.Message) (answers []error, err error) {
	for try := 0; ; try++ {
		answers, err = d.try(ctx, m)
		if again := err != nil && !submit.Permanent(err) || d.deferred(m, answers); !again || try >= len(d.Wait) {
			break
		}
		d.close()
		select {
		case <-time.After(d.Wait[try]):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil && submit.Answered(err) { // of the whole transaction, but of this copy alone
		return slices.Repeat([]error{err}, len(m.Recipients)), nil
	}
	if d.deferred(m, answers) {
		for _, r := range m.Recipients {
			d.tired[r.Addr] = true
		}
	}
	return answers, err
}

// deferred reports whether the server wants nobody to get the copy for now, and it is not
// known that it will be so.
func (d *Deliverer) deferred(m archive.Message, answers []error) bool {
	fresh := false
	for i, err := range answers {
		if err == nil || submit.Permanent(err) {
			return false
		}
		fresh = fresh || !d.tired[m.Recipients[i].Addr]
	}
	return fresh
}

func (d *Deliverer) try(ctx context.Context, m archive.Message) ([]error, error) {
	// A signal does not cut it off: what the server takes is to be noted. The last answer
	// alone may take ten minutes (RFC 5321 §4.5.3.2.6).
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 12*time.Minute)
	defer cancel()
	if d.conn == nil {
		conn, err := submit.Dial(ctx, d.Target)
		if err != nil {
			return nil, err
		}
		d.conn = conn
	}
	id, field := d.mark(m)
	return d.conn.SendAs(ctx, id, m.ReversePath, addrs(m.Recipients), io.MultiReader(strings.NewReader(field), bytes.NewReader(m.Raw)))
}

// mark is what tells our own milter, should it be on the way, that a copy is released: an envelope ID, which
// is not in the message that arrives. A server that takes none gets a header field, which the milter
// takes off. No milter is behind LMTP.
func (d *Deliverer) mark(m archive.Message) (id, field string) {
	parsed, name := message.Parse(message.Envelope{}, m.At, m.Raw), m.ID+d.Serial
	switch {
	case d.Target.LMTP:
		return "", ""
	case d.conn.TakesIDs():
		return d.Marks.ReleaseID(name, parsed), ""
	}
	return "", fmt.Sprintf("%s: %s\r\n", mark.ReleaseField, d.Marks.Release(name, parsed))
}

func (d *Deliverer) close() {
	if d.conn != nil {
		_ = d.conn.Close() // what was to be said is said
		d.conn = nil
	}
}
