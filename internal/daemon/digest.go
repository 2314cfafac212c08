package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/digest"
	"breakwater/internal/mark"
	"breakwater/internal/rules"
	"breakwater/internal/submit"
)

// openDigester prepares the telling of what was absorbed. It is nil where nobody is told.
func (d *Daemon) openDigester(marks *mark.Signer) (*digest.Digester, error) {
	if d.cfg.Digest.Submit == "" {
		return nil, nil
	}
	target, err := submit.Parse(d.cfg.Digest.Submit)
	if err != nil {
		return nil, fmt.Errorf("digest.submit: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("digests: %w", err)
	}
	from := d.cfg.Digest.From
	if from == "" {
		from = "postmaster@" + host
	}
	return &digest.Digester{
		Archive:   &d.archive.Reader,
		Dir:       filepath.Join(d.cfg.Archive, "digests"),
		Composer:  digest.Composer{Host: host, From: from, Zone: time.Local, Sign: marks.Digest},
		Rules:     func(domain string) rules.Digest { return d.rules.Load().For(domain).Digest() },
		Retention: func(domain string) rules.Retention { return d.rules.Load().For(domain).Retention() },
		Raging:    d.raging,
		Send:      func(ctx context.Context, to string, raw []byte) error { return sendDigest(ctx, target, to, raw) },
		Log:       d.log,
		Clock:     d.archive,
		Announce:  func(rounds map[string]archive.Round) error { return d.notices.Announce(rounds, d.archive.Now()) },
	}, nil
}

// sendDigest hands one to the mail server, with a null reverse-path: nobody is to answer it.
func sendDigest(ctx context.Context, target submit.Target, to string, raw []byte) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := submit.Dial(ctx, target)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers, err := conn.Send(ctx, "", []string{to}, bytes.NewReader(raw))
	if err == nil {
		err = answers[0]
	}
	if err != nil && submit.Permanent(err) {
		return fmt.Errorf("%w: %w", digest.ErrRefused, err)
	}
	return err
}

// raging returns the IDs of the storms that rage now.
func (d *Daemon) raging(ctx context.Context) (map[string]bool, error) {
	now := d.now()
	ids := map[string]bool{}
	for t, err := range d.store.Tallies(ctx, time.Time{}) {
		if err != nil {
			return nil, err
		}
		if t.Storm != nil && t.Raging(now) {
			ids[t.Key.String()] = true
		}
	}
	return ids, nil
}

// tell sends digests until ctx ends.
func (d *Daemon) tell(ctx context.Context) {
	if d.digester == nil {
		return
	}
	if err := d.digester.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		d.log.Error("no digests are sent", "err", err)
	}
}
