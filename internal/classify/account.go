package classify

import (
	"slices"
	"strings"

	"breakwater/internal/phrases"
	"breakwater/internal/report"
)

// Account is what is told of a verdict, as `breakwater classify --json` prints it and the
// samples in testdata have it.
type Account struct {
	Class        Class             `json:"class"`
	Action       report.Action     `json:"action,omitempty"` // RFC 3464 §2.3.3
	Recipients   []Recipient       `json:"recipients"`
	Original     *AccountOfMessage `json:"original,omitempty"`
	Reasons      []string          `json:"reasons"`
	Words        []string          `json:"words,omitempty"` // where the phrases among the reasons are: "en.toml:12"
	ReportingMTA string            `json:"reporting_mta,omitempty"`
}

// Recipient is one that a report tells of.
type Recipient struct {
	Final      string        `json:"final"`
	Action     report.Action `json:"action"`
	Status     string        `json:"status"`
	Original   string        `json:"original,omitempty"` // Original-Recipient, where it is another
	Diagnostic string        `json:"diagnostic,omitempty"`
}

// AccountOfMessage is what a report tells of the message that it is about.
type AccountOfMessage struct {
	MessageID string `json:"message_id"`
	From      string `json:"from"`
	Subject   string `json:"subject"`
}

// Account tells of v.
func (v Verdict) Account() Account {
	a := Account{Class: v.Class, Recipients: []Recipient{}, Reasons: v.Reasons, Words: v.words()}
	if v.Report == nil {
		return a
	}
	if v.Class == DSN {
		a.Action = v.Report.Action()
	}
	a.ReportingMTA = v.Report.ReportingMTA
	for _, rcpt := range v.Report.Recipients {
		if strings.EqualFold(rcpt.Original, rcpt.Final) {
			rcpt.Original = ""
		}
		a.Recipients = append(a.Recipients, Recipient{rcpt.Final, rcpt.Action, rcpt.Status, rcpt.Original, rcpt.Diagnostic})
	}
	o := v.Report.Original
	a.Original = &AccountOfMessage{o.MessageID, o.From, o.Subject}
	return a
}

// words are the places of the phrases that the reasons name, in the files of package phrases.
func (v Verdict) words() []string {
	var all []string
	for _, reason := range v.Reasons {
		for part := range strings.SplitSeq(reason, ", ") {
			_, phrase, _ := strings.Cut(part, ": ")
			if place := phrases.Place(phrase); place != "" && !slices.Contains(all, place) {
				all = append(all, place)
			}
		}
	}
	return all
}
