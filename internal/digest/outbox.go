package digest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrRefused is what Send wraps when the mail server will never take mail for an address.
var ErrRefused = errors.New("refused for good")

// Pauses between attempts to send, and the time that one may take.
const (
	minPause    = time.Minute
	maxPause    = time.Hour
	sendTimeout = 2 * time.Minute
)

// letter is a digest in the outbox: a file, until it is sent.
type letter struct {
	Account string
	Digest  Digest
}

// waiting is what is known of a letter without reading it.
type waiting struct {
	path      string
	account   string
	messageID string
	next      time.Time // not to be tried before
	pause     time.Duration
}

// put writes a letter into the outbox, under a name that is the same for the same
// Message-ID: after a crash it may be written a second time.
func (d *Digester) put(l letter) error {
	data, err := json.MarshalIndent(l, "", "\t")
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%x.json", sha256.Sum256([]byte(l.Digest.MessageID)))[48:]
	path := filepath.Join(d.Dir, outboxDir, name)
	if err := d.files.Write(path, data); err != nil {
		return fmt.Errorf("write digest for %s: %w", l.Digest.To, err)
	}
	if !slices.ContainsFunc(d.outbox, func(w *waiting) bool { return w.path == path }) {
		d.outbox = append(d.outbox, &waiting{path: path, account: l.Account, messageID: l.Digest.MessageID})
	}
	return nil
}

// unsent is the Message-ID of a letter that waits for an account; "" if there is none.
func (d *Digester) unsent(account string) string {
	for _, w := range d.outbox {
		if w.account == account {
			return w.messageID
		}
	}
	return ""
}

// loadOutbox finds what was not sent when the last process ended.
func (d *Digester) loadOutbox() error {
	dir := filepath.Join(d.Dir, outboxDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list outbox of digests: %w", err)
	}
	d.outbox = nil
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if filepath.Ext(path) == ".new" { // half written by a process that was killed
			_ = os.Remove(path)
			continue
		}
		l, err := readLetter(path)
		if err != nil {
			d.Log.Error("a digest cannot be read and is left where it is", "err", err)
			continue
		}
		d.outbox = append(d.outbox, &waiting{path: path, account: l.Account, messageID: l.Digest.MessageID})
	}
	return nil
}

func readLetter(path string) (l letter, err error) {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err != nil {
		return l, fmt.Errorf("read digest %s: %w", path, err)
	}
	return l, nil
}

// sendAll tries what is due, in the order in which it became so. After three failures in a
// row the server is left alone until the next round.
func (d *Digester) sendAll(ctx context.Context) {
	slices.SortStableFunc(d.outbox, func(a, b *waiting) int { return cmp.Or(a.next.Compare(b.next), strings.Compare(a.path, b.path)) })
	failed := 0
	var left []*waiting
	for i, w := range d.outbox {
		if ctx.Err() != nil || failed == 3 || w.next.After(time.Now()) {
			left = append(left, d.outbox[i:]...)
			break
		}
		if d.send(ctx, w) {
			failed = 0
			continue
		}
		failed++
		left = append(left, w)
	}
	d.outbox = left
	d.waiting.Store(int64(len(left)))
}

// send tries one letter, and reports whether it is gone.
func (d *Digester) send(ctx context.Context, w *waiting) (gone bool) {
	l, err := readLetter(w.path)
	if err != nil {
		d.postpone(w, err)
		return false
	}
	raw, err := d.Composer.Compose(l.Digest)
	if err == nil {
		sending, cancel := context.WithTimeout(ctx, sendTimeout)
		err = d.Send(sending, l.Digest.To, raw)
		cancel()
	}
	switch {
	case err == nil:
		d.sent.Add(1)
		d.Log.Info("digest sent", "to", l.Digest.To, "kind", string(l.Digest.Kind), "message_id", l.Digest.MessageID)
		if err := d.files.Remove(w.path); err != nil {
			d.Log.Error("a digest that was sent stays in the outbox, and will come twice", "err", err)
			d.postpone(w, nil)
			return false
		}
		return true
	case errors.Is(err, ErrRefused) && !l.Digest.Operator:
		d.toPostmaster(w, l, err)
		return false
	case ctx.Err() != nil:
		return false // it is no failure that we end
	}
	d.failed.Add(1)
	d.postpone(w, err)
	return false
}

// toPostmaster sends a digest that its owner refused to the postmaster, now and ever after.
func (d *Digester) toPostmaster(w *waiting, l letter, refusal error) {
	d.failed.Add(1)
	d.Log.Warn("digest refused, its postmaster is told instead", "to", l.Digest.To, "postmaster", l.Digest.Postmaster, "err", refusal)
	d.state.Refused[l.Account] = time.Now()
	d.changed = true
	l.Digest.To, l.Digest.Operator, l.Account = l.Digest.Postmaster, true, domainKey(l.Account)
	if err := d.put(l); err != nil {
		d.postpone(w, err)
		return
	}
	w.account = l.Account
}

// postpone tries a letter again later, at growing intervals.
func (d *Digester) postpone(w *waiting, err error) {
	w.pause = min(max(2*w.pause, minPause), maxPause)
	w.next = time.Now().Add(w.pause)
	if err != nil {
		d.Log.Warn("digest not sent, it is kept and tried again", "file", w.path, "in", w.pause, "err", err)
	}
}
