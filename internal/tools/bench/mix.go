package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"breakwater/internal/message"
	"breakwater/internal/stormgen"
)

// profile is a mix of messages, in percent.
type profile struct {
	name                           string
	ordinary, copies, dsns, robots int // robots: auto-replies and bulk mail
	letters                        int // long texts, no two alike
}

var profiles = []profile{
	{"mixed", 60, 20, 10, 10, 0},
	{"storm", 0, 100, 0, 0, 0},
	{"letters", 0, 0, 0, 0, 100},
}

// robotSorts are the sorts of ordinary mail that programs send to many, or in answer.
var robotSorts = map[string]bool{"newsletter": true, "list thread": true, "cross-post": true, "ticket": true, "away": true, "cron": true}

// mix makes n messages of a profile that no other round has.
func (p profile) mix(round, n int) []stormgen.Item {
	domain := fmt.Sprintf("r%d.%s.example.test", round, p.name)
	want := map[string]int{"ordinary": n * p.ordinary / 100, "dsns": n * p.dsns / 100, "robots": n * p.robots / 100}
	want["copies"] = n - want["ordinary"] - want["dsns"] - want["robots"]
	if p.letters == 100 {
		return letters(round, n)
	}
	var items []stormgen.Item
	take := func(what string, it stormgen.Item) {
		if want[what] > 0 {
			want[what]--
			items = append(items, it)
		}
	}
	want["storm dsns"], want["dsns"] = want["dsns"]/2, want["dsns"]-want["dsns"]/2
	storm := stormgen.Options{Seed: uint64(round), Messages: 4 * n, Ordinary: -1, Domain: domain}
	for it := range stormgen.Generate(storm) {
		switch it.Kind {
		case stormgen.Original, stormgen.Copy:
			take("copies", it)
		case stormgen.Bounce:
			take("storm dsns", it)
		}
		if want["copies"]+want["storm dsns"] == 0 {
			break
		}
	}
	daily := stormgen.Options{Seed: uint64(round), Messages: -1, Ordinary: 8 * n, Domain: domain}
	for it := range stormgen.Generate(daily) {
		switch {
		case it.Group == "single bounce":
			take("dsns", it)
		case robotSorts[it.Group]:
			take("robots", it)
		default:
			take("ordinary", it)
		}
		if want["ordinary"]+want["dsns"]+want["robots"] == 0 {
			break
		}
	}
	rand.New(rand.NewPCG(uint64(round), 3)).Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

// letters makes n long texts in several languages: what near-duplicates cost most for.
func letters(round, n int) []stormgen.Item {
	var items []stormgen.Item
	for c := range stormgen.Letters(uint64(round), n) {
		env := message.Envelope{Client: netip.MustParseAddr("192.0.2.7"), Helo: "mx.example.net", ReversePath: "ann@example.net", QueueID: fmt.Sprint("L", len(items)),
			Recipients: []message.Recipient{{Addr: fmt.Sprintf("box%d@letters.example.test", len(items)%200), Mailer: "virtual"}}}
		items = append(items, stormgen.Item{Kind: stormgen.Ordinary, Group: "letter", Envelope: env, Raw: c})
	}
	return items
}

// keysOfMail is how many keys each mailbox gets for an ordinary message: its identities by
// Message-ID and by content, and its rate.
const keysOfMail = 3

// strangers makes messages to mailboxes that never got any before, so that n keys are new.
func strangers(n int) []stormgen.Item {
	const rcpts = 100
	var items []stormgen.Item
	count := (n + rcpts*keysOfMail - 1) / (rcpts * keysOfMail)
	for it := range stormgen.Generate(stormgen.Options{Seed: 1, Messages: -1, Ordinary: count, Domain: "keys.example.test"}) {
		it.Envelope.Recipients = nil
		for i := range rcpts {
			it.Envelope.Recipients = append(it.Envelope.Recipients, message.Recipient{Addr: fmt.Sprintf("box%d@keys.example.test", len(items)*rcpts+i)})
		}
		items = append(items, it)
	}
	return items
}
