package digest

import (
	"context"
	"maps"
	"slices"
	"time"
)

// ahead is how long before copies expire it is announced: a week, and the day until the
// next look.
const ahead = 8 * day

// notice writes digests of what will expire soon, has not been released and was not
// announced yet. Where copies are kept for little more than a week, the digest that tells of
// them is announcement enough. It reports whether it is done.
func (d *Digester) notice(ctx context.Context, now time.Time) bool {
	b, announced := newBook(), map[string]string{}
	for c, err := range d.Archive.Since(ctx, "") {
		if ctx.Err() != nil {
			return false
		}
		if err != nil {
			d.report(err)
			continue
		}
		keep := d.Retention(c.Domain).Keep
		if keep == 0 || keep <= ahead+day || c.ID <= d.state.Announced[c.Domain] || c.Archived().Add(keep).After(now.Add(ahead)) {
			continue
		}
		announced[c.Domain] = c.ID
		if c.Archived().Add(keep).After(now) { // or else it is too late
			d.enter(b, c)
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
	for domain, id := range announced {
		d.state.Announced[domain] = id
	}
	d.state.Noticed, d.changed = now, true
	return true
}
