package report

import (
	"bytes"
	"slices"
	"strings"

	"breakwater/internal/message"
)

// originals are the parts that return a message or its header.
var originals = []string{"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers", "text/rfc822-header"}

// original finds what the report returns of the message that it is about: in a part behind
// the status part, in any other, or in the text.
func (r *Report) original(m *message.Message, parts []message.Part, status int) {
	order := slices.Concat(parts[status+1:], parts[:status+1])
	for _, p := range order {
		if !slices.Contains(originals, p.Type) {
			continue
		}
		if h, _, _ := message.ParseHeader(bytes.TrimLeft(p.Content, "\r\n")); len(h) > 0 {
			r.Evidence = append(r.Evidence, "part "+p.Type)
			r.Original.from(h)
			return
		}
	}
	if h := inline(m.Text(64 << 10)); h != nil {
		r.Evidence = append(r.Evidence, "a header in the text")
		r.Original.from(h)
	}
}

// from takes over what a returned header says. What the status part said stands.
func (o *Original) from(h message.Header) {
	if o.MessageID == "" {
		o.MessageID = message.MessageID(h.Get("Message-ID"))
	}
	if from := message.Addresses(h.Get("From")); len(from) > 0 {
		o.From = from[0]
	}
	o.To = message.DecodeWords(h.Get("To"))
	o.Subject = message.DecodeWords(h.Get("Subject"))
	o.Date = h.Get("Date")
	o.Received = h.Values("Received")
}

// telling are the fields by which a header in running text is known.
var telling = []string{"message-id", "from", "to", "subject", "date", "received", "mime-version"}

// inline finds a header that stands in a text, perhaps quoted. It is one when at least three
// telling fields are in it.
func inline(text string) message.Header {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines) && i < 2000; i++ {
		if !tells(lines[i]) {
			continue
		}
		mark := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], "> \t|"))]
		var block strings.Builder
		for ; i < len(lines) && strings.HasPrefix(lines[i], mark) && block.Len() < 64<<10; i++ {
			block.WriteString(lines[i][len(mark):] + "\n")
		}
		h, _, _ := message.ParseHeader([]byte(block.String()))
		n := 0
		for _, t := range telling {
			if h.Get(t) != "" {
				n++
			}
		}
		if n >= 3 {
			return h
		}
		i -= strings.Count(block.String(), "\n") - 1
	}
	return nil
}

func tells(line string) bool {
	name, _, ok := strings.Cut(strings.TrimLeft(line, "> \t|"), ":")
	return ok && len(name) < 20 && slices.Contains(telling, strings.ToLower(strings.TrimSpace(name)))
}
