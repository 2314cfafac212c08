package digest

import (
	"fmt"
	"strings"
	"time"
)

// What is shown of one digest. The rest is counted.
const (
	maxStormsShown   = 50
	maxFailuresShown = 30
	maxNamesShown    = 8
)

// view is a digest in words, for the templates of both forms.
type view struct {
	Language      string
	Subject       string
	Title         string
	Paragraphs    []string
	Lines         []string // a list, as it is
	Advice        string
	Mailboxes     []mailboxView
	More          string
	Foot          string
	Table         [4]string // heads of the tables of failures
	FailuresTitle string
}

type mailboxView struct {
	Heading string // "" where there is only one
	Storms  []stormView
	More    string
}

type stormView struct {
	Title    string
	Rows     []row
	Failures []failureView
	More     string
}

// row is one line of what is known of a storm.
type row struct {
	Label, Text string
	Command     bool // to be copied as it is
}

type failureView struct{ Copies, Status, Recipient, Meaning string }

// viewer turns a digest into words. After the first error it goes on with nothing.
type viewer struct {
	*words
	d    Digest
	host string
	zone *time.Location
	err  error
}

func (v *viewer) say(key string, about any) string {
	if v.err != nil {
		return ""
	}
	var s string
	s, v.err = v.words.say(key, about)
	return s
}

// sums are what phrases about a whole digest may use.
type sums struct {
	Whom, Domain, Postmaster, Host string
	Copies, Total                  int
	Bytes                          int64
}

func (v *viewer) sums() sums {
	s := sums{Whom: v.d.To, Domain: v.d.Domain, Postmaster: v.d.Postmaster, Host: v.host}
	add := func(m More) { s.Copies, s.Total, s.Bytes = s.Copies+m.Copies, s.Total+m.Total, s.Bytes+m.Bytes }
	add(v.d.More)
	for _, m := range v.d.Mailboxes {
		add(m.More)
		for _, st := range m.Storms {
			s.Copies, s.Total, s.Bytes = s.Copies+st.Copies, s.Total+st.Total, s.Bytes+st.Bytes
		}
	}
	switch {
	case !v.d.Operator || len(v.d.Mailboxes) == 1 && v.d.More.Copies == 0:
		if len(v.d.Mailboxes) == 1 {
			s.Whom = v.d.Mailboxes[0].Addr
		}
	case v.d.Domain != "":
		s.Whom = v.say("whom.domain", s)
	default:
		s.Whom = v.say("whom.host", s)
	}
	return s
}

func (v *viewer) view() view {
	s := v.sums()
	w := view{
		Language: v.d.Language, FailuresTitle: v.say("failures", s),
		Subject: v.say("subject."+string(v.d.Kind), s), Title: v.say("title."+string(v.d.Kind), s), Foot: v.say("foot", s),
		Table: [4]string{v.say("table.recipient", s), v.say("table.status", s), v.say("table.copies", s), v.say("table.meaning", s)},
	}
	ask := "ask"
	if v.d.Operator {
		ask = "operator"
	}
	w.Paragraphs = []string{v.say("intro."+string(v.d.Kind), s), v.say(ask, s)}
	room, left := maxStormsShown, v.d.More
	for _, m := range v.d.Mailboxes {
		shown := m.Storms[:min(len(m.Storms), room)]
		room -= len(shown)
		more := m.More
		for _, st := range m.Storms[len(shown):] {
			more.Copies, more.Total, more.Bytes = more.Copies+st.Copies, more.Total+st.Total, more.Bytes+st.Bytes
		}
		if len(shown) == 0 {
			left.Copies, left.Total, left.Bytes = left.Copies+more.Copies, left.Total+more.Total, left.Bytes+more.Bytes
			continue
		}
		w.Mailboxes = append(w.Mailboxes, v.mailbox(Mailbox{m.Addr, shown, more}))
	}
	if left.Copies > 0 {
		w.More = v.say("more mailboxes", left)
	}
	return w
}

func (v *viewer) mailbox(m Mailbox) mailboxView {
	w := mailboxView{}
	if v.d.Operator {
		w.Heading = v.say("mailbox", m)
	}
	for _, s := range m.Storms {
		w.Storms = append(w.Storms, v.storm(m.Addr, s))
	}
	if m.More.Copies > 0 {
		w.More = v.say("more storms", m.More)
	}
	return w
}

func (v *viewer) storm(mailbox string, s Storm) stormView {
	s.First, s.Last, s.Until = v.local(s.First), v.local(s.Last), v.local(s.Until)
	w := stormView{Title: v.quoted(s.Subject)}
	add := func(label, text string) {
		if text != "" {
			w.Rows = append(w.Rows, row{Label: v.say(label, s), Text: text})
		}
	}
	add("held back", v.say(heldBack(s), s))
	add("what", v.Class[s.Class])
	add("first", s.First.Format(v.Date))
	add("last", s.Last.Format(v.Date))
	add("senders", v.counts(s.Senders))
	add("clients", v.counts(s.Clients))
	switch {
	case s.Until.IsZero():
		add("kept", v.say("for ever", s))
	case v.d.Kind == Expiry:
		add("erased", v.say("erased on", s))
	default:
		add("kept", v.say("kept until", s))
	}
	add("storm", clean(s.ID))
	label := "postmaster"
	if v.d.Operator {
		label = "release"
	}
	w.Rows = append(w.Rows, row{Label: v.say(label, s), Text: releaseCommand(mailbox, s), Command: true})
	w.Failures, w.More = v.failures(s)
	return w
}

// heldBack is the phrase that fits the numbers.
func heldBack(s Storm) string {
	switch {
	case s.Copies == 0:
		return "none new"
	case s.Total > s.Copies:
		return "and in all"
	}
	return "now"
}

func (v *viewer) local(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(v.zone)
}

func (v *viewer) quoted(subject string) string {
	if subject = told(subject); subject == "" {
		return v.say("no subject", nil)
	}
	return v.Quotes[0] + subject + v.Quotes[1]
}

func (v *viewer) counts(c Counts) string {
	var texts []string
	for i, n := range c.sorted() {
		if i >= maxNamesShown {
			c.Others += n.Copies
			continue
		}
		texts = append(texts, fmt.Sprintf("%s (%s)", clean(n.Name), v.number(n.Copies)))
	}
	if c.Others > 0 {
		texts = append(texts, v.say("others", c.Others))
	}
	return strings.Join(texts, ", ")
}

func (v *viewer) failures(s Storm) (shown []failureView, more string) {
	left := s.Unlisted
	for i, f := range s.Failures {
		if i >= maxFailuresShown {
			left += f.Copies
			continue
		}
		status := clean(f.Status)
		if status == "" {
			status = "–"
		}
		shown = append(shown, failureView{v.number(f.Copies), status, clean(f.Recipient), v.meaning(f.Action, f.Status)})
	}
	if left > 0 {
		more = v.say("more failures", left)
	}
	return shown, more
}
