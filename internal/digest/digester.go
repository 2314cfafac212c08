package digest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/archive"
	"breakwater/internal/format"
	"breakwater/internal/rules"
)

// Digester tells owners of mailboxes, or postmasters, of what was absorbed. It reads the
// archive, in the order of its IDs, so that nothing is left out or counted twice, whatever
// happens to the process. All fields but Postmaster, Zone of Composer and Log are needed,
// and must not change once it runs.
type Digester struct {
	Archive    *archive.Reader
	Dir        string // of its own: the state, and digests that are not sent yet
	Composer   Composer
	Postmaster string // of this host, for domains beyond all bounds; postmaster at its name

	Rules     func(domain string) rules.Digest
	Retention func(domain string) rules.Retention
	// Raging returns the IDs of the storms that are raging now.
	Raging func(context.Context) (map[string]bool, error)
	// Send hands a mail to the mail server with a null reverse-path. Its error wraps
	// ErrRefused if the server will never take it for this recipient.
	Send func(ctx context.Context, to string, raw []byte) error
	Log  *slog.Logger
	// Clock is that of the archive; nil is that of the host. All times are its, but those that are shown.
	Clock Clock
	// Announce notes that owners were told what will be erased, and had time to ask for it at Ready.
	Announce func(map[string]archive.Round) error

	files    files // of the operating system, if nil
	woken    atomic.Bool
	state    state
	book     *book
	outbox   []*waiting
	saved    time.Time
	changed  bool // the state is not what was saved
	storms   map[string]bool
	asked    time.Time            // when storms was true
	reported map[string]bool      // damages of the archive
	stuck    map[string]time.Time // what could not be read, since when
	look     time.Time            // for what expires, not before

	trouble      atomic.Pointer[string] // why somebody is not told
	sent, failed atomic.Uint64
	waiting      atomic.Int64
}

// Clock is the archive's own, which goes on by what really passes, whatever the host's is set to.
type Clock interface {
	Now() time.Time
	Age(archive.Copy) time.Duration    // how long a copy has been kept
	OnHostClock(t time.Time) time.Time // what the host's clock will show then
}

// hostClock is a Clock that trusts the host.
type hostClock struct{}

func (hostClock) Now() time.Time                    { return time.Now() }
func (hostClock) Age(c archive.Copy) time.Duration  { return time.Since(c.Kept) }
func (hostClock) OnHostClock(t time.Time) time.Time { return t }

