// # Formats on disk
//
// The promise: a release reads what the release before it wrote, and refuses what a newer one wrote, in plain words. It
// writes nothing to a folder that it refuses. What a newer release added to a folder without a new format, an older one
// does not see, and loses when it writes the file again: so a new field that counts is a new format.
//
// Each folder has a file FORMAT: the name of what is in it, and a number, as in "breakwater store 3" (package format). It is
// noted before anything is written that an older version could misread. Commands that only look never make it. A folder without one was written
// before there were notes: it is read, and gets one when it is next written to. A damaged note is refused, save in the
// archive, whose segments say for themselves what they are.
//
//	folder            note                      versions that are read
//	store             breakwater store          2, 3: those of its tallies
//	archive           breakwater archive        2, 3: those of its segments
//	archive/digests   breakwater digests        1
//	archive/incidents breakwater incidents      1
//	archive/ledger    breakwater ledger         1
//	rules.kept        breakwater kept rules     1
//	sweep             breakwater sweep          1
//	keys, a file      # breakwater keys         1: its first line, a comment to older versions
//
// The secret has no version: 64 hexadecimal digits. What comes from it has one in what is signed: "breakwater mark 1"
// (package mark) and "breakwater origin 1" (package origin). The configuration and rule files are an operator's, and have
// none: a key that is not known is an error.
//
// # Store
//
// A Badger database. A key is 17 bytes: owner 8, kind 1 (storm.Kind), hash 8. Owner and hash are keyed by the secret. A value
// is a tally; its first byte is its version, storm.CodecVersion, and storm/codec.go is its layout. A tally of a version that
// is not known counts as never seen, is told in the log, and is written over when it is next counted. An entry expires an
// hour after its tally counts no more.
//
// # Archive
//
//   - *.seg: segments, named by the ID of their first copy. archive/record.go is their layout. The last byte of a record's
//     magic is its format. Format 2 is read, and becomes 3 when a segment is written anew. To a segment of which no
//     record is known nothing is written
//   - *.seg.new: a segment being written anew. *.seg.torn: what a crash left of the end of one
//   - clock: JSON with anchor, archive and host, times (archive/clock.go)
//   - notices: JSON, by domain a list of upto and ready, times (archive/notices.go)
//   - audit.log: a JSON object a line, with time, level, msg and user, and what else the action has. It is only appended to
//   - digests: a folder of its own, see below
//   - probe: there while the daemon looks whether it can write. lock, marks, releasing: empty, to be locked
//
// # Incidents
//
// Below the archive's folder, and kept for years.
//
//   - I-*.incident: a part of an incident. A line is the CRC-32C of what follows, in hexadecimal, a blank, and a JSON object; "t"
//     says what of. What the lines say one after the other is the part (incident/file.go). It is only appended to. What a crash cut off is
//     dropped, and a damaged line is left out and counted
//   - old: the same, of what can not begin again
//   - running: when all was last written, or "stopped". lock: empty, to be locked
//
// # Ledger
//
// Below the archive's folder. internal/ledger says what its files are: a Merkle tree of RFC 6962, checkpoints and proofs in the
// forms of C2SP. Its key, beside the other keys, is ledger.key: that of a signed note (golang.org/x/mod/sumdb/note). audit.followed is
// how many bytes of audit.log have become leaves.
//
// # Digests
//
//   - state.json: who was told what, with a Version of its own, which is 1 (digest/state.go)
//   - outbox/*.json: digests that are not sent yet, JSON with Account, Digest and Since (digest/outbox.go)
//   - *.damaged: what could not be read
//
// # Sweep
//
// The names of files are those of accounts, escaped as in a URL.
//
//   - ACCOUNT.state: JSON, by folder what the next sweep begins with (sweep/state.go), with its tallies as in the store, each
//     with its length before it
//   - runs/RUN/ACCOUNT.jsonl: the journal of a run, a record a line, told apart by op (sweep/journal.go). An op that is not
//     known is an error. A last line that was cut off is dropped. 180 days after a run that has come to its end it is removed
//   - runs/RUN/ACCOUNT.state: what ACCOUNT.state becomes when the run has come to its end
//   - ACCOUNT.lock: empty, to be locked
//
// # Kept rules
//
// Beside the secret, rules.kept has the last good version of each rule file, under its name. A folder that is refused is
// told in the log; broken rule files have no good version then.
//
// # Keys
//
// A line is a number, the time from which the key signs, and 64 hexadecimal digits (origin/ring.go). Lines that begin with #
// are comments, but the first tells the format: hosts copy this file from each other, without its folder.
//
// # Not kept by breakwater
//
// Log lines are for people and their programs; breakwater reads none. A decision is a line with msg=decision and qid, client,
// from, to, class, action, rule, reason; and, where there is one, storm, origin with proof, wanted, sent. At Shutdown,
// milterd hands the mail server's connections to the next daemon by systemd (daemon/handover.go): a gob with a
// version, which another version does not go on with. breakwater setup postfix --apply leaves breakwater-undo.json beside
// main.cf: JSON without a version, which --undo removes.
package internal
