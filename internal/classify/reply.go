package classify

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"breakwater/internal/message"
)

const (
	maxHead = 600     // bytes of a text in which an automatic reply says what it is
	maxNote = 8 << 10 // bytes of a text in which it says why
)

// The tables of words.go, made ready to be found.
var (
	begin   = message.NewPhrases(prefixes)
	absent  = message.NewPhrases(absences)
	sure    = message.NewPhrases(unmistakable)
	note    = message.NewPhrases(notes)
	auto    = message.NewPhrases(automatic)
	thanked = message.NewPhrases(slices.Concat(thanks, receipts))
	receipt = message.NewPhrases(receipts)

	heading   = message.NewPhrases(headings)
	responder = message.NewPhrases(responders)

	mailing = message.NewPhrases(mailers)

	challenger    = message.NewPhrases(challengers)
	challengePath = message.NewPhrases(challengePaths)
	challenged    = message.NewPhrases(challenges)
)

// responds holds for what a program sent that does nothing but answer.
func responds(f facts) string {
	if p := responder.First(message.Plain(f.m.Header.Get("X-Mailer"))); p != "" {
		return "X-Mailer: " + p
	}
	return ""
}

// away holds for an automatic reply that only its words tell: a subject as programs write it,
// and a second sign, since a person may write such a subject as well.
func away(f facts) string {
	subject := f.subject()
	if f.get("Auto-Submitted") == "no" || answer.MatchString(subject) && ending(subject) == "" {
		return ""
	}
	about, away := begin.Begins(subject), absent.Begins(subject)
	if about == "" {
		about = ending(subject)
	}
	if about == "" {
		about = strings.TrimSpace(replied.FindString(subject))
	}
	if f.newsletter() {
		return ""
	}
	if about == "" && away == "" {
		return cmp.Or(f.telling(subject), f.silent())
	}
	if sign := f.sign(); sign != "" {
		return "Subject: " + cmp.Or(about, away) + ", " + sign
	}
	if p := sure.Begins(subject); p != "" {
		return "Subject: " + p
	}
	if about == "" || announces(strings.TrimPrefix(subject, about)) {
		return ""
	}
	if n := note.First(f.text(maxNote)); n != "" {
		return "Subject: " + about + ", text: " + n
	}
	return ""
}

// announces reports whether a subject goes on with a day or a date, as that of a person does
// who will be away. A program puts the subject there that it answers.
func announces(rest string) bool {
	words := strings.FieldsFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.ContainsFunc(words[:min(len(words), 2)], func(w string) bool {
		return '0' <= w[0] && w[0] <= '9' || slices.ContainsFunc(days, func(d string) bool { return w == d || d[0] >= utf8.RuneSelf && strings.HasPrefix(w, d) })
	})
}

// telling holds for a subject that says in own words, before the one that is answered, why
// nobody does: "I am on vacation Re: Minutes".
func (f facts) telling(subject string) string {
	before, _, ok := strings.Cut(subject, " re: ")
	if !ok {
		return ""
	}
	if n, sign := note.First(before), f.program(); n != "" && sign != "" {
		return "Subject: " + n + ", " + sign
	}
	return ""
}

// silent holds for an answer that nobody may answer, and that says why nobody writes.
func (f facts) silent() string {
	if !f.m.NullPath() || f.get("In-Reply-To") == "" {
		return ""
	}
	if n := note.First(f.text(maxHead)); n != "" {
		return "null reverse-path, In-Reply-To, text: " + n
	}
	return ""
}

// says holds for a text that begins by saying that it is an automatic reply.
func says(f facts) string {
	if f.newsletter() || f.get("Auto-Submitted") == "no" {
		return ""
	}
	if a := auto.First(f.text(maxHead)); a != "" {
		return "text: " + a
	}
	return ""
}

