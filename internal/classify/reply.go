package classify

import (
	"bytes"
	"strings"

	"breakwater/internal/message"
)

const (
	maxHead = 600     // bytes of a text in which an automatic reply says what it is
	maxNote = 8 << 10 // bytes of a text in which it says why
)

// The tables of words.go, made ready to be found.
var (
	begin   = message.NewPhrases(prefixes)
	sure    = message.NewPhrases(unmistakable)
	note    = message.NewPhrases(notes)
	auto    = message.NewPhrases(automatic)
	thanked = message.NewPhrases(thanks)
)

// away holds for an automatic reply that only its words tell: a subject as programs write it,
// and a second sign, since a person may write such a subject as well.
func away(f facts) string {
	subject := f.subject()
	if f.get("Auto-Submitted") == "no" || answer.MatchString(subject) && ending(subject) == "" {
		return ""
	}
	about := begin.Begins(subject)
	if about == "" {
		about = ending(subject)
	}
	if about == "" {
		about = strings.TrimSpace(replied.FindString(subject))
	}
	if about == "" || f.newsletter() {
		return ""
	}
	if sign := f.sign(); sign != "" {
		return "Subject: " + about + ", " + sign
	}
	if p := sure.Begins(subject); p != "" {
		return "Subject: " + p
	}
	if n := note.First(f.text(maxNote)); n != "" {
		return "Subject: " + about + ", text: " + n
	}
	return ""
}

// says holds for a text that begins by saying that it is an automatic reply.
func says(f facts) string {
	body := f.m.Body[:min(len(f.m.Body), 4<<10)]
	if f.m.ReversePath != "" && !containsFold(body, "auto") || f.newsletter() || f.get("Auto-Submitted") == "no" {
		return ""
	}
	if a := auto.First(f.text(maxHead)); a != "" {
		return "text: " + a
	}
	return ""
}

// acknowledges holds for what a form or a ticket system says when it has taken a request: the
// words alone a person writes as well, so that a field must show that a program sent them.
func acknowledges(f facts) string {
	subject := f.subject()
	if answer.MatchString(subject) || f.get("Auto-Submitted") == "no" {
		return ""
	}
	sign, inSubject := f.form(), thank(subject)
	if sign == "" && inSubject == "" {
		return ""
	}
	text := f.text(maxNote)
	words := inSubject
	if words == "" {
		words = thank(text)
	}
	if sign == "" {
		sign = auto.First(text[:min(len(text), maxHead)])
	}
	if words == "" || sign == "" || f.newsletter() {
		return ""
	}
	return "words: " + words + ", " + sign
}

func thank(s string) string {
	if t := thanked.First(s); t != "" {
		return t
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x3000 }) {
		return ""
	}
	return taken.FindString(s)
}

// form says by what a program sent m that handles forms or requests.
func (f facts) form() string {
	if mailer := plain(f.m.Header.Get("X-Mailer")); mailer != "" {
		for _, m := range mailers {
			if strings.HasPrefix(mailer, m) {
				return "X-Mailer: " + m
			}
		}
	}
	if local, _, _ := strings.Cut(strings.ToLower(f.m.From), "@"); local == "wordpress" {
		return "From: " + f.m.From
	}
	for _, name := range []string{"X-PHP-Originating-Script", "X-PHP-Script"} {
		if f.m.Header.Get(name) != "" {
			return name
		}
	}
	return f.sign()
}

// sign is a field by which programs tell that they answer.
func (f facts) sign() string {
	if v := f.get("Auto-Submitted"); v != "" {
		return "Auto-Submitted: " + v
	}
	if f.m.ReversePath == "" && (!f.m.Rebuilt || strings.TrimSpace(f.m.Header.Get("Return-Path")) == "<>") {
		return "null reverse-path"
	}
	for _, name := range []string{"X-Auto-Response-Suppress", "X-MS-Exchange-Inbox-Rules-Loop", "X-Autoreply", "X-RT-Loop-Prevention"} {
		if f.m.Header.Get(name) != "" {
			return name
		}
	}
	switch v := f.get("Precedence"); v {
	case "bulk", "junk", "auto_reply":
		if f.m.Header.Get("List-Id") == "" {
			return "Precedence: " + v
		}
	}
	// A person's answer has a subject that begins with Re.
	if f.m.Header.Get("In-Reply-To") != "" {
		return "In-Reply-To"
	}
	return ""
}

// newsletter reports whether m is one of many that somebody sent to subscribers. A list that
// passes on what it gets is none.
func (f facts) newsletter() bool {
	return f.m.Header.Get("List-Post") == "" && f.m.Header.Get("List-Id") == "" &&
		(f.m.Header.Get("List-Unsubscribe") != "" || f.m.Header.Get("Feedback-ID") != "")
}

// subject is the subject without what lists and filters put before it.
func (f facts) subject() string {
	s := plain(f.m.Subject)
	for range 3 {
		tag, rest, ok := strings.Cut(s, "] ")
		if !ok || !strings.HasPrefix(tag, "[") || f.m.Header.Get("List-Id") == "" && tag != "[spam" && tag != "[external" && tag != "[ext" {
			break
		}
		s = rest
	}
	return strings.TrimPrefix(s, "***spam*** ")
}

// text is the beginning of the text of m, but for what it quotes.
func (f facts) text(limit int) string {
	var b strings.Builder
	for line := range strings.Lines(f.m.Text(limit)) {
		if !strings.HasPrefix(strings.TrimSpace(line), ">") {
			b.WriteString(line)
		}
	}
	return plain(b.String())
}

// plain is a text in lower case, with single blanks and straight apostrophes.
func plain(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(strings.ToLower(s), "’", "'")), " ")
}

// ending is the suffix with which a subject ends.
func ending(subject string) string {
	for _, p := range suffixes {
		if strings.HasSuffix(subject, p) {
			return p
		}
	}
	return ""
}

// containsFold reports whether b contains word, which is in lower case, in any case.
func containsFold(b []byte, word string) bool {
	return bytes.Contains(bytes.ToLower(b), []byte(word))
}

// challenge holds for a mark of a known system.
func challenge(f facts) string {
	for _, c := range challenges {
		if v := f.m.Header.Get(c.field); v != "" && strings.Contains(strings.ToLower(message.DecodeWords(v)), c.holds) {
			return strings.TrimSuffix(c.field+": "+c.holds, ": ")
		}
	}
	return ""
}

func complaint(f facts) string {
	if s := plain(f.m.Subject); complained.MatchString(s) {
		return "Subject: " + s
	}
	return ""
}
