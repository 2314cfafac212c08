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
		for _, one := range apart(g) {
			r.recipients(one)
		}
	}
}

// apart are the recipients of a group, which has one by RFC 3464 §2.3. Where it has several,
// each begins with a field that names one, and those of whom it says nothing more share what
// it says of the next.
func apart(g message.Header) []message.Header {
	if count(g, "Final-Recipient") < 2 && count(g, "Original-Recipient") < 2 {
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

// count is how many fields of a name are in a group.
func count(g message.Header, name string) (n int) {
	for _, f := range g {
		if strings.EqualFold(f.Name, name) {
			n++
		}
	}
	return n
}

// recipients takes those that a group names.
func (r *Report) recipients(g message.Header) {
	rcpt := Recipient{
		Original:   address(g.Get("Original-Recipient")),
		Status:     status(g.Get("Status")),
		Diagnostic: typed(g.Get("Diagnostic-Code")),
		RemoteMTA:  typed(g.Get("Remote-MTA")),
	}
	rcpt.Action = action(g.Get("Action"), rcpt.Status)
	final := addresses(g.Get("Final-Recipient"))
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
			for _, a := range addresses(v) {
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

// address is the first mailbox of a field such as "rfc822; bob@example.net": decoded, without
// angle brackets, domain in lower case; "" where there is none.
func address(v string) string {
	if all := addresses(v); len(all) > 0 {
		return all[0]
	}
	return ""
}

// addresses are the mailboxes of a field that RFC 3464 §2.3.2 gives one. Some write a display
// name, a scheme or a route before it, or several, with commas, semicolons or blanks between.
func addresses(v string) []string {
	kind, _, _ := strings.Cut(v, ";")
	rest := comment(typed(v))
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "utf-8": // RFC 6533 §3
		rest = unicode(rest)
	case "rfc822":
		rest = xtext(rest)
	}
	if rest != "" && !strings.ContainsAny(rest, " \t,;<") { // as it should be
		return []string{mailbox(rest)}
	}
	var all, words []string
	for _, w := range separate(rest) {
		switch a := mailbox(w); {
		case a == "":
		case strings.HasPrefix(w, "<"): // before it stands a name
			words, all = nil, append(all, a)
		default:
			words = append(words, a)
		}
	}
	return append(all, mailboxes(words)...)
}

// mailboxes are those of some words that are addresses, or the only word, where a system
// knows its users by their names alone.
func mailboxes(words []string) []string {
	if len(words) == 1 {
		return words
	}
	return slices.DeleteFunc(words, func(w string) bool { return strings.IndexByte(w, '@') <= 0 })
}

// separate splits at commas, semicolons and blanks, but not within quotation marks or angle
// brackets.
func separate(s string) []string {
	var all []string
	begin, quoted, angle := 0, false, false
	cut := func(end int) {
		if end > begin {
			all = append(all, s[begin:end])
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted && strings.IndexByte(s[i+1:], '"') >= 0
		case quoted:
		case c == '<':
			cut(i)
			begin, angle = i, true
		case c == '>':
			angle = false
			cut(i + 1)
			begin = i + 1
		case !angle && (c == ',' || c == ';' || c == ' ' || c == '\t') && !(c == ',' && s[begin] == '@'):
			cut(i)
			begin = i + 1
		}
	}
	cut(len(s))
	return all
}

// mailbox is an address without what may stand around it, RFC 5321 §4.1.2.
func mailbox(a string) string {
	a = strings.Trim(a, "<> \t")
	for _, scheme := range []string{"mailto:", "smtp:", "smtp=", "rfc822:"} {
		if len(a) > len(scheme) && strings.EqualFold(a[:len(scheme)], scheme) { // "DDA:SMTP=" is within an address of X.400
			a = a[len(scheme):]
		}
	}
	if _, to, ok := strings.Cut(a, ":"); ok && a[0] == '@' { // a route, "@relay.example,@mx.example:bob@example.net"
		a = to
	}
	if quoted := strings.Trim(a, "\""); !strings.Contains(a, "\"@") || !strings.HasPrefix(a, "\"") {
		a = quoted
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
