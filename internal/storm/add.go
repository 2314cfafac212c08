package storm

import (
	"net/netip"
	"slices"
	"time"
)

const (
	maxTransfers = 32 // remembered for each identity
	maxSources   = 16 // named for each storm

	// A transfer that comes back is a retry as long as it comes back like one: a peer
	// may retry every five minutes for ever, and 120 times in a row, but a peer that
	// takes no 250 for an answer and sends one copy without end is a storm.
	retryBurst = 120
	retryLeak  = 5 * time.Minute

	standing = time.Hour // of a rate under storm, one sighting passes in this time

	outOfOrder = 5 * time.Minute // sightings may come by so much; more is a clock that was set back
)

// Add returns the tally after one more sighting. It changes neither t nor s.
//
// A tally is a leaky bucket with hysteresis: each sighting adds one to the level, which
// leaks at Copies/Window. A storm begins when the level passes Copies, and ends when it is
// back at zero. The level is capped at Copies×Calm/Window, so that a storm ends Calm after
// its last sighting. In a storm a sighting passes all the same if it says what was not given,
// or comes from a network of which none was let through: see Given. Where it hangs on what is Known,
// and that was not asked, it is not counted: the Answer is Asks.
func Add(t Tally, s Sighting, c Count) Tally {
	if c.Revoke {
		return t.revoke(s, c)
	}
	if t.Seen == 0 || t.Forgotten(s.At) {
		t = Tally{First: s.At, Last: s.At, Link: c.Link}
	}
	t.Key, t.Limit = c.Key, c.Limit
	t = t.settle(s.At)
	before := t
	if c.Limit.Copies > 0 && !c.Key.Kind.Rate() {
		var retry bool
		if t.Transfers, retry = retried(t.Transfers, s); retry {
			t.Answer = Answer{Through: true, Again: true, Pass: Retry}
			return t
		}
	}
	t.Seen++
	t.Answer = Answer{Through: true, Again: t.Seen > 1}
	if c.Limit.Copies <= 0 {
		return t
	}
	t.Added = t.Given != nil && !t.Given.said(s.Saying, nil) && t.Given.added(s.Saying)
	t.Level = min(t.Level+1, c.Limit.highest())
	if t.Storm == nil && t.Level > float64(c.Limit.Copies) {
		t.Storm = &Storm{Since: s.At, Passed: s.At, WindowStart: s.At, Mailbox: c.Mailbox, Class: s.Class, Subject: s.Subject}
	}
	if t.Storm != nil {
		if t.Pass = t.pass(s, c); t.Pass == Asks {
			before.Answer = t.Answer
			return before
		}
		t.Storm, t.Through = t.Storm.add(s, t.Pass), t.Pass != Held
	}
	if !t.Through || c.Keeps {
		return t
	}
	if t.Given == nil {
		t.Given, t.Gave = given(s), true
	} else if given, grown := t.Given.with(s, t.Again); grown {
		t.Given, t.Gave = &given, true
	}
	if !c.Key.Kind.Rate() {
		t.Transfers = remember(t.Transfers, s, t.Given.firsts())
	}
	return t
}

// Peek returns the tally as it stands, and whether s is let through, without counting it.
func (t Tally) Peek(s Sighting) Tally {
	t = t.settle(s.At)
	t.Answer = Answer{Through: true, Again: t.Seen > 0}
	if t.Storm != nil {
		t.Pass = t.pass(s, Count{Asked: true})
		t.Through = t.Pass != Held
	}
	return t
}

// pass says why s is let through in a storm of t, or that it is not.
func (t *Tally) pass(s Sighting, c Count) Pass {
	if p := t.Given.pass(s, c); p != Held {
		return p
	}
	if t.Key.Kind.Rate() && s.At.Sub(t.Storm.Passed) >= standing {
		return Hourly
	}
	return Held
}

// Forgotten reports whether t is too old at a time to count any more.
func (t Tally) Forgotten(at time.Time) bool {
	return t.Limit.Keep > 0 && at.Sub(t.Last) > t.Limit.Keep
}

// Raging reports whether t is a storm at a time, if nothing more has come.
func (t Tally) Raging(at time.Time) bool { return t.settle(at).Storm != nil }

// Tight is l with one copy instead of several. It leaks and calms down at the same pace.
func (l Limit) Tight() Limit {
	if l.Copies > 1 {
		l.Window /= time.Duration(l.Copies)
		l.Copies = 1
	}
	return l
}

// highest is the cap of the level.
func (l Limit) highest() float64 {
	return max(float64(l.Copies)*float64(l.Calm)/float64(l.Window), float64(l.Copies)+1)
}

