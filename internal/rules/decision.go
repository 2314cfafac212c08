package rules

import (
	"fmt"
	"strings"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/origin"
)

// Action is what happens to a message for one recipient.
type Action string

// Actions. There is no bare discard.
const (
	Deliver    Action = "deliver"
	Tag        Action = "tag"        // deliver with an X-Breakwater field
	Absorb     Action = "absorb"     // archive, take off the delivery path, answer 250
	Quarantine Action = "quarantine" // the MTA's hold queue
	Reject     Action = "reject"     // 550 5.7.1
	Tempfail   Action = "tempfail"   // 451 4.7.1
)

// Actions lists all actions.
var Actions = []Action{Deliver, Tag, Absorb, Quarantine, Reject, Tempfail}

// Values are the actions.
func (Action) Values() []string { return texts(Actions) }

// Source is the place in a rule file that decided.
type Source struct {
	File string
	Line int // from 1; 0 where it is no file
}

func (s Source) String() string {
	if s.Line == 0 {
		return s.File
	}
	return fmt.Sprintf("%s:%d", s.File, s.Line)
}

// Decision is what happens to a message for one recipient, and why.
type Decision struct {
	Recipient  message.Recipient
	Action     Action
	Wanted     Action // what the rule says, where it is not what is done
	Observed   bool   // Wanted is not done because of mode observe
	Class      classify.Class
	Reason     string // why, in words: "dsn", "id storm", "mixed", …
	Rule       Source
	Notify     Notify        // who gets the digest of it where it is absorbed, if the [[rule]] says so; "" leaves that to [digest]
	RuleName   string        // of the [[rule]] that decided; "" where none did
	Storm      string        // the ID of the storm that holds the message back; "" where none does
	Text       string        // for reject and tempfail, what to tell the peer
	KeepFields bool          // it is a digest of ours: its X-Breakwater fields stay
	Origin     origin.Origin // of a report; "" of other mail
	Proof      string        // why it is of that origin, in words
	Unseen     bool          // a token proves the message that it is about, and the index does not know it: the domain learns anew

	To    string        // where it is delivered instead of Recipient.Addr, which has our tag; "" for there
	Stamp *origin.Stamp // of mail that we send, the same for all its recipients; nil for other mail
}

// Arrives reports whether the recipient gets the message now.
func (d Decision) Arrives() bool { return d.Action == Deliver || d.Action == Tag }

// OwnClass is the class of digests and released copies, which are not judged.
const OwnClass classify.Class = "own"

// Cause is why, without what differs from message to message: "rule NAME", "id storm", or
// the class.
func (d Decision) Cause() string {
	if d.RuleName != "" {
		return "rule " + d.RuleName
	}
	if kind, _, ok := strings.Cut(d.Storm, "-"); ok {
		return kind + " storm"
	}
	if d.Origin == origin.Forged {
		return "forged " + string(d.Class)
	}
	return string(d.Class)
}
