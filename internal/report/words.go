package report

import "breakwater/internal/phrases"

// What bounces without structure say, in the words of mail systems, one list for each question;
// package phrases has what each list is about. A phrase fits in where a mail system says it;
// where people say it as well, it belongs into reasons, which count for little alone.
var (
	subjects = phrases.Match("report.failures", "report.delays", "report.notices", "report.kept")
	texts    = phrases.Match("report.formulas", "report.reasons", "report.lures", "report.finds", "report.yours", "report.retries",
		"report.arrivals", "report.relays", "report.reaching", "report.forwards", "report.incoming")
	fails     = phrases.Match("report.formulas report.reasons")
	arriving  = phrases.Match("report.reaching")
	denial    = phrases.Match("report.denials")
	passing   = phrases.Match("report.forwards")
	ending    = phrases.Match("report.ends")
	elsewhere = phrases.Match("report.others")
	help      = phrases.Match("report.helpers")
	labels    = phrases.Match("report.labels")
	parents   = phrases.Match("report.parents")

	opened = phrases.Match("report.reads report.unreads")
	unread = phrases.Match("report.unreads")
	seen   = phrases.Match("report.receipted", "report.readings")

	senders = phrases.Match("report.callings", "report.products")
	masters = phrases.Match("report.masters")
	mutes   = phrases.Match("report.mutes")
	agents  = phrases.Match("report.userAgents")
	marked  = phrases.Match("report.marks")
)
