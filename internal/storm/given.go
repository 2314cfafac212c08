package storm

import "slices"

// Saying is what a message says, as keyed prints.
type Saying struct {
	// Versions are prints of all that a reader is told, whatever its layout and encoding, each in a
	// way of its own: who has been given one of them has been given all.
	Versions []uint64
	Parts    []Part
	Content  uint64 // byte for byte
}

// Part is the version of a part of what a message says: of all without some blocks of text.
type Part struct {
	Version uint64
	Without []uint64 // the blocks that the message has more
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
//     Versions passes, and is among them from then on. What is left of one of these, or has no more than
//     banners at its ends that were given with another, says nothing new: these pile up on the way. So it is
//     with those that the mailbox knows its network to add: see Count.Known.
//   - Nobody can use up somebody else's copies: what comes from a network of which none was let
//     through passes. Since there are storms with hundreds of servers, that is so for the first
//     few networks; what comes from a further one is held, too, if it was given byte for byte.
//
// What there is no room for is forgotten, the oldest first, and passes once more.
type Given struct {
	Versions []uint64 // newest last
	Blocks   []uint64 // at the ends of copies, newest last
	Contents []uint64 // newest last
	Networks []uint64 // the first ones, of which none is ever forgotten, and then others, newest last
}

// given is what the first sighting of a key gives.
func given(s Sighting) *Given {
	versions := s.versions()
	all := append(slices.Clip(versions), s.Content, s.Network) // one piece of memory for the three
	n := len(versions)
	return &Given{Versions: all[:n:n], Contents: all[n : n+1 : n+1], Networks: all[n+1:]}
}

const (
	maxVersions = 64 // and blocks and contents, remembered for each key
	maxNetworks = 9  // of which each has a copy let through, whatever came before: the first, and eight more
	maxOthers   = 32 // further networks that had one let through, remembered for each key
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
	Asks                   // it was not counted: that hangs on whether the mailbox knows what was added to it
)

// String says it in words, behind "storm, ".
func (p Pass) String() string {
	return [...]string{Held: "", Retry: "a retry", NewWords: "with words that the mailbox was not given", NewNetwork: "from a network that had none let through", Hourly: "one an hour", Asks: ""}[p]
}

// pass says why s is let through, whatever its count; Held if nothing speaks for it.
func (g *Given) pass(s Sighting, c Count) Pass {
	switch {
	case g == nil, !g.said(s.Saying, c.Known) && (c.Asked || !g.added(s.Saying)):
		return NewWords
	case !g.said(s.Saying, c.Known):
		return Asks
	case slices.Contains(g.Networks, s.Network):
		return Held
	case len(g.Networks) < maxNetworks || !slices.Contains(g.Contents, s.Content):
		return NewNetwork
	}
	return Held
}

// said reports whether all of s was given, but for blocks that are known.
func (g *Given) said(s Saying, known []uint64) bool {
	return slices.ContainsFunc(s.versions(), g.gave) || slices.ContainsFunc(s.Parts, func(p Part) bool {
		return g.gave(p.Version) && !slices.ContainsFunc(p.Without, func(b uint64) bool {
			return !slices.Contains(g.Blocks, b) && !slices.Contains(known, b)
		})
	})
}

// added reports whether a part of s was given, so that the blocks that it has more may have been added.
func (g *Given) added(s Saying) bool {
	return slices.ContainsFunc(s.Parts, func(p Part) bool { return g.gave(p.Version) })
}

func (g *Given) gave(version uint64) bool { return slices.Contains(g.Versions, version) }

// firsts are the networks that are never forgotten.
func (g *Given) firsts() []uint64 { return g.Networks[:min(len(g.Networks), maxNetworks)] }

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
		for _, p := range s.Parts {
			g.Versions, g.Blocks = add(g.Versions, maxVersions, p.Version), add(g.Blocks, maxVersions, p.Without...)
		}
	}
	g.Contents = add(g.Contents, maxVersions, s.Content)
	switch first := g.firsts(); {
	case slices.Contains(first, s.Network):
	case len(first) < maxNetworks:
		g.Networks = add(first, maxNetworks, s.Network)
	default:
		g.Networks = slices.Concat(first, add(g.Networks[maxNetworks:], maxOthers, s.Network))
	}
	return g, grown
}

// revoke is t without what s gave, and without the transfer that would pass again.
func (t Tally) revoke(s Sighting, c Count) Tally {
	without := func(from []uint64, xs ...uint64) []uint64 {
		return slices.DeleteFunc(slices.Clone(from), func(x uint64) bool { return slices.Contains(xs, x) })
	}
	versions, blocks := slices.Clone(s.versions()), []uint64(nil)
	for _, p := range s.Parts {
		versions, blocks = append(versions, p.Version), append(blocks, p.Without...)
	}
	t.Key, t.Limit, t.Answer = c.Key, c.Limit, Answer{}
	if g := t.Given; g != nil {
		t.Given = &Given{
			Versions: without(g.Versions, versions...),
			Blocks:   without(g.Blocks, blocks...),
			Contents: without(g.Contents, s.Content),
			Networks: without(g.Networks, s.Network),
		}
	}
	t.Transfers = slices.DeleteFunc(slices.Clone(t.Transfers), s.isRetry)
	return t
}
