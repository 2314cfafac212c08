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
	before  = 40      // bytes before words that say that something was taken, and
	behind  = 60      // bytes behind them, in which it says what
)

// The tables of words.go, made ready to be found.
var (
	begin   = message.NewPhrases(prefixes)
	absent  = message.NewPhrases(absences)
	oneself = message.NewPhrases(selves)
	sure    = message.NewPhrases(unmistakable)
	note    = message.NewPhrases(notes)
	auto    = message.NewPhrases(automatic)
	thanked = message.NewPhrases(slices.Concat(thanks, receipts))
	receipt = message.NewPhrases(receipts)
	passing = message.NewPhrases(passed)
	titled  = message.NewPhrases(titles)
	confirm = message.NewPhrases(confirming)
	dealing = message.NewPhrases(dealings)

	responder = message.NewPhrases(responders)
	automaton = message.NewPhrases(automata)

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
	if f.get("Auto-Submitted") == "no" || f.m.Header.Get("List-Id") != "" || f.newsletter() {
		return ""
	}
	name, _, _ := strings.Cut(message.DecodeWords(f.m.Header.Get("From")), "<")
	if p := automaton.First(message.Plain(name)); p != "" {
		if refers := present("In-Reply-To", "References")(f); refers != "" {
			return "From: " + p + ", " + refers
		}
	}
	return ""
}

// away holds for an automatic reply that only its words tell: a subject as programs write it,
// and a second sign, since a person may write such a subject as well.
func away(f facts) string {
	subject := f.subject()
	if f.get("Auto-Submitted") == "no" || message.IsReply(subject) && ending(subject) == "" {
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
	if sign := f.sign(); sign != "" && (about != "" || f.own()) {
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

// own reports whether m is of the one who is away. Those who keep the calendar of others send
// such subjects, too, with the fields of programs, but answer nothing.
func (f facts) own() bool {
	return f.m.NullPath() || f.get("In-Reply-To") != "" || oneself.First(f.text(maxHead)) != ""
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
	text := f.text(maxHead)
	a := auto.First(text)
	if a == "" && confirm.First(text) != "" {
		a = receipt.First(text)
	}
	if a == "" || deals(text, a) {
		return ""
	}
	s := f.subject()
	if dealing.First(s) != "" && !message.IsReply(s) && begin.Begins(s) == "" && oneself.First(text) == "" {
		return "" // the subject is its own, not that of a message which it answers
	}
	return "text: " + a
}

// acknowledges holds for what a form or a ticket system says when it has taken a request. The
// words alone a person writes as well, so that a field must show that a program sent them;
// the answers of people who work with a ticket system have such fields, too, but other words.
func acknowledges(f facts) string {
	subject := f.subject()
	if message.IsReply(subject) || f.get("Auto-Submitted") == "no" || f.newsletter() {
		return ""
	}
	form, sign, about := f.form(), f.program(), cmp.Or(taken(subject), titled.First(subject))
	if form == "" && sign == "" && about == "" || dealing.First(subject) != "" || form != "" && f.passes() {
		return ""
	}
	text := f.text(maxNote)
	head := text[:min(len(text), maxHead)]
	switch {
	case form != "" && about != "":
		return "words: " + about + ", " + form
	case form != "":
		if words := cmp.Or(taken(text), f.copied()); words != "" && !deals(text, words) {
			return "words: " + words + ", " + form
		}
	case sign != "" && about != "":
		return "words: " + about + ", " + sign
	case sign != "":
		if words := receipt.First(head); words != "" && !deals(head, words) {
			return "words: " + words + ", " + sign
		}
	default:
		if a := auto.First(head); a != "" && !deals(head, a) {
			return "words: " + about + ", text: " + a
		}
		if words := taken(head); words != "" && !deals(head, words) && f.filled() {
			return "words: " + about + ", " + words + ", a form with the address of the reader"
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

// deals reports whether it is an order, a payment, an account or the like that words in text
// say was taken, as shops and services do.
func deals(text, words string) bool {
	at := strings.Index(text, words)
	return dealing.First(text[max(0, at-before):min(len(text), at+len(words)+behind)]) != ""
}

// copied are the words by which a form sends a copy to the one who filled it in, whose address
// it has. The copy may look like something quoted.
func (f facts) copied() string {
	if words := passing.First(message.Plain(f.m.Text(maxNote))); words != "" && slices.ContainsFunc(message.Addresses(f.m.Header.Get("To")), f.names) {
		return words
	}
	return ""
}

// filled reports whether the text shows what the reader filled into a form: a label, and his
// address behind or below it.
func (f facts) filled() bool {
	to := message.Addresses(strings.ToLower(f.m.Header.Get("To")))
	above := ""
	for line := range strings.Lines(strings.ToLower(f.m.Text(maxNote))) {
		line = strings.TrimSpace(line)
		for _, addr := range to {
			if label, ok := strings.CutSuffix(line, addr); ok && labelled(cmp.Or(strings.TrimSpace(label), above)) {
				return true
			}
		}
		above = line
	}
	return false
}

// labelled reports whether s ends as what stands before a field of a form.
func labelled(s string) bool {
	return slices.ContainsFunc([]string{":", "：", "】", "]"}, func(end string) bool { return strings.HasSuffix(s, end) })
}

// names reports whether an address stands in the text.
func (f facts) names(addr string) bool {
	return strings.Contains(strings.ToLower(f.m.Text(maxNote)), strings.ToLower(addr))
}

// passes reports whether m passes on what somebody wrote into a form, to those who run it: it
// goes to where it comes from, or is to be answered to somebody elsewhere whom it names. Lists
// put themselves into these fields.
func (f facts) passes() bool {
	if f.m.Header.Get("List-Id") != "" {
		return false
	}
	to, reply := message.Addresses(f.m.Header.Get("To")), message.Addresses(f.m.Header.Get("Reply-To"))
	home := func(addr string) bool { return message.Near(addr, f.m.From) }
	return slices.ContainsFunc(to, home) || !slices.ContainsFunc(reply, home) && slices.ContainsFunc(reply, f.names) && !slices.ContainsFunc(to, f.names)
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

// text is the beginning of what the writer of m wrote, without what he quotes.
func (f facts) text(limit int) string { return message.Plain(f.m.Own(limit)) }

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
	if c := challenged.First(subject); c != "" && !message.IsReply(subject) {
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
