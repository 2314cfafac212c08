// Package report reads what other mail systems report: delivery status
// notifications (RFC 3464), message disposition notifications (RFC 8098) and
// feedback reports (RFC 5965).
package report

import "breakwater/internal/message"

// Kind says what a report is about.
type Kind string

// Kinds of reports.
const (
	DSN      Kind = "dsn"      // RFC 3464
	MDN      Kind = "mdn"      // RFC 8098
	Feedback Kind = "feedback" // RFC 5965
)

// Action is the Action field of a DSN, RFC 3464 §2.3.3.
type Action string

// Actions in their order of precedence: a report on several recipients has the first that any of them has.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"
	Expanded  Action = "expanded"
)

// Recipient is one per-recipient group of a DSN, RFC 3464 §2.3. Addresses are
// without their address type.
type Recipient struct {
	Original   string // Original-Recipient
	Final      string // Final-Recipient
	Action     Action
	Status     string // RFC 3463: "5.1.1"
	Diagnostic string // Diagnostic-Code, without its type, unfolded
	RemoteMTA  string
}

// Original is what a report shows of the message that it reports on. Every field may be empty.
type Original struct {
	MessageID  string // without angle brackets
	From       string // addr-spec, domain in lower case
	To         string
	Subject    string // decoded
	Date       string // unfolded
	EnvelopeID string // Original-Envelope-Id
	Received   []string
	Header     message.Header // as far as it is returned, as it came; nil where nothing is
}

var precedence = []Action{Failed, Delayed, Delivered, Relayed, Expanded}

// Action is what the report as a whole says: failed before delayed before the rest where
// recipients differ; "" where none says anything.
func (r *Report) Action() Action {
	for _, a := range precedence {
		for _, rcpt := range r.Recipients {
			if rcpt.Action == a {
				return a
			}
		}
	}
	return ""
}

// Report is one report.
type Report struct {
	Kind         Kind
	ReportingMTA string
	Recipients   []Recipient // DSN, and for an MDN its Final-Recipient
	Disposition  string      // MDN: "manual-action/mdn-sent-manually; displayed", of a receipt without fields "displayed" or "deleted"
	FeedbackType string      // feedback report: "abuse"
	Original     Original
	Guessed      bool     // the recipients are read out of running text
	Evidence     []string // fields and parts that show what it is, in words
}
