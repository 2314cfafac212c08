package report

import (
	"regexp"
	"slices"
	"strings"

	"breakwater/internal/message"
)

const maxWords = 64 << 10 // bytes of text that are looked at

// bounce is what the words of a message show, the evidence for a bounce without structure.
type bounce struct {
	who     string         // by what its sender is a mail system
	is      standing       // how surely it is one
	told    string         // what the sender says, without what it returns
	header  message.Header // of the original
	about   string         // a phrase of the subject
	said    string         // a formula in the text
	why     string         // a reason in the text
	delay   string         // a phrase by which delivery goes on
	failed  *failed        // who failed
	coded   bool           // an SMTP reply or a status is in the text
	gate    string         // a phrase by which a filter found something in a message of the reader's
	lures   bool           // it asks to click or to log in
	replies bool           // it says that it is an automatic answer, RFC 3834 §5
}

// unstructured reads a bounce that only its words tell. It takes a sender that is a mail
// system, words that mail systems use, and something that only they have: the header of the
// original, somebody who failed, the code of a reply. A person who quotes, forwards or
// discusses a bounce is no such sender; worms and phishing that look like bounces return
// nothing, and name nobody but their victim.
func unstructured(m *message.Message) *Report {
	who, is := sender(m)
	field := m.Header.Get("X-Failed-Recipients")
	if is == nobody && field == "" || Notice(m) != "" {
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
	action := Failed
	if b.delay != "" {
		action = Delayed
	}
	if field != "" {
		b.failed = &failed{}
		for _, a := range anAddress.FindAllString(message.DecodeWords(field), maxAddresses) {
			b.failed.add(address(a), confirmed)
		}
		for line := range strings.Lines(b.told) {
			if code, ok := codeOf(line); ok {
				b.failed.reason(code, strings.TrimSpace(line))
			}
		}
	}
	r.Recipients = recipients(b.failed, b.told, action)
	if len(r.Recipients) == 0 {
		r.Recipients = []Recipient{r.somebody(action)}
	}
	return r
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
	n := subjects.Find(plain(m.Subject))[2]
	if n == "" {
		return ""
	}
	if who, is := system(m); is != nobody {
		return who + ", Subject: " + n
	}
	return ""
}

// The tables of words.go, made ready to be found.
var (
	subjects  = message.NewPhrases(failures, delays, notices)
	texts     = message.NewPhrases(formulas, reasons, lures, finds, yours, retries)
	senders   = message.NewPhrases(callings)
	fails     = message.NewPhrases(slices.Concat(formulas, reasons))
	parents   = message.NewPhrases([]string{"(generated from", "(ultimately generated from", "(expanded from"})
	elsewhere = message.NewPhrases(others)
	help      = message.NewPhrases(helpers)
	dashes    = strings.NewReplacer("_", " ", "-", " ")
)

// subjectOf finds by what a subject is that of a bounce, and of a delay.
func subjectOf(m *message.Message) (about, delay string) {
	found := subjects.Find(plain(m.Subject))
	return found[0], found[1]
}

// look reads the words of m.
func look(m *message.Message) *bounce {
	b := &bounce{}
	b.told, b.header = divide(m.Text(maxWords))
	if h := returned(m); h != nil {
		b.header = h
	}
	b.about, b.delay = subjectOf(m)
	if b.about == "" {
		b.about = b.delay
	}
	found := texts.Find(plain(b.told[:min(len(b.told), maxTold)]))
	b.said, b.why, b.lures = found[0], found[1], found[2] != ""
	if found[3] != "" {
		b.gate = found[4]
	}
	b.failed = failuresOf(m, b.told, b.header)
	b.coded = b.failed.said != "" || slices.ContainsFunc(b.failed.rcpts, func(r Recipient) bool { return r.Diagnostic != "" })
	if b.delay == "" && !b.failed.forGood() {
		b.delay = found[5]
	}
	b.replies = strings.HasPrefix(strings.ToLower(m.Header.Get("Auto-Submitted")), "auto-replied")
	b.coded = b.failed.said != "" || slices.ContainsFunc(b.failed.rcpts, func(r Recipient) bool { return r.Diagnostic != "" })
	return b
}

// evidence says by what m is a bounce; nil if it is none.
func (b *bounce) evidence(m *message.Message) []string {
	returns, somebody := b.header != nil, b.failed.sure()
	answers := answer.MatchString(strings.TrimSpace(m.Subject)) && b.is != program
	text, subject := []string{b.who, "text: " + b.said}, []string{b.who, "Subject: " + b.about}
	switch {
	case armed(m) || b.lures && !returns:
		return nil
	case b.gate != "" && !answers && b.about != "" && (returns || len(b.failed.rcpts) > 0) && m.Header.Get("List-Unsubscribe") == "":
		return append(subject, "text: "+b.gate)
	case b.is == caller && (answers || b.said == "" && !returns):
		return nil
	case b.said != "" && (returns || (b.about != "" || b.coded) && somebody):
		return text
	case b.is == caller && b.about != "" && returns && (b.why != "" || b.coded || somebody):
		return subject
	case b.is == caller && b.why != "" && returns && somebody:
		return []string{b.who, "text: " + b.why, "somebody who failed"}
	case b.is == caller:
		return nil
	case b.said != "" && (somebody || b.coded && (b.is == program || b.about != "") || b.replies && b.is == program):
		return text
	case answers:
		return nil
	case b.about != "" && (returns || somebody || b.coded || len(b.failed.rcpts) > 0):
		return append(subject, "somebody who failed")
	case b.why != "" && (returns || b.failed.early):
		return []string{b.who, "text: " + b.why}
	case returns && (b.is == program || somebody):
		return []string{b.who}
	case somebody && b.coded && b.is == program:
		return []string{b.who, "somebody who failed"}
	case len(b.failed.rcpts) > 0 && b.replies && b.is == program:
		return []string{b.who, "Auto-Submitted: auto-replied"}
	}
	return nil
}

// answer is a subject that a person's mail program wrote.
var answer = regexp.MustCompile(`(?i)^(re|aw|sv|vs|fw|fwd|wg|tr|rv|antw|odp|ynt|enc|res|rif|r|i)\s*(\[\d+\])?[:：]`)

// standing is how surely a sender is a mail system.
type standing int

const (
	nobody  standing = iota
	caller           // it calls itself one, or has no address to answer to
	master           // its address may be a person's
	program          // its address is one that only programs have
)

// sender says by what m comes from a mail system, by its address, its name, or because it
// has no address to answer to.
func sender(m *message.Message) (string, standing) {
	if who, is := system(m); is != nobody {
		return who, is
	}
	from := m.Header.Get("From")
	if n := senders.First(plain(dashes.Replace(message.DecodeWords(from)))); n != "" {
		return "From: " + n, caller
	}
	switch {
	case m.From == "":
		return "From without an address", caller
	case m.ReversePath == "" && (!m.Rebuilt || strings.TrimSpace(m.Header.Get("Return-Path")) == "<>"):
		return "null reverse-path", caller
	}
	return "", nobody
}

// system says by what m comes from the address of a mail system. What a list sent under its
// own address has the sender's in Reply-To.
func system(m *message.Message) (string, standing) {
	from := strings.TrimSpace(m.Header.Get("From"))
	if from == "<>" {
		return "From: <>", program
	}
	addr := m.From
	if addr == "" {
		addr = strings.Trim(from, "<>\" ")
	}
	if is := standingOf(addr); is != nobody {
		return "From: " + addr, is
	}
	if m.Header.Get("List-Id") != "" {
		for _, name := range []string{"Reply-To", "X-Original-From"} {
			if to := message.Addresses(m.Header.Get(name)); len(to) > 0 && standingOf(to[0]) != nobody {
				return name + ": " + to[0], standingOf(to[0])
			}
		}
	}
	return "", nobody
}

// standingOf tells what the local part of an address is.
func standingOf(addr string) standing {
	local, _, _ := strings.Cut(strings.ToLower(addr), "@")
	local, _, _ = strings.Cut(local, "+")
	switch {
	case slices.Contains(programs, local) || strings.HasPrefix(local, "mailer-daemon") || strings.HasPrefix(local, "microsoftexchange"):
		return program
	case slices.Contains(masters, local) || strings.HasPrefix(local, "postmaster"):
		return master
	}
	return nobody
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
