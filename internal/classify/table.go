package classify

import (
	"strings"

	"breakwater/internal/message"
	"breakwater/internal/report"
)

// facts is what the table looks at.
type facts struct {
	m *message.Message
	r *report.Report // nil if m is none
}

// get is a field with its comments cut off, in lower case.
func (f facts) get(name string) string {
	v := strings.ToLower(f.m.Header.Get(name))
	v, _, _ = strings.Cut(v, "(")
	v, _, _ = strings.Cut(v, ";")
	return strings.TrimSpace(v)
}

// row is one way to tell what a message is. Its test returns the evidence; "" if it does
// not hold.
type row struct {
	class Class
	test  func(facts) string
}

// table has the most specific rows first; the first that holds decides. Reports come before
// all else: a receipt or a complaint must never fall among the bounces. What is missing here
// on purpose: a null reverse-path, which lists and receipts have, too, and
// X-Auto-Response-Suppress, which asks others not to answer and marks nothing.
var table = []row{
	{Feedback, reported(report.Feedback)},
	{MDN, reported(report.MDN)},
	{Challenge, challenge}, // some come as multipart/report with a delivery status
	{Feedback, complaint},
	{DSN, reported(report.DSN)},
	{Bulk, func(f facts) string { return report.Notice(f.m) }},
	{AutoReply, field("Auto-Submitted", "auto-replied")}, // RFC 3834 §5
	{AutoReply, answering(answers...)},
	{AutoReply, field("Precedence", "auto_reply", "auto-reply", "autoreply")},
	{AutoReply, field("X-Precedence", "auto_reply", "auto-reply", "autoreply")},
	{AutoReply, responds},
	{AutoReply, away},
	{AutoReply, says},
	{AutoReply, acknowledges},
	{Bulk, field("Auto-Submitted", "auto-generated", "auto-notified")},
	{Bulk, present("List-Id", "List-Post", "List-Unsubscribe", "Feedback-ID")}, // RFC 2919, RFC 2369
	{Bulk, field("Precedence", "bulk", "list", "junk")},
}

// Classify says what m is.
func Classify(m *message.Message) Verdict {
	f := facts{m, report.Parse(m)}
	for _, row := range table {
		why := row.test(f)
		if why == "" {
			continue
		}
		if f.r != nil && why == string(f.r.Kind) {
			return Verdict{Class: row.class, Reasons: f.r.Evidence, Report: f.r}
		}
		return Verdict{Class: row.class, Reasons: []string{why}}
	}
	return Verdict{Class: Personal, Reasons: []string{"nothing says otherwise"}}
}

// reported holds for a report of a kind. Its evidence is that of the report.
func reported(k report.Kind) func(facts) string {
	return func(f facts) string {
		if f.r == nil || f.r.Kind != k {
			return ""
		}
		return string(k)
	}
}

// field holds for one of the values of a field.
func field(name string, values ...string) func(facts) string {
	return func(f facts) string {
		got := f.get(name)
		for _, v := range values {
			if got == v {
				return name + ": " + got
			}
		}
		return ""
	}
}

// present holds where one of the fields is there.
func present(names ...string) func(facts) string {
	return func(f facts) string {
		for _, name := range names {
			if f.get(name) != "" {
				return name
			}
		}
		return ""
	}
}

// answers are fields that programs write which answer.
var answers = []string{
	"X-Autoreply", "X-Auto-Reply", "X-Autoreply-From", "X-Auto-Reply-From", "X-Autorespond", "X-Autoresponder", "X-Autoresponse", "X-Mail-Autoreply", "X-Autoanswer",
	"X-Autoreply-Sender", "X-Autoreply-Domain", "X-Autoreply-Id", "X-Vacation", "X-Vacation-Message", "X-Out-Of-Office", "X-FC-MachineGenerated",
}

// answering holds where one of the fields says more than "no".
func answering(names ...string) func(facts) string {
	return func(f facts) string {
		for _, name := range names {
			v := f.get(name)
			if v != "" && v != "no" && v != "false" {
				return name + ": " + v
			}
		}
		return ""
	}
}
