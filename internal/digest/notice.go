package digest

import (
	"context"
	"maps"
	"slices"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/archive"
)

const (
	// ahead is how long before copies expire it is announced: a week, and the day until the
	// next look.
	ahead = 8 * day

	// grace is for how long after the notice has gone out nothing is erased.
	grace = 7 * day

	// NoticeFrom is how long mail has to be kept so that its end is announced. Where it is kept for
	// less, the digest that tells of it is announcement enough, unless it is older by Surprise: then
	// it was to be kept for longer.
	NoticeFrom = ahead + day
	Surprise   = 2 * day

	lookAgain = 10 * time.Minute // when the archive could not be read
	patience  = 3 * day          // for a notice that is deferred, until somebody else is told
)

// notice writes digests of what will expire soon, has not been released and was not
// announced yet. It reports whether it is done.
func (d *Digester) notice(ctx context.Context, now time.Time) bool {
	b, last, upto := newBook(), map[string]string{}, map[string]time.Time{}
	for c, err := range d.Archive.Since(ctx, "") {
		if ctx.Err() != nil {
			return false
		}
		if d.wait(err, now) {
			d.look = now.Add(lookAgain)
			return false
		}
		if err != nil {
			d.report(err)
			continue
		}
		if d.soon(&c, now, last, upto); len(c.Recipients) > 0 {
			d.enter(b, c, now, now.Add(grace))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.Accounts)) {
		a := b.Accounts[key]
		if isOwner(key) && (d.route(b, key, a.tell(key)) != key || !d.afford(key, now)) {
			b.move(a, domainKey(key))
			b.drop(key)
			continue
		}
		d.spend(key, now)
	}
	for _, key := range slices.Sorted(maps.Keys(b.Accounts)) {
		if err := d.put(d.letter(key, b.Accounts[key], Expiry, now)); err != nil {
			d.Log.Error("what expires is not announced yet, it is tried again", "err", err)
			return false
		}
	}
	for domain, t := range upto {
		d.state.Announced[domain] = d.announced(domain, t)
		d.state.Upto[domain], d.state.Pending[domain] = t, t
	}
	maps.Copy(d.state.Announced, last)
	d.state.Noticed, d.changed = now, true
	return true
}

// soon leaves those recipients of a copy for whom it is to be announced. It notes the last copy of
// each domain that is, and since when all of them are kept.
func (d *Digester) soon(c *archive.Copy, now time.Time, last map[string]string, upto map[string]time.Time) {
	var left []archive.Recipient
	for _, r := range c.Recipients {
		domain := c.DomainOf(r)
		keep, age, before := d.Retention(domain).Keep, d.Clock.Age(*c), ahead
		if keep <= NoticeFrom {
			before = 0
			if keep == 0 || age < keep+Surprise {
				continue
			}
		}
		upto[domain] = now.Add(before - keep)
		if age >= keep-before && c.ID > d.announced(domain, upto[domain]) {
			last[domain] = c.ID
			left = append(left, r)
		}
	}
	c.Recipients = left
}

// announced is the last copy of a domain that was announced. Where the domain has come to keep its mail
// for longer, that counts no more.
func (d *Digester) announced(domain string, upto time.Time) string {
	if upto.Before(d.state.Upto[domain]) {
		return ""
	}
	return d.state.Announced[domain]
}

// confirm has copies erased whose notices have all gone out, in a week.
func (d *Digester) confirm(now time.Time) {
	rounds := map[string]archive.Round{}
	for domain, upto := range d.state.Pending {
		if !slices.ContainsFunc(d.outbox, func(w *waiting) bool {
			of := address.DomainOf(w.account)
			return w.notice && (of == domain || of == "")
		}) {
			rounds[domain] = archive.Round{Upto: upto, Ready: now.Add(grace)}
		}
	}
	if len(rounds) == 0 || d.Announce == nil {
		return
	}
	if err := d.Announce(rounds); err != nil {
		d.Log.Error("what was announced is kept longer", "err", err)
		return
	}
	for domain := range rounds {
		delete(d.state.Pending, domain)
	}
	d.changed = true
}
