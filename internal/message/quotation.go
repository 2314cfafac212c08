package message

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"breakwater/internal/address"

	"golang.org/x/net/html"

	"breakwater/internal/phrases"
)

// Limits of what is read as the head of a quotation.
const (
	maxLabel       = 40  // bytes of the name of a field
	maxAttribution = 300 // bytes of the lines that say who wrote what follows
	maxHeadLines   = 6   // that name the fields of a message
)

// What mail programs and servers put above what somebody answers, forwards or gets back;
// package phrases has what each list is about.
var (
	titles   = phrases.Match("message.titles")
	openings = phrases.Match("message.openings")
	wrote    = phrases.Match("message.wrotes")
	tags     = phrases.Match("message.tags")
	replies  = phrases.Match("message.replies")
	daemons  = phrases.Match("message.daemons")
	labels   = phrases.Match(listsOf(fieldNames)...) // what fieldNames are called in running text
)

var fieldNames = []string{"Message-ID", "From", "To", "Cc", "Subject", "Date", "Received", "MIME-Version", "Return-Path", "Content-Type"}

func listsOf(names []string) (lists []string) {
	for _, name := range names {
		lists = append(lists, "message.field-"+name)
	}
	return lists
}

// quoters are classes, ids and names of elements of HTML in which mail programs put what they
// quote: of Gmail and its kin, Yahoo, Proton, Tuta, Zoho, Thunderbird, Yandex, web.de; and of
// Outlook, which puts the head into one, and what it quotes behind that.
var quoters = map[string]scope{
	"gmail_quote": container, "gmail_quote_container": container, "gmail_extra": container, "yahoo_quoted": container, "yahoo-quoted": container, "protonmail_quote": container,
	"tutanota_quote": container, "zmail_extra": container, "quote": container, "quoted": container, "moz-forward-container": container, "moz-email-headers-table": container,
	"isreplycontent": container, "isforwardcontent": container, "cyrus_quote": container, "mailspring-quoted-text": container, "gmx_quote": container,
	"divrplyfwdmsg": theRest, "appendonsend": theRest, "outlookmessageheader": theRest, "olk_src_body_section": theRest, "mail-editor-reference-message-container": theRest,
	"ms-outlook-mobile-reference-message": theRest, "replysplit": theRest, "reply-intro": theRest, "stopspelling": theRest,
}

// Own returns what the writer of m wrote, at most limit bytes of it: the text of m without
// attached files, and without what each part quotes or forwards. The plain and the HTML part
// of a message give the same.
func (m *Message) Own(limit int) string { return m.texts(limit, Part.own) }

func (p Part) own(limit int) string {
	if hasPrefixFold([]byte(p.Header.Get("Content-Disposition")), "attachment") {
		return ""
	}
	if p.Type != "text/html" {
		return Own(p.decoded(limit))
	}
	text := p.decoded(limit * markup)
	own := Own(textOf(unquoted(text)).Text)
	if strings.TrimSpace(own) == "" { // some set their own words in from the margin
		own = Own(textOf(text).Text)
	}
	return own
}

// Own is what the writer of a text wrote himself, of plain text: what stands behind ">" is
// not his, nor what comes below the head of a quotation. A line that says who wrote what
// follows may have lines with ">" below it, and his own words again below those.
func Own(text string) string {
	var b strings.Builder
	whole := true // nothing is left out so far: it is text[:pos]
	keep := func(pos, end int) {
		if !whole {
			b.WriteString(text[pos:end])
		}
	}
	leave := func(pos int) {
		if whole {
			whole = false
			b.WriteString(text[:pos])
		}
	}
	for pos := 0; pos < len(text); {
		end := textLineEnd(text, pos)
		line := visible(text[pos:end])
		switch {
		case line == "":
			keep(pos, end)
		case line[0] == '>':
			leave(pos)
		case HeadsQuotation(text[pos:]):
			leave(pos)
			return b.String()
		case endsInColon(line) || line[0] == '<' || opensAttribution(line):
			if n := attribution(text[pos:]); n > 0 {
				leave(pos)
				end = pos + n
				if !quotesNext(text[end:]) {
					return b.String()
				}
				break
			}
			keep(pos, end)
		default:
			keep(pos, end)
		}
		pos = end
	}
	if whole {
		return text
	}
	return b.String()
}