// Err says why somebody is not told of what was absorbed, or nil.
func (d *Digester) Err() error {
	if why := d.trouble.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

// blame has Err say what is wrong; nil is nothing.
func (d *Digester) blame(err error) {
	if err == nil {
		d.trouble.Store(nil)
		return
	}
	why := "digests: " + err.Error()
	d.trouble.Store(&why)
}

// Stats are for metrics.
type Stats struct {
	Sent    uint64 // digests that the mail server took
	Failed  uint64 // attempts that failed
	Waiting int    // digests in the outbox
}

// Stats tells how it goes. It may be called at any time.
func (d *Digester) Stats() Stats {
	return Stats{d.sent.Load(), d.failed.Load(), int(d.waiting.Load())}
}

// Wake says that there are new copies in the archive. It costs nothing.
func (d *Digester) Wake() { d.woken.Store(true) }

// How often what is done.
const (
	round      = time.Minute
	askPause   = 10 * time.Minute // between questions for storms
	savePause  = 10 * time.Minute // between saves of what can be read anew
	day        = 24 * time.Hour
	hourly     = 50       // digests to mailboxes of a domain in an hour
	refusedFor = 30 * day // until a mailbox that refused a digest is tried again
	stuckFor   = day      // what cannot be read for so long is damaged
)

// Run tells until ctx ends. What it cannot read at first it reads later; its error is that of a state which it
// will never understand.
func (d *Digester) Run(ctx context.Context) error {
	tick := time.NewTicker(round)
	defer tick.Stop()
	for err := d.open(); err != nil; err = d.open() {
		d.blame(err)
		if errors.Is(err, format.ErrNewer) || errors.Is(err, format.ErrDamaged) {
			return err
		}
		d.Log.Error("no digests are sent for now; trying again", "again in", round, "err", err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	for {
		d.turn(ctx, d.Clock.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			if !d.changed {
				return nil
			}
			return d.save(d.Clock.Now())
		}
	}
}

func (d *Digester) open() error {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.files == nil {
		d.files = osFiles{}
	}
	if d.Clock == nil {
		d.Clock = hostClock{}
	}
	now := d.Clock.Now()
	if err := d.loadState(now); err != nil {
		return err
	}
	if err := d.loadOutbox(now); err != nil {
		return err
	}
	d.waiting.Store(int64(len(d.outbox)))
	d.book = newBook()
	d.book.Accounts = d.state.Accounts
	d.book.recount()
	d.reported, d.stuck = map[string]bool{}, map[string]time.Time{}
	d.saved = now
	d.woken.Store(true)
	return nil
}

// turn does what is due. What fails stays due.
func (d *Digester) turn(ctx context.Context, now time.Time) {
	if d.woken.Swap(false) {
		d.blame(d.read(ctx, now))
	}
	written := d.writeAll(ctx, now)
	if now.Sub(d.state.Noticed) >= day && !now.Before(d.look) {
		written = d.notice(ctx, now) || written
	}
	d.forget(now)
	if d.changed && (written || now.Sub(d.saved) >= savePause) {
		if err := d.save(now); err != nil {
			d.Log.Error("digests may come twice", "err", err)
		}
	}
	d.sendAll(ctx, now)
	d.confirm(now)
}

// read takes up what is new in the archive. It stops at what cannot be read for now, and goes on there
// the next time.
func (d *Digester) read(ctx context.Context, now time.Time) error {
	for c, err := range d.Archive.Since(ctx, d.state.Seen) {
		if ctx.Err() != nil {
			d.Wake()
			return nil
		}
		if d.wait(err, now) {
			d.Wake()
			return err
		}
		if err != nil {
			d.report(err)
			continue
		}
		if c.ID <= d.state.Seen {
			continue
		}
		d.state.Seen, d.changed = c.ID, true
		d.enter(d.book, c, now, time.Time{})
	}
	return nil
}

// wait reports whether an error of the archive may be over in a moment: it is no damage, and not old.
func (d *Digester) wait(err error, now time.Time) bool {
	if err == nil || errors.Is(err, archive.ErrDamaged) {
		return false
	}
	since, known := d.stuck[err.Error()]
	if !known {
		if len(d.stuck) < 1000 {
			d.stuck[err.Error()] = now
		}
		d.Log.Warn("the archive cannot be read for now; digests wait for it", "err", err)
		return true
	}
	return now.Sub(since) < stuckFor
}

// report logs an error of the archive once.
func (d *Digester) report(err error) {
	if text := err.Error(); len(d.reported) < 1000 && !d.reported[text] {
		d.reported[text] = true
		d.Log.Error("copies in the archive that cannot be read are left out of digests", "err", err)
	}
}

// enter adds a copy to the accounts of its recipients. It is not erased before least, by the
// archive's clock.
func (d *Digester) enter(b *book, c archive.Copy, now, least time.Time) {
	for _, r := range c.Recipients {
		if r.Released {
			continue
		}
		var until time.Time
		if keep := d.Retention(c.DomainOf(r)).Keep; keep > 0 {
			until = d.Clock.OnHostClock(latest(now.Add(keep-d.Clock.Age(c)), least))
		}
		s := ofCopy(c, r, until)
		if key := d.route(b, s.mailbox, rules.Teller(r.Tell)); key != "" {
			a := b.account(key, address.Base(r.Addr))
			a.ByRule = a.ByRule || r.Tell != ""
			b.add(a, s)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// route is the key of the account for what concerns a mailbox, or one that was passed on
// to a postmaster already; "" if nobody is to be told. tell is what a rule says; "" leaves it to
// the domain.
func (d *Digester) route(b *book, mailbox string, tell rules.Teller) string {
	domain := address.DomainOf(mailbox)
	g := d.Rules(domain)
	local := address.Local(mailbox)
	isList := func(name string) bool { return strings.EqualFold(name, local) }
	if tell == "" {
		tell = g.To
	}
	switch {
	case tell == rules.TellNobody:
		return ""
	case !isOwner(mailbox), domain == "", tell == rules.TellPostmaster, slices.ContainsFunc(g.Lists, isList), mailbox == address.Mailbox(d.postmaster(domain)),
		!d.state.Refused[mailbox].IsZero(), b.crowded(domain):
		return "@" + domain
	}
	return mailbox
}

// postmaster is the address of a domain's postmaster, or of the host's for "".
func (d *Digester) postmaster(domain string) string {
	if domain == "" {
		if d.Postmaster != "" {
			return d.Postmaster
		}
		return "postmaster@" + d.Composer.Host
	}
	if p := d.Rules(domain).Postmaster; p != "" {
		return p
	}
	return "postmaster@" + domain
}

// writeAll writes the digests that are due into the outbox, and reports whether there were
// any. Postmasters come last, since they get what is too much for others.
func (d *Digester) writeAll(ctx context.Context, now time.Time) (written bool) {
	for _, owners := range []bool{true, false} {
		for _, key := range slices.Sorted(maps.Keys(d.book.Accounts)) {
			a := d.book.Accounts[key]
			if isOwner(key) != owners || !d.due(key, a, now) {
				continue
			}
			done, err := d.write(ctx, key, a, now)
			if err != nil {
				d.Log.Error("digest not written, it is tried again", "err", err)
			}
			written = written || done
		}
	}
	return written
}

// due reports whether it is time to look whether there is something to tell.
func (d *Digester) due(key string, a *account, now time.Time) bool {
	if a.First == "" && !a.hasStorms() {
		return false
	}
	g := d.Rules(address.DomainOf(key))
	at := a.Sent.Add(g.Interval)
	if first := a.Since.Add(g.Wait); a.First != "" && first.After(at) {
		at = first
	}
	return !now.Before(at)
}

// write tells one account what there is to tell. It reports whether the book has changed.
func (d *Digester) write(ctx context.Context, key string, a *account, now time.Time) (bool, error) {
	raging := d.raging(ctx, a, now)
	kind := Later
	switch over := a.hasStorms() && !a.raging(raging); {
	case over:
		kind = Final
	case a.First == "":
		return false, nil // it rages, and there is nothing new
	case !a.Told:
		kind = First
	}
	if to := d.route(d.book, key, a.tell(key)); to != key {
		d.pass(key, a, to)
		d.tell(key, now, raging)
		return true, nil
	}
	if isOwner(key) && !d.afford(key, now) {
		if a.First == "" {
			return false, nil // an end can wait
		}
		d.pass(key, a, domainKey(key))
		d.tell(key, now, raging)
		return true, nil
	}
	l := d.letter(key, a, kind, now)
	if id := d.unsent(key); id != "" && id != l.Digest.MessageID {
		return false, nil // one at a time
	}
	if err := d.put(l); err != nil {
		return false, err
	}
	d.spend(key, now)
	a.Told = true
	d.tell(key, now, raging)
	return true, nil
}

// pass leaves it to another to be told of what is new; to nobody if to is "".
func (d *Digester) pass(key string, a *account, to string) {
	if to != "" && a.First != "" {
		d.book.move(a, to)
	}
}

func (d *Digester) tell(key string, now time.Time, raging map[string]bool) {
	d.book.told(key, now, raging)
	d.changed = true
}

// raging is which storms are raging, asked now and then. While nobody can say, those of
// the account are.
func (d *Digester) raging(ctx context.Context, a *account, now time.Time) map[string]bool {
	if !a.hasStorms() || d.storms != nil && now.Sub(d.asked) < askPause {
		return d.storms
	}
	ids, err := d.Raging(ctx)
	if err != nil {
		d.Log.Warn("nobody knows which storms are over; digests go on as if none were", "err", err)
		return a.ids()
	}
	d.storms, d.asked = ids, now
	return ids
}

// afford reports whether one more mailbox of a domain may have a digest in this hour.
func (d *Digester) afford(mailbox string, now time.Time) bool {
	h := d.state.Sent[address.DomainOf(mailbox)]
	return now.Sub(h.Begun) >= time.Hour || h.N < hourly
}

// spend counts a digest to a mailbox. Those to postmasters are not counted.
func (d *Digester) spend(key string, now time.Time) {
	if !isOwner(key) {
		return
	}
	domain := address.DomainOf(key)
	h := d.state.Sent[domain]
	if now.Sub(h.Begun) >= time.Hour {
		h = hour{Begun: now}
	}
	h.N++
	d.state.Sent[domain] = h
}

// letter is the digest of what an account is to be told.
func (d *Digester) letter(key string, a *account, kind Kind, now time.Time) letter {
	domain := address.DomainOf(key)
	first := a.First
	if first == "" {
		first = a.Last
	}
	g := Digest{
		Kind: kind, To: a.Addr, Operator: !isOwner(key), Domain: domain, Postmaster: d.postmaster(domain), Language: string(d.Rules(domain).Language),
		MessageID: d.messageID(key, first, kind), Date: d.Clock.OnHostClock(now), Mailboxes: a.pending(kind == Final), More: a.More,
	}
	if g.Operator {
		g.To = g.Postmaster
	}
	return letter{Account: key, Digest: g, Since: now}
}

// messageID is the same for what is written a second time after a crash. It tells no ID of the archive.
func (d *Digester) messageID(key, first string, kind Kind) string {
	secret := d.Composer.Sign(strings.Join([]string{key, first, string(kind), d.Composer.Host}, "\x00"), "", "")
	sum := sha256.Sum256([]byte(secret))
	return fmt.Sprintf("digest.%x@%s", sum[:16], d.Composer.Host)
}

// forget drops what is of no more use.
func (d *Digester) forget(now time.Time) {
	for key, a := range d.book.Accounts {
		idle := max(d.Rules(address.DomainOf(key)).Interval, day)
		if a.First == "" && len(a.Mailboxes) == 0 && now.Sub(a.Sent) >= idle && now.Sub(a.Active) >= idle {
			d.book.drop(key)
			d.changed = true
		}
	}
	maps.DeleteFunc(d.state.Sent, func(_ string, h hour) bool { return now.Sub(h.Begun) >= time.Hour })
	maps.DeleteFunc(d.state.Refused, func(_ string, at time.Time) bool { return now.Sub(at) >= refusedFor })
}
