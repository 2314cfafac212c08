package report

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/message"
)

// delivery reads the fields of a DSN: one group for the message (RFC 3464 §2.2), then one
// for each recipient (§2.3). Some systems write all into one group.
func (r *Report) delivery(groups []message.Header) {
	for _, g := range groups {
		if v := typed(g.Get("Reporting-MTA")); v != "" && r.ReportingMTA == "" {
			r.ReportingMTA = v
		}
		if v := g.Get("Original-Envelope-Id"); v != "" {
			r.Original.EnvelopeID = xtext.Replace(v)
		}
		for _, one := range apart(g) {
			r.recipients(one)
		}
	}
}

// apart are the recipients of a group, which has one by RFC 3464 §2.3. Where it has several,
// each begins with a field that names one, and those of whom it says nothing more share what
// it says of the next.
func apart(g message.Header) []message.Header {
	if len(g.Values("Final-Recipient")) < 2 && len(g.Values("Original-Recipient")) < 2 {
		return []message.Header{g}
	}
	all := []message.Header{nil}
	for _, f := range g {
		last := &all[len(all)-1]
		if naming := strings.EqualFold(f.Name, "Final-Recipient") || strings.EqualFold(f.Name, "Original-Recipient"); naming && last.Get(f.Name) != "" && len(all) < maxGroups {
			all = append(all, nil)
			last = &all[len(all)-1]
		}
		*last = append(*last, f)
	}
	for i := len(all) - 2; i >= 0; i-- {
		if all[i].Get("Action") != "" || all[i].Get("Status") != "" {
			continue
		}
		for _, name := range []string{"Action", "Status", "Diagnostic-Code"} {
			all[i] = append(all[i], message.Field{Name: name, Value: all[i+1].Get(name)})
		}
	}
	return all
}

// recipients takes those that a group names.
func (r *Report) recipients(g message.Header) {
	rcpt := Recipient{
		Original:   mailbox(g.Get("Original-Recipient")),
		Status:     status(g.Get("Status")),
		Diagnostic: typed(g.Get("Diagnostic-Code")),
		RemoteMTA:  typed(g.Get("Remote-MTA")),
	}
	rcpt.Action = action(g.Get("Action"), rcpt.Status)
	final := mailboxes(g.Get("Final-Recipient"))
	if len(final) == 0 {
		final = []string{rcpt.Original}
	}
	for _, a := range final {
		if len(r.Recipients) >= maxGroups {
			return
		}
		if rcpt.Final = a; a != "" || rcpt.Action != "" {
			r.Recipients = append(r.Recipients, rcpt)
		}
	}
}

// disposition reads the fields of an MDN, RFC 8098 §3.2.
func (r *Report) disposition(groups []message.Header) {
	for _, g := range groups {
		if v := typed(g.Get("Reporting-UA")); v != "" && r.ReportingMTA == "" {
			r.ReportingMTA = v
		}
		if v := g.Get("Disposition"); v != "" {
			r.Disposition = strings.ToLower(comment(v))
		}
		if final := mailbox(g.Get("Final-Recipient")); final != "" {
			r.Recipients = append(r.Recipients, Recipient{Final: final, Original: mailbox(g.Get("Original-Recipient"))})
		}
		if id := message.MessageID(g.Get("Original-Message-ID")); id != "" {
			r.Original.MessageID = id
		}
	}
}

// feedback reads the fields of a feedback report, RFC 5965 §3.
func (r *Report) feedback(groups []message.Header) {
	for _, g := range groups {
		if v := g.Get("Feedback-Type"); v != "" {
			r.FeedbackType = strings.ToLower(comment(v))
		}
		if v := typed(g.Get("Reporting-MTA")); v != "" {
			r.ReportingMTA = v
		}
		for _, v := range g.Values("Original-Rcpt-To") {
			for _, a := range mailboxes(v) {
				r.Recipients = append(r.Recipients, Recipient{Final: a})
			}
		}
	}
}

