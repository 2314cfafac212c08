// Package notes says what a store remembers beside counts of copies: that something was seen, since when, how
// often, and what came with it. No note is ever a storm. Time is an argument.
package notes

import (
	"time"

	"breakwater/internal/storm"
)

// Note is what is known of a key. The zero Note is that of a key never seen.
type Note struct {
	Key         storm.Key
	Keep        time.Duration // it is forgotten so long after Last; 0: never
	First, Last time.Time
	Seen        uint64
	Link        [8]byte // what came with it first
	Bits        uint64  // all that came with it, or-ed
}

// Entry is one more thing to be noted.
type Entry struct {
	Key   storm.Key
	Keep  time.Duration
	Link  [8]byte
	Bits  uint64
	Reset bool // what was noted before is forgotten
}

// Of reports whether keys of a kind are those of notes. They are stored beside tallies: 32 to 35 are of texts (see
// fingerprint), and 65 to 68 of what we sent (see sent).
func Of(k storm.Kind) bool { return k >= 32 && k < 36 || k >= 65 && k < 69 }

// Kinds of what we sent with which a store deals by themselves where the clock was ahead.
const (
	Covered storm.Kind = 66 // of an hour; its Bits are the minutes of which all mail was seen
	Learned storm.Kind = 67 // First is since when all mail of a domain is seen, or leaves with a tag
)

// SetBack returns n with no time later than at: those that are later were noted while the clock was ahead.
func (n Note) SetBack(at time.Time) Note {
	if n.First.After(at) {
		n.First = at
	}
	if n.Last.After(at) {
		n.Last = at
	}
	return n
}

// Add returns the note after one more entry. It does not change n.
func Add(n Note, at time.Time, e Entry) Note {
	if n.Seen == 0 || e.Reset || n.Forgotten(at) {
		n = Note{First: at, Last: at, Link: e.Link}
	}
	n.Key, n.Keep = e.Key, e.Keep
	n.Bits |= e.Bits
	n.Seen++
	if storm.ClockSetBack(n.Last, at) {
		n = n.SetBack(at)
	}
	if at.After(n.Last) {
		n.Last = at
	}
	return n
}

// Forgotten reports whether n is too old at a time to be known any more.
func (n Note) Forgotten(at time.Time) bool { return n.Keep > 0 && at.Sub(n.Last) > n.Keep }