// acknowledges holds for what a form or a ticket system says when it has taken a request. The
// words alone a person writes as well, so that a field must show that a program sent them;
// the answers of people who work with a ticket system have such fields, too, but other words.
func acknowledges(f facts) string {
	subject := f.subject()
	if answer.MatchString(subject) || f.get("Auto-Submitted") == "no" || f.newsletter() {
		return ""
	}
	form, sign, about := f.form(), f.program(), taken(subject)
	if form == "" && sign == "" && about == "" {
		return ""
	}
	text := f.text(maxNote)
	head := text[:min(len(text), maxHead)]
	switch {
	case form != "" && about != "":
		return "words: " + about + ", " + form
	case form != "":
		if words := taken(text); words != "" {
			return "words: " + words + ", " + form
		}
	case sign != "" && about != "":
		return "words: " + about + ", " + sign
	case sign != "":
		if words := receipt.First(head); words != "" {
			return "words: " + words + ", " + sign
		}
	default:
		if a := auto.First(head); a != "" {
			return "words: " + about + ", text: " + a
		}
	}
	return ""
}

// taken are the words of s by which something was taken.
func taken(s string) string {
	if t := thanked.First(s); t != "" {
		return t
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x3000 }) {
		return ""
	}
	return japanese.FindString(s)
}

// form says by what a program sent m that handles forms.
func (f facts) form() string {
	if mailer := mailing.Begins(message.Plain(f.m.Header.Get("X-Mailer"))); mailer != "" {
		return "X-Mailer: " + mailer
	}
	if local, _, _ := strings.Cut(strings.ToLower(f.m.From), "@"); local == "wordpress" {
		return "From: " + f.m.From
	}
	return present("X-PHP-Originating-Script", "X-PHP-Script")(f)
}

// sign is a field by which an answer is known for that of a program. A person's answer has one
// in In-Reply-To, and a subject that begins with "Re:".
func (f facts) sign() string {
	if s := f.program(); s != "" {
		return s
	}
	return present("In-Reply-To")(f)
}

// program is a field that programs write.
func (f facts) program() string {
	if v := f.get("Auto-Submitted"); v != "" {
		return "Auto-Submitted: " + v
	}
	if f.m.NullPath() {
		return "null reverse-path"
	}
	if name := present("X-Auto-Response-Suppress", "X-MS-Exchange-Inbox-Rules-Loop", "X-Autoreply", "X-RT-Loop-Prevention")(f); name != "" {
		return name
	}
	switch v := f.get("Precedence"); v {
	case "bulk", "junk":
		if f.m.Header.Get("List-Id") == "" {
			return "Precedence: " + v
		}
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
	s := message.Plain(f.m.Subject)
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
	text := f.m.Text(limit)
	var b strings.Builder
	b.Grow(len(text) + 1)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, ">"):
			continue
		case b.Len() > 0 && quotes(line):
			return message.Plain(b.String())
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return message.Plain(b.String())
}

// quotes reports whether what is behind a line is what a person answers.
func quotes(line string) bool {
	if title := strings.TrimLeft(line, "-"); len(line)-len(title) >= 3 {
		return heading.Begins(message.Plain(title)) != ""
	}
	if name, _, ok := strings.Cut(line, ":"); ok && len(name) < 20 && slices.Contains(froms, message.Plain(name)) {
		return true
	}
	before, ok := strings.CutSuffix(line, ":")
	if !ok {
		return false
	}
	before = strings.ToLower(strings.TrimSuffix(before, " "))
	return slices.ContainsFunc(wrote, func(w string) bool { return strings.HasSuffix(before, w) })
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

// challenge holds for a mark of a known system.
func challenge(f facts) string {
	if c := challenger.First(strings.ToLower(message.DecodeWords(f.m.Header.Get("From")))); c != "" {
		return "From: " + c
	}
	if c := challengePath.Begins(strings.ToLower(f.m.ReversePath)); c != "" {
		return "reverse-path: " + c
	}
	if name := present(challengeFields...)(f); name != "" {
		return name
	}
	if strings.HasSuffix(f.m.MessageID, "-tmda-confirm") {
		return "Message-ID: " + f.m.MessageID
	}
	subject := message.Plain(f.m.Subject)
	if c := challenged.First(subject); c != "" && !answer.MatchString(subject) {
		return "Subject: " + c
	}
	return ""
}

// complaint holds for a complaint that carries no feedback-report part.
func complaint(f facts) string {
	if s := message.Plain(f.m.Subject); complained.MatchString(s) {
		return "Subject: " + s
	}
	return ""
}
