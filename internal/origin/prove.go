package origin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/message"
)

// Method is one proof that we sent a message.
type Method string

// Methods, the strongest first.
const (
	ByTag           Method = "tag"            // the recipient has a tag of ours, so that our reverse-path was used
	ByToken         Method = "token"          // the returned header has a token that is good for it
	ByMessageID     Method = "message-id"     // its Message-ID is in the index of what the recipient's customer sent
	ByCorrespondent Method = "correspondents" // the recipient wrote to who reports, or of whom is reported
)

// Methods lists all of them, in their order.
var Methods = []Method{ByTag, ByToken, ByMessageID, ByCorrespondent}

// Values are the methods.
func (Method) Values() []string {
	all := make([]string, len(Methods))
	for i, r := range Methods {
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
	Tries     []Method  // that its domain wants tried
	Hosts     []string

	// Belongs reports whether a domain is of the recipient's customer: only its mail proves anything.
	// nil: none but the recipient's own is.
	Belongs func(domain string) bool

	// What the index holds.
	KnownID      string   // of Claim.IDs, one that the recipient's customer sent; "" if none
	SentIDs      []string // of Claim.IDs, all that left here, whoever sent them
	KnownPartner string   // of Claim.Partner, one to whom the recipient wrote; "" if none
	Covered      bool     // it saw all mail that was sent around Claim.Date
	Life         time.Duration

	AllMailLeavesHere bool
	LearnsSince       time.Time // when all mail began to leave here, and to be seen; zero: it has not
	Learns            time.Duration
}

// Proof is what came out, and why.
type Proof struct {
	Origin  Origin
	By      Method   // that holds; "" if none does
	Reasons []string // what each method that was tried found, and what else decided
	Excused bool     // it would be forged, had its domain learned for long enough
	Unseen  bool     // a token proves that we sent it, and the index should know it and does not
}

// Why is what decided, in words: the proof that holds, or all that does not.
func (p *Proof) Why() string {
	if p.Origin == Genuine {
		return p.Reasons[len(p.Reasons)-1]
	}
	return strings.Join(p.Reasons, "; ")
}

// Signed reports whether a tag or a token of ours proves the report to this one recipient. Nobody can
// guess these, while a Message-ID and whom somebody writes to are known to many. But whoever got
// the mail has its token, and often its tag, and can put them into a report of his own.
func (p Proof) Signed() bool { return p.By == ByTag || p.By == ByToken }

// Prove tries the methods. The first one that holds proves it genuine; without any it is
// forged only where one would hold if we had sent it.
func (r *Ring) Prove(c Case) Proof {
	p := Proof{Origin: Unknown}
	doubt := "" // a proof that we made but that does not hold: it has expired, or was damaged
	t := r.checkToken(c.Sent, c.At)
	p.Unseen = c.unseen(t)
	if t.holds && c.belongs(t.domain) {
		doubt = "a token of ours holds, though the domain does not want tokens tried"
	}
	for _, method := range Methods {
		if !slices.Contains(c.Tries, method) {
			continue
		}
		holds, why, odd := r.try(method, &c, t)
		if holds && p.Unseen {
			why += ", but the index does not know the message: the domain learns anew what it sends"
		}
		p.Reasons = append(p.Reasons, why)
		if holds {
			p.Origin, p.By = Genuine, method
			return p
		}
		if odd && doubt == "" {
			doubt = "a proof that does not hold is no proof of forgery"
		}
	}
	why := c.unsure()
	if why == "" {
		why = c.left()
	}
	if why == "" {
		why = doubt
	}
	if why == "" && (c.LearnsSince.IsZero() || c.Date.Before(c.LearnsSince.Add(c.Learns))) {
		p.Excused = !c.LearnsSince.IsZero() && !c.Date.Before(c.LearnsSince)
		why = "the domain is still learning what it sends"
	}
	if why == "" {
		p.Origin, why = Forged, "the index saw all mail of that time, and not this one"
	}
	p.Reasons = append(p.Reasons, why)
	return p
}

// try tries one method. odd says that there is a proof of ours which does not hold: what anybody can write
// is as if it were not there.
func (r *Ring) try(method Method, c *Case, t token) (holds bool, why string, odd bool) {
	switch method {
	case ByTag:
		tag := r.Untagged(c.Recipient, c.At)
		return tag.Good, tag.Why, tag.Ours
	case ByToken:
		if t.ours && !c.belongs(t.domain) {
			return false, "the token is of mail of another domain than the recipient's", false
		}
		return t.holds, t.why, t.ours
	case ByMessageID:
		switch {
		case c.KnownID != "":
			return true, fmt.Sprintf("we sent Message-ID <%s>", c.KnownID), false
		case len(c.SentIDs) > 0:
			return false, fmt.Sprintf("Message-ID <%s> left here, but is not known to be of the recipient's domain", c.SentIDs[0]), true
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

// belongs reports whether mail of a domain proves anything for the recipient.
func (c *Case) belongs(domain string) bool {
	if c.Belongs != nil {
		return c.Belongs(domain)
	}
	_, ours, _ := address.Split(c.Recipient)
	return strings.EqualFold(domain, ours)
}

// unseen reports whether a token shows that mail of the recipient's domain leaves by a way that the index
// does not see, such as another host with the same keys. It goes by what is signed alone, so
// that no stranger can have a domain learn for ever: by the Date, which may be of any time, and by
// the day of the signature, up to which the index remembers.
func (c *Case) unseen(t token) bool {
	id := messageID(c.Sent.Get("Message-ID"))
	sure := c.Life - Margin
	return t.holds && c.belongs(t.domain) && c.AllMailLeavesHere && !c.LearnsSince.IsZero() &&
		id != "" && !slices.Contains(c.SentIDs, id) &&
		c.Covered && c.Date.Equal(instant(c.Sent.Get("Date"))) && c.Asked.Sub(c.Date) <= sure && day(c.Asked)-t.day <= int64(sure/(24*time.Hour))
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
	_, ours, _ := address.Split(c.Recipient)
	return slices.ContainsFunc(c.From, func(addr string) bool {
		_, domain, _ := address.Split(addr)
		return strings.EqualFold(domain, ours)
	})
}

// left is by which of our hosts the message is said to have come, and whether it began there, by a
// program of the host or a user who logged in; "" if it is not said. Anybody can write such a Received
// field. So it keeps its own report from being forged, and has no other effect.
func (c *Case) left() (why string) {
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
			return why + ", where the index did not see it; is non_smtpd_milters set?"
		}
	}
	return why
}

// roles are the local parts at which reports arrive that are about the mail of others.
var roles = regexp.MustCompile(`^(postmaster|abuse|hostmaster|webmaster|root|listserv|majordomo|mailman)$` +
	`|^(srs[01][=+-])|^owner-|-(owner|request|bounces?|admin|errors)$|^bounces?[+=-]|-bounces?[+=-]`)

// Role reports whether an address is a role, a list's, or one that a forwarder made (SRS).
func Role(addr string) bool {
	local := strings.ToLower(address.Local(addr))
	base, _, _ := strings.Cut(local, "+")
	return message.IsDaemon(base) || roles.MatchString(local) || roles.MatchString(base)
}
