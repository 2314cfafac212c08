// Package sweep cleans mailboxes over IMAP that a flood has already hit, and can undo it.
//
//	folder ─► FETCH ─► message.Parse ─► engine.Judge ─► plan ─► journal ─► apply
//	                                        │                      │
//	                          scratch, a tally for each folder     └─► undo
//
// A plan says what goes where and why, and changes nothing. It becomes a journal: batches of
// messages, each with where it is, where it goes, and what is needed to bring it back. A run
// carries out the batches of a journal that are not done yet; resuming is nothing else. Undo
// carries the done ones back. Before a command that changes anything there is a line in the
// journal, on disk, and what a cut connection left half-done is first found out and settled.
//
// No message is ever expunged here that is not somewhere else: see carry.go, which holds all
// there is of moving.
package sweep
