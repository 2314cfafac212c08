package report

import (
	"slices"
	"strings"

	"breakwater/internal/message"
	"breakwater/internal/phrases"
)

// What bounces without structure say, in the words of mail systems, one list for each question;
// package phrases has what each list is about. A phrase fits in where a mail system says it;
// where people say it as well, it belongs into reasons, which count for little alone.
var (
	failures, delays, retries, arrivals, relays, forwards, reaching, denials, reads, unreads, receipted, readings, formulas, reasons []string
	notices, lures, finds, yours, ends, others, helpers, labels, keeping, incoming, userAgents, marks, mutes, masters, callings      []string
	products                                                                                                                         []string
)

// The lists made ready to be found.
var (
	subjects, texts, senders, agents, marked, fails, parents, elsewhere, help, arriving, denial, passing, opened, unread, seen, ending *message.Phrases
)

func init() { phrases.Use(load) }

func load() {
	failures = phrases.Of("report.failures")
	delays = phrases.Of("report.delays")
	retries = phrases.Of("report.retries")
	arrivals = phrases.Of("report.arrivals")
	relays = phrases.Of("report.relays")
	forwards = phrases.Of("report.forwards")
	reaching = phrases.Of("report.reaching")
	denials = phrases.Of("report.denials")
	reads = phrases.Of("report.reads")
	unreads = phrases.Of("report.unreads")
	receipted = phrases.Of("report.receipted")
	readings = phrases.Of("report.readings")
	formulas = phrases.Of("report.formulas")
	reasons = phrases.Of("report.reasons")
	notices = phrases.Of("report.notices")
	lures = phrases.Of("report.lures")
	finds = phrases.Of("report.finds")
	yours = phrases.Of("report.yours")
	ends = phrases.Of("report.ends")
	others = phrases.Of("report.others")
	helpers = phrases.Of("report.helpers")
	labels = phrases.Of("report.labels")
	keeping = phrases.Of("report.kept")
	incoming = phrases.Of("report.incoming")
	userAgents = phrases.Of("report.userAgents")
	marks = phrases.Of("report.marks")
	mutes = phrases.Of("report.mutes")
	masters = phrases.Of("report.masters")
	callings = phrases.Of("report.callings")
	products = phrases.Of("report.products")

	subjects = message.NewPhrases(bare(failures), bare(delays), notices, bare(keeping))
	texts = message.NewPhrases(bare(formulas), bare(reasons), lures, finds, bare(yours), bare(retries), arrivals, relays, reaching, forwards, incoming)
	senders = message.NewPhrases(callings, products)
	agents = message.NewPhrases(userAgents)
	marked = message.NewPhrases(marks)
	fails = message.NewPhrases(bare(slices.Concat(formulas, reasons)))
	parents = message.NewPhrases([]string{"(generated from", "(ultimately generated from", "(expanded from"})
	elsewhere = message.NewPhrases(others)
	help = message.NewPhrases(helpers)
	arriving = message.NewPhrases(reaching)
	denial = message.NewPhrases(denials)
	passing = message.NewPhrases(forwards)
	opened = message.NewPhrases(slices.Concat(reads, unreads))
	unread = message.NewPhrases(unreads)
	seen = message.NewPhrases(receipted, readings)
	ending = message.NewPhrases(ends)
}

// accents are the letters of phrases that have one, as they are written without.
var accents = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss",
	"á", "a", "à", "a", "â", "a", "ã", "a", "ą", "a", "ç", "c", "ć", "c", "č", "c", "ď", "d", "é", "e", "è", "e", "ê", "e", "ę", "e", "ě", "e",
	"í", "i", "ì", "i", "î", "i", "ł", "l", "ñ", "n", "ń", "n", "ň", "n", "ó", "o", "ò", "o", "ô", "o", "õ", "o", "ř", "r", "ś", "s", "š", "s", "ť", "t",
	"ú", "u", "ù", "u", "ů", "u", "ý", "y", "ź", "z", "ż", "z", "ž", "z")
