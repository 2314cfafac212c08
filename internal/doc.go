// Package internal holds breakwater's rooms. This page is the way through them.
//
// # The two laws
//
//  1. Nothing is absorbed that says something this mailbox has not been given.
//  2. Nobody can use up somebody else's copies.
//
// They come before every limit: storm.Given keeps them, and TestStranger in engine plays an
// adversary against them. Mail that a rule absorbs, forged reports, loops and floods of distinct mails are absorbed for
// other reasons. fingerprint says what a message says (says.go), and fingerprint.SourceOf where it comes from. A new
// limit counts in a tally, and so cannot go round them.
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
// The milter asks once, at the end of a message. Parse turns envelope and bytes into facts. Judge lets digests and released
// copies pass as they are (engine/own.go), takes our tags off the recipients, and looks up the policy of each. Then it takes
// eight steps, which are a list in engine/engine.go:
//
//   - classify says what the message is (classify, with report for what other mail systems report)
//   - sign makes the stamp of mail that we send (origin)
//   - prove asks the index of sent mail whether we sent what a report is about (sent, origin)
//   - print says what copies of the message share, and what it says (fingerprint)
//   - compare asks what was nearly the same before, where there is text enough (fingerprint, texts), and of which
//     floods of distinct messages it may be part (flood)
//   - count counts that for each mailbox (store, by the arithmetic of storm), and has what was sent and what was
//     said remembered (sent, texts)
//   - decide says for each recipient what happens to the message, by the rules of its domain (rules)
//   - combine makes the decisions fit one transaction (rules.Combine), and takes back that the message was given to
//     those who do not get it
//
// What comes out is a rules.Judgement: the decisions, and all that they were made by. It goes on as it is to the
// archive, the log and the metrics. What is absorbed is in the archive, on disk, before the mail server gets its
// answer. Whatever fails, Judgement.Settle says what happens instead: there on_error decides, and nowhere else.
//
// The way on: milterd/verdict.go (Body) settles the decisions, has daemon/absorb.go archive what is absorbed, and answers by
// milterd/plan.go. Once the answer is out, daemon/decisions.go logs and counts. The digester reads the archive.
//
// The store is the only I/O of Judge. prove reads it, compare reads it and notes the text, count and combine write to it. A
// dry run only reads, and adds for itself.
//
// # Words
//
// Code, commands, log, JSON, metrics and digests use these words alike:
//
//   - sighting: one message, as it is counted
//   - print: what all copies of a message share, as a keyed hash; a key is a print at one mailbox
//   - identity, rate: kinds of keys. Only copies share an identity; distinct messages share a rate
//   - copy: a message that shares an identity with one before it; a retry is the same transfer once more, and no copy
//   - tally: how often a key was seen, and what was given under it
//   - given: let through to a mailbox under a key; held: not let through, in digests "held back"
//   - storm: a tally over its limit, at one mailbox. It is active as long as copies keep coming, and then over
//   - incident: all storms with one cause, over all mailboxes
//   - absorb: keep a message in the archive instead of delivering it, and answer 250; release: deliver it after all
//   - report: a bounce, auto-reply, challenge or receipt. By proofs it is genuine, unknown or forged; it is excused where its
//     domain still learns what it sends
//   - stamp: the header fields and the tagged reverse-path by which mail is known that we sent; a tag is in the reverse-path
//   - index of sent mail: what left here, by Message-ID and by who wrote to whom, and when all of it was seen
//   - digest: a mail that lists what was absorbed; notice: the digest that must go out before anything is erased, or a mail
//     about one event, such as a full archive
//   - note: what is remembered beside tallies; it is never a storm
//   - text: what near-duplicates have in common, named by the first of them
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
//	floods     flood
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
//   - digest composes every mail that breakwater writes by itself
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
//   - what is a flood though it is no copy: flood, a file for each; its words are in phrases, under flood
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
//   - what runs by the hour and by the minute: daemon (archive.go, sent.go)
//   - where secret, keys, rules and phrases of a host are read: host
package internal
