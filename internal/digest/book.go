package digest

import (
	"slices"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/archive"
	"breakwater/internal/rules"
)

// Bounds of a book. What is beyond them is counted and not named.
const (
	maxNames      = 16      // senders, and clients, of a storm
	maxFailures   = 100     // of a storm
	maxMailbox    = 50      // storms of a mailbox
	maxAccount    = 200     // storms of an account
	maxStorms     = 20_000  // of all accounts
	maxNamesInAll = 200_000 // senders, clients and failures of all storms
	maxAccounts   = 20_000  // of owners; as many again are of domains
	maxOwners     = 200     // of a domain: more in a day, and it is a catch-all
)

// book is what is to be told, by whom it is to be told to. A key is a mailbox, "@" and a
// domain for its postmaster, or "@" for the postmaster of the host.
type book struct {
	Accounts map[string]*account

	owners        map[string]int // accounts of mailboxes by domain
	storms, names int            // in all accounts
}

// account is what is to be told to one, and what is still known of what he was told.
type account struct {
	Addr      string    // of the owner; "" for a postmaster
	First     string    // ID of the first copy that he was not told of; "" when there is none
	Last      string    // ID of the last copy
	Since     time.Time // when First was absorbed
	Active    time.Time // when Last was absorbed
	Sent      time.Time // when the last digest was written
	Told      bool      // he had a digest before
	ByRule    bool      // a rule says that he is told, whatever the domain does
	Mailboxes []Mailbox
	More      More
}

func newBook() *book { return &book{Accounts: map[string]*account{}, owners: map[string]int{}} }

// recount counts anew what is not stored.
func (b *book) recount() {
	b.owners, b.storms, b.names = map[string]int{}, 0, 0
	for key, a := range b.Accounts {
		if isOwner(key) {
			b.owners[address.DomainOf(key)]++
		}
		for _, m := range a.Mailboxes {
			b.storms += len(m.Storms)
			for _, s := range m.Storms {
				b.names += s.names()
			}
		}
	}
}

func isOwner(key string) bool { return address.Local(key) != "" }

func domainKey(mailbox string) string { return "@" + address.DomainOf(mailbox) }

// crowded reports whether so many mailboxes of a domain had mail absorbed that they are no
// mailboxes, but what strangers wrote in front of the domain of a catch-all.
func (b *book) crowded(domain string) bool { return b.owners[domain] > maxOwners }

// account finds or opens the account of a key, or that of a postmaster if there are too many.
func (b *book) account(key, addr string) *account {
	for len(b.Accounts) >= maxAccounts && b.Accounts[key] == nil && key != "@" {
		if isOwner(key) {
			key, addr = domainKey(key), ""
			continue
		}
		if len(b.Accounts) < 2*maxAccounts {
			break
		}
		key = "@"
	}
	a := b.Accounts[key]
	if a == nil {
		a = &account{Addr: addr}
		b.Accounts[key] = a
		if isOwner(key) {
			b.owners[address.DomainOf(key)]++
		}
	}
	return a
}

// tell is who is told by the account with a key, where a rule says so; "" else.
func (a *account) tell(key string) rules.Teller {
	switch {
	case !a.ByRule:
		return ""
	case isOwner(key):
		return rules.TellMailbox
	}
	return rules.TellPostmaster
}

// drop forgets an account.
func (b *book) drop(key string) {
	a := b.Accounts[key]
	if a == nil {
		return
	}
	delete(b.Accounts, key)
	for _, m := range a.Mailboxes {
		for _, s := range m.Storms {
			b.storms--
			b.names -= s.names()
		}
	}
	if domain := address.DomainOf(key); isOwner(key) {
		if b.owners[domain]--; b.owners[domain] <= 0 {
			delete(b.owners, domain)
		}
	}
}

