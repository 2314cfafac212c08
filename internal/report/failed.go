package report

import (
	"regexp"
	"slices"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/message"
)

const (
	maxAddresses = 50       // that are taken from one text
	maxLines     = 2000     // of a text that are read for them
	maxLine      = 2 << 10  // bytes of one
	maxTold      = 16 << 10 // bytes of what a reporter says
	firstLines   = 3        // in which a system comes to the point
)

var (
	anAddress = regexp.MustCompile(`[\pL\pN.!#$%&*+/=?^_{|}~-][\pL\pN.!#$%&'*+/=?^_{|}~-]*@[\pL\pN_-]+(?:\.[\pL\pN_-]+)+`)
	aTime     = regexp.MustCompile(`^(?:\S{3} )?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: [* ]*`)
	aWord     = regexp.MustCompile(`^[<"]?([A-Za-z0-9][A-Za-z0-9._-]{1,63})[>"]?(?:$|  |\t)`)
)

// rank is how surely an address in a text is the one that failed.
type rank int

const (
	reached   rank = iota // the message is where it was to go
	unlikely              // in a field of the original, or an address to ask
	named                 // somewhere in a sentence
	alone                 // with a line to itself
	confirmed             // with the reason next to it
)

// failed finds who failed in what a reporter says, with the status and what the other
// server said. not are addresses that it names for other reasons.
type failed struct {
	ranks []rank
	rcpts []Recipient
	not   map[string]bool
	early bool   // somebody is among the first lines
	parts bool   // some of the text may tell whom the message reached
	happy bool   // the lines at hand do
	stood bool   // somebody has stood by himself, so that the codes below are his
	code  string // a status that stands with nobody
	said  string // and its line
}

// find reads a text, line by line.
func (f *failed) find(told string) {
	n := 0
	for line := range strings.Lines(told[:min(len(told), maxTold)]) {
		if n++; n > maxLines || len(f.rcpts) >= maxAddresses {
			return
		}
		line = untimed(strings.TrimSpace(line[:min(len(line), maxLine)]))
		if f.line(line); line == "" {
			n--
		}
		f.early = f.early || n <= firstLines && f.sure()
	}
}

// untimed is a line of a transcript without the time that it begins with, and the weekday.
func untimed(line string) string {
	if len(line) < 5 || !isDigit(line[0]) && !(line[3] == ' ' && isDigit(line[4])) {
		return line
	}
	return line[len(aTime.FindString(line)):]
}

// line takes the addresses and the code of a line.
func (f *failed) line(line string) {
	if name, value, ok := strings.Cut(line, ":"); ok && slices.ContainsFunc(stating, func(s string) bool { return strings.EqualFold(s, name) }) {
		f.add(mailbox(value), confirmed)
		return
	}
	code, coded := codeOf(line)
	switch named := address.In(line); {
	case named:
		if f.addresses(line, coded) {
			return
		}
	case f.parts && line != "" && !coded:
		if low := lower(line); strings.HasSuffix(line, ":") || reaches(low) || denies(low) {
			f.happy = reaches(low)
		}
	}
	if coded {
		f.reason(code, line)
	}
}

// stating are the fields of a status part that name a recipient, as some show them in their text.
var stating = []string{"Final-Recipient", "Original-Recipient", "X-Actual-Recipient"}

// reaches reports whether a line says that the message came to those whom it names, or the
// lines below.
func reaches(low string) bool { return arriving.First(low) != "" && !denies(low) }

// denies reports whether a line says no.
func denies(low string) bool { return denial.First(low) != "" }

// addresses takes those of a line, and reports whether it only says whence one came.
func (f *failed) addresses(line string, coded bool) bool {
	low := lower(line)
	switch {
	case parents.Begins(low) != "":
		switch a := anAddress.FindString(line); {
		case a == "":
		case len(f.rcpts) > 0:
			f.rcpts[len(f.rcpts)-1].Original = mailbox(a)
		default: // whose address is not disclosed
			f.add(mailbox(a), confirmed)
		}
		return true
	case elsewhere.Begins(low) != "":
		return false
	}
	happy := f.parts && !coded && (reaches(low) || f.happy && !denies(low))
	end, r := 0, reached
	for _, at := range anAddress.FindAllStringIndex(line, maxAddresses) {
		switch {
		case happy:
		case end > 0 && joins(line[end:at[0]]): // one of several, of which the line says the same
		default:
			r = f.rankOf(low, at[0], at[1], coded)
		}
		f.add(mailbox(line[at[0]:at[1]]), r)
		end = at[1]
	}
	return false
}

