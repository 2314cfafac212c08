package classify

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
)

func classified(s string) Verdict {
	return Classify(message.Parse(message.Envelope{}, time.Time{}, []byte(strings.ReplaceAll(s, "\n", "\r\n"))))
}

// TestFields says what single fields make of a message.
func TestFields(t *testing.T) {
	const from = "From: ann@example.net\nSubject: x\n"
	tests := []struct {
		fields string
		class  Class
		reason string
	}{
		{"", Personal, "nothing says otherwise"},
		{"Auto-Submitted: auto-replied\n", AutoReply, "Auto-Submitted: auto-replied"},
		{"Auto-Submitted: Auto-Replied (vacation)\n", AutoReply, "Auto-Submitted: auto-replied"},
		{"Auto-Submitted: auto-replied; owner-email=x\n", AutoReply, "Auto-Submitted: auto-replied"},
		{"Auto-Submitted: auto-generated\n", Bulk, "Auto-Submitted: auto-generated"},
		{"Auto-Submitted: no\n", Personal, "nothing says otherwise"},
		{"X-Auto-Response-Suppress: All\n", Personal, "nothing says otherwise"},
		{"X-Autoreply: yes\n", AutoReply, "X-Autoreply: yes"},
		{"X-Autoreply: no\n", Personal, "nothing says otherwise"},
		{"X-Autoreply: yes\nList-Id: <l.example.org>\n", AutoReply, "X-Autoreply: yes"}, // which the list passes on
		{"X-Autorespond: our holidays\n", AutoReply, "X-Autorespond: our holidays"},
		{"X-Precedence: auto_reply\n", AutoReply, "X-Precedence: auto_reply"},
		{"Precedence: auto-reply\n", AutoReply, "Precedence: auto-reply"},
		{"X-Mailer: Example AutoResponder 2.1\n", AutoReply, "X-Mailer: autorespon"},
		{"X-Spamarrest-NoAuth: 1\n", Challenge, "X-Spamarrest-Noauth"},
		{"Message-ID: <5-tmda-confirm>\n", Challenge, "Message-ID: 5-tmda-confirm"},
		{"X-Mailer: PHPMailer 6.5.0\n", Personal, "nothing says otherwise"},
		{"Precedence: bulk\n", Bulk, "Precedence: bulk"},
		{"Precedence: first-class\n", Personal, "nothing says otherwise"},
		{"List-Unsubscribe: <mailto:x@example.org>\n", Bulk, "List-Unsubscribe"},
		{"Return-Path: <>\n", Personal, "nothing says otherwise"},
	}
	for _, tt := range tests {
		if v := classified(from + tt.fields + "\nbody\n"); v.Class != tt.class || len(v.Reasons) != 1 || v.Reasons[0] != tt.reason {
			t.Errorf("%q: %+v", tt.fields, v)
		}
	}
}

// samples are those of testdata, and of the folders in $BREAKWATER_SAMPLES, a pattern such as
// /srv/mail/*/*.eml.
func samples(tb testing.TB) map[string][]byte {
	files, err := filepath.Glob("../../testdata/*/*.eml")
	if err != nil || len(files) == 0 {
		tb.Fatal("no samples", err)
	}
	more, err := filepath.Glob(os.Getenv("BREAKWATER_SAMPLES"))
	if err != nil {
		tb.Fatal(err)
	}
	files = append(files, more...)
	all := map[string][]byte{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		all[name] = b
	}
	return all
}

func FuzzClassify(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		one := Classify(message.Parse(message.Envelope{}, time.Time{}, b))
		two := Classify(message.Parse(message.Envelope{}, time.Time{}, b))
		if !reflect.DeepEqual(one, two) {
			t.Errorf("not deterministic: %+v, %+v", one, two)
		}
		if len(one.Reasons) == 0 || one.Class == "" {
			t.Errorf("no reason: %+v", one)
		}
		if !bytes.Equal(b, before) {
			t.Error("the message was changed")
		}
	})
}

// kinds of mail to measure, each a sample, and what its body is filled up to with further
// lines, in bytes.
var kinds = []struct {
	name, sample string
	size         int
}{
	{"ordinary", "ordinary/person", 0}, {"ordinary-20k", "ordinary/person", 20 << 10}, {"list", "ordinary/list-post", 0}, {"newsletter", "ordinary/newsletter", 0},
	{"dsn", "dsn/postfix-unknown-user", 0}, {"dsn-20k", "dsn/postfix-unknown-user", 20 << 10}, {"dsn-mixed", "dsn/mixed", 0},
	{"words", "dsn/qmail-two", 0}, {"words-20k", "dsn/qmail-two", 20 << 10}, {"words-html", "dsn/exchange-2010-french", 0},
	{"auto-reply", "auto-reply/words-english", 0}, {"form", "auto-reply/form-japanese", 0}, {"mdn", "mdn/displayed", 0}, {"feedback", "feedback/abuse", 0},
	{"lookalike", "ordinary/phishing-quarantine", 0}, {"null-path-20k", "ordinary/parcel-null-path", 20 << 10},
}

