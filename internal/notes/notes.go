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

// Of reports whether keys of a kind are those of notes. They are stored beside tallies.
func Of(k storm.Kind) bool { return k >= 32 && k != storm.Release }

// Add returns the note after one more entry. It does not change n.
func Add(n Note, at time.Time, e Entry) Note {
	if n.Seen == 0 || e.Reset || n.Forgotten(at) {
		n = Note{First: at, Last: at, Link: e.Link}
	}
	n.Key, n.Keep = e.Key, e.Keep
	n.Bits |= e.Bits
	n.Seen++
	if storm.SetBack(n.Last, at) {
		n.Last = at
		if n.First.After(at) {
			n.First = at
		}
	}
	if at.After(n.Last) {
		n.Last = at
	}
	return n
}

// Forgotten reports whether n is too old at a time to be known any more.
func (n Note) Forgotten(at time.Time) bool { return n.Keep > 0 && at.Sub(n.Last) > n.Keep }
