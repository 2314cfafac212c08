package classify

import (
	"regexp"
	"strings"
)

// What automatic replies, challenges and complaints say that carry no field for it. All in
// lower case.

// prefixes are what programs put before the subject that they answer, or as the subject.
var prefixes = []string{
	"automatic reply:", "auto reply:", "auto-reply:", "autoreply:", "auto response", "autoresponse", "autoreply",
	"out of office:", "out of office autoreply:", "out of the office:", "vacation reply", "vacation:", "away from my mail:", "on vacation",
	"abwesenheitsnotiz", "automatische antwort:", "abwesend:", "automatische abwesenheit", "abwesenheit:",
	"réponse automatique", "absence du bureau", "absent du bureau", "message d'absence",
	"respuesta automática", "fuera de la oficina", "fuera de oficina:", "ausencia de la oficina",
	"risposta automatica", "fuori sede:", "assenza dall'ufficio", "resposta automática", "ausência temporária:", "fora do escritório",
	"automatisch antwoord", "afwezig:", "afwezigheidsassistent", "niet aanwezig:", "odpowiedź automatyczna", "automatyczna odpowiedź", "[automatyczna odpowiedź", "poza biurem:",
	"автоматический ответ", "автоответ", "отсутствие на рабочем месте", "自动答复", "自动回复", "自動回覆", "自動応答", "自動返信", "不在通知", "부재 중", "자동 회신",
	"autosvar", "automatiskt svar", "automatisk svar", "fraværende", "frånvarande", "automaattinen vastaus", "poissa:", "automatická odpověď", "mimo kancelář",
	"automatikus válasz", "házon kívül", "otomatik yanıt", "ofis dışında", "yahoo! auto response", "automatiska", "automātiska",
}

// notes stand in the text of an automatic reply.
var notes = []string{
	"out of the office", "out of office", "on vacation", "on leave", "on holiday", "away from my", "annual leave", "maternity leave", "will be back",
	"will respond when i return", "automatic reply", "auto response", "automatic response",
	"nicht im büro", "nicht im haus", "abwesend", "im urlaub", "bin ab dem", "wird nicht weitergeleitet", "automatische antwort",
	"absent", "en congé", "de retour", "réponse automatique", "fuera de la oficina", "de vacaciones", "respuesta automática", "ausente",
	"fuori ufficio", "in ferie", "assente", "risposta automatica", "férias", "fora do escritório", "resposta automática", "afwezig", "met vakantie",
	"urlop", "nieobecn", "в отпуске", "отсутств", "不在", "休假", "自动回复", "自動返信", "休暇", "semester", "ferie", "lomalla", "dovolen", "szabadság",
	"izinde", "atvaļinājum", "prombūtn",
}

// replied are subjects of Lotus Notes, which has the person's name in front.
var replied = regexp.MustCompile(`(is|will be) out of (the |)office\.?( \(|$)|ist außer haus\.?$`)

// answer is a subject that a person's mail program wrote.
var answer = regexp.MustCompile(`^(re|aw|sv|fw|fwd|wg|tr|rv|antw)\s*:`)

// away holds for an automatic reply that only its words tell: a subject as programs write it,
// and a second sign. A subject alone a person writes as well.
func away(f facts) string {
	subject := strings.ToLower(strings.TrimSpace(f.m.Subject))
	if tag, rest, ok := strings.Cut(subject, "] "); ok && strings.HasPrefix(tag, "[") && f.m.Header.Get("List-Id") != "" {
		subject = rest // a list's
	}
	about := ""
	for _, p := range prefixes {
		if strings.HasPrefix(subject, p) {
			about = p
			break
		}
	}
	if about == "" && !answer.MatchString(subject) {
		about = replied.FindString(subject)
	}
	if about == "" || f.get("Auto-Submitted") == "no" {
		return ""
	}
	if sign := secondSign(f); sign != "" {
		return "Subject: " + about + ", " + sign
	}
	return ""
}

func secondSign(f facts) string {
	if v := f.get("Auto-Submitted"); v != "" {
		return "Auto-Submitted: " + v
	}
	if f.m.ReversePath == "" && (!f.m.Rebuilt || f.m.Header.Get("Return-Path") == "<>") {
		return "null reverse-path"
	}
	// A person's answer has a subject that begins with Re.
	for _, name := range []string{"X-Auto-Response-Suppress", "X-Autoreply", "X-MS-Exchange-Inbox-Rules-Loop", "In-Reply-To"} {
		if f.m.Header.Get(name) != "" {
			return name
		}
	}
	switch v := f.get("Precedence"); v {
	case "bulk", "junk", "auto_reply":
		if f.m.Header.Get("List-Id") == "" {
			return "Precedence: " + v
		}
	}
	text := strings.ToLower(f.m.Text(8 << 10))
	for _, n := range notes {
		if strings.Contains(text, n) {
			return "text: " + n
		}
	}
	return ""
}

// challenges are marks of systems that ask a sender to prove that he is one.
var challenges = []struct{ field, holds string }{
	{"From", "@boxbe.com"}, {"From", "@spamarrest.com"}, {"From", "@0spam.com"}, {"From", "@bluebottle.com"}, {"From", "@mailblocks.com"}, {"From", "@earthlink.net (spamblocker"},
	{"Subject", "requires verification verify#"}, {"Subject", "please confirm your message"}, {"Subject", "(verifying)"}, {"Subject", "[qurb "}, {"Subject", "antispam uol"},
	{"Subject", "confirm (rsvp)"}, {"Subject", "sender verification required"},
}

// challenge holds for a mark of a known system.
func challenge(f facts) string {
	for _, c := range challenges {
		if v := f.m.Header.Get(c.field); v != "" && strings.Contains(strings.ToLower(v), c.holds) {
			return c.field + ": " + c.holds
		}
	}
	return ""
}

// complained is the subject of complaints that carry no feedback-report part.
var complained = regexp.MustCompile(`^complaint about message from [0-9a-fx.:]+$`)

func complaint(f facts) string {
	if s := strings.ToLower(f.m.Subject); complained.MatchString(s) {
		return "Subject: " + s
	}
	return ""
}
