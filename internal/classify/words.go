package classify

import (
	"regexp"

	"breakwater/internal/phrases"
)

// What automatic replies, challenges and complaints say that carry no field for it, one list
// for each question; package phrases has what each list is about. A person's answer to what
// prefixes are put before begins with "Re:".
var (
	begin           = phrases.Match("classify.prefixes")
	absent          = phrases.Match("classify.absences")
	oneself         = phrases.Match("classify.selves")
	sure            = phrases.Match("classify.unmistakable")
	note            = phrases.Match("classify.notes")
	auto            = phrases.Match("classify.automatic")
	thanked         = phrases.Match("classify.thanks classify.receipts")
	receipt         = phrases.Match("classify.receipts")
	passing         = phrases.Match("classify.passed")
	titled          = phrases.Match("classify.titles")
	confirm         = phrases.Match("classify.confirming")
	promise         = phrases.Match("classify.promises")
	moved           = phrases.Match("classify.moves")
	webmail         = phrases.Match("classify.webmails")
	dealing         = phrases.Match("classify.dealings")
	responder       = phrases.Match("classify.responders")
	automaton       = phrases.Match("classify.automata")
	mailing         = phrases.Match("classify.mailers")
	forensic        = phrases.Match("classify.failing")
	challenger      = phrases.Match("classify.challengers")
	challengePath   = phrases.Match("classify.challengePaths")
	challenged      = phrases.Match("classify.challenges", "classify.mayChallenges")
	demand          = phrases.Match("classify.demands")
	suffixes        = phrases.Match("classify.suffixes")
	outs            = phrases.Match("classify.outs")
	days            = phrases.Match("classify.days")
	challengeFields = phrases.Match("classify.challengeFields")
	answers         = phrases.Match("classify.answers")
)

// japanese are words with which Japanese forms confirm an inquiry; where to inquire says other mail, too.
var japanese = regexp.MustCompile(`(お?問い?合わ?せ|ご連絡|お?申し?込み?|資料請求|お見積)(ありがとう|有難う|有り難う|頂き|いただき|受付(け|いた|し|完|のお知らせ|のご連絡|のご案内|通知)|受け付け|受けいたし|承り|完了|送信され|[^先窓].{0,60}?(ありがとう|有難う|有り難う|頂き|いただき|受付(け|いた|し|完)|受け付け|受けいたし|承り|完了|送信され))|自動(返信|的に返信)`)

// unauthentic is the subject of reports on mail that failed the checks of a domain, RFC 6591.
var unauthentic = regexp.MustCompile(`\b(dmarc|dkim|spf|domain-based message authentication|message authentication|authentication)\b.{0,40}\b(forensic|failure|failed)\b.{0,10}\breport\b|\b(forensic|failure) report\b.{0,30}\b(dmarc|dkim|spf)\b`)

// complained is the subject of complaints that carry no feedback-report part.
var complained = regexp.MustCompile(`^complaint about message from [0-9a-fx.:]+$|^(email|e-mail) feedback report for ip `)