// visible is a line without white space around it, and without the marks that say in which
// direction to write.
func visible(line string) string {
	line = strings.TrimSpace(line)
	if line == "" || line[0] < utf8.RuneSelf && line[len(line)-1] < utf8.RuneSelf {
		return line
	}
	return strings.TrimFunc(line, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Bidi_Control, r) })
}

// HeadsQuotation reports whether a text begins with what mail programs put above a message
// that somebody answers or forwards: dashes and words for it, words that need no dashes, or
// the fields of its header.
func HeadsQuotation(text string) bool {
	line := visible(text[:textLineEnd(text, 0)])
	if title := strings.TrimLeft(line, "-–—_=*"); len(line)-len(title) >= 3 {
		return title != "" && titles.Begins(Plain(title[:min(len(title), 4*maxLabel)])) != ""
	}
	if endsInColon(line) && openings.MayBegin(line) && openings.Begins(Plain(line)) != "" {
		return true
	}
	name := FieldName(line)
	return (name == "From" || name == "Date" || name == "Subject") && headsMessage(text)
}

// headsMessage reports whether the first lines of a text sum up a message: three of its
// fields, or who it is from and one more.
func headsMessage(text string) bool {
	var names []string
	lines := 0
	for pos := 0; pos < len(text) && lines < maxHeadLines; lines++ {
		end := textLineEnd(text, pos)
		line := text[pos:end]
		pos = end
		if strings.TrimSpace(line) == "" {
			lines--
			if len(names) > 0 && strings.TrimSpace(text[pos:textLineEnd(text, pos)]) == "" {
				break // two empty lines
			}
			continue
		}
		name := FieldName(line)
		switch {
		case name == "" && lines > 0 && len(line) > 0 && isBlank(line[0]): // folded
		case name == "":
			return enough(names)
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	return enough(names)
}

func enough(names []string) bool {
	return len(names) >= 3 || len(names) == 2 && slices.Contains(names, "From")
}

// FieldName is the name of RFC 5322 of the field with which a line begins, as mail programs
// and servers call it in any language that we know; "" where the line is none.
func FieldName(line string) string {
	line = strings.TrimLeft(line, "> \t|*-\u00a0")
	line = line[:min(len(line), 2*maxLabel)]
	end := strings.IndexByte(line, ':')
	if wide := strings.Index(line, "："); wide >= 0 && (end < 0 || wide < end) {
		end = wide
	}
	if end <= 0 {
		return ""
	}
	if i, ok := labels.Table(strings.ToLower(strings.Trim(line[:end], " \t*\u00a0"))); ok {
		return fieldNames[i]
	}
	return ""
}

// attribution is the length of the lines with which a text begins that say when and where
// somebody wrote what follows; 0 where it begins with none. They end in a colon, and have the
// word "wrote" of some language, or an address and a time, or a line with ">" below them.
func attribution(text string) int {
	said := ""
	for pos, lines := 0, 0; pos < len(text) && lines < 4; lines++ {
		end := textLineEnd(text, pos)
		line := visible(text[pos:end])
		if line == "" || line[0] == '>' {
			return 0
		}
		said += line + " "
		pos = end
		switch {
		case len(said) > maxAttribution:
			return 0
		case !endsInColon(line):
			continue
		case says(said) || lines == 0 && quotesNext(text[pos:]):
			return pos
		}
		return 0
	}
	return 0
}

// says reports whether words with a colon at their end say who wrote what follows.
func says(words string) bool {
	timed := isTimed(words)
	if address.In(words) && timed {
		return true
	}
	p := Plain(words)
	before := strings.TrimRight(p, " :：")
	if i := strings.LastIndexByte(before, '('); i > 0 && strings.HasSuffix(before, ")") { // Hungarian has the time behind it
		if wrote.First(before[max(0, i-maxLabel):i]) != "" {
			return true
		}
	}
	w := wrote.First(p)
	return w != "" && (timed || address.In(words) || wrote.Ends(before) != "")
}

// isTimed reports whether words have a time of day, or a year of these centuries.
func isTimed(s string) bool {
	for i := 1; i+2 < len(s); i++ {
		if !isDigit(s[i-1]) {
			continue
		}
		if (s[i] == ':' || s[i] == '.' || s[i] == 'h') && isDigit(s[i+1]) && isDigit(s[i+2]) {
			return true
		}
		if (s[i-1] == '2' && s[i] == '0' || s[i-1] == '1' && s[i] == '9') && isDigit(s[i+1]) && isDigit(s[i+2]) {
			return true
		}
	}
	return false
}

// opensAttribution tells cheaply of most lines that no attribution begins with them: it has
// a digit or an address in its first line, and takes another line to end.
func opensAttribution(line string) bool {
	return len(line) < maxAttribution && (address.In(line) || isTimed(line))
}

// quotesNext reports whether the next line of a text that is not empty is quoted.
func quotesNext(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return text != "" && text[0] == '>'
}

func endsInColon(line string) bool {
	return strings.HasSuffix(line, ":") || strings.HasSuffix(line, "：") || strings.HasSuffix(line, ":*")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// unquoted is HTML in which a line ">" stands for what it quotes: in the elements that mail
// programs put around it. What comes behind the head that Outlook sets is left out. The lines
// of its source are joined, as those who read it do not see them.
func unquoted(s string) string {
	var b strings.Builder
	set := false  // within pre, where lines are as they come
	quoting := "" // the element that quotes, and how many of its name are open
	depth := 0
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		kind, name, attrs := z.Next(), []byte(nil), false
		raw := string(z.Raw())
		switch kind {
		case html.ErrorToken:
			return b.String()
		case html.StartTagToken, html.EndTagToken:
			name, attrs = z.TagName()
		case html.TextToken:
			if !set {
				raw = oneLine.Replace(raw)
			}
		}
		starts, quoted := kind == html.StartTagToken, nothing
		if starts && depth == 0 {
			quoted = quotes(z, string(name), attrs)
		}
		switch {
		case quoted == theRest:
			return b.String()
		case depth > 0 && string(name) == quoting && starts:
			depth++
		case depth > 0 && string(name) == quoting:
			depth--
		case depth > 0:
		case quoted == container:
			quoting, depth = string(name), 1
			b.WriteString("<br>&gt;<br>")
		default:
			b.WriteString(raw)
			if string(name) == "pre" {
				set = starts
				b.WriteString("<br>")
			}
		}
	}
}

var oneLine = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ")

// scope is how much of HTML a tag says is quoted.
type scope int

const (
	nothing   scope = iota
	container       // what is in its element
	theRest         // all that follows
)

func quotes(z *html.Tokenizer, name string, attrs bool) scope {
	found := nothing
	if name == "blockquote" {
		found = container
	}
	for attrs {
		var key, value []byte
		key, value, attrs = z.TagAttr()
		switch string(key) {
		case "class", "id", "name":
			for word := range bytes.FieldsSeq(bytes.ToLower(value)) {
				word = bytes.TrimPrefix(word, []byte("x_"))
				found = max(found, quoters[string(word)])
			}
		}
	}
	return found
}

// CutReply takes the mark of an answer or of a forwarded message off a subject, such as "Re:"
// or "WG:", in any language that we know.
func CutReply(subject string) (rest string, ok bool) {
	s := strings.TrimLeft(subject, " ")
	end := strings.IndexByte(s, ':')
	if wide := strings.Index(s, "："); wide >= 0 && (end < 0 || wide < end) {
		end = wide
	}
	if end <= 0 || end > maxLabel {
		return subject, false
	}
	mark := strings.TrimRight(s[:end], " ")
	if i := strings.IndexAny(mark, "[(^"); i > 0 && strings.Trim(mark[i:], "[(^0123456789)]") == "" { // "Re[2]:"
		mark = strings.TrimRight(mark[:i], " ")
	}
	if !replies.Has(strings.ToLower(mark)) {
		return subject, false
	}
	_, size := utf8.DecodeRuneInString(s[end:])
	return s[end+size:], true
}

// CutTag takes what gateways put in front of any subject off one, such as "[EXTERNAL]".
func CutTag(subject string) (rest string, ok bool) {
	s := strings.TrimLeft(subject, " ")
	t := tags.Begins(strings.ToLower(s[:min(len(s), maxLabel)]))
	if t == "" || len(t) > len(s) {
		return subject, false
	}
	return s[len(t):], true
}

// IsReply reports whether a subject is that of an answer or of a forwarded message, which a
// person's mail program wrote.
func IsReply(subject string) bool {
	for range 3 {
		rest, ok := CutTag(subject)
		if !ok {
			break
		}
		subject = rest
	}
	_, ok := CutReply(subject)
	return ok
}

// IsDaemon reports whether a local part is one from which mail systems send their reports.
func IsDaemon(local string) bool { return daemons.Has(strings.ToLower(unjoined.Replace(local))) }

var unjoined = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")
