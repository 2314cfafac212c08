package flood

import (
	"fmt"
	"regexp"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/report"
	"breakwater/internal/storm"
)

// reports tells reports of which a table says more: on one mail that the mailbox itself wrote, on mail that
// waits, and on automatic mail to an address that is dead.
//
// Programs read the reports that come to bounce mailboxes, to addresses made for one recipient, to lists and
// to who sends newsletters: these are never part of it. Nor are reports on distinct mails, such as
// orders of which each has a number: their author has to know of each.
func (f *Message) reports(q *Question, c Case) {
	switch f.v.Class {
	case classify.DSN:
		f.bounces(q, c)
	case classify.MDN:
		if r := f.v.Report; r != nil && r.Original.MessageID != "" && person(c.Addr) {
			q.part(Part{Key: f.key(c, storm.About, "mdn", r.Original.MessageID), Evidence: fmt.Sprintf("receipts for one mail, <%s>", r.Original.MessageID)})
		}
	case classify.AutoReply:
		if person(c.Addr) && f.away() {
			what := f.answered()
			q.part(Part{Key: f.key(c, storm.About, "away", what), Evidence: "absence notes on one mail, " + what})
		}
	}
}

func (f *Message) bounces(q *Question, c Case) {
	r := f.v.Report
	if r == nil || len(r.Recipients) == 0 || !person(c.Addr) || mailing(r.Original.Header) {
		return
	}
	o, first := r.Original, r.Recipients[0]
	id := o.MessageID
	if id == "" && o.Date != "" {
		id = o.Date + " " + o.Subject
	}
	author := address.Base(address.Mailbox(o.From))
	mine := author == address.Base(c.Addr) || author == c.Mailbox
	auto := automatic(o.Header)
	action := r.Action()
	if action == report.Delayed {
		if mine && o.Subject != "" {
			q.part(Part{Key: f.key(c, storm.Delayed, skeleton(o.Subject)), Evidence: fmt.Sprintf("warnings that mails wait, all with the subject %q but for numbers", skeleton(o.Subject))})
		}
		return
	}
	if mine && !auto && id != "" {
		q.part(Part{Key: f.key(c, storm.About, "dsn", string(action), id), Evidence: fmt.Sprintf("reports on one mail of the mailbox's own, <%s>", id)})
	}
	if action != report.Failed {
		return
	}
	if first.Final != "" {
		// Whether it was automatic can be told by its header, or by our own memory.
		parent := -1
		if !auto && o.MessageID != "" {
			parent = q.ask(f.out(o.MessageID))
		}
		dead := Part{Key: f.key(c, storm.Dead, address.Mailbox(first.Final), first.Status), Evidence: fmt.Sprintf("automatic mail to %s, which cannot be reached", first.Final)}
		q.then(func(ts []notes.Note) {
			switch {
			case auto || parent >= 0 && ts[parent].Seen > 0:
				q.part(dead)
			case mine: // a program that does not say so may write to it, too
				any := dead
				any.Key, any.Least = f.key(c, storm.Dead, "any", address.Mailbox(first.Final), first.Status), deadAny
				any.Evidence = fmt.Sprintf("mail to %s, which cannot be reached", first.Final)
				q.part(any)
			}
		})
	}
	if c.Proof.Origin == origin.Unknown && c.Proof.Learned {
		q.part(Part{Key: f.key(c, storm.Unproved), Evidence: "reports on mail that nothing shows to be from here"})
	}
}

// deadAny is how many bounces of mail that does not say that a program wrote it are let through at least. Sixty
// invoices to one full mailbox are no flood.
const deadAny = 200

// bounceBox is a local part at which a program reads reports.
var bounceBox = regexp.MustCompile(`bounce|^return|verp|no-?_?reply|^prvs|^srs[01]`)

// person reports whether an address may be one at which somebody reads mail, and not one that programs made.
func person(addr string) bool {
	local := address.Local(addr)
	return addr == address.Base(addr) && !bounceBox.MatchString(local) && !origin.Role(addr)
}

// listed are fields of lists and of newsletters (RFC 2369, RFC 2919).
var listed = []string{"List-Id", "List-Unsubscribe", "List-Post", "Feedback-ID"}

func isListed(h message.Header) bool { return h.Has(listed...) }

// mailer are programs that send newsletters and read the reports on them.
var mailer = regexp.MustCompile(`(?i)phplist|mautic|listmonk|mailman|sympa|civicrm|acymailing|sendy`)

// mailing reports whether the header of an original is one of a newsletter or of a list.
func mailing(h message.Header) bool {
	return isListed(h) || bulky(h) && !automatic(h) || mailer.MatchString(h.Get("X-Mailer"))
}

// automatic reports whether the header of an original says that a program wrote it.
func automatic(h message.Header) bool {
	return says(h.Get("Auto-Submitted")) || h.Has("X-Auto-Response-Suppress") || strings.EqualFold(strings.TrimSpace(h.Get("Precedence")), "auto_reply")
}

// away reports whether an automatic answer says that its writer is absent.
func (f *Message) away() bool { return absences.in(f.read().words) }

// answered is what an absence note is about: the Message-ID that it answers, or the subject that it repeats.
func (f *Message) answered() string {
	if parents, _ := f.named(); len(parents) > 0 {
		return "<" + parents[len(parents)-1] + ">"
	}
	subject := strings.TrimSpace(f.m.Subject)
	if _, rest := cutUnit(subject); rest != "" {
		subject = rest
	}
	return fmt.Sprintf("%q", strings.ToLower(subject))
}
