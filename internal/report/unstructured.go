package report

import (
	"cmp"
	"slices"
	"strings"

	"breakwater/internal/message"
)

const maxWords = 64 << 10 // bytes of text that are looked at

// bounce is what the words of a message show, the evidence for a bounce without structure.
type bounce struct {
	who    string         // by what its sender is a mail system
	is     standing       // how surely it is one
	told   string         // what the sender says, without what it returns
	header message.Header // of the original
	failed *failed        // who failed
	signs  signs

	// phrases, "" where there is none
	about   string // of the subject
	said    string // a formula in the text
	why     string // a reason in the text
	delay   string // by which delivery goes on
	arrived string // by which all went well
	relayed bool   // to where nobody says more
	gate    string // by which a filter found something in a message of the reader's
}

// unstructured reads a bounce that only its words tell. It takes a sender that is a mail
// system, words that mail systems use, and something that only they have: the header of the
// original, somebody who failed, the code of a reply. A person who quotes, forwards or
// discusses a bounce is no such sender; worms and phishing that look like bounces return
// nothing, and name nobody but their victim.
func unstructured(m *message.Message) *Report {
	who, is := sender(m)
	field := m.Header.Get("X-Failed-Recipients")
	if is == nobody && field == "" || Notice(m) != "" || journalled(m) {
		return nil
	}
	b := look(m)
	b.who, b.is = who, is
	evidence := b.evidence(m)
	if field != "" {
		evidence = []string{"X-Failed-Recipients: " + field}
	}
	if evidence == nil {
		return nil
	}
	r := &Report{Kind: DSN, Evidence: evidence, Guessed: field == ""}
	if b.header != nil {
		r.Evidence = append(r.Evidence, "a returned header")
		r.Original.from(b.header)
	} else {
		r.Original.from(mentioned(b.told))
	}
	action := b.action()
	if field != "" {
		b.failed = stated(field, b.told)
	}
	r.Recipients = recipients(b.failed, b.told, action)
	if len(r.Recipients) == 0 {
		r.Recipients = []Recipient{r.somebody(action)}
	}
	return r
}

// journalled reports whether m is a copy for an archive, which Exchange puts around any mail.
func journalled(m *message.Message) bool {
	return slices.ContainsFunc(m.Header, func(f message.Field) bool {
		return strings.EqualFold(f.Name, "X-MS-Journal-Report") || strings.EqualFold(f.Name, "X-MS-Exchange-Generated-Message-Source") && strings.Contains(f.Value, "Journal")
	})
}

// action is what b says of all that it names.
func (b *bounce) action() Action {
	switch {
	case b.arrived != "" && b.relayed:
		return Relayed
	case b.arrived != "":
		return Delivered
	case b.delay != "":
		return Delayed
	}
	return Failed
}

// stated are those of an X-Failed-Recipients field, with the codes of a text.
func stated(field, told string) *failed {
	f := &failed{}
	for _, a := range anAddress.FindAllString(message.DecodeWords(field), maxAddresses) {
		f.add(mailbox(a), confirmed)
	}
	for line := range strings.Lines(told) {
		if code, ok := codeOf(line); ok {
			f.reason(code, strings.TrimSpace(line))
		}
	}
	return f
}

// somebody failed, although nobody is named: the one that the original was for, if it was for
// one.
func (r *Report) somebody(action Action) Recipient {
	rcpt := Recipient{Action: action}
	if to := message.Addresses(r.Original.To); len(to) == 1 {
		rcpt.Final = to[0]
	}
	return rcpt
}

// Notice says by what m is a mail system's notice to its own postmaster, which is about the
// system's work and no report to a sender; "" if it is none.
func Notice(m *message.Message) string {
	n := subjects.Find(message.Plain(m.Subject))[2]
	if n == "" {
		return ""
	}
	if who, is := system(m); is != nobody {
		return who + ", Subject: " + n
	}
	return ""
}

var dashes = strings.NewReplacer("_", " ", "-", " ")

// look reads the words of m.
func look(m *message.Message) *bounce {
	b := &bounce{}
	quoted := false
	b.told, b.header, quoted = divide(m.Text(maxWords))
	quoted = quoted && !automatic(m)
	if quoted {
		b.header = nil // a person has it before him
	}
	if b.header != nil && !full(b.header) && toReader(m, b.header) {
		b.header = nil // one of those that a filter keeps for the reader
	}
	if h := returned(m); h != nil {
		b.header = h
	}
	kind := subjects.Find(message.Plain(m.Subject))
	b.delay, b.about = kind[1], cmp.Or(kind[0], kind[1])
	found := texts.Find(message.Plain(b.told[:min(len(b.told), maxTold)]))
	b.said, b.why = found[0], found[1]
	if found[3] != "" {
		b.gate = found[4]
	}
	b.failed = failuresOf(m, b.told, b.header, found[8] != "")
	if b.delay == "" && !b.failed.says("5") {
		b.delay = found[5]
	}
	if b.why == "" && b.delay == "" && !b.failed.says("4") && !b.failed.says("5") {
		b.arrived, b.relayed = found[6], found[7] != ""
	}
	b.see(m, found)
	b.signs.set(quotes, quoted && b.header == nil)
	b.signs.set(kept, kind[3] != "" && !b.signs.has(toYou) && b.header == nil && !b.signs.has(coded))
	return b
}