// joins reports whether what stands between two addresses says nothing.
func joins(between string) bool {
	word := strings.Trim(between, "<>,; \t\"'")
	return word == "" || word == "and" || word == "&"
}

// rankOf ranks the address between begin and end of a line.
func (f *failed) rankOf(low string, begin, end int, coded bool) rank {
	if begin > len(low) || end > len(low) { // a letter may take more bytes in lower case
		return named
	}
	before, after := strings.Trim(low[:begin], "<>\"'*-.: \t[("), strings.Trim(low[end:], "<>\"'*-.,:; \t])")
	begins := before == "" && (low[0] == '<' || onDate(after) || strings.HasPrefix(low[end:], ":") || strings.HasPrefix(low[end:], ">:"))
	ends := after == "" && strings.HasSuffix(strings.TrimRight(low[:begin], "<\"' \t"), ":") && failing(before)
	switch name, _ := tells(low); {
	case name != "":
		return unlikely
	case strings.HasSuffix(before, "message-id") || strings.Contains(before[strings.LastIndexByte(before, ' ')+1:], "://"):
		return unlikely
	case labels.Has(before) || before == "" && after != "" && fails.First(after) != "":
		f.stood = true
		return confirmed
	case strings.HasSuffix(before, "rcpt to"):
		return confirmed
	case !coded && help.First(low) != "":
		return unlikely
	case begins || ends || before == "" && after == "":
		f.stood = true
		if coded {
			return confirmed
		}
		return alone
	case coded && (f.stood || help.First(low[:begin]) != ""): // whom to ask, or who else is meant
		return unlikely
	case coded:
		return confirmed
	}
	return named
}

// onDate reports whether a text goes on with "on" and a date, as Exchange does behind an
// address, to say when it failed.
func onDate(after string) bool {
	after, ok := strings.CutPrefix(after, "on ")
	return ok && after != "" && isDigit(after[0])
}

// failing reports whether words that end so say that mail fails.
func failing(before string) bool {
	return fails.First(before[max(0, len(before)-40):]) != ""
}

// add takes an address for one who failed.
func (f *failed) add(addr string, r rank) {
	key := strings.ToLower(addr)
	local := address.Local(key)
	if addr == "" || f.not[key] || message.IsDaemon(local) || masters.Has(local) {
		return
	}
	for i := range f.rcpts {
		if strings.EqualFold(f.rcpts[i].Final, addr) {
			f.ranks[i] = max(f.ranks[i], r)
			return
		}
	}
	f.rcpts, f.ranks = append(f.rcpts, Recipient{Final: addr}), append(f.ranks, r)
}

// reason takes a code for that of the one whose address is in its line, or else of the one
// before it, or else of all.
func (f *failed) reason(code, line string) {
	for i := len(f.rcpts) - 1; i >= 0; i-- {
		r := &f.rcpts[i]
		if f.ranks[i] <= named || !strings.Contains(line, r.Final) && (i < len(f.rcpts)-1 || r.Diagnostic != "") {
			continue
		}
		if r.Diagnostic == "" {
			r.Status, r.Diagnostic = code, line
		}
		return
	}
	if f.said == "" {
		f.code, f.said = code, line
	}
}

// best are those of the highest rank that there is: all that stand alone or with a reason,
// or else those of a sentence, or else those of the original's fields, or else those whom the
// message reached, who come first where nobody failed.
func (f *failed) best(action Action) []Recipient {
	rankOf := func(i int) rank {
		if f.ranks[i] == reached && (action == Delivered || action == Relayed) {
			return alone
		}
		return min(f.ranks[i], alone)
	}
	top := reached
	for i := range f.ranks {
		top = max(top, rankOf(i))
	}
	var best []Recipient
	for i, r := range f.rcpts {
		if rankOf(i) < top {
			continue
		}
		if r.Diagnostic == "" {
			r.Status, r.Diagnostic = f.code, f.said
		}
		r.Action = action
		best = append(best, r)
	}
	return best
}

// sure reports whether somebody failed for certain.
func (f *failed) sure() bool {
	return slices.ContainsFunc(f.ranks, func(r rank) bool { return r >= alone })
}

// mentions reports whether somebody is named in a sentence, at least.
func (f *failed) mentions() bool {
	return slices.ContainsFunc(f.ranks, func(r rank) bool { return r != unlikely })
}