// settle leaks the level up to a time and ends a storm that is over. A time a little before
// Last changes nothing: sightings may arrive out of order. A time long before it says that the
// clock was set back, and Last with it: nothing would leak until the clock is there again.
func (t Tally) settle(at time.Time) Tally {
	t.Answer = Answer{}
	passed := at.Sub(t.Last)
	if ClockSetBack(t.Last, at) {
		t, passed = t.SetBack(at), 0
	}
	if passed < 0 {
		return t
	}
	t.Last = at
	if t.Limit.Copies <= 0 || t.Limit.Window <= 0 {
		t.Level, t.Storm = 0, nil
		return t
	}
	t.Level = max(0, t.Level-float64(t.Limit.Copies)*float64(passed)/float64(t.Limit.Window))
	if t.Storm == nil {
		return t
	}
	if t.Key.Kind.Rate() {
		t.Storm = t.Storm.roll(at, t.Limit)
	}
	if t.Storm == nil || t.Level == 0 {
		t.Level, t.Storm = 0, nil
	}
	return t
}

// ClockSetBack reports whether a time is so long before the last one that the clock was set back.
func ClockSetBack(last, at time.Time) bool { return at.Sub(last) < -outOfOrder }

// SetBack returns t with no time later than at: those that are later were counted while the clock was ahead.
func (t Tally) SetBack(at time.Time) Tally {
	t.First, t.Last = earlier(t.First, at), earlier(t.Last, at)
	t.Transfers = slices.Clone(t.Transfers)
	for i := range t.Transfers {
		t.Transfers[i].Last = earlier(t.Transfers[i].Last, at)
	}
	if t.Storm != nil {
		s := *t.Storm
		s.Since, s.Passed, s.WindowStart = earlier(s.Since, at), earlier(s.Passed, at), earlier(s.WindowStart, at)
		t.Storm = &s
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// roll moves the window of a rate on, and returns nil when a whole window brought no more
// than half of what is allowed.
func (s *Storm) roll(at time.Time, l Limit) *Storm {
	windows := at.Sub(s.WindowStart) / l.Window
	if windows < 1 {
		return s
	}
	if windows > 1 || s.WindowCount <= l.Copies/2 {
		return nil
	}
	next := *s
	next.WindowStart, next.WindowCount = s.WindowStart.Add(l.Window), 0
	return &next
}

// add counts one more copy, which passes or not.
func (s *Storm) add(seen Sighting, p Pass) *Storm {
	next := *s
	next.Copies++
	next.WindowCount++
	next.Signs |= seen.Signs
	switch p {
	case Held:
		next.Held++
	case Hourly:
		next.Passed = seen.At
	}
	next.Sources, next.Others = named(s.Sources, s.Others, seen.Client)
	return &next
}

func named(sources []Source, others uint64, client netip.Addr) ([]Source, uint64) {
	sources = slices.Clone(sources)
	for i := range sources {
		if sources[i].Client == client {
			sources[i].Copies++
			return sources, others
		}
	}
	if len(sources) < maxSources {
		return append(sources, Source{client, 1}), others
	}
	return sources, others + 1
}

// retried looks for the transfer of s among those that were let through, and counts the retry.
func retried(known []Transfer, s Sighting) ([]Transfer, bool) {
	i := slices.IndexFunc(known, s.isRetry)
	if i < 0 {
		return known, false
	}
	t := known[i]
	if d := s.At.Sub(t.Last); d > 0 {
		t.Level, t.Last = max(0, t.Level-float64(d)/float64(retryLeak)), s.At
	}
	if t.Level+1 > retryBurst {
		return known, false
	}
	t.Level++
	known = slices.Clone(known)
	known[i] = t
	return known, true
}

// isRetry reports whether s may be a transfer once more. The stamps of another network can be made up.
func (s Sighting) isRetry(of Transfer) bool {
	return of.ID == s.Transfer && of.Network == s.Network
}

// remember adds the transfer of s to those that are known. firsts are networks whose transfers are not
// forgotten for those of others.
func remember(known []Transfer, s Sighting, firsts []uint64) []Transfer {
	if slices.ContainsFunc(known, s.isRetry) {
		return known
	}
	known = slices.Clip(known)
	if len(known) >= maxTransfers {
		at := spare(known, firsts)
		known = slices.Concat(known[:at], known[at+1:])
	}
	return append(known, Transfer{ID: s.Transfer, Network: s.Network, Last: s.At})
}

// spare is the place of the transfer that is forgotten first: the oldest one of the network that has the
// most, one of those that are none of the firsts before these, so that nobody has another's forgotten.
func spare(known []Transfer, firsts []uint64) int {
	of := map[uint64]int{}
	for _, t := range known {
		of[t.Network]++
		if !slices.Contains(firsts, t.Network) && of[t.Network] <= maxTransfers {
			of[t.Network] += maxTransfers
		}
	}
	at := 0
	for i, t := range known {
		if of[t.Network] > of[known[at].Network] {
			at = i
		}
	}
	return at
}
