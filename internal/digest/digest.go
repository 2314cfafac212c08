// Package digest tells people by mail what was absorbed for them.
//
// Compose is the pure half: it writes what it is given as one mail. Digester is the other: it
// reads the archive, keeps count of what nobody was told of yet, and sends when it is time.
package digest

import (
	"slices"
	"time"

	"breakwater/internal/archive"
)

// Kind says why a digest is written.
type Kind string

// Kinds of digests.
const (
	First  Kind = "first"  // of what was absorbed lately, to those who had none lately
	Later  Kind = "later"  // of what was absorbed since
	Final  Kind = "final"  // the storms are over
	Expiry Kind = "expiry" // what nobody asked for will be erased
)

// Digest is what one mail tells.
type Digest struct {
	Kind       Kind
	To         string // address; of the owner or of the postmaster
	Operator   bool   // it is for the postmaster
	Domain     string // of the mailboxes; "" is all of this host's
	Postmaster string // address to ask
	Language   string // one of rules.Languages
	MessageID  string // without angle brackets
	Date       time.Time
	Mailboxes  []Mailbox
	More       More // that are not among Mailboxes
}

// More is what there was no place for one by one.
type More struct {
	Copies int // since the last digest
	Total  int // in all
	Bytes  int64
}

// Mailbox is what was absorbed for one mailbox.
type Mailbox struct {
	Addr   string
	Storms []Storm
	More   More // that are not among Storms
}

// Storm is what was absorbed of one storm at one mailbox, or of one class by rule.
type Storm struct {
	ID      string // as archive.Recipient.Storm; "" for what a rule absorbed
	Class   string
	Subject string // of its first copy
	Copies  int    // since the last digest; of an Expiry, that will be erased
	Total   int    // in all
	Bytes   int64  // of those since the last digest

	First, Last time.Time // of all copies
	Until       time.Time // none is erased before; zero: they are kept for ever
	Senders     Counts
	Clients     Counts
	Failures    []Failure // of delivery reports
	Unlisted    int       // failures that are not among them
}

// Failure is what delivery reports said of one recipient.
type Failure struct {
	archive.Failure
	Copies int
}

// Counts are copies by where they are from.
type Counts struct {
	Named  []Count
	Others int
}

// Count is one name's part of Counts.
type Count struct {
	Name   string
	Copies int
}

// sorted has the most copies first.
func (c Counts) sorted() []Count {
	return slices.SortedStableFunc(slices.Values(c.Named), func(a, b Count) int { return b.Copies - a.Copies })
}
