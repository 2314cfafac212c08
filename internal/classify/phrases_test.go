package classify

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/phrases"
)

// folders are the samples that can prove the phrases of a list; all where none are named. What
// is said by people or shops is proven by ordinary mail, too.
var folders = map[string][]string{
	"report.failures": {"dsn"}, "report.delays": {"dsn"}, "report.retries": {"dsn"}, "report.arrivals": {"dsn"}, "report.relays": {"dsn"}, "report.formulas": {"dsn"}, "report.ends": {"dsn"},
	"report.reads": {"mdn"}, "report.unreads": {"mdn"}, "report.receipted": {"mdn"}, "report.readings": {"mdn"}, "report.labels": {"dsn"}, "report.reaching": {"dsn"},
	"classify.prefixes": {"auto-reply"}, "classify.absences": {"auto-reply", "ordinary"}, "classify.unmistakable": {"auto-reply"}, "classify.suffixes": {"auto-reply"}, "classify.notes": {"auto-reply"},
	"classify.automatic": {"auto-reply"}, "classify.confirming": {"auto-reply"}, "classify.receipts": {"auto-reply"}, "classify.automata": {"auto-reply"}, "classify.responders": {"auto-reply"},
	"classify.answers": {"auto-reply"}, "classify.challenges": {"challenge"}, "classify.mayChallenges": {"challenge"}, "classify.challengers": {"challenge"}, "classify.demands": {"challenge"},
	"classify.challengeFields": {"challenge"}, "classify.challengePaths": {"challenge"}, "classify.failing": {"feedback"},
}

// questions are lists of which one phrase can be in one only: they answer the same question
// differently.
var questions = [][]string{
	{"report.failures", "report.notices"}, {"report.reads", "report.unreads"}, {"report.formulas", "report.lures"}, {"report.receipted", "report.readings"},
	{"report.arrivals", "report.formulas"}, {"report.forwards", "report.formulas"}, {"report.reaching", "report.denials"}, {"report.callings", "report.products"},
	{"classify.prefixes", "classify.absences"}, {"classify.thanks", "classify.receipts"}, {"classify.automatic", "classify.confirming"}, {"classify.challenges", "classify.mayChallenges"},
	{"message.tags", "message.replies"}, {"report.masters", "message.daemons"},
	{"message.field-From", "message.field-To", "message.field-Cc", "message.field-Subject", "message.field-Date"},
}

// whole are lists that are asked for a whole word.
var whole = []string{
	"message.replies", "message.daemons", "message.field-From", "message.field-To", "message.field-Cc", "message.field-Subject", "message.field-Date", "message.field-Received",
	"report.labels", "report.masters", "report.mutes", "classify.days",
}

// said is all of a sample in which a phrase may stand: its header, with and without what joins
// the words of names, and its text.
func said(raw []byte) string {
	m := message.Parse(message.Envelope{}, time.Time{}, raw)
	var header, text strings.Builder
	for _, f := range m.Header {
		header.WriteString(f.Name + "\n" + message.DecodeWords(m.Header.Get(f.Name)) + "\n")
	}
	text.WriteString(m.Text(16 << 10))
	for _, p := range m.Parts() {
		if !p.IsText() {
			text.Write(p.Content[:min(len(p.Content), 4<<10)])
		}
	}
	h := message.Plain(header.String())
	return h + "\n" + strings.NewReplacer("-", " ", "_", " ").Replace(h) + "\n" + strings.NewReplacer("-", "", "_", "", ".", "").Replace(h) + "\n" + message.Plain(text.String())
}

// TestProof holds each phrase that says so to a sample, and each that says it has none to that,
// so that nobody has to wonder what may be taken out. To mend it, move the phrase.
func TestProof(t *testing.T) {
	by := map[string]*strings.Builder{}
	for name, raw := range samples(t) {
		folder := filepath.Base(filepath.Dir(name))
		if by[folder] == nil {
			by[folder] = &strings.Builder{}
		}
		by[folder].WriteString(said(raw) + "\n")
	}
	texts := map[string]string{}
	for folder, b := range by {
		texts[folder] = b.String()
	}
	for list, all := range phrases.Lists {
		for _, p := range all {
			found := false
			for folder, text := range texts {
				if of := folders[list]; of == nil || slices.Contains(of, folder) {
					found = found || strings.Contains(text, strings.ToLower(strings.TrimSpace(p.Text)))
				}
			}
			switch {
			case p.Proven && !found:
				t.Errorf("%s: no sample has %q, which %s says is proven", p.Place(), p.Text, list)
			case !p.Proven && found:
				t.Errorf("%s: a sample has %q, which %s says is unproven", p.Place(), p.Text, list)
			case !p.Proven && p.Source == "":
				t.Errorf("%s: %q of %s has neither a sample nor a source", p.Place(), p.Text, list)
			}
		}
	}
}

// TestQuestions holds each list to a form that can be found, and lists that answer one question
// to different answers.
func TestQuestions(t *testing.T) {
	for list, all := range phrases.Lists {
		seen := map[string]phrases.Phrase{}
		for _, p := range all {
			if other, twice := seen[p.Text]; twice {
				t.Errorf("%s: %q is in %s at %s already", p.Place(), p.Text, list, other.Place())
			}
			seen[p.Text] = p
			if len(p.Text) < 3 && !slices.Contains(whole, list) {
				t.Errorf("%s: %q of %s is too short to be found", p.Place(), p.Text, list)
			}
			if fields := list == "classify.answers" || list == "classify.challengeFields"; !fields && strings.TrimSpace(message.Plain(p.Text)) != strings.TrimSpace(p.Text) {
				t.Errorf("%s: %q is not in lower case, with single blanks and straight apostrophes", p.Place(), p.Text)
			}
		}
	}
	for _, lists := range questions {
		in := map[string]string{}
		for _, list := range lists {
			for _, p := range phrases.Lists[list] {
				if other := in[p.Text]; other != "" && other != list {
					t.Errorf("%s: %q is in %s and in %s", p.Place(), p.Text, other, list)
				}
				in[p.Text] = list
			}
		}
	}
}

// TestAsked holds the files to lists that somebody asks for.
func TestAsked(t *testing.T) {
	asked := phrases.Asked()
	for list, all := range phrases.Lists {
		if !slices.Contains(asked, list) {
			t.Errorf("%s: nobody asks for %s", all[0].Place(), list)
		}
	}
}
