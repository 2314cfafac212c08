package report

import (
	"slices"
	"strings"

	"breakwater/internal/message"
)

// outcomes are what the providers of certified mail in Italy (PEC) say in X-Ricevuta became of
// a message. Of what it says besides, accettazione and presa-in-carico are about the way there.
var outcomes = map[string]Action{
	"non-accettazione": Failed, "errore-consegna": Failed, "preavviso-errore-consegna": Delayed, "rilevazione-virus": Failed, "avvenuta-consegna": Delivered,
}

// certified reads the receipt of a provider of certified mail; nil if m is none. It has fields
// of its own, and names the recipient in a sentence.
func certified(m *message.Message) *Report {
	kind := strings.ToLower(strings.TrimSpace(m.Header.Get("X-Ricevuta")))
	action := outcomes[kind]
	id := message.MessageID(m.Header.Get("X-Riferimento-Message-ID"))
	if action == "" || id == "" || message.IsReply(m.Subject) {
		return nil
	}
	r := &Report{Kind: DSN, Evidence: []string{"X-Ricevuta: " + kind}, Guessed: true}
	r.Original.MessageID = id
	_, subject, _ := strings.Cut(m.Subject, ":")
	r.Original.Subject = strings.TrimSpace(subject)
	told := m.Text(maxTold)
	f := failuresOf(m, told, nil, false)
	for line := range strings.Lines(lower(told)) {
		from := anAddress.FindString(afterFirst(line, "proveniente da"))
		for _, words := range []string{"destinato a", "indirizzato a", "casella di destinazione", "consegnato a", "consegnato nella casella"} {
			if a := anAddress.FindString(afterFirst(line, words)); a != "" && a != from {
				f.add(mailbox(a), confirmed)
			}
		}
	}
	r.Recipients = slices.DeleteFunc(f.best(action), func(rcpt Recipient) bool { return strings.EqualFold(rcpt.Final, m.From) })
	if len(r.Recipients) == 0 {
		r.Recipients = []Recipient{{Action: action}}
	}
	return r
}

// afterFirst is what stands behind words in a line; "" where they are not in it.
func afterFirst(line, words string) string {
	_, after, _ := strings.Cut(line, words)
	return after
}