// sighting is what one copy, or what is moved from another account, adds to a storm.
type sighting struct {
	mailbox string // as address.Mailbox has it, without sub-address
	first   string // ID of the first copy
	last    string
	since   time.Time // when the first one was absorbed
	active  time.Time
	storm   Storm
}

// ofCopy is what a copy is for one of its recipients.
func ofCopy(c archive.Copy, r archive.Recipient, until time.Time) sighting {
	sender := c.From
	if sender == "" {
		sender = c.ReversePath
	}
	if sender == "" {
		sender = "<>"
	}
	client := "?"
	if c.Client.IsValid() {
		client = c.Client.String()
	}
	s := Storm{
		ID: r.Storm, Class: r.Class, Subject: clean(c.Subject), Copies: 1, Total: 1, Bytes: c.Size, First: c.At, Last: c.At, Until: until,
		Senders: Counts{Named: []Count{{clean(sender), 1}}}, Clients: Counts{Named: []Count{{client, 1}}},
	}
	for _, f := range c.Failures {
		f.Recipient, f.Action, f.Status = clean(f.Recipient), clean(f.Action), clean(f.Status)
		s.Failures = append(s.Failures, Failure{f, 1})
	}
	return sighting{mailbox: address.Base(address.Mailbox(r.Addr)), first: c.ID, last: c.ID, since: c.Kept, active: c.Kept, storm: s}
}

// add puts a sighting into an account.
func (b *book) add(a *account, s sighting) {
	if a.First == "" {
		a.First, a.Since = s.first, s.since
	}
	if s.last > a.Last {
		a.Last, a.Active = s.last, s.active
	}
	st, more := b.find(a, s)
	if st == nil {
		more.Copies += s.storm.Copies
		more.Total += s.storm.Copies
		more.Bytes += s.storm.Bytes
		return
	}
	st.merge(s.storm, &b.names)
}

// find returns the storm of a sighting, or else where to count it.
func (b *book) find(a *account, s sighting) (*Storm, *More) {
	full := b.storms >= maxStorms
	if !full {
		all := 0
		for _, m := range a.Mailboxes {
			all += len(m.Storms)
		}
		full = all >= maxAccount
	}
	i := slices.IndexFunc(a.Mailboxes, func(m Mailbox) bool { return m.Addr == s.mailbox })
	switch {
	case i < 0 && full:
		return nil, &a.More
	case i < 0:
		i = len(a.Mailboxes)
		a.Mailboxes = append(a.Mailboxes, Mailbox{Addr: s.mailbox})
	}
	m := &a.Mailboxes[i]
	for j := range m.Storms {
		if st := &m.Storms[j]; st.ID == s.storm.ID && (st.ID != "" || st.Class == s.storm.Class) {
			return st, nil
		}
	}
	if full || len(m.Storms) >= maxMailbox {
		return nil, &m.More
	}
	b.storms++
	m.Storms = append(m.Storms, Storm{ID: s.storm.ID, Class: s.storm.Class, Subject: s.storm.Subject})
	return &m.Storms[len(m.Storms)-1], nil
}

func (s *Storm) names() int { return len(s.Senders.Named) + len(s.Clients.Named) + len(s.Failures) }

// merge adds the copies of another to s. names counts what all storms name.
func (s *Storm) merge(t Storm, names *int) {
	if s.Copies == 0 { // of earlier ones he was told
		s.Until = t.Until
	}
	s.Copies += t.Copies
	s.Total += t.Copies
	s.Bytes += t.Bytes
	if s.First.IsZero() || t.First.Before(s.First) {
		s.First = t.First
	}
	if t.Last.After(s.Last) {
		s.Last = t.Last
	}
	if t.Until.Before(s.Until) {
		s.Until = t.Until
	}
	s.Senders.merge(t.Senders, names)
	s.Clients.merge(t.Clients, names)
	s.Unlisted += t.Unlisted
	for _, f := range t.Failures {
		s.addFailure(f, names)
	}
}

