package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/mark"
)

// retention is how long a domain's absorbed mail is kept, by the rules in force.
func (d *daemon) retention(domain string) archive.Retention {
	r := d.rules.Load().For(domain).Retention()
	return archive.Retention{Keep: r.Keep, MaxSize: r.MaxSize}
}

const (
	expireEvery = time.Hour   // what is too old goes
	lookEvery   = time.Minute // whether there is room
	alarmEvery  = time.Hour   // at most: an archive on the brink is full now and then
)

// keepHouse erases what has expired, makes room, and says when there is none, until ctx ends.
func (d *daemon) keepHouse(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	next := time.Now()
	var room roomState
	for {
		now := time.Now()
		if !now.Before(next) || d.archive.NearlyFull() && (!room.near || room.full) {
			_ = d.expire(ctx) // is in the log
			next = now.Add(expireEvery)
		}
		d.sayRoom(ctx, &room)
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// expire erases what has expired or was forgotten.
func (d *daemon) expire(ctx context.Context) error {
	done, err := d.archive.Expire(ctx, time.Now())
	if done.Copies > 0 || done.Bytes > 0 {
		d.metrics.expired.Add(float64(done.Copies))
		d.log.Info("absorbed mail has expired", "copies", done.Copies, "bytes", done.Bytes)
	}
	if err != nil && ctx.Err() == nil {
		d.log.Error("absorbed mail does not expire as it should; `breakwater storms verify` tells more", "err", err)
	}
	return err
}

// roomState is what was said last of the room in the archive.
type roomState struct {
	near, full bool
	alarmed    time.Time
}

// sayRoom logs when the archive is nearly full or full, and when it is so no longer.
func (d *daemon) sayRoom(ctx context.Context, was *roomState) {
	err := d.archive.Err()
	now := roomState{near: d.archive.NearlyFull(), full: err != nil, alarmed: was.alarmed}
	switch {
	case now.full && !was.full:
		d.log.Error("nothing more can be absorbed, on_error decides: make room, or raise retention.max_size", "on_error", d.cfg.OnError, "err", err)
		if time.Since(was.alarmed) < alarmEvery {
			break
		}
		now.alarmed = time.Now()
		d.alarm(ctx, fmt.Sprintf("Breakwater cannot absorb mail any more. What would be absorbed is now subject to\n"+
			"on_error = %q. Mail that was absorbed before is safe.\n\n%v\n", d.cfg.OnError, err))
	case now.near && !was.near && !now.full:
		d.log.Warn("the archive is nearly full; release what is wanted, or raise retention.max_size",
			"bytes", d.archive.Used(), "max_size", int64(d.cfg.Retention.MaxSize), "folder", d.cfg.Archive)
	case was.full && !now.full:
		d.log.Info("mail can be absorbed again", "bytes", d.archive.Used())
	case was.near && !now.near:
		d.log.Info("the archive has room again", "bytes", d.archive.Used())
	}
	*was = now
}

// alarm sends a mail to the postmaster, where digests are sent at all.
func (d *daemon) alarm(ctx context.Context, text string) {
	if d.digester == nil {
		return
	}
	host, now := d.digester.Composer.Host, time.Now()
	to := d.rules.Load().For("").Digest().Postmaster
	if to == "" {
		to = "postmaster@" + host
	}
	id, date := fmt.Sprintf("alarm.%d@%s", now.UnixNano(), host), now.Format(time.RFC1123Z)
	raw := strings.ReplaceAll(fmt.Sprintf("Date: %s\nFrom: Breakwater <%s>\nTo: <%s>\nSubject: breakwater on %s cannot absorb mail\nMessage-ID: <%s>\n"+
		"Auto-Submitted: auto-generated\n%s: %s\n\n%s", date, d.digester.Composer.From, to, host, id, mark.DigestField, d.engine.Marks.Digest(id, date, to), text), "\n", "\r\n")
	if err := d.digester.Send(ctx, to, []byte(raw)); err != nil {
		d.log.Error("the postmaster could not be told", "to", to, "err", err)
	}
}
