// Package origin tells whether we sent what a report is about: a delivery report, an
// automatic answer, a challenge or a read receipt.
//
// Mail that we send gets a keyed token in its header and, where a domain wants it, a keyed
// tag in its reverse-path; and its Message-ID and correspondents go into an index. What
// comes back is proved by any of these.
package origin

import "breakwater/internal/message"

// Origin says whether we sent the message that a report is about.
type Origin string

// Origins. Genuine says that the report names mail that we sent, not that its reporter is honest.
const (
	Genuine Origin = "genuine" // a proof holds
	Unknown Origin = "unknown" // none does
	Forged  Origin = "forged"  // none does, and one would if we had sent it
)

// Origins lists all of them.
var Origins = []Origin{Genuine, Unknown, Forged}

// Stamp is what mail that we send gets on its way out, for all its recipients.
type Stamp struct {
	Fields      []message.Field // to be added to the header: Message-ID and Date where they are missing, and the token
	ReversePath string          // the reverse-path with a tag; "" leaves it as it is
}
