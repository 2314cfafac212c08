package report

import (
	"bytes"
	"slices"

	"breakwater/internal/message"
)

// originals are the parts that return a message or its header.
var originals = []string{"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers", "text/rfc822-header", "message/partial"}

// original finds what the report returns of the message that it is about: in a part behind
// the status part, in any other, or in the text.
func (r *Report) original(m *message.Message, parts []message.Part, status int) {
	if h, what := part(slices.Concat(parts[status+1:], parts[:status+1])); h != nil {
		r.Evidence = append(r.Evidence, what)
		r.Original.from(h)
		return
	}
	told, h, _ := divide(m.Text(maxWords))
	if h != nil {
		r.Evidence = append(r.Evidence, "a header in the text")
		r.Original.from(h)
		return
	}
	r.Original.from(mentioned(told))
}

// part is the header of the first message among parts, and by which part it is known. Where
// boundaries went wrong, the header of a part may be that of the message.
func part(parts []message.Part) (message.Header, string) {
	for _, p := range parts {
		if !slices.Contains(originals, p.Type) {
			continue
		}
		if h, _, _ := message.ParseHeader(bytes.TrimLeft(p.Content, "\r\n")); known(h) > 0 {
			return h, "part " + p.Type
		}
	}
	if len(parts) > 1 {
		for _, p := range parts {
			if full(p.Header) && known(p.Header) >= 3 && p.Header.Get("From") != "" {
				return p.Header, "a header in the place of a part's"
			}
		}
	}
	return nil, ""
}

// returned is the header of a message in a part of its own.
func returned(m *message.Message) message.Header {
	h, _ := part(m.Parts())
	return h
}

// Returned is the header of a message that m returns or quotes; nil where there is none.
func Returned(m *message.Message) message.Header {
	if h := returned(m); h != nil {
		return h
	}
	_, h, _ := divide(m.Text(maxWords))
	return h
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
	o.Header = h
}
