package report

import (
	"regexp"
	"slices"
	"strings"

	"breakwater/internal/message"
)

// unstructured reads a bounce that only its words tell. It needs a sender that is a mail
// system, and words that mail systems use: a person who quotes, forwards or discusses a
// bounce is no sender of that kind, and a worm that calls itself a mailer-daemon has other
// words.
func unstructured(m *message.Message) *Report {
	who := sender(m)
	failed := m.Header.Get("X-Failed-Recipients")
	if who == "" && failed == "" {
		return nil
	}
	text := m.Text(maxWords)
	told, rest := divide(text)
	subject := plain(m.Subject)
	delay := phrase(subject, delays)
	about, said := phrase(subject, failures), phrase(plain(told), sentences)
	if about == "" {
		about = delay
	}
	r := &Report{Kind: DSN, Guessed: true}
	h := inline(rest)
	if h == nil {
		h = inline(text)
	}
	if h == nil {
		h = returned(m)
	}
	switch {
	case failed != "":
		r.Evidence = []string{"X-Failed-Recipients: " + failed}
	case armed(m):
		return nil
	case said != "" && (system(m) != "" || h != nil || about != "" && len(recipients(m, "", told, "")) > 0):
		r.Evidence = []string{who, "text: " + said}
	case about != "" && h != nil:
		r.Evidence = []string{who, "Subject: " + about}
	case about != "" && system(m) != "" && (aStatus.MatchString(told) || aReply.MatchString(told) || len(recipients(m, "", told, "")) > 0):
		r.Evidence = []string{who, "Subject: " + about, "somebody who failed"}
	case system(m) != "" && strings.HasPrefix(strings.ToLower(m.Header.Get("Auto-Submitted")), "auto-replied"):
		r.Evidence = []string{who, "Auto-Submitted: auto-replied"}
	default:
		return nil
	}
	if h != nil {
		r.Original.from(h)
		r.Evidence = append(r.Evidence, "a returned header")
	}
	action := Failed
	if delay != "" {
		action = Delayed
	}
	r.Guessed = failed == ""
	r.Recipients = recipients(m, failed, told, action)
	return r
}

const (
	maxWords     = 64 << 10 // bytes of text that are looked at
	maxAddresses = 50
)

// names are what mail systems call themselves in From.
var names = []string{"mail delivery", "mailer-daemon", "mailer daemon", "mail deliver", "system administrator", "delivery subsystem", "mail system"}

// sender says by what m comes from a mail system, by its address, its name, or because it
// has no address to answer to; "" if by nothing.
func sender(m *message.Message) string {
	if who := system(m); who != "" {
		return who
	}
	from := m.Header.Get("From")
	if n := phrase(plain(message.DecodeWords(from)), names); n != "" {
		return "From: " + n
	}
	if strings.TrimSpace(from) == "<>" || m.ReversePath == "" && (!m.Rebuilt || m.Header.Get("Return-Path") == "<>") {
		return "null reverse-path"
	}
	return ""
}

// plain is a text in lower case with single blanks.
func plain(s string) string { return strings.Join(strings.Fields(strings.ToLower(s)), " ") }

// phrase returns the first of phrases that stands in s.
func phrase(s string, phrases []string) string {
	for _, p := range phrases {
		if strings.Contains(s, p) {
			return p
		}
	}
	return ""
}

// divide splits a text into what the reporter says and what it returns.
func divide(text string) (told, rest string) {
	pos := 0
	for line := range strings.Lines(text) {
		start := strings.ToLower(strings.TrimLeft(line, " \t>|*"))
		if pos > 0 && slices.ContainsFunc(ends, func(e string) bool { return strings.HasPrefix(start, e) }) {
			return text[:pos], text[pos:]
		}
		pos += len(line)
	}
	return text, text
}

// returned is the header of a message in a part of its own.
func returned(m *message.Message) message.Header {
	for _, p := range m.Parts() {
		if slices.Contains(originals, p.Type) {
			if h, _, _ := message.ParseHeader(p.Content); len(h) > 1 {
				return h
			}
		}
	}
	return nil
}

// armed reports whether m carries what runs or hides it, as worms do that look like bounces.
func armed(m *message.Message) bool {
	return slices.ContainsFunc(m.Parts(), func(p message.Part) bool {
		name := strings.ToLower(p.Filename)
		return slices.ContainsFunc([]string{".zip", ".exe", ".scr", ".pif", ".com", ".bat", ".cmd", ".rar", ".js", ".vbs", ".html", ".htm"}, func(ext string) bool {
			return strings.HasSuffix(name, ext)
		})
	})
}

var (
	anAddress = regexp.MustCompile(`[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)
	aStatus   = regexp.MustCompile(`\b([245]\.\d{1,3}\.\d{1,3})\b`)
	aReply    = regexp.MustCompile(`\b([45])\d\d[ -]`)
)

// recipients finds who failed: in the field that says so, or else the addresses that the
// reporter names, but for its own and the one that it writes to.
func recipients(m *message.Message, field, told string, action Action) []Recipient {
	code := ""
	if s := aStatus.FindStringSubmatch(told); s != nil {
		code = s[1]
	} else if s := aReply.FindStringSubmatch(told); s != nil {
		code = s[1] + ".0.0"
	}
	if field != "" {
		told = field
	}
	not := map[string]bool{strings.ToLower(m.From): true}
	if field == "" {
		for _, to := range message.Addresses(m.Header.Get("To")) {
			not[strings.ToLower(to)] = true
		}
	}
	var rs []Recipient
	for _, a := range anAddress.FindAllString(told, maxAddresses) {
		a = address(a)
		local, _, _ := strings.Cut(strings.ToLower(a), "@")
		if key := strings.ToLower(a); !not[key] && !slices.Contains(systems, local) {
			not[key] = true
			rs = append(rs, Recipient{Final: a, Action: action, Status: code})
		}
	}
	return rs
}
