package fingerprint

import (
	"slices"
	"strconv"
	"time"

	"breakwater/internal/storm"
)

// A network that has added the same block to copies of many messages at a mailbox adds it to all mail:
// with one more the mailbox is told nothing by it. Only this mailbox and this network count, so
// that nobody can have words passed over where he has not said them often himself.
const bannerMails = 8 // with different subjects, before the one that is passed over

// banners is no limit: it has the tally of a block remember to what it was added.
var banners = storm.Limit{Copies: 1 << 20, Window: 30 * 24 * time.Hour, Calm: 60 * 24 * time.Hour, Keep: 30 * 24 * time.Hour}

// Banners is to be counted of the blocks that the network of s may have added to its message, at the owner of a
// mailbox. KnownBanners tells by the tallies.
func (h *Hasher) Banners(s storm.Sighting, owner [8]byte) storm.Sighting {
	subject := h.print(storm.Banner, []string{Skeleton(s.Subject)})
	b := storm.Sighting{At: s.At, Transfer: subject, Network: s.Network, Saying: storm.Saying{Versions: []uint64{subject}}}
	for _, block := range added(s.Saying) {
		key := storm.Key{Owner: owner, Kind: storm.Banner, Hash: h.hash(storm.Banner, []string{strconv.FormatUint(s.Network, 36), strconv.FormatUint(block, 36)})}
		b.Counts = append(b.Counts, storm.Count{Key: key, Limit: banners})
	}
	return b
}

// KnownBanners are the blocks that the network of s is known to add.
func KnownBanners(s storm.Sighting, tallies []storm.Tally) []uint64 {
	known := make([]uint64, 0, len(tallies))
	for i, block := range added(s.Saying) {
		if g := tallies[i].Given; g != nil && len(g.Versions) > bannerMails {
			known = append(known, block)
		}
	}
	return known
}

// added are the blocks that may have been added to a message, each once.
func added(says storm.Saying) (blocks []uint64) {
	for _, p := range says.Parts {
		blocks = append(blocks, p.Without...)
	}
	slices.Sort(blocks)
	return slices.Compact(blocks)
}
