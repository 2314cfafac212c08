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
//	                                   *Message        │     Judgement
//	                                                   │
//	    classify ─► sign ─► prove ─► print ─► compare ─► count ─► decide ─► combine
//
// The milter asks once, at the end of a message. Parse turns envelope and bytes into facts. Judge takes
// eight steps, which are a list in engine/engine.go:
//
//   - classify says what the message is (classify, with report for what other mail systems report)
//   - sign makes the stamp of mail that we send (origin)
//   - prove asks the index of sent mail whether we sent what a report is about (sent, origin)
//   - print says what copies of the message share, and what it says (fingerprint)
//   - compare asks what was nearly the same before, where there is text enough (fingerprint, texts)
//   - count counts that for each mailbox (store, by the arithmetic of storm), and has what was sent and what was
//     said remembered (sent, texts)
//   - decide does so for each recipient by the rules of its domain (rules)
//   - combine makes the decisions fit one transaction (rules.Combine)
//
// What comes out is a rules.Judgement: the decisions, and all that they were made by. It goes on as it is to the
// archive, the log and the metrics. What is absorbed is in the archive, on disk, before the mail server gets its
// answer. Whatever fails, Judgement.Settle says what happens instead: there on_error decides, and nowhere else.
//
// The store is the only I/O of Judge: prove looks, compare looks and notes the text, count writes. A dry run looks alone, and adds
// for itself.
//
// # Words
//
//   - sighting: one message, seen, as it is counted
//   - copy: a message that shares a key with one before it; a retry is the same transfer once more, and no copy
//   - key: what copies share at one mailbox, as a keyed hash; a print is the same for all mailboxes
//   - identity, rate: kinds of keys. Only copies share an identity; distinct messages share a rate
//   - tally: how often a key was seen, and what was let through under it
//   - storm: a tally over its limit, at one mailbox; an incident is all storms with one cause
//   - given: what was let through to a mailbox under a key
//   - held: not let through; absorbed: held, kept in the archive, and answered with 250
//   - note: what is remembered beside tallies; it is never a storm
//   - text: what near-duplicates have in common, named by the first of them
//   - stamp: the fields by which mail is known that we sent; a tag is what its reverse-path has
//   - index of sent mail: what left here, by Message-ID and by who wrote to whom, and when all of it was seen
//   - customer: who has the domains of one rule file
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
//	keep       archive, and release above it and submit; replay above it and mailfile; digest above it;
//	           ledger and incident, record and evidence above them
//	engine     engine  scenario
//	memory     sent  texts
//	decision   rules
//	judgement  fingerprint  origin  store  mark
//	terms      classify  notes, and storm below it
//	reports    report
//	facts      message
//	words      phrases
//	files      tomlfile  seal  wire
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
//   - what counts as a copy: fingerprint; near.go for copies that no longer look alike, and texts for how many of them were held
//   - what is something new to a mailbox: fingerprint/says.go; who has had copies: storm/given.go
//   - what proves that we sent something: origin; what is remembered of it: sent
//   - when copies are a storm: storm.Add
//   - what happens then: rules (settings.go: what files may say; facts.go: what conditions may
//     ask), and the files in the top-level folder rules, with their tests
//   - what mail servers have to be told, and who listens where: setup
//   - how mail servers are spoken to: milterd, and submit; IMAP servers: sweep/session
//   - what is kept of absorbed mail, and how it comes back: archive, release, digest
//   - what is recorded of a storm, and what belongs to it: incident; how that is proved: ledger; what is handed to others: evidence
//   - what a mail says that breakwater writes: digest/words, a file for each language
//   - what runs by the hour and by the minute: daemon (house.go, sent.go)
//   - where secret, keys, rules and phrases of a host are read: host
package internal