// abroad reports whether somebody is named, in a sentence at least, who is neither at home
// where m comes from nor where it goes, as those are whom to ask.
func (f *failed) abroad(m *message.Message) bool {
	home := append(message.Addresses(m.Header.Get("To")), m.From)
	for i, r := range f.rcpts {
		if f.ranks[i] >= named && !slices.ContainsFunc(home, func(a string) bool { return message.Near(a, r.Final) }) {
			return true
		}
	}
	return false
}

// coded reports whether a code is in the text.
func (f *failed) coded() bool {
	return f.said != "" || slices.ContainsFunc(f.rcpts, func(r Recipient) bool { return r.Diagnostic != "" })
}

// says reports whether a code is of a class: '4' may go on, '5' failed for good (RFC 3463 §3.1).
func (f *failed) says(class string) bool {
	return strings.HasPrefix(f.code, class) || slices.ContainsFunc(f.rcpts, func(r Recipient) bool { return strings.HasPrefix(r.Status, class) })
}

// codeOf is the status in a line (RFC 3463), of an SMTP reply (RFC 5321 §4.2) where there is
// no better one.
func codeOf(line string) (string, bool) {
	reply := ""
	for i := 0; i+4 < len(line); i++ {
		if c := line[i]; c != '2' && c != '4' && c != '5' || i > 0 && partOfWord(line[i-1]) && !(i > 1 && line[i-1] == '-' && isDigit(line[i-2])) {
			continue
		}
		if line[i+1] == '.' {
			if code := statusAt(line[i:]); code != "" {
				return code, true
			}
			continue
		}
		if reply == "" && replyAt(line[i:]) {
			reply = line[i:i+1] + ".0.0"
		}
	}
	return reply, reply != ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// partOfWord reports whether a code can not begin behind c: it is within a word, a number, an
// IP address or a version.
func partOfWord(c byte) bool {
	return c == '.' || c == '-' || c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// statusAt is the status with which s begins: a class, a subject, and up to three digits.
func statusAt(s string) string {
	if len(s) < 5 || s[2] < '0' || s[2] > '7' || s[3] != '.' {
		return ""
	}
	end := 4
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	if end == 4 || end > 7 || end < len(s)-1 && s[end] == '.' && isDigit(s[end+1]) {
		return ""
	}
	return s[:end]
}

// replyAt reports whether s begins with the code of a negative SMTP reply and its text.
func replyAt(s string) bool {
	if len(s) < 5 || s[0] == '2' || s[1] < '0' || s[1] > '5' || s[2] < '0' || s[2] > '9' || s[3] != ' ' && s[3] != '-' {
		return false
	}
	text := strings.TrimLeft(s[4:], " ")
	if text == "" {
		return false
	}
	c := text[0]
	return c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("<#'\"[(", c) >= 0 || len(text) > 1 && text[1] == '.'
}

// locals finds those that a system names without their domain, which is its own: one word in
// a line, or in its first column, behind a line that ends in a colon.
func locals(told, domain string) []string {
	var found []string
	open := false
	for line := range strings.Lines(told) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.HasSuffix(line, ":"):
			open = fails.First(lower(line)) != ""
		case open:
			if w := aWord.FindStringSubmatch(line); w != nil && len(found) < maxAddresses && !labels.Has(strings.ToLower(w[1])) {
				found = append(found, address.Join(strings.ToLower(w[1]), domain))
				continue
			}
			open = false
		}
	}
	return found
}

// failuresOf reads who failed out of what m tells, but for its sender, the one that it writes
// to, and the sender of the original h, who fail only where nobody else does.
func failuresOf(m *message.Message, told string, h message.Header, parts bool) *failed {
	f := &failed{not: map[string]bool{strings.ToLower(m.From): true}, parts: parts}
	for _, field := range []string{m.Header.Get("To"), h.Get("From"), h.Get("Return-Path"), h.Get("Sender")} {
		for _, a := range message.Addresses(field) {
			f.not[strings.ToLower(a)] = true
		}
	}
	f.find(told)
	if _, domain, ok := address.Split(m.From); ok && !f.sure() {
		for _, a := range locals(told, domain) {
			f.add(a, alone)
		}
	}
	return f
}

// recipients are those who failed.
func recipients(f *failed, told string, action Action) []Recipient {
	if len(f.rcpts) == 0 {
		self := &failed{not: map[string]bool{}, parts: f.parts}
		if self.find(told); self.sure() {
			f = self
		}
	}
	return f.best(action)
}
