package message

import "breakwater/internal/phrases"

// What mail programs and servers put above what somebody answers, forwards or gets back;
// package phrases has what each list is about.
var (
	dashed, undashed, wrote *Phrases
	wrotes, tags            []string
	replies, daemons        map[string]bool
	fieldNames              map[string]string // names of RFC 5322 by what they are in running text
)

func init() {
	phrases.Use(func() {
		dashed, undashed = NewPhrases(phrases.Of("message.titles")), NewPhrases(phrases.Of("message.openings"))
		wrotes, tags = phrases.Of("message.wrotes"), phrases.Of("message.tags")
		wrote = NewPhrases(wrotes)
		replies, daemons = set(phrases.Of("message.replies")), set(phrases.Of("message.daemons"))
		fieldNames = map[string]string{}
		for _, name := range []string{"Message-ID", "From", "To", "Cc", "Subject", "Date", "Received", "MIME-Version", "Return-Path", "Content-Type"} {
			for _, label := range phrases.Of("message.field-" + name) {
				fieldNames[label] = name
			}
		}
	})
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

func set(words []string) map[string]bool {
	all := map[string]bool{}
	for _, w := range words {
		all[w] = true
	}
	return all
}
