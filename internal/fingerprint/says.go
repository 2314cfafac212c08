package fingerprint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/report"
	"breakwater/internal/storm"
)

// What a message says is more than what copies of it share. A version is the print of all of it:
// who writes, where answers go, the subject, all texts to the letter and sign, and attachments byte
// for byte. Only layout, encoding and quotation marks do not matter, prose that is said twice in a row,
// and what gateways put in front of a subject.
//
// Of a bounce it is what the reporter's text says, without its own IDs and times: what it returns
// is the recipient's own mail.

// says returns what m says, and what is numbered in m by a gateway; nil for nothing.
func (h *Hasher) says(m *message.Message, v classify.Verdict, c content) (says storm.Saying, n *Numbered) {
	subject := bare(m.Subject)
	switch {
	case subject == "":
		subject = m.Subject
	case v.Class == classify.AutoReply:
		subject = distinct(subject)
	}
	whose := []string{plain(message.DecodeWords(m.Header.Get("From"))), answersTo(m), subject}
	content := []string{m.Header.Get("From"), m.Header.Get("Reply-To"), m.Subject, c.exact}
	for _, p := range m.Parts() {
		content = append(content, p.Type, p.Params["charset"], p.Header.Get("Content-Disposition"))
	}
	says.Content = h.print(storm.Content, content)
	said := c.exact
	switch v.Class {
	case classify.DSN:
		said = reportText(m, v.Report)
	default:
		b := body{seed: &h.seed, besides: h.print(storm.Version, append(whose, c.rest))}
		nothing, number := false, false
		for _, text := range c.texts {
			blocks := h.seed.blocks(text)
			b.add(blocks)
			nothing = nothing || len(blocks) == 0
			number = number || len(blocks) > 0 && (blocks[0].number || blocks[len(blocks)-1].number)
		}
		if len(b.texts) > 1 || nothing { // whether one of them is read or all
			b.besides = h.print(storm.Version, append(whose, c.rest, m.ContentType.Type))
		}
		if len(b.texts) > 0 {
			says.Versions, says.Parts = []uint64{b.version(0, 0)}, b.parts()
			if !number {
				return says, nil
			}
			return says, h.numbered(m, c.texts, b)
		}
	}
	says.Versions = []uint64{h.print(storm.Version, append(whose, said))}
	return says, nil
}

func (h *Hasher) print(k storm.Kind, fields []string) uint64 {
	sum := h.hash(k, fields)
	return binary.BigEndian.Uint64(sum[:])
}

// plain is a text without its layout.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

// shown are texts with what their pictures show for the names of these, which are new each time.
func shown(texts []string, parts []message.Part) []string {
	var names []string
	for _, p := range parts {
		if id := strings.Trim(p.Header.Get("Content-ID"), "<> \t"); id != "" && len(names) < 2*maxPictures {
			sum := sha256.Sum256(p.Content)
			names = append(names, "cid:"+id, "cid:"+hex.EncodeToString(sum[:8]))
		}
	}
	if len(names) > 0 {
		r := strings.NewReplacer(names...)
		for i := range texts {
			texts[i] = r.Replace(texts[i])
		}
	}
	return texts
}

const maxPictures = 100 // that stand in a text; of more the names count

// answersTo is where answers to m go, if not to From.
func answersTo(m *message.Message) string {
	field := m.Header.Get("Reply-To")
	if field == "" {
		return ""
	}
	return strings.ToLower(strings.Join(message.Addresses(field), " "))
}

// distinct is a subject in which each of the parts before a colon stands once: two programs that
// answer each other put more and more of them in front.
func distinct(subject string) string {
	parts := strings.Split(subject, ": ")
	if len(parts) < 3 {
		return subject
	}
	var kept []string
	for _, p := range parts {
		if !slices.Contains(kept, p) {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ": ")
}

// reportText is what a report says in words: its text in front of the fields for machines, and
// what the servers said.
func reportText(m *message.Message, r *report.Report) string {
	var texts []string
	new := news{}
	new.add(slices.Concat(m.Received, []string{m.MessageID, m.Header.Get("Date")})...)
	for _, p := range m.Parts() {
		switch {
		case p.Type == "message/delivery-status":
			new.fields(p.Content)
		case p.IsText() && m.ContentType.Type == "multipart/report":
			texts = append(texts, p.Read().Whole)
		case p.IsText():
			texts = append(texts, report.Told(p.Read().Whole))
		case p.Type != "message/rfc822" && p.Type != "text/rfc822-headers":
			sum := sha256.Sum256(p.Content)
			texts = append(texts, p.Filename, string(sum[:]))
		}
	}
	if r != nil {
		for _, rcpt := range r.Recipients {
			texts = append(texts, rcpt.Diagnostic)
		}
	}
	return new.left(strings.Join(texts, "\n\x00\n"))
}

// news are the words with digits that are new in each report, because it says elsewhere that they
// are its IDs and times.
type news map[string]bool

const punctuation = ".,;:()[]<>\"'"

func (n news) add(texts ...string) {
	for _, text := range texts {
		for word := range strings.FieldsSeq(text) {
			if word = strings.Trim(word, punctuation); strings.ContainsAny(word, "0123456789") {
				n[word] = true
			}
		}
	}
}

// fields adds the times and IDs of the fields for machines (RFC 3464 §2.2, §2.3).
func (n news) fields(content []byte) {
	for line := range bytes.Lines(content) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		name = bytes.ToLower(name)
		if bytes.HasSuffix(name, []byte("-date")) || bytes.HasSuffix(name, []byte("queue-id")) {
			n.add(string(value))
		}
	}
}

// left is a text without them.
func (n news) left(text string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(text), func(w string) bool { return n[strings.Trim(w, punctuation)] }), " ")
}
