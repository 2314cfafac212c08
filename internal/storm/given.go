package storm

import "slices"

// Saying is what a message says, as keyed prints.
type Saying struct {
	// Versions are prints of all that a reader is told, whatever its layout and encoding, each in a
	// way of its own: who has been given one of them has been given all. The first is the sum of what
	// its blocks of text are, and of all else.
	Versions []uint64
	Ends     []uint64 // the blocks at the beginning and the end, where gateways put theirs
	Content  uint64   // byte for byte
}

// silent are the versions of what says nothing: all such is one version.
var silent = []uint64{0}

func (s Saying) versions() []uint64 {
	if len(s.Versions) == 0 {
		return silent
	}
	return s.Versions
}

// Given is what was let through to a mailbox under one key. It is what keeps two promises:
//
//   - Nothing is held that says something that was not given: a version that is not among
//     Versions passes, and is among them from then on. One that differs from one of these in no more
//     than blocks that were given, too, says nothing new.
//   - Nobody can use up somebody else's copies: what comes from a network of which none was let
//     through passes. Since there are storms with hundreds of servers, that is so for the first
//     few networks; what comes from further ones is held only if it was given byte for byte.
//
// What there is no room for is forgotten, the oldest first, and passes once more.
type Given struct {
	Versions []uint64 // newest last
	Blocks   []uint64 // ends of copies, newest last
	Contents []uint64 // newest last
	Networks []uint64 // the first ones; none is ever forgotten
}

const (
	maxVersions = 32 // prints of them, and as many of blocks and contents, remembered for each key
	maxRemoved  = 4  // blocks that a version may have more than one that was given
	maxNetworks = 9  // of which each has a copy let through: the first, and eight more
)

// Pass says why a sighting is let through in the midst of a storm.
type Pass uint8

// Passes.
const (
	Held       Pass = iota // it is not; outside a storm it says nothing
	Retry                  // it was let through before
	NewWords               // it says something that was not given
	NewNetwork             // none was let through from where it comes
	Hourly                 // one an hour of a rate
)

// String says it in words, behind "storm, ".
func (p Pass) String() string {
	return [...]string{Held: "", Retry: "a retry", NewWords: "with words that the mailbox was not given", NewNetwork: "from a network that had none let through", Hourly: "one an hour"}[p]
}

// pass says why s is let through, whatever its count; Held if nothing speaks for it.
func (g *Given) pass(s Sighting) Pass {
	switch {
	case !slices.ContainsFunc(s.versions(), func(v uint64) bool { return g.said(v, s.Ends) }):
		return NewWords
	case slices.Contains(g.Networks, s.Network):
		return Held
	case len(g.Networks) < maxNetworks || !slices.Contains(g.Contents, s.Content):
		return NewNetwork
	}
	return Held
}

// said reports whether all of a version was given. Versions are sums, so that one with or without
// some blocks is known by theirs.
func (g *Given) said(version uint64, ends []uint64) bool {
	if slices.Contains(g.Versions, version) {
		return true
	}
	var more, others []uint64 // given blocks that it has, and has not
	for _, b := range g.Blocks {
		if !slices.Contains(ends, b) {
			others = append(others, b)
		} else if len(more) < maxRemoved {
			more = append(more, b)
		}
	}
	for set := range 1 << len(more) {
		without := version
		for i, b := range more {
			if set&(1<<i) != 0 {
				without -= b
			}
		}
		if slices.Contains(g.Versions, without) || slices.ContainsFunc(others, func(b uint64) bool { return slices.Contains(g.Versions, without+b) }) {
			return true
		}
	}
	return false
}

// with is g after s was let through, and whether it is more than g. again tells that s is a copy.
func (g Given) with(s Sighting, again bool) (_ Given, grown bool) {
	add := func(to []uint64, most int, xs ...uint64) []uint64 {
		to = slices.Clip(to) // what others have of it stays as it is
		for _, x := range xs {
			if !slices.Contains(to, x) {
				to, grown = append(to, x), true
			}
		}
		return to[max(0, len(to)-most):]
	}
	g.Versions = add(g.Versions, maxVersions, s.versions()...)
	if again {
		g.Blocks = add(g.Blocks, maxVersions, s.Ends...)
	}
	g.Contents = add(g.Contents, maxVersions, s.Content)
	if len(g.Networks) < maxNetworks {
		g.Networks = add(g.Networks, maxNetworks, s.Network)
	}
	return g, grown
}

// revoke is t without what s gave, and without the transfer that would pass again.
func (t Tally) revoke(s Sighting, c Count) Tally {
	without := func(from []uint64, xs ...uint64) []uint64 {
		return slices.DeleteFunc(slices.Clone(from), func(x uint64) bool { return slices.Contains(xs, x) })
	}
	t.Key, t.Limit, t.Answer = c.Key, c.Limit, Answer{}
	t.Given = Given{
		Versions: without(t.Given.Versions, s.versions()...),
		Blocks:   without(t.Given.Blocks, s.Ends...),
		Contents: without(t.Given.Contents, s.Content),
		Networks: without(t.Given.Networks, s.Network),
	}
	t.Transfers = slices.DeleteFunc(slices.Clone(t.Transfers), func(x Transfer) bool { return x.Stamp == s.Transfer })
	return t
}
