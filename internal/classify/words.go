package classify

import (
	"regexp"
	"slices"

	"breakwater/internal/message"
	"breakwater/internal/phrases"
)

// What automatic replies, challenges and complaints say that carry no field for it, one list
// for each question; package phrases has what each list is about. A person's answer to what
// prefixes are put before begins with "Re:".
var (
	prefixes, absences, unmistakable, suffixes, notes, automatic, confirming, thanks, receipts, promises, moves, webmails, failing []string
	titles, selves, passed, dealings, mailers, days, responders, automata, challengePaths, challenges, challengers, mayChallenges  []string
	demands                                                                                                                        []string
)

// Names of fields, which a row of the table asks for.
var (
	challengeFields = phrases.Of("classify.challengeFields")
	answers         = phrases.Of("classify.answers")
)

// The lists made ready to be found.
var (
	begin, absent, oneself, sure, note, auto, thanked, receipt, passing, titled, confirm, promise, moved, webmail, dealing, responder *message.Phrases
	automaton, mailing, forensic, challenger, challengePath, challenged, demand                                                       *message.Phrases
)

func init() { phrases.Use(load) }

func load() {
	prefixes = phrases.Of("classify.prefixes")
	absences = phrases.Of("classify.absences")
	unmistakable = phrases.Of("classify.unmistakable")
	suffixes = phrases.Of("classify.suffixes")
	notes = phrases.Of("classify.notes")
	automatic = phrases.Of("classify.automatic")
	confirming = phrases.Of("classify.confirming")
	thanks = phrases.Of("classify.thanks")
	receipts = phrases.Of("classify.receipts")
	promises = phrases.Of("classify.promises")
	moves = phrases.Of("classify.moves")
	webmails = phrases.Of("classify.webmails")
	failing = phrases.Of("classify.failing")
	titles = phrases.Of("classify.titles")
	selves = phrases.Of("classify.selves")
	passed = phrases.Of("classify.passed")
	dealings = phrases.Of("classify.dealings")
	mailers = phrases.Of("classify.mailers")
	days = phrases.Of("classify.days")
	responders = phrases.Of("classify.responders")
	automata = phrases.Of("classify.automata")
	challengePaths = phrases.Of("classify.challengePaths")
	challenges = phrases.Of("classify.challenges")
	challengers = phrases.Of("classify.challengers")
	mayChallenges = phrases.Of("classify.mayChallenges")
	demands = phrases.Of("classify.demands")

	begin = message.NewPhrases(prefixes)
	absent = message.NewPhrases(absences)
	oneself = message.NewPhrases(selves)
	sure = message.NewPhrases(unmistakable)
	note = message.NewPhrases(notes)
	auto = message.NewPhrases(automatic)
	thanked = message.NewPhrases(slices.Concat(thanks, receipts))
	receipt = message.NewPhrases(receipts)
	passing = message.NewPhrases(passed)
	titled = message.NewPhrases(titles)
	confirm = message.NewPhrases(confirming)
	promise = message.NewPhrases(promises)
	moved = message.NewPhrases(moves)
	webmail = message.NewPhrases(webmails)
	dealing = message.NewPhrases(dealings)
	responder = message.NewPhrases(responders)
	automaton = message.NewPhrases(automata)
	mailing = message.NewPhrases(mailers)
	forensic = message.NewPhrases(failing)
	challenger = message.NewPhrases(challengers)
	challengePath = message.NewPhrases(challengePaths)
	challenged = message.NewPhrases(challenges, mayChallenges)
	demand = message.NewPhrases(demands)
}

// japanese are words with which Japanese forms confirm an inquiry; where to inquire says other mail, too.
var japanese = regexp.MustCompile(`(お?問い?合わ?せ|ご連絡|お?申し?込み?|資料請求|お見積)(ありがとう|有難う|有り難う|頂き|いただき|受付(け|いた|し|完|のお知らせ|のご連絡|のご案内|通知)|受け付け|受けいたし|承り|完了|送信され|[^先窓].{0,60}?(ありがとう|有難う|有り難う|頂き|いただき|受付(け|いた|し|完)|受け付け|受けいたし|承り|完了|送信され))|自動(返信|的に返信)`)

// unauthentic is the subject of reports on mail that failed the checks of a domain, RFC 6591.
var unauthentic = regexp.MustCompile(`\b(dmarc|dkim|spf|domain-based message authentication|message authentication|authentication)\b.{0,40}\b(forensic|failure|failed)\b.{0,10}\breport\b|\b(forensic|failure) report\b.{0,30}\b(dmarc|dkim|spf)\b`)

// replied are subjects of Lotus Notes, which has the person's name in front.
var replied = regexp.MustCompile(`(is|will be) (currently )?out of (the |)office\.?( ?\(| until| from|$)|is (away|on vacation|on leave|out)\.? \((returning|retour|back)|ist (außer haus|abwesend|nicht im (büro|haus))\.?( \(|$)|est absent(\(e\)|e)?( du bureau)?\.?( \(|$)|está (ausente|fuera de la oficina)\.?( \(|$)|è (assente|fuori ufficio|fuori sede)\.?( \(|$)|está (ausente|fora)( do escritório)?\.?( \(|$)|is (afwezig|niet aanwezig|niet op kantoor)\.?( \(|$)|jest (nieobecn[ya]|poza biurem)\.?( \(|$)|は不在です|は、?外出`)

// complained is the subject of complaints that carry no feedback-report part.
var complained = regexp.MustCompile(`^complaint about message from [0-9a-fx.:]+$|^(email|e-mail) feedback report for ip `)
