package origin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"breakwater/internal/message"
)

// Rung is one proof that we sent a message.
type Rung string

// Rungs, the strongest first.
const (
	ByTag           Rung = "tag"            // the recipient has a tag of ours, so that our reverse-path was used
	ByToken         Rung = "token"          // the returned header has a token that is good for it
	ByMessageID     Rung = "message-id"     // its Message-ID is in the index of what we sent
	ByCorrespondent Rung = "correspondents" // the recipient wrote to who reports, or of whom is reported
)

// Rungs lists all of them, in their order.
var Rungs = []Rung{ByTag, ByToken, ByMessageID, ByCorrespondent}

// Values are the rungs.
func (Rung) Values() []string {
	all := make([]string, len(Rungs))
	for i, r := range Rungs {
		all[i] = string(r)
	}
	return all
}

// Case is a claim that one recipient gets, with all that is known to judge it by.
type Case struct {
	Claim
	At        time.Time // when it came
	Asked     time.Time // when the index was asked: long after, for old mail
	Recipient string    // as it was named in RCPT
	Tries     []Rung    // that its domain wants tried
	Hosts     []string

	// What the index holds.
	KnownID      string // of Claim.IDs, one that it has; "" if none
	KnownPartner string // of Claim.Partner, one to whom the recipient wrote; "" if none
	Covered      bool   // it saw all mail that was sent around Claim.Date
	Life         time.Duration

	AllMailLeavesHere bool
	LearnsSince       time.Time // when all mail began to leave here, and to be seen; zero: it has not
	Learns            time.Duration
}

// Proof is what came out, and why.
type Proof struct {
	Origin  Origin
	By      Rung     // that holds; "" if none does
	Reasons []string // what each rung that was tried found, and what else decided
	Spared  bool     // it would be forged, had its domain learned for long enough
	Unseen  bool     // the message left by us, but the index did not see it
}

// Why is what decided, in words: the proof that holds, or all that does not.
func (p *Proof) Why() string {
	if p.Origin == Genuine {
		return p.Reasons[len(p.Reasons)-1]
	}
	return strings.Join(p.Reasons, "; ")
}

// Prove climbs the ladder. The first rung that holds proves it genuine; without any it is
// forged only where one would hold if we had sent it.
func (r *Ring) Prove(c Case) Proof {
	p := Proof{Origin: Unknown}
	doubt := "" // a proof that is there but does not hold: another host's, or damaged
	for _, rung := range Rungs {
		if !slices.Contains(c.Tries, rung) {
			continue
		}
		holds, why, odd := r.climb(rung, c)
		p.Reasons = append(p.Reasons, why)
		if holds {
			p.Origin, p.By = Genuine, rung
			return p
		}
		if odd && doubt == "" {
			doubt = "a proof that does not hold is no proof of forgery"
		}
	}
	why := c.unsure()
	left := ""
	if why == "" {
		left, p.Unseen = c.left()
		why = left
	}
	if why == "" {
		why = doubt
	}
	if why == "" && (c.LearnsSince.IsZero() || c.Date.Before(c.LearnsSince.Add(c.Learns))) {
		p.Spared = !c.LearnsSince.IsZero() && !c.Date.Before(c.LearnsSince)
		why = "the domain is still learning what it sends"
	}
	if why == "" {
		p.Origin, why = Forged, "the index saw all mail of that time, and not this one"
	}
	p.Reasons = append(p.Reasons, why)
	return p
}

// climb tries one rung. odd says that there is a proof which does not hold.
func (r *Ring) climb(rung Rung, c Case) (holds bool, why string, odd bool) {
	switch rung {
	case ByTag:
		plain, good, why := r.Untagged(c.Recipient, c.At)
		return good, why, plain != ""
	case ByToken:
		holds, tried, why := r.checkToken(c.Sent, c.At)
		return holds, why, tried
	case ByMessageID:
		switch {
		case c.KnownID != "":
			return true, fmt.Sprintf("we sent Message-ID <%s>", c.KnownID), false
		case len(c.IDs) == 0:
			return false, "no Message-ID is named", false
		}
		return false, "no Message-ID that is named is of mail that we sent", false
	}
	switch {
	case c.KnownPartner != "":
		return true, fmt.Sprintf("the recipient wrote to %s", c.KnownPartner), false
	case len(c.Partner) == 0:
		return false, "no correspondent is named", false
	}
	return false, "the recipient did not write to any correspondent that is named", false
}

// unsure is why absence from the index proves nothing; "" if it does.
func (c *Case) unsure() string {
	indexed := slices.Contains(c.Tries, ByMessageID) && slices.Contains(c.Tries, ByCorrespondent)
	switch age := c.Asked.Sub(c.Date); {
	case !c.AllMailLeavesHere:
		return "mail of the domain may leave elsewhere"
	case !indexed:
		return "the domain does not want the index asked"
	case !c.home():
		return "the message is not said to be from the recipient's domain" // a report that somebody forwards to us
	case len(c.IDs) == 0:
		return "it names no Message-ID, and who did not get it may be whom the message was forwarded to"
	case c.Date.IsZero():
		return "it names no date on which the message was sent"
	case Role(c.Recipient):
		return "reports come to this recipient for others"
	case age > c.Life-Margin:
		return "the message is older than what the index knows for certain"
	case !c.Covered:
		return "the index did not see all mail of that time"
	}
	return ""
}

// home tells whether the message is said to be from the domain of the recipient.
func (c *Case) home() bool {
	_, ours, _ := cut(c.Recipient)
	return slices.ContainsFunc(c.From, func(addr string) bool {
		_, domain, _ := cut(addr)
		return strings.EqualFold(domain, ours)
	})
}

// left tells whether one of our hosts had the message, by its Received fields. unseen is true
// where it began there: by a program of the host, or by a user who logged in.
func (c *Case) left() (why string, unseen bool) {
	for _, field := range c.Sent.Values("Received") {
		by := message.Clause(field, "by")
		if by == "" || !slices.Contains(c.Hosts, by) {
			continue
		}
		why = "the message went through " + by
		with := message.Clause(field, "with")
		local := !strings.HasPrefix(strings.ToLower(strings.TrimSpace(field)), "from ") // no host handed it in
		// RFC 3848 §1: an A stands for authentication.
		if local || strings.HasPrefix(with, "esmtp") && strings.HasSuffix(with, "a") {
			return why + ", where the index did not see it", true
		}
	}
	return why, false
}

// roles are the local parts at which reports arrive that are about the mail of others.
var roles = regexp.MustCompile(`^(postmaster|abuse|hostmaster|webmaster|root|listserv|majordomo|mailman)$` +
	`|^(srs[01][=+-])|^owner-|-(owner|request|bounces?|admin|errors)$|^bounces?[+=-]|-bounces?[+=-]`)

// Role reports whether an address is a role, a list's, or one that a forwarder made (SRS).
func Role(addr string) bool {
	local, _, _ := cut(addr)
	local = strings.ToLower(local)
	base, _, _ := strings.Cut(local, "+")
	return message.IsDaemon(base) || roles.MatchString(local) || roles.MatchString(base)
}