// see notes the signs of m, in whose text the phrases of texts are found.
func (b *bounce) see(m *message.Message, found []string) {
	b.signs.set(about, b.about != "")
	b.signs.set(said, b.said != "")
	b.signs.set(why, b.why != "")
	b.signs.set(gate, b.gate != "")
	b.signs.set(arrived, b.arrived != "")
	b.signs.set(returns, b.header != nil)
	b.signs.set(sure, b.failed.sure())
	b.signs.set(early, b.failed.early)
	b.signs.set(coded, b.failed.coded())
	b.signs.set(names, len(b.failed.rcpts) > 0)
	b.signs.set(inSentence, b.failed.mentions())
	b.signs.set(toYou, found[4] != "")
	b.signs.set(null, m.NullPath() && m.Header.Get("List-Id") == "")
	b.signs.set(silent, m.ReversePath == "" || m.NullPath())
	b.signs.set(reader, b.gate != "" && slices.ContainsFunc(message.Addresses(m.Header.Get("To")), func(a string) bool { return strings.Contains(strings.ToLower(b.told), strings.ToLower(a)) }))
	b.signs.set(replies, strings.HasPrefix(strings.ToLower(m.Header.Get("Auto-Submitted")), "auto-replied"))
	b.signs.set(answers, message.IsReply(m.Subject))
	b.signs.set(toReaders, found[10] != "")
	b.signs.set(listed, m.Header.Get("List-Unsubscribe") != "")
	b.signs.set(lured, found[2] != "" && b.header == nil || armed(m))
	b.signs.set(passed, found[9] != "" && !b.signs.has(coded) && b.about == "" && !deniesPassing(b.told))
}

// evidence says by what m is a bounce; nil if it is none.
func (b *bounce) evidence(m *message.Message) []string {
	if b.signs&(lured|passed|kept) != 0 {
		return nil
	}
	for _, r := range rows {
		if r.holds(b, m) {
			evidence := []string{b.who}
			for _, tell := range r.tell {
				evidence = append(evidence, tell(b))
			}
			return evidence
		}
	}
	if b.about != "" && (b.said != "" || b.why != "") && !b.signs.has(answers) && b.repeats(m) {
		return []string{b.who, "Subject: " + b.about, "text: " + cmp.Or(b.said, b.why), "the subject again in the text"}
	}
	return nil
}

// deniesPassing reports whether a text says that the message could not go on.
func deniesPassing(told string) bool {
	for line := range strings.Lines(lower(told[:min(len(told), maxTold)])) {
		if passing.First(line) != "" && denial.First(line) != "" {
			return true
		}
	}
	return false
}

// toReader reports whether a header that sums a message up is of one that somebody else wrote
// to the reader of m.
func toReader(m *message.Message, h message.Header) bool {
	readers, from, to := message.Addresses(m.Header.Get("To")), message.Addresses(h.Get("From")), message.Addresses(h.Get("To"))
	return len(readers) > 0 && len(from) > 0 && !overlap(from, readers) && (len(to) == 0 || overlap(to, readers))
}

// overlap reports whether two lists of addresses have one in common.
func overlap(some, others []string) bool {
	return slices.ContainsFunc(some, func(a string) bool {
		return slices.ContainsFunc(others, func(b string) bool { return strings.EqualFold(a, b) })
	})
}

// repeats reports whether the subject of m ends with one that the text names as that of the
// original, as Exchange writes it, where it knows recipients by their names alone.
func (b *bounce) repeats(m *message.Message) bool {
	h := mentioned(b.told)
	subject, original := strings.TrimSpace(m.Subject), h.Get("Subject")
	return original != "" && h.Get("Date") != "" && original != subject && strings.HasSuffix(subject, original)
}

// own reports whether what m returns or sums up is a message that the reader of m sent to
// somebody else than the sender of m.
func (b *bounce) own(m *message.Message) bool {
	h := b.header
	if h == nil {
		h = mentioned(b.told)
	}
	readers, from, to := message.Addresses(m.Header.Get("To")), message.Addresses(h.Get("From")), message.Addresses(h.Get("To"))
	return known(h) >= 2 && len(to) > 0 && !overlap(to, append(readers, m.From)) && (len(from) == 0 || overlap(from, readers))
}

// armed reports whether m carries what runs or hides it, as worms do that look like bounces.
func armed(m *message.Message) bool {
	return slices.ContainsFunc(m.Parts(), func(p message.Part) bool {
		name := strings.ToLower(p.Filename)
		return slices.ContainsFunc(arms, func(ext string) bool { return strings.HasSuffix(name, ext) })
	})
}

// arms are endings of the names of files that worms send.
var arms = []string{
	".zip", ".exe", ".scr", ".pif", ".com", ".bat", ".cmd", ".rar", ".7z", ".iso", ".img", ".js", ".jse", ".vbs", ".vbe", ".wsf", ".hta", ".cpl", ".lnk", ".ace", ".arj", ".html", ".htm", ".shtml", ".svg", ".xll", ".docm", ".xlsm",
}
