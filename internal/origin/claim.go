package origin

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/report"
)

// maxNamed bounds how many Message-IDs and correspondents of one claim are looked at.
const maxNamed = 20

// Claim is what a report says of the message that it is about.
type Claim struct {
	IDs     []string       // its Message-ID, without angle brackets; answers name others of the thread, too
	Sent    message.Header // its header, as far as it is returned
	Date    time.Time      // zero where it is not named, or without its zone
	Partner []string       // whom we would have written to: who did not get it, or who answers
	From    []string       // who would have written it: whom a delivery report is addressed to, else who stands in its From
}

// Classes are those of the mail that claims to be about mail of ours.
var Classes = []classify.Class{classify.DSN, classify.MDN, classify.AutoReply, classify.Challenge}

// Read reads what m claims; ok is false where it is no report, or a complaint.
func Read(m *message.Message, v classify.Verdict) (c Claim, ok bool) {
	if !slices.Contains(Classes, v.Class) {
		return c, false
	}
	if r := v.Report; r != nil {
		c.id(r.Original.MessageID)
		c.Sent, c.Date = r.Original.Header, instant(r.Original.Date)
		for _, rcpt := range r.Recipients {
			c.partner(rcpt.Original)
			c.partner(rcpt.Final)
		}
	}
	if v.Class != classify.DSN {
		c.partner(m.From)
		c.partner(m.ReversePath)
		if c.Sent == nil {
			c.Sent = report.Returned(m)
		}
	}
	// A delivery report goes to the reverse-path (RFC 3464 §2). An answer may quote what somebody
	// else wrote to us both.
	c.From = message.Addresses(m.Header.Get("To"))
	if v.Class != classify.DSN {
		c.From = message.Addresses(c.Sent.Get("From"))
	}
	if len(c.Sent) > 0 {
		c.id(messageID(c.Sent.Get("Message-ID")))
		if c.Date.IsZero() {
			c.Date = instant(c.Sent.Get("Date"))
		}
	}
	for _, name := range []string{"In-Reply-To", "References"} {
		ids := strings.Fields(m.Header.Get(name))
		for _, id := range slices.Backward(ids) { // the newest first
			c.id(message.MessageID(id))
		}
	}
	return c, true
}

// zoned is a time with a zone that is known (RFC 5322 §4.3).
var zoned = regexp.MustCompile(`:[0-9]{2}[ \t]*(?:[+-][0-9]{2}:?[0-9]{2}|GMT|UTC?|Z|[ECMP][SD]T)\b`)

// instant is a date that tells when it was, to the minute. Without a zone, as gateways write it in the
// text, it may be hours off.
func instant(date string) time.Time {
	if !zoned.MatchString(date) {
		return time.Time{}
	}
	return message.ParseDate(date)
}

func (c *Claim) id(id string) { c.IDs = add(c.IDs, id) }

func (c *Claim) partner(addr string) {
	if address.In(addr) {
		c.Partner = add(c.Partner, addr)
	}
}

func add(to []string, s string) []string {
	if s == "" || len(to) >= maxNamed || slices.Contains(to, s) {
		return to
	}
	return append(to, s)
}
