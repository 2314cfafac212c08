package report

import (
	"slices"
	"strconv"
	"strings"

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
			r.Original.EnvelopeID = xtext(v)
		}
		rcpt := Recipient{
			Original:   address(g.Get("Original-Recipient")),
			Final:      address(g.Get("Final-Recipient")),
			Status:     status(g.Get("Status")),
			Diagnostic: typed(g.Get("Diagnostic-Code")),
			RemoteMTA:  typed(g.Get("Remote-MTA")),
		}
		rcpt.Action = action(g.Get("Action"), rcpt.Status)
		if rcpt.Final == "" {
			rcpt.Final = rcpt.Original
		}
		if rcpt.Final != "" || rcpt.Action != "" {
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
		if final := address(g.Get("Final-Recipient")); final != "" {
			r.Recipients = append(r.Recipients, Recipient{Final: final, Original: address(g.Get("Original-Recipient"))})
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
			r.Recipients = append(r.Recipients, Recipient{Final: address(v)})
		}
	}
}

// action normalises an Action field. Where it is missing or unknown, the class of the status
// says as much (RFC 3463 §3.1).
func action(v, status string) Action {
	a := Action(strings.ToLower(comment(v)))
	if slices.Contains(precedence, a) {
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
	word, _, _ := strings.Cut(comment(v), " ")
	digits := strings.Split(word, ".")
	if len(digits) != 3 {
		return ""
	}
	for _, d := range digits {
		if _, err := strconv.ParseUint(d, 10, 16); err != nil {
			return ""
		}
	}
	return word
}

// typed takes the type off a field such as "dns; mx.example.org" (RFC 3464 §2.1.2).
func typed(v string) string {
	if t, rest, ok := strings.Cut(v, ";"); ok && !strings.ContainsAny(strings.TrimSpace(t), " <@") {
		v = rest
	}
	return strings.TrimSpace(v)
}

// address is the mailbox of a field such as "rfc822; bob@example.net": decoded, without
// angle brackets, domain in lower case.
func address(v string) string {
	kind, _, _ := strings.Cut(v, ";")
	a := comment(typed(v))
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "utf-8": // RFC 6533 §3
		a = unicode(a)
	case "rfc822":
		a = xtext(a)
	}
	a = strings.Trim(a, "<> \t\"")
	if len(a) > 5 && strings.EqualFold(a[:5], "smtp=") { // within an address of X.400: "DDA:SMTP=bob@example.net;"
		a = a[5:]
	}
	at := strings.LastIndexByte(a, '@')
	return a[:at+1] + strings.ToLower(a[at+1:])
}

// comment takes a comment in parentheses off the end of a value.
func comment(v string) string {
	if i := strings.Index(v, " ("); i >= 0 && strings.HasSuffix(strings.TrimSpace(v), ")") {
		v = v[:i]
	}
	return strings.TrimSpace(v)
}

// xtext decodes "+2B" and "+3D", the two characters that must be encoded (RFC 3461 §4).
// Other plus signs stay: most systems do not encode at all.
func xtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) && strings.ToUpper(s[i+1:i+3]) == s[i+1:i+3] {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil && (c == '+' || c == '=') {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unicode decodes "\x{20AC}" (RFC 6533 §3).
func unicode(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, `\x{`)
		b.WriteString(before)
		hex, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			if ok {
				b.WriteString(`\x{` + rest)
			}
			return b.String()
		}
		if c, err := strconv.ParseUint(hex, 16, 21); err == nil {
			b.WriteRune(rune(c))
		}
		s = after
	}
}
