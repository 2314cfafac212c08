package report

import (
	"bytes"
	"strings"

	"breakwater/internal/message"
)

const maxReceipt = 2 << 10 // bytes of the text of a receipt

// receipt reads a receipt without structure, as groupware and old mail programs write; nil if
// m is none. It takes a subject as they write it, and what only they say: a sentence of
// theirs, or that a message was read, and two fields of that message.
func receipt(m *message.Message) *Report {
	if r := encapsulated(m); r != nil {
		return r
	}
	subject := message.Plain(m.Subject)
	about := opened.Begins(subject)
	if about == "" || m.Header.Get("List-Unsubscribe") != "" {
		return nil
	}
	text := m.Text(maxReceipt + 1)
	if len(text) > maxReceipt || armed(m) {
		return nil
	}
	told, h, _ := divide(text)
	if full(h) {
		return nil // who writes has a message before him, and more to say than that
	}
	found, fields := seen.Find(message.Plain(told)), mentioned(told)
	r := &Report{Kind: MDN, Evidence: []string{"Subject: " + about}, Guessed: true, Disposition: "displayed"}
	switch {
	case found[0] != "":
		r.Evidence = append(r.Evidence, "text: "+found[0])
	case found[1] != "" && known(fields) >= 2:
		r.Evidence = append(r.Evidence, "text: "+found[1], "fields of a message")
	default:
		return nil
	}
	if unread.Begins(subject) != "" {
		r.Disposition = "deleted"
	}
	r.Original.from(fields)
	r.Recipients = []Recipient{{Final: m.From}}
	return r
}

// encapsulated reads the receipt that Outlook sends in its own format alone (MS-OXTNEF), where
// the class of the message says what it is; nil if m is none.
func encapsulated(m *message.Message) *Report {
	if m.ContentType.Type != tnef && m.Header.Get("X-MS-TNEF-Correlator") == "" {
		return nil
	}
	for _, p := range m.Parts() {
		if p.Type != tnef && !strings.EqualFold(p.Filename, "winmail.dat") {
			continue
		}
		head := p.Content[:min(len(p.Content), maxReceipt)]
		for _, c := range receiptClasses {
			class, disposition := c[0], c[1]
			if !bytes.Contains(head, []byte(class)) {
				continue
			}
			if unread.Begins(message.Plain(m.Subject)) != "" {
				disposition = "deleted"
			}
			r := &Report{Kind: MDN, Evidence: []string{"part " + p.Type + ": " + class}, Guessed: true, Disposition: disposition}
			r.Original.MessageID = message.MessageID(m.Header.Get("In-Reply-To"))
			r.Recipients = []Recipient{{Final: m.From}}
			return r
		}
	}
	return nil
}

const tnef = "application/ms-tnef"

// receiptClasses are the classes of receipts, and what they say of the message.
var receiptClasses = [][2]string{{"IPM.Microsoft Mail.Read Receipt", "displayed"}, {"REPORT.IPM.Note.IPNRN", "displayed"}, {"REPORT.IPM.Note.IPNNRN", "deleted"}}
