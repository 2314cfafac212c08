package report

import (
	"bytes"
	"slices"
	"strings"

	"breakwater/internal/message"
)

// form is one kind of report: what multipart/report calls it, and the parts that carry it.
type form struct {
	kind       Kind
	reportType string // RFC 6522 §3
	parts      []string
}

var forms = []form{
	{Feedback, "feedback-report", []string{"message/feedback-report"}},
	{MDN, "disposition-notification", []string{"message/disposition-notification", "message/global-disposition-notification"}},
	{DSN, "delivery-status", []string{"message/delivery-status", "message/global-delivery-status"}},
}

// Parse reads a report; nil if m is none. A person who quotes or forwards a report sends none.
func Parse(m *message.Message) *Report {
	if inner := wrapped(m); inner != nil {
		m = inner
	}
	f, evidence, ok := recognise(m)
	if !ok {
		return words(m)
	}
	r := &Report{Kind: f.kind, Evidence: evidence}
	parts := m.Parts()
	isStatus := func(p message.Part) bool { return slices.Contains(f.parts, p.Type) }
	status := slices.IndexFunc(parts, isStatus)
	var groups []message.Header
	if status >= 0 {
		groups = split(parts[status].Content)
		// InterMail calls its text a status part, too, and has the fields in the next.
		for status+1 < len(parts) && isStatus(parts[status+1]) {
			status++
			groups = append(groups, split(parts[status].Content)...)
		}
		groups = groups[:min(len(groups), maxGroups)]
		r.Evidence = append(r.Evidence, "part "+parts[status].Type)
	} else {
		groups = salvage(m.Body[:min(len(m.Body), message.MaxParse)])
		r.Evidence = append(r.Evidence, "fields in the body")
	}
	switch f.kind {
	case DSN:
		r.delivery(groups)
	case MDN:
		r.disposition(groups)
	case Feedback:
		r.feedback(groups)
	}
	r.original(m, parts, status)
	if f.kind == DSN {
		r.complete(m)
	}
	return r
}

// wrapped is the report in a message that a filter has put around it, with a note or a
// disclaimer beside it; nil if there is none. It is the same message, by its Message-ID: who
// forwards a report sends another.
func wrapped(m *message.Message) *message.Message {
	if m.ContentType.Type != "multipart/mixed" || m.MessageID == "" || message.CountType(m.Raw[:min(len(m.Raw), message.MaxParse)], "multipart/report") == 0 {
		return nil
	}
	for _, p := range m.Parts() {
		if p.Type != "message/rfc822" {
			continue
		}
		inner := message.Parse(m.Envelope, m.At, p.Content)
		if inner.MessageID == m.MessageID && inner.ContentType.Type == "multipart/report" {
			return inner
		}
	}
	return nil
}

// words reads a report without structure.
func words(m *message.Message) *Report {
	if r := receipt(m); r != nil {
		return r
	}
	if r := certified(m); r != nil {
		return r
	}
	return unstructured(m)
}

// complete reads who failed, and what became of the message, out of the text where the status
// part does not say.
func (r *Report) complete(m *message.Message) {
	stated, action := slices.ContainsFunc(r.Recipients, func(rcpt Recipient) bool { return rcpt.Final != "" }), r.Action()
	if stated && action != "" {
		return
	}
	b := look(m)
	if action == "" && (b.delay != "" || b.about != "" || b.said != "" || b.arrived != "") {
		action = b.action()
	}
	if stated {
		for i := range r.Recipients {
			r.Recipients[i].Action = action
		}
		return
	}
	found := recipients(b.failed, b.told, action)
	if len(found) == 0 && r.Action() == "" && action != "" {
		found = []Recipient{r.somebody(action)}
	}
	if len(found) > 0 {
		r.Recipients, r.Guessed = found, true
	}
}

// recognise says which report m is, if any. What is told by Content-Type costs nothing; all
// other mail is searched for the parts first, and its tree is read only if one is there.
func recognise(m *message.Message) (form, []string, bool) {
	t := m.ContentType
	if t.Type == "multipart/report" {
		kind := strings.ToLower(t.Params["report-type"])
		for _, f := range forms {
			// RFC 6533 has no report-type of its own; some write one.
			if kind == f.reportType || strings.TrimPrefix(kind, "global-") == f.reportType {
				return f, []string{"Content-Type: multipart/report; report-type=" + kind}, true
			}
		}
		if kind != "" {
			return form{}, nil, false // TLS reports (RFC 8460) and others
		}
	}
	if !strings.HasPrefix(t.Type, "multipart/") && !strings.HasPrefix(t.Type, "message/") {
		return form{}, nil, false
	}
	seen := m.Raw[:min(len(m.Raw), message.MaxParse)]
	if message.CountType(seen, "message/") == 0 {
		return form{}, nil, false
	}
	for _, f := range forms {
		if !slices.ContainsFunc(f.parts, func(p string) bool { return message.CountType(seen, p) > 0 }) {
			continue
		}
		has := slices.ContainsFunc(m.Parts(), func(p message.Part) bool { return slices.Contains(f.parts, p.Type) })
		if t.Type == "multipart/report" && has {
			return f, []string{"Content-Type: multipart/report"}, true
		}
		// OpenSMTPD sends multipart/mixed, lists put reports into one, and so do people who
		// forward a report: these are told apart by who sends.
		if who, is := sender(m); has && is != nobody {
			return f, []string{who}, true
		}
		if has && f.kind == Feedback && automatic(m) { // which a mail program took out of its multipart/report
			return f, []string{"From: " + m.From}, true
		}
	}
	return form{}, nil, false
}

// split reads the groups of fields of a status part, RFC 3464 §2.1: headers with empty lines
// between them.
func split(content []byte) []message.Header {
	var groups []message.Header
	for len(content) > 0 && len(groups) < maxGroups {
		h, rest, _ := message.ParseHeader(content)
		if len(h) > 0 {
			groups = append(groups, h)
		}
		if len(rest) == len(content) { // a line that is no field: go on behind it
			i := bytes.IndexByte(content, '\n')
			if i < 0 {
				break
			}
			rest = content[i+1:]
		}
		content = rest
	}
	return groups
}

// maxGroups bounds the recipients of one report.
const maxGroups = 1000

// wanted are the fields that salvage looks for. One that comes again begins a new group.
var wanted = []string{"Reporting-MTA", "Original-Envelope-Id", "Final-Recipient", "Original-Recipient", "Action", "Status",
	"Diagnostic-Code", "Remote-MTA", "Disposition", "Feedback-Type"}

// salvage picks the fields of a report out of a body whose parts can not be found.
func salvage(body []byte) []message.Header {
	groups := []message.Header{nil}
	for line := range bytes.Lines(body) {
		name, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if !ok {
			continue
		}
		i := slices.IndexFunc(wanted, func(w string) bool { return strings.EqualFold(w, string(name)) })
		if i < 0 {
			continue
		}
		last := &groups[len(groups)-1]
		perRecipient := i >= 2 && i <= 7
		if last.Get(wanted[i]) != "" || perRecipient && last.Get("Reporting-MTA") != "" {
			if len(groups) >= maxGroups {
				break
			}
			groups = append(groups, nil)
			last = &groups[len(groups)-1]
		}
		*last = append(*last, message.Field{Name: wanted[i], Value: strings.TrimSpace(string(value))})
	}
	return groups
}