func BenchmarkClassify(b *testing.B) {
	for _, k := range kinds {
		raw, err := os.ReadFile("../../testdata/" + k.sample + ".eml")
		if err != nil {
			b.Fatal(err)
		}
		for len(raw) < k.size {
			raw = append(raw, "The quick brown fox jumps over the lazy dog, and the dog does not mind.\r\n"...)
		}
		env := message.Envelope{ReversePath: "bob@example.net"}
		if strings.Contains(string(raw[:80]), "Return-Path: <>") {
			env.ReversePath = ""
		}
		b.Run(k.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				Classify(message.Parse(env, time.Time{}, raw))
			}
		})
	}
}

// TestTables holds each table to what the search for phrases needs.
func TestTables(t *testing.T) {
	tables := map[string][]string{
		"prefixes": prefixes, "absences": absences, "unmistakable": unmistakable, "suffixes": suffixes, "notes": notes, "automatic": automatic,
		"thanks": thanks, "receipts": receipts, "passed": passed, "dealings": dealings, "titles": titles, "confirming": confirming, "selves": selves, "mailers": mailers, "challengers": challengers, "challenges": challenges, "headings": headings, "responders": responders, "challengePaths": challengePaths,
	}
	for name, table := range tables {
		seen := map[string]bool{}
		for _, p := range table {
			if len(p) < 3 || seen[p] || strings.TrimSpace(message.Plain(p)) != strings.TrimSpace(p) {
				t.Errorf("%s: %q is too short, there twice, or not in lower case", name, p)
			}
			seen[p] = true
		}
	}
	for _, u := range unmistakable {
		if begin.Begins(u) == "" && absent.Begins(u) == "" {
			t.Errorf("%q is unmistakable, but no prefix", u)
		}
	}
}

// TestSubjects says what a subject makes of a message whose text says nothing.
func TestSubjects(t *testing.T) {
	tests := []struct {
		subject, fields string
		class           Class
	}{
		{"Automatic reply: Minutes", "", AutoReply}, {"Re: Automatic reply: Minutes", "", Personal}, {"Automatic reply", "", Personal},
		{"Vacation: August", "", Personal}, {"Vacation: August", "Return-Path: <>\n", AutoReply}, {"Vacation: August", "Return-Path: <>\nAuto-Submitted: no\n", Personal},
		{"I am on vacation Re: Minutes", "Precedence: bulk\n", AutoReply}, {"I am on vacation Re: Minutes", "", Personal}, {"Minutes Re: Holidays", "Precedence: bulk\n", Bulk},
		{"Bob is out of the office", "In-Reply-To: <x@example.net>\n", AutoReply}, {"Out of office tomorrow", "", Personal},
		{"[Hikers] Auto-reply: x", "List-Id: <l.example.org>\n", AutoReply}, {"Automatic reply: tips", "List-Unsubscribe: <x>\n", Bulk},
		{"Minutes (auto-reply)", "X-Auto-Response-Suppress: All\n", AutoReply}, {"AW: Abwesenheitsnotiz: x", "", Personal},
		{"Thank you for your message", "", Personal}, {"Thank you for your message", "X-PHP-Script: x\n", AutoReply}, {"Re: Thank you for your message", "X-PHP-Script: x\n", Personal},
		{"Ticket received", "Auto-Submitted: auto-generated\n", AutoReply}, {"Ticket 5", "Auto-Submitted: auto-generated\n", Bulk},
	}
	for _, tt := range tests {
		raw := "From: bob@example.net\nSubject: " + tt.subject + "\n" + tt.fields + "\n.\n"
		env := message.Envelope{ReversePath: "bob@example.net"}
		if strings.Contains(tt.fields, "<>") {
			env.ReversePath = ""
		}
		if v := Classify(message.Parse(env, time.Time{}, []byte(raw))); v.Class != tt.class {
			t.Errorf("%q %q: %+v, want %s", tt.subject, tt.fields, v, tt.class)
		}
	}
}

// TestAnnounces tells subjects that programs answer from those of people who will be away.
func TestAnnounces(t *testing.T) {
	for rest, want := range map[string]bool{
		" Thursday afternoon": true, " 12-14 May": true, " ab Montag": true, " next week": true, "：明天": true, "： 明日の会議": true, " с понедельника": true,
		" Minutes": false, " Re: Minutes": false, " invoice of May": false, " your mail 5": false, "": false, "：议事录": false,
	} {
		if got := announces(message.Plain(rest)); got != want {
			t.Errorf("%q: %v", rest, got)
		}
	}
}

// TestPasses tells what a form sends to those who run it from what it sends to who filled it in.
func TestPasses(t *testing.T) {
	const form = "X-Mailer: PHPMailer 6\nSubject: x\n"
	const text = "\nThank you for your message. From: ann@example.org\n"
	for fields, want := range map[string]Class{
		"From: web@shop.example\nTo: ann@example.org\n":                                                     AutoReply,
		"From: web@shop.example\nTo: info@shop.example\n":                                                   Personal,
		"From: web@www.shop.example\nTo: info@shop.example\n":                                               Personal,
		"From: web@shop.example\nTo: info@ashop.example\n":                                                  AutoReply,
		"From: web@host.example\nTo: info@shop.example\nReply-To: ann@example.org\n":                        Personal,
		"From: web@host.example\nTo: ann@example.org\nReply-To: info@shop.example\n":                        AutoReply,
		"From: list@example.net\nTo: list@example.net\nReply-To: ann@example.org\nList-Id: <example.net>\n": AutoReply,
	} {
		if v := classified(fields + form + text); v.Class != want {
			t.Errorf("%q: %+v, want %s", fields, v, want)
		}
	}
}
