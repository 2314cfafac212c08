package classify

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"breakwater/internal/address"
	"breakwater/internal/message"
	"breakwater/internal/phrases"
)

const (
	maxHead = 600     // bytes of a text in which an automatic reply says what it is
	maxNote = 8 << 10 // bytes of a text in which it says why
	before  = 40      // bytes before words that say that something was taken, and
	behind  = 60      // bytes behind them, in which it says what

	greeting = 60 // bytes of a text that greets
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
	if f.get("Auto-Submitted") == "no" || message.IsReply(subject) && suffixes.Ends(subject) == "" {
		return ""
	}
	about, away := begin.Begins(subject), absent.Begins(subject)
	if about == "" {
		about = suffixes.Ends(subject)
	}
	if about == "" {
		about = out(subject)
	}
	if f.newsletter() {
		return ""
	}
	if about == "" && away == "" {
		return cmp.Or(f.telling(subject), f.silent())
	}
	if sign := f.sign(); sign != "" && about != "" {
		return "Subject: " + about + ", " + sign
	}
	if sign := cmp.Or(f.program(), f.suppresses()); sign != "" && f.ofHimself() {
		return "Subject: " + cmp.Or(about, away) + ", " + sign
	}
	if away != "" && f.answersOnce() && !announces(strings.TrimPrefix(subject, away)) {
		return "Subject: " + away + ", In-Reply-To alone"
	}
	if p := sure.Begins(subject); p != "" && !f.onIt(p) {
		return "Subject: " + p
	}
	if about == "" || announces(strings.TrimPrefix(subject, about)) {
		return ""
	}
	if n := note.First(f.besides(about)); n != "" {
		return "Subject: " + about + ", text: " + n
	}
	return ""
}

// out is what a subject says of the one whose name it begins with, as Lotus Notes writes it.
// More than until when, no program says there.
func out(subject string) string {
	p := outs.First(subject)
	_, rest, _ := strings.Cut(subject, p)
	rest = strings.TrimLeft(rest, ". 。")
	if rest == "" || strings.Contains(p, "(") || slices.ContainsFunc([]string{"(", "until ", "from "}, func(s string) bool { return strings.HasPrefix(rest, s) }) {
		return p
	}
	return ""
}

// answersOnce reports whether m answers a message as programs do that know no threads, for one
// who writes of himself. Mail programs of people write References as well.
func (f facts) answersOnce() bool {
	return f.get("In-Reply-To") != "" && f.get("References") == "" && oneself.First(f.text(maxHead)) != ""
}

// besides is the text without the words of the subject that it repeats: they are no second
// sign.
func (f facts) besides(about string) string {
	return strings.ReplaceAll(f.text(maxNote), strings.Trim(about, " :：[]()【】"), "")
}

// onIt reports whether a person writes on an automatic reply, whose name the subject begins
// with: the text greets the reader by name or asks something, and says nothing that such a reply
// would.
func (f facts) onIt(about string) bool {
	text := f.besides(about)
	for _, p := range []*phrases.Matcher{note, auto, thanked} {
		if p.First(text) != "" {
			return false
		}
	}
	return f.greets(text) || asks(text)
}

// asks reports whether a text has a question, as programs seldom do.
func asks(text string) bool { return strings.ContainsAny(text, "?？؟") }

// greets reports whether a text begins with the name of who is to read it.
func (f facts) greets(text string) bool {
	text = text[:min(len(text), greeting)]
	names := strings.FieldsFunc(message.Plain(message.DecodeWords(f.m.Header.Get("To"))), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.ContainsFunc(names, func(name string) bool {
		i := strings.Index(text, name)
		return len(name) > 2 && i >= 0 && (i == 0 || !isLetter(text[i-1])) && (i+len(name) == len(text) || !isLetter(text[i+len(name)]))
	})
}

// isLetter reports whether c is a letter of ASCII, which goes on with a word.
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }

// ofHimself reports whether m is of the one who is away. Those who keep the calendar of others send
// such subjects, too, with the fields of programs, but answer nothing.
func (f facts) ofHimself() bool {
	return f.m.NullPath() || f.get("In-Reply-To") != "" || oneself.First(f.text(maxHead)) != ""
}

// announces reports whether a subject goes on with a day or a date, as that of a person does
// who will be away. A program puts the subject there that it answers.
func announces(rest string) bool {
	words := strings.FieldsFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.ContainsFunc(words[:min(len(words), 2)], func(w string) bool {
		return '0' <= w[0] && w[0] <= '9' || isDay(w)
	})
}

