package incident

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Order is what an operator does to an incident.
type Order struct {
	Verb     string  `json:"verb"` // note, cost, hold, unhold, join or split
	ID       string  `json:"id"`
	By       string  `json:"by"`
	Other    string  `json:"other,omitempty"` // join: the other incident
	Text     string  `json:"text,omitempty"`
	Notified string  `json:"notified,omitempty"` // note: a client whose operator was told
	Hours    float64 `json:"hours,omitempty"`
	Rate     float64 `json:"rate,omitempty"`
	Currency string  `json:"currency,omitempty"`
}

// Bounds of what operators write, in bytes, and of what they reckon.
const (
	maxOrderText = 4_000
	maxHours     = 100_000
	maxRate      = 1_000_000
)

// Do does what an operator orders, and has it on disk.
func (b *Book) Do(at time.Time, o Order) error {
	if len(o.Text) > maxOrderText || len(o.Notified) > 400 || len(o.By) > 400 {
		return fmt.Errorf("a text is longer than %d bytes", maxOrderText)
	}
	clean := func(s string) string { return strings.ToValidUTF8(s, "?") }
	switch o.Verb {
	case "note":
		if o.Text == "" && o.Notified == "" {
			return errors.New("a note has no text")
		}
		return b.Note(o.ID, Note{At: at, By: clean(o.By), Text: clean(o.Text), Notified: clean(o.Notified)})
	case "cost":
		if !(o.Hours > 0 && o.Hours <= maxHours && o.Rate >= 0 && o.Rate <= maxRate) {
			return fmt.Errorf("hours are more than 0 and at most %d, and a rate at most %d", maxHours, maxRate)
		}
		return b.Cost(o.ID, Cost{At: at, By: clean(o.By), Hours: o.Hours, Rate: o.Rate, Currency: clean(o.Currency), Text: clean(o.Text)})
	case "join":
		return b.Join(at, o.ID, o.Other, clean(o.By))
	case "split":
		return b.Split(at, o.ID, clean(o.By))
	case "hold", "unhold":
		return b.Hold(at, o.ID, o.Verb == "hold", clean(o.By))
	}
	return fmt.Errorf("incidents know no %q", o.Verb)
}
