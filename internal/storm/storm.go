// Package storm says when the copies of something are a storm. All of it is
// arithmetic on values; time is an argument.
package storm

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Kind is what a key is made of.
type Kind uint8

// Kinds of keys. Those of notes are in package notes. ID, Text, Near, DSN and Reply are identities: copies share them and distinct
// messages do not. Repeat and Class are rates: distinct messages share them.
const (
	ID     Kind = 1 + iota // Message-ID, From, Date, List-Id
	Text                   // From, Date, Subject, decoded content
	DSN                    // original, failed recipients
	Reply                  // responder, original, what it says of it
	Repeat                 // text without Date
	Class                  // mailbox and class
	Near                   // nearly the same text, and a second witness
)

// Banner is the kind of a block of text that a network added to copies of what a mailbox was given; what it gave is
// their subjects. It is never a storm.
const Banner Kind = 36

// Kinds of prints that are no keys.
const (
	Version Kind = 48 + iota // see Saying
	Content
	Network // see Sighting
)

// Release is the kind of a copy's release, which passes once. No rule is about it.
const Release Kind = 64

// Rate reports whether distinct messages share keys of this kind.
func (k Kind) Rate() bool { return k == Repeat || k == Class }

// Key names what copies share at one owner. Owner is the mailbox; both are keyed hashes.
type Key struct {
	Owner [8]byte
	Kind  Kind
	Hash  [8]byte
}

// Limit is how much of a key is no storm.
type Limit struct {
	Copies int           // the level over which a storm begins; 0: counted, never a storm
	Window time.Duration // Copies leak away in this time
	Calm   time.Duration // a storm without sightings ends after at most this; longer than Window
	Keep   time.Duration // a tally is forgotten this long after its last sighting
}

// Count is one key to be counted.
type Count struct {
	Key     Key
	Limit   Limit
	Link    [8]byte // kept from the first sighting on
	Keeps   bool    // the sighting is not delivered, whatever its count: it gives nothing
	Revoke  bool    // the sighting, which was counted before, was not delivered: it has given nothing
	Asked   bool    // what is Known was asked for
	Mailbox string  // in clear, for the label; kept only while there is a storm

	Known []uint64 // blocks that say nothing new at the mailbox where the network of the sighting adds them
}

// Sighting is one message, seen.
type Sighting struct {
	At       time.Time
	Transfer uint64     // the peer's own stamp: the same for a retry
	Client   netip.Addr // who sent it
	Network  uint64     // the network or login that it comes from, as a keyed hash
	Saying              // what it says
	Class    string     // for the label, as is Subject
	Subject  string
	Signs    Signs
	Counts   []Count // of all recipients, each key once
}

// Transfer is one transfer of an identity that was let through.
type Transfer struct {
	ID      uint64    // see Sighting.Transfer
	Network uint64    // from where it came
	Level   float64   // leaky bucket of its retries
	Last    time.Time // when Level was true
}

// Source is a server that sent copies of a storm.
type Source struct {
	Client netip.Addr
	Copies uint64
}

// Storm is a tally over its limit, in clear, for the operator.
type Storm struct {
	Since       time.Time
	Copies      uint64    // sightings since then that were no retry, let through or not
	Held        uint64    // of these, those that were not let through
	Passed      time.Time // rates: when the last one was let through
	WindowStart time.Time // rates: the window under way, and what it brought so far
	WindowCount int
	Mailbox     string
	Class       string
	Subject     string
	Sources     []Source // at most 16, in order of appearance
	Others      uint64   // copies from further sources
	Signs       Signs    // of all copies
}

// Signs are what a message has of mail that is sent again and again. They raise suspicion, and
// tell no copies by themselves.
type Signs uint8

// Signs.
const (
	Connector Signs = 1 << iota // a POP3 connector fetched it that is known for it
	LongChain                   // it went through many servers
	HopTwice                    // it was handed from one host to another twice
	Loop                        // it went through us before
	Resent                      // it had arrived at one of those in To and Cc, and went to others from there
)

// Names are the signs in words.
func (s Signs) Names() []string {
	var names []string
	for i, name := range []string{"POP3 connector", "long Received chain", "a hop twice", "loop through us", "sent again to those in To and Cc"} {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Tally is the state of a key. The zero Tally is that of a key never seen.
type Tally struct {
	Key         Key
	Limit       Limit // of the last sighting
	First, Last time.Time
	Level       float64 // of the bucket at Last
	Seen        uint64  // sightings that were no retry
	Link        [8]byte
	Transfers   []Transfer // identities: those let through, newest last
	Given       *Given     // what was let through; nil for nothing, shared by copies of a Tally and never changed in place
	Storm       *Storm     // nil while there is none; shared by copies of a Tally and never changed in place

	Answer // to Add alone; it is not stored
}

// Answer is what Add says of the sighting just added.
type Answer struct {
	Through bool // it is to be let through
	Again   bool // the key was seen before: the sighting is a copy or a retry
	Gave    bool // Given has grown by it
	Added   bool // it is what was given, and blocks more that a gateway may have added
	Pass    Pass // why it is let through in the midst of a storm
}

var kindNames = [...]string{ID: "id", Text: "text", DSN: "dsn", Reply: "reply", Repeat: "repeat", Class: "class", Near: "near", Release: "release"}

// Kinds lists all kinds, in the order in which they decide.
var Kinds = []Kind{ID, Text, Near, DSN, Reply, Repeat, Class}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind%d", uint8(k))
}

// Incident names what storms at several mailboxes have in common.
func (k Key) Incident() string { return fmt.Sprintf("%s-%x", k.Kind, k.Hash[:5]) }

// String is the storm's ID: its incident and its owner.
func (k Key) String() string { return fmt.Sprintf("%s-%x", k.Incident(), k.Owner[:4]) }

// IncidentOf is the incident's part of a storm's ID, "" of "".
func IncidentOf(stormID string) string { return stormID[:max(strings.LastIndexByte(stormID, '-'), 0)] }

// Named reports whether a storm's ID is meant by a name: the ID itself, its incident's, or
// the beginning of one.
func Named(stormID, name string) bool { return strings.HasPrefix(stormID, name) }