// isDay reports whether a word names a day, or begins with it where words are not set apart.
func isDay(w string) bool {
	return days.Has(w) || w[0] >= utf8.RuneSelf && days.Begins(w) != ""
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

// silent holds for an answer that nobody may answer, and that says why nobody writes, or that
// asks programs to leave it alone.
func (f facts) silent() string {
	if !f.m.NullPath() {
		return ""
	}
	text, refers := f.text(maxHead), f.get("In-Reply-To") != ""
	if n := note.First(text); n != "" && (refers || oneself.Begins(text) != "") {
		return "null reverse-path, text: " + n
	}
	if p := moved.First(message.Plain(f.m.Text(2 * maxHead))); p != "" { // which may be below the fields of the message
		return "null reverse-path, text: " + p
	}
	if f.get("X-Auto-Response-Suppress") != "" && refers {
		return "null reverse-path, In-Reply-To, X-Auto-Response-Suppress"
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
	if sign == "" {
		sign = f.promising()
	}
	if form == "" && sign == "" && about == "" || dealing.First(subject) != "" || form != "" && f.passes() {
		return ""
	}
	text := f.text(maxNote)
	head := text[:min(len(text), maxHead)]
	switch {
	case form != "" && about != "":
		return "words: " + about + ", " + form
	case form != "":
		if words := cmp.Or(f.confirms(text), f.copied()); words != "" && !deals(text, words) {
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

// confirms are the words of a text by which a form says that something was taken: such as
// people hardly use, or theirs where it goes on with a promise, or with what was filled in.
func (f facts) confirms(text string) string {
	if words := receipt.First(text); words != "" {
		return words
	}
	words := taken(text)
	if thanked.First(text) != "" && (promise.First(text) == "" || asks(text)) && !f.repeats(text) {
		return ""
	}
	return words
}

// repeats reports whether a text has what somebody filled into a form: an address behind a
// label, which is not of where m comes from.
func (f facts) repeats(text string) bool {
	label := ""
	for word := range strings.FieldsSeq(text) {
		if address.In(word) && labelled(label) && !message.Near(strings.Trim(word, "<>()[].,;"), f.m.From) {
			return true
		}
		label = word
	}
	return false
}

// promising is a field that programs write, people's mail programs among them, of a text that
// promises what a ticket system does.
func (f facts) promising() string {
	sign := f.suppresses()
	if sign == "" || promise.First(f.text(maxNote)) == "" {
		return ""
	}
	return sign
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
	if address.Local(strings.ToLower(f.m.From)) == "wordpress" {
		return "From: " + f.m.From
	}
	if webmail.First(message.Plain(f.m.Header.Get("X-PHP-Originating-Script")+" "+f.m.Header.Get("User-Agent"))) != "" {
		return ""
	}
	return present("X-PHP-Originating-Script", "X-PHP-Script")(f)
}

// sign is a field by which an answer is known for that of a program. A person's answer has one
// in In-Reply-To, and a subject that begins with "Re:".
func (f facts) sign() string {
	return cmp.Or(f.program(), f.suppresses(), present("In-Reply-To")(f))
}

// suppresses is a field by which a program asks others not to answer, or that keeps ticket
// systems from answering each other. What people write with such systems has it as well.
func (f facts) suppresses() string {
	return present("X-Auto-Response-Suppress", "X-RT-Loop-Prevention")(f)
}

// program is a field that programs write.
func (f facts) program() string {
	if v := f.get("Auto-Submitted"); v != "" && v != "no" {
		return "Auto-Submitted: " + v
	}
	if f.m.NullPath() {
		return "null reverse-path"
	}
	if name := present("X-MS-Exchange-Inbox-Rules-Loop", "X-Autoreply")(f); name != "" {
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
	s := f.plain
	for range 3 {
		rest, ok := message.CutTag(s)
		if !ok && f.m.Header.Get("List-Id") != "" && strings.HasPrefix(s, "[") {
			_, rest, ok = strings.Cut(s, "] ")
		}
		if !ok {
			break
		}
		s = strings.TrimLeft(rest, " ")
	}
	return s
}

// text is the beginning of what the writer of m wrote, without what he quotes, of maxHead or
// maxNote bytes.
func (f facts) text(limit int) string {
	text := &f.own.note
	if limit == maxHead {
		text = &f.own.head
	}
	if *text == "" {
		*text = message.Plain(f.m.Own(limit))
	}
	return *text
}

// challenge holds for a mark of a known system. Those who have a mailbox there, and people who
// confirm or verify something, write as well, but do not ask the reader to prove who he is.
func challenge(f facts) string {
	if c := challengePath.Begins(strings.ToLower(f.m.ReversePath)); c != "" {
		return "reverse-path: " + c
	}
	if name := present(challengeFields.Texts()...)(f); name != "" {
		return name
	}
	if strings.HasSuffix(f.m.MessageID, "-tmda-confirm") {
		return "Message-ID: " + f.m.MessageID
	}
	subject := f.plain
	found := challenged.Find(subject)
	if found[0] != "" && !message.IsReply(subject) {
		return "Subject: " + found[0]
	}
	why := ""
	if c := challenger.First(strings.ToLower(message.DecodeWords(f.m.Header.Get("From")))); c != "" {
		why = "From: " + c
	} else if found[1] != "" && !message.IsReply(subject) {
		why = "Subject: " + found[1]
	}
	if why == "" {
		return ""
	}
	if d := demand.First(f.text(maxNote)); d != "" {
		return why + ", text: " + d
	}
	return ""
}

// complaint holds for a complaint, and for a report of mail that failed DMARC, DKIM or SPF,
// that carry no feedback-report part.
func complaint(f facts) string {
	subject := f.plain
	if complained.MatchString(subject) {
		return "Subject: " + subject
	}
	if f.m.Header.Get("X-HmXmrOriginalRecipient") != "" { // Hotmail passes on the message itself
		return "X-HmXmrOriginalRecipient"
	}
	about, sign := strings.Contains(subject, "report") && unauthentic.MatchString(subject), f.r == nil && (f.get("Auto-Submitted") != "" || f.m.NullPath())
	if !about && !sign {
		return ""
	}
	switch said := forensic.First(f.text(maxHead)); {
	case about && f.program() != "":
		return "Subject: " + subject + ", " + f.program()
	case said != "" && (about && !message.IsReply(subject) || f.program() != ""):
		return "text: " + said
	}
	return ""
}

// unsubscribes holds for what a mail program sends in the name of a reader who leaves a list.
func unsubscribes(f facts) string {
	if f.get("X-Apple-Unsubscribe") == "true" {
		return "X-Apple-Unsubscribe"
	}
	if s := f.plain; (s == "unsubscribe" || s == "leave") && f.get("In-Reply-To") == "" {
		return "Subject: " + s
	}
	return ""
}
