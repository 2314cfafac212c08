// Package internal holds breakwater's rooms. This page is the way through them.
//
// # The two laws
//
//  1. Nothing is absorbed that says something this mailbox has not been given.
//  2. Nobody can use up somebody else's copies.
//
// They come before every limit: storm.Given keeps them, and TestStranger in engine plays an
// adversary against them. Rules, forged reports and loops are absorbed for other reasons. What a message says is told by fingerprint (says.go), where it comes
// from by fingerprint.SourceOf. A new limit counts in a tally, and so cannot go round them.
//
// # The flow
//
//	milter events ─► milterd ───┐                                      ┌─► archive, if absorbed ─► milter response
//	IMAP FETCH    ─► sweep    ──┤                                      ├─► plan ─► journal ─► apply
//	old mail      ─► replay   ──┤                                      ├─► what replay and rules show
//	test files    ─► scenario ──┴─► message.Parse ─► engine.Judge ─────┘
//	                                   *Message        │     Decisions
//	                                                   │
//	    classify.Classify ─► origin.Prove (reports) ─► fingerprint.Prints ─► store.Lookup (long texts) ─► store.Observe ─► rules.Decide ─► rules.Combine
//
// The milter asks once, at the end of a message. Parse turns envelope and bytes into facts.
// Judge classifies them (classify, with report for what other mail systems report), looks for
// proof that we sent what a report is about (origin, engine/origin.go), says what copies of
// the message share (fingerprint), where it has text enough also with what was nearly the same
// before (engine/kin.go), counts that for each mailbox (store, by the arithmetic of storm) and
// decides for each recipient by the rules of its domain. Combine makes the decisions fit one
// transaction. What is absorbed is in the archive, on disk, before the mail server gets its
// answer.
//
// Lookup and Observe are the only I/O of Judge. A dry run looks up alone, and adds for itself.
//
// # The layers
//
// Imports go down, and packages of one line but the last do not import each other, save
// where one is named behind the other:
//
//	commands   cmd/breakwater                  flags, printing, exit statuses
//	wiring     daemon, and demo above it       picks drivers and hands functions around
//	hosts      host, and sweep/accounts above it; trial; explain
//	edges      milterd  sweep  control  mailfile  config  setup  submit  store/badgerdb  store/remote
//	keep       archive, and release above it and submit; replay above it and mailfile; digest above it
//	engine     engine  scenario
//	decision   rules
//	judgement  fingerprint  origin  store  mark
//	terms      classify  storm
//	reports    report
//	facts      message
//	words      phrases
//	files      tomlfile  seal
//
// Everything from files to engine is pure: no network, no files, no clock. Time is an
// argument. layers_test.go holds the table, and what outside modules each package may use.
//
// One of each:
//
//   - address takes mail addresses apart
//   - owned replaces files, and what root makes by it belongs to the daemon; format notes the version of a folder
//   - seal signs and hashes lists of texts with a key
//   - socket is HTTP on the daemon's socket, both ends
//   - digest composes every mail that breakwater writes of its own accord
//   - show prints tables, numbers and JSON
//   - golden compares what tests find with files; -update writes these
//
// Programs that measure, and that tests run, are in tools.
//
// # What is on disk
//
// formats.go describes all files, and the promise: each release reads what the one before it wrote, and refuses what a
// newer one wrote. Package format is how.
//
// # Where to change what
//
//   - what a message is taken for: classify, and report for what it says; the words by which
//     it is known are in phrases, whose page says how to teach it a mail that it does not know
//   - where the writer's own words end, and what marks an answer: message/quotation.go
//   - what counts as a copy: fingerprint; near.go for copies that no longer look alike
//   - what is something new to a mailbox: fingerprint/says.go; who has had copies: storm/given.go
//   - what proves that we sent something: origin; what is remembered of it: engine/origin.go
//   - when copies are a storm: storm.Add
//   - what happens then: rules (settings.go: what files may say; facts.go: what conditions may
//     ask), and the files in the top-level folder rules, with their tests
//   - what mail servers have to be told, and who listens where: setup
//   - how mail servers are spoken to: milterd, and submit; IMAP servers: sweep/session
//   - what is kept of absorbed mail, and how it comes back: archive, release, digest
//   - what a mail says that breakwater writes: digest/words, a file for each language
//   - what runs by the hour and by the minute: daemon (house.go, sent.go)
//   - where secret, keys, rules and phrases of a host are read: host
package internal
