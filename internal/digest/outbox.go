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
	Since   time.Time // when it was written, by the archive's clock
}

// waiting is what is known of a letter without reading it.
type waiting struct {
	path      string
	account   string
	messageID string
	notice    bool      // of what expires: until it is gone, nothing of it is erased
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
		d.outbox = append(d.outbox, waits(path, l))
	}
	return nil
}

func waits(path string, l letter) *waiting {
	return &waiting{path: path, account: l.Account, messageID: l.Digest.MessageID, notice: l.Digest.Kind == Expiry}
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

// loadOutbox finds what was not sent when the last process ended. Where a letter is damaged, nobody
// knows whether it was a notice: what expires is announced again.
func (d *Digester) loadOutbox(now time.Time) error {
	dir := filepath.Join(d.Dir, outboxDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list outbox of digests: %w", err)
	}
	d.outbox = nil
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if filepath.Ext(path) == ".damaged" {
			continue
		}
		if filepath.Ext(path) == ".new" { // half written by a process that was killed
			_ = os.Remove(path)
			continue
		}
		l, err := readLetter(path)
		if err != nil && !errors.Is(err, errLetter) {
			return err
		}
		if err != nil {
			d.Log.Error("a digest cannot be read and is put aside; what expires is announced again", "err", err)
			d.state.Announced, d.state.Pending, d.state.Noticed = map[string]string{}, map[string]time.Time{}, time.Time{}
			d.changed = true
			if err := os.Rename(path, path+".damaged"); err != nil {
				return fmt.Errorf("put a digest aside: %w", err)
			}
			continue
		}
		d.outbox = append(d.outbox, waits(path, l))
	}
	return nil
}

// errLetter is the error of a file that was read and is none of ours.
var errLetter = errors.New("it is damaged")

func readLetter(path string) (l letter, err error) {
	data, err := os.ReadFile(path)
	if err == nil {
		if jerr := json.Unmarshal(data, &l); jerr != nil {
			err = fmt.Errorf("%w: %w", errLetter, jerr)
		}
	}
	if err != nil {
		return l, fmt.Errorf("read digest %s: %w", path, err)
	}
	return l, nil
}

// sendAll tries what is due, in the order in which it became so. After three failures in a
// row the server is left alone until the next round.
func (d *Digester) sendAll(ctx context.Context, now time.Time) {
	slices.SortStableFunc(d.outbox, func(a, b *waiting) int {
		return cmp.Or(a.next.Compare(b.next), strings.Compare(a.account, b.account), strings.Compare(a.path, b.path))
	})
	failed := 0
	var left []*waiting
	for i, w := range d.outbox {
		if ctx.Err() != nil || failed == 3 || w.next.After(now) {
			left = append(left, d.outbox[i:]...)
			break
		}
		if d.send(ctx, w, now) {
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
func (d *Digester) send(ctx context.Context, w *waiting, now time.Time) (gone bool) {
	l, err := readLetter(w.path)
	if err != nil {
		d.postpone(w, now, err)
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
			d.postpone(w, now, nil)
			return false
		}
		return true
	case ctx.Err() != nil:
		return false // it is no failure that we end
	case errors.Is(err, ErrRefused) && !l.Digest.Operator:
		d.state.Refused[l.Account] = now
		d.toPostmaster(w, l, now, err)
		return false
	case l.Digest.Kind == Expiry && (errors.Is(err, ErrRefused) || now.Sub(l.Since) > patience) && l.Digest.To != d.postmaster(""):
		d.toPostmaster(w, l, now, err)
		return false
	}
	d.failed.Add(1)
	d.postpone(w, now, err)
	return false
}

// toPostmaster sends a digest that its owner does not take to the postmaster, and a notice that the
// postmaster does not take to the host's: nothing is erased that nobody was told of.
func (d *Digester) toPostmaster(w *waiting, l letter, now time.Time, refusal error) {
	d.failed.Add(1)
	d.changed = true
	to := l.Digest.Postmaster
	if l.Digest.Operator {
		to = d.postmaster("")
	}
	d.Log.Warn("digest not taken, its postmaster is told instead", "to", l.Digest.To, "postmaster", to, "err", refusal)
	l.Digest.To, l.Digest.Operator, l.Account, l.Since = to, true, domainKey(l.Account), now
	if err := d.put(l); err != nil {
		d.postpone(w, now, err)
		return
	}
	w.account, w.next = l.Account, time.Time{}
}

// postpone tries a letter again later, at growing intervals.
func (d *Digester) postpone(w *waiting, now time.Time, err error) {
	w.pause = min(max(2*w.pause, minPause), maxPause)
	w.next = now.Add(w.pause)
	if err != nil {
		d.Log.Warn("digest not sent, it is kept and tried again", "file", w.path, "in", w.pause, "err", err)
	}
}