// action normalises an Action field. Some put it between quotation marks, or end it as a
// sentence. Where it is missing or unknown, the class of the status says as much (RFC 3463 §3.1).
func action(v, status string) Action {
	word := strings.TrimLeft(strings.ToLower(v), " \t\"'<[(")
	if end := strings.IndexFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }); end >= 0 {
		word = word[:end]
	}
	if a := Action(word); slices.Contains(precedence, a) {
		return a
	}
	switch {
	case strings.HasPrefix(status, "5."):
		return Failed
	case strings.HasPrefix(status, "4."):
		return Delayed
	case strings.HasPrefix(status, "2."):
		return Delivered
	}
	return ""
}

// status takes the code of RFC 3463 off a Status field; "" if there is none.
func status(v string) string {
	return strings.TrimRight(aStatus.FindString(strings.TrimSpace(v)), " (")
}

var aStatus = regexp.MustCompile(`^\d{1,5}\.\d{1,5}\.\d{1,5}(?:[ (]|$)`)

// typed takes the type off a field such as "dns; mx.example.org" (RFC 3464 §2.1.2).
func typed(v string) string {
	if t, rest, ok := strings.Cut(v, ";"); ok && !strings.ContainsAny(strings.TrimSpace(t), " <@") {
		v = rest
	}
	return strings.TrimSpace(v)
}

// mailbox is the first mailbox of a field such as "rfc822; bob@example.net": decoded, without
// angle brackets, domain in lower case; "" where there is none.
func mailbox(v string) string {
	if all := mailboxes(v); len(all) > 0 {
		return all[0]
	}
	return ""
}

// mailboxes are those of a field that RFC 3464 §2.3.2 gives one. Some write a display
// name, a scheme or a route before it, or several, with commas, semicolons or blanks between.
// A system may know its users by their names alone.
func mailboxes(v string) []string {
	kind, _, _ := strings.Cut(v, ";")
	rest := comment(typed(v[:min(len(v), maxBlock)]))
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "utf-8": // RFC 6533 §3
		rest = unicode(rest)
	case "rfc822":
		rest = xtext.Replace(rest)
	}
	all := []string{strings.Trim(rest, "<>\"")}
	if strings.ContainsAny(rest, " \t,;:<\"=") {
		if found := aMailbox.FindAllString(before.ReplaceAllString(rest, "<"), maxGroups); found != nil || strings.ContainsAny(rest, " \t") {
			all = found
		}
	}
	for i, a := range all {
		if all[i] = address.LowerDomain(a); !address.In(a) {
			all[i] = strings.ToLower(a)
		}
	}
	return slices.DeleteFunc(all, func(a string) bool { return a == "" })
}

var (
	before   = regexp.MustCompile(`(?i)(?:"[^"]*"|[^"<>,;])*<|\bsmtp=`)              // a display name, and what X.400 has
	aMailbox = regexp.MustCompile(`(?:"(?:[^"\\]|\\.)*"|[^\s"<>,;:@]+)@[^\s"<>,;]+`) // RFC 5321 §4.1.2
)

// comment takes a comment in parentheses off the end of a value.
func comment(v string) string {
	if i := strings.Index(v, " ("); i >= 0 && strings.HasSuffix(strings.TrimSpace(v), ")") {
		v = v[:i]
	}
	return strings.TrimSpace(v)
}

// xtext decodes the two characters that must be encoded (RFC 3461 §4). Other plus signs stay:
// most systems do not encode at all.
var xtext = strings.NewReplacer("+2B", "+", "+3D", "=")

// unicode decodes "\x{20AC}" (RFC 6533 §3).
func unicode(s string) string {
	return escaped.ReplaceAllStringFunc(s, func(e string) string {
		c, _ := strconv.ParseUint(e[3:len(e)-1], 16, 21)
		return string(rune(c))
	})
}

var escaped = regexp.MustCompile(`\\x\{[0-9A-Fa-f]{1,5}\}`)
