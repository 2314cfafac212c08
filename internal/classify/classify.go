// Package classify says what a message is, and why.
package classify

import "breakwater/internal/report"

// Class is what a message is.
type Class string

// Classes, most specific first. Personal is the safe one: everything that is nothing else.
const (
	DSN       Class = "dsn"
	MDN       Class = "mdn"
	Feedback  Class = "feedback"
	AutoReply Class = "auto-reply"
	Challenge Class = "challenge"
	Bulk      Class = "bulk"
	Personal  Class = "personal"
)

// Classes lists all classes.
var Classes = []Class{DSN, MDN, Feedback, AutoReply, Challenge, Bulk, Personal}

// Verdict is the class of a message with its evidence.
type Verdict struct {
	Class   Class
	Reasons []string       // never empty: the field, phrase or part that decided
	Report  *report.Report // of a dsn, mdn or feedback, else nil
}