func (c *Counts) merge(d Counts, names *int) {
	c.Others += d.Others
	for _, n := range d.Named {
		c.add(n, names)
	}
}

func (c *Counts) add(n Count, names *int) {
	for i := range c.Named {
		if c.Named[i].Name == n.Name {
			c.Named[i].Copies += n.Copies
			return
		}
	}
	if len(c.Named) >= maxNames || *names >= maxNamesInAll {
		c.Others += n.Copies
		return
	}
	*names++
	c.Named = append(c.Named, n)
}

func (s *Storm) addFailure(f Failure, names *int) {
	for i := range s.Failures {
		if s.Failures[i].Failure == f.Failure {
			s.Failures[i].Copies += f.Copies
			return
		}
	}
	if len(s.Failures) >= maxFailures || *names >= maxNamesInAll {
		s.Unlisted += f.Copies
		return
	}
	*names++
	s.Failures = append(s.Failures, f)
}

// hasStorms reports whether there is anything in a that may come to an end.
func (a *account) hasStorms() bool {
	for _, m := range a.Mailboxes {
		for _, s := range m.Storms {
			if s.ID != "" {
				return true
			}
		}
	}
	return false
}

// ids are the storms of an account.
func (a *account) ids() map[string]bool {
	ids := map[string]bool{}
	for _, m := range a.Mailboxes {
		for _, s := range m.Storms {
			if s.ID != "" {
				ids[s.ID] = true
			}
		}
	}
	return ids
}

// raging reports whether any storm in a is still raging.
func (a *account) raging(ids map[string]bool) bool {
	for _, m := range a.Mailboxes {
		for _, s := range m.Storms {
			if ids[s.ID] {
				return true
			}
		}
	}
	return false
}

// told notes that all in an account is told of. Storms that are still raging stay, so that
// their end can be told.
func (b *book) told(key string, now time.Time, raging map[string]bool) {
	a := b.Accounts[key]
	a.First, a.Since, a.Sent = "", time.Time{}, now
	var left []Mailbox
	for _, m := range a.Mailboxes {
		n := Mailbox{Addr: m.Addr, More: More{Total: m.More.Total}}
		for _, s := range m.Storms {
			b.names -= s.names()
			if !raging[s.ID] {
				b.storms--
				continue
			}
			s.Copies, s.Bytes, s.Unlisted = 0, 0, 0
			s.Senders, s.Clients, s.Failures = Counts{}, Counts{}, nil
			n.Storms = append(n.Storms, s)
		}
		if len(n.Storms) > 0 {
			left = append(left, n)
		}
	}
	a.Mailboxes, a.More = left, More{Total: a.More.Total}
	if len(left) == 0 {
		a.More = More{}
	}
}

// pending is what of a is to be told: all of it in a final digest, or else what is new.
func (a *account) pending(final bool) []Mailbox {
	var all []Mailbox
	for _, m := range a.Mailboxes {
		n := Mailbox{Addr: m.Addr, More: m.More}
		for _, s := range m.Storms {
			if final || s.Copies > 0 {
				n.Storms = append(n.Storms, s)
			}
		}
		if len(n.Storms) > 0 || n.More.Copies > 0 {
			all = append(all, n)
		}
	}
	return all
}

// move puts what is to be told of one account into that of to, a postmaster.
func (b *book) move(a *account, to string) {
	into := b.account(to, "")
	into.ByRule = into.ByRule || a.ByRule
	for _, m := range a.pending(false) {
		for _, s := range m.Storms {
			b.add(into, sighting{mailbox: m.Addr, first: a.First, last: a.Last, since: a.Since, active: a.Active, storm: s})
		}
		into.More.add(m.More)
	}
	into.More.add(a.More)
}

func (m *More) add(n More) {
	m.Copies, m.Total, m.Bytes = m.Copies+n.Copies, m.Total+n.Copies, m.Bytes+n.Bytes
}
