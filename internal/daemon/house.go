package daemon

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/digest"
	"breakwater/internal/show"
	"breakwater/internal/storm"
)

// retention is how long a domain's absorbed mail is kept, by the rules in force.
func (d *Daemon) retention(domain string) archive.Retention {
	r := d.rules.Load().For(domain).Retention()
	return archive.Retention{Keep: r.Keep, MaxSize: r.MaxSize}
}

// shares are who may take how much of what is free in the archive: a domain as much, a storm or the
// network of a client a quarter. So however much one of them sends, others have room.
func (d *Daemon) shares() []archive.Share {
	return []archive.Share{
		{Name: "domain", Part: 1, Of: (*archive.Copy).Domains},
		{Name: "storm", Part: .25, Of: incidents},
		{Name: "network", Part: .25, Of: d.network},
	}
}

func incidents(c *archive.Copy) []string {
	var all []string
	for _, r := range c.Recipients {
		if r.Storm != "" {
			all = append(all, storm.IncidentOf(r.Storm))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// network is that of who sent a copy, as large as one customer of a provider has it. Our own hosts and
// users have no share of their own.
func (d *Daemon) network(c *archive.Copy) []string {
	client := c.Client.Unmap()
	ours := func(nets []netip.Prefix) bool {
		return slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(client) })
	}
	if !client.IsValid() || client.IsLoopback() || c.AuthUser != "" || ours(d.cfg.Site.Relays.Prefixes()) || ours(d.cfg.Site.SubmitNetworks.Prefixes()) {
		return nil
	}
	bits := 24
	if client.Is6() {
		bits = 48
	}
	p, err := client.WithZone("").Prefix(bits)
	if err != nil {
		return nil
	}
	return []string{p.String()}
}

// erasable is since when mail of a domain has to be kept to be erased for its age: its notice has gone
// out a week ago, or where there is none it has been too old for a day.
func (d *Daemon) erasable(domain string) time.Time {
	return d.notices.Upto(domain, d.archive.Now())
}

// Until what nobody is told of before it is erased goes, after it was found to be too old; and what
// should have gone long before, by a retention that was shortened.
const (
	graceUntold  = 24 * time.Hour
	graceShorter = 8 * 24 * time.Hour

	announceEvery = 24 * time.Hour
)

// announce notes, once a day, what may be erased of domains that no digest announces it for.
func (d *Daemon) announce() error {
	now, all := d.archive.Now(), d.archive.Oldest()
	if all == nil || now.Sub(d.announced) < announceEvery {
		return nil
	}
	rounds := map[string]archive.Round{}
	for domain, oldest := range all {
		keep := d.retention(domain).Keep
		shorter := now.Sub(oldest) > keep+digest.Surprise
		switch {
		case keep == 0, d.digester != nil && (keep > digest.NoticeFrom || shorter): // the digester announces it
		case shorter:
			rounds[domain] = archive.Round{Upto: now.Add(-keep), Ready: now.Add(graceShorter)}
		default:
			rounds[domain] = archive.Round{Upto: now.Add(announceEvery + graceUntold - keep), Ready: now.Add(graceUntold)}
		}
	}
	err := d.notices.Announce(rounds, now)
	if err == nil {
		d.announced = now
	}
	return err
}

const (
	expireEvery = time.Hour   // what is too old goes
	lookEvery   = time.Minute // whether there is room
	alarmEvery  = time.Hour   // at most: an archive on the brink is full now and then
)

// keepHouse erases what has expired, makes room, and says when there is none, until ctx ends.
func (d *Daemon) keepHouse(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	next := d.now()
	var room roomState
	for {
		now := d.now()
		_ = d.archive.Probe(ctx) // Err says it
		d.sayLeap()
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

// leap is how far the host's clock was set, and when, by the archive's.
type leap struct {
	by time.Duration
	at time.Time
}

// sayLeap tells when the host's clock was set.
func (d *Daemon) sayLeap() {
	if by := d.archive.Leap(); by != 0 {
		d.leap.Store(&leap{by, d.archive.Now()})
		d.log.Warn("the host's clock was set; how long absorbed mail is kept does not depend on it", "by", by.Round(time.Second))
	}
}

// expire erases what has expired or was forgotten.
func (d *Daemon) expire(ctx context.Context) error {
	d.expiring.Lock() // the control socket asks for it, too
	defer d.expiring.Unlock()
	if err := d.announce(); err != nil {
		d.log.Error("absorbed mail is kept longer", "err", err)
	}
	done, err := d.archive.Expire(ctx, d.archive.Now())
	if done.Copies > 0 || done.Bytes > 0 {
		d.metrics.expired.Add(float64(done.Copies))
		d.log.Info("erased from the archive", "expired", done.Copies-done.Forgotten, "forgotten", done.Forgotten, "bytes", done.Bytes)
	}
	if err != nil {
		if ctx.Err() == nil {
			d.log.Error("absorbed mail does not expire as it should; `breakwater storms verify` tells more", "err", err)
		}
		return err
	}
	if was := d.overdue.Swap(int64(len(done.Waiting))); len(done.Waiting) > 0 && was == 0 {
		d.log.Warn("mail is kept longer than its domain's retention, since its owners were not told yet that it ends; do digests go out?",
			"domains", len(done.Waiting), "first", done.Waiting[0])
	}
	return nil
}

// roomState is what was said last of the room in the archive.
type roomState struct {
	near, full bool
	alarmed    time.Time
	shares     map[string]time.Time // full ones, when they were told
	sharesTold time.Time
}

// sayRoom logs when the archive is nearly full or full, and when it is so no longer.
func (d *Daemon) sayRoom(ctx context.Context, was *roomState) {
	err := d.archive.Err()
	now := roomState{near: d.archive.NearlyFull(), full: err != nil, alarmed: was.alarmed, shares: was.shares, sharesTold: was.sharesTold}
	defer func() { *was = now }()
	d.sayShares(ctx, &now)
	switch {
	case now.full && !was.full:
		d.log.Error("nothing more can be absorbed, on_error decides: make room, or raise retention.max_size", "on_error", d.cfg.OnError, "err", err)
		if d.now().Sub(was.alarmed) < alarmEvery {
			break
		}
		now.alarmed = d.now()
		d.alarm(ctx, digest.Notice{News: digest.Full, List: strings.Split(err.Error(), "\n")})
	case now.near && !was.near && !now.full:
		d.log.Warn("the archive is nearly full; release what is wanted, or raise retention.max_size",
			"bytes", d.archive.Used(), "max_size", int64(d.cfg.Retention.MaxSize), "folder", d.cfg.Archive)
	case was.full && !now.full:
		d.log.Info("mail can be absorbed again", "bytes", d.archive.Used())
	case was.near && !now.near:
		d.log.Info("the archive has room again", "bytes", d.archive.Used())
	}
}

// sayShares tells of shares that are full, of each once a day, and once an hour of any.
func (d *Daemon) sayShares(ctx context.Context, now *roomState) {
	var fresh []string
	at := d.archive.Now()
	if !now.sharesTold.IsZero() && at.Sub(now.sharesTold) < alarmEvery {
		return
	}
	if now.shares == nil {
		now.shares = map[string]time.Time{}
	}
	maps.DeleteFunc(now.shares, func(_ string, told time.Time) bool { return at.Sub(told) > 24*time.Hour })
	for _, name := range d.archive.FullShares() {
		if now.shares[name].IsZero() {
			fresh, now.shares[name] = append(fresh, name), at
		}
	}
	if len(fresh) == 0 {
		return
	}
	now.sharesTold = at
	d.log.Error("has its whole share of the archive, and on_error decides about more of it; all others have room", "who", strings.Join(fresh, ", "), "on_error", d.cfg.OnError)
	d.alarm(ctx, digest.Notice{News: digest.Shares, List: fresh})
}

// warnings are what /healthz says beside that all is well.
func (d *Daemon) archiveWarnings() (all []string) {
	if n := len(d.archive.FullShares()); n > 0 { // who, local users need not know
		all = append(all, show.Number(n, "share")+" of the archive full; the log says whose")
	}
	if l := d.leap.Load(); l != nil && d.archive.Now().Sub(l.at) < 24*time.Hour {
		all = append(all, fmt.Sprintf("the host's clock was set by %v; nothing is erased because of it", l.by.Round(time.Second)))
	}
	if n := d.overdue.Load(); n > 0 {
		all = append(all, fmt.Sprintf("mail of %s is kept longer than its retention: notices have not gone out", show.Number(int(n), "domain")))
	}
	return all
}

// alarm sends a notice to the postmaster, where digests are sent at all.
func (d *Daemon) alarm(ctx context.Context, n digest.Notice) {
	if d.digester == nil {
		return
	}
	now, told, writer := d.now(), d.rules.Load().For("").Digest(), &d.digester.Composer
	n.Date, n.MessageID, n.OnError = now, fmt.Sprintf("alarm.%d@%s", now.UnixNano(), writer.Host), string(d.cfg.OnError)
	n.To, n.Language = cmp.Or(told.Postmaster, "postmaster@"+writer.Host), string(told.Language)
	raw, err := writer.Notice(n)
	if err == nil {
		err = d.digester.Send(ctx, n.To, raw)
	}
	if err != nil {
		d.log.Error("the postmaster could not be told", "to", n.To, "err", err)
	}
}
