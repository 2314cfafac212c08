package rules

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/report"
	"breakwater/internal/storm"
)

func TestNames(t *testing.T) {
	s := mustLoad(t, defaults(t, map[string]string{
		"bücher.example.toml":  "",
		"UPPER.example.toml":   "",
		"example.org.toml":     "aliases = [\"example.net\", \"*.example.org\", \"*.Bücher.test\"]\n",
		"*.b.example.org.toml": "",
		"a.example.org.toml":   "",
	}))
	for domain, file := range map[string]string{
		"xn--bcher-kva.example": "bücher.example.toml", "upper.example": "UPPER.example.toml", "example.net": "example.org.toml", "sub.example.net": DefaultFile,
		"x.example.org": "example.org.toml", "x.y.example.org": "example.org.toml", "a.example.org": "a.example.org.toml", "x.a.example.org": "example.org.toml",
		"b.example.org": "example.org.toml", "x.b.example.org": "*.b.example.org.toml", "x.y.b.example.org": "*.b.example.org.toml",
		"x.xn--bcher-kva.test": "example.org.toml", "xn--bcher-kva.test": DefaultFile, "org": DefaultFile, "": DefaultFile,
	} {
		if got := s.For(domain).File; got != file {
			t.Errorf("%s: %s, want %s", domain, got, file)
		}
		if s.Has(domain) != (file != DefaultFile) {
			t.Errorf("Has(%s)", domain)
		}
	}
	n := 0
	for range s.Domains {
		n++
	}
	if n != 6 || s.Len() != 5 {
		t.Errorf("%d domains, Len %d", n, s.Len())
	}
}

func TestNameTwice(t *testing.T) {
	_, err := Load(defaults(t, map[string]string{"a.example.toml": "", "b.example.toml": "aliases = [\"x.test\", \"A.example\"]\n", "A.EXAMPLE.toml": ""}))
	for _, want := range []string{"a.example.toml:1:1: a.example has rules in A.EXAMPLE.toml, too", "b.example.toml:1:22: a.example has rules in A.EXAMPLE.toml, too"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q not in %v", want, err)
		}
	}
	_, err = Load(defaults(t, map[string]string{"exa mple.toml": ""}))
	if err == nil || !strings.Contains(err.Error(), "exa mple.toml:1:1: the name of the file is no domain") {
		t.Error(err)
	}
}

// TestExceptions looks at the mode, an action and a limit of mailboxes and senders.
func TestExceptions(t *testing.T) {
	fsys := defaults(t, map[string]string{
		"example.test.toml": `
[action]
bulk = "tag"
[limit.repeat]
copies = 60
[limit.repeat.bulk]
copies = 90
calm = "3h"
[mailbox.Abuse]
mode = "observe"
[mailbox."list+owner".limit.repeat]
copies = 5
[sender."monitor@example.net".limit.repeat]
copies = 1000
[sender."example.net".action]
bulk = "absorb"
[sender."*.example.net"]
mode = "observe"
[sender."*.b.example.net".action]
bulk = "reject"
`,
	}).(fstest.MapFS)
	fsys[DefaultFile].Data = append(fsys[DefaultFile].Data, "\n[limit.repeat.dsn]\ncopies = 7\n[mailbox.postmaster.action]\nbulk = \"deliver\"\n[mailbox.abuse.limit.repeat]\nwindow = \"5m\"\n"...)
	d := mustLoad(t, fsys).For("example.test")
	tests := []struct {
		mailbox, from string
		want          string // exception, mode, action of bulk, copies of repeat for bulk and for dsn, window
	}{
		{"u1@example.test", "x@example.com", " enforce tag 90 60 1h0m0s"},
		{"abuse@example.test", "x@example.com", "mailbox.abuse observe tag 90 60 5m0s"},
		{"abuse+x@example.test", "monitor@example.net", "mailbox.abuse observe tag 90 60 5m0s"},
		{"postmaster@example.test", "x@example.com", "mailbox.postmaster enforce deliver 90 60 1h0m0s"},
		{"list+owner@example.test", "x@example.com", `mailbox."list+owner" enforce tag 5 5 1h0m0s`},
		{"list@example.test", "x@example.com", " enforce tag 90 60 1h0m0s"},
		{"u1@example.test", "Monitor@EXAMPLE.net", `sender."monitor@example.net" enforce tag 1000 1000 1h0m0s`},
		{"u1@example.test", "y@example.net", `sender."example.net" enforce absorb 90 60 1h0m0s`},
		{"u1@example.test", "y@a.example.net", `sender."*.example.net" observe tag 90 60 1h0m0s`},
		{"u1@example.test", "y@a.b.example.net", `sender."*.b.example.net" enforce reject 90 60 1h0m0s`},
		{"u1@example.test", "", " enforce tag 90 60 1h0m0s"},
	}
	for _, tt := range tests {
		p := d.For(tt.mailbox, tt.from)
		bulk, dsn := p.Limit(storm.Repeat, classify.Bulk), p.Limit(storm.Repeat, classify.DSN)
		got := fmt.Sprintf("%s %s %s %d %d %v", p.Exception, p.mode.value, p.actions[classify.Bulk].value, bulk.Copies, dsn.Copies, dsn.Window)
		if got != tt.want {
			t.Errorf("%s from %s:\n got %s\nwant %s", tt.mailbox, tt.from, got, tt.want)
		}
	}
	// A limit for all classes in a file hides those for one class below it.
	p := d.For("u1@example.test", "")
	if got := p.Limit(storm.Repeat, classify.Bulk).Calm; got != 3*time.Hour {
		t.Errorf("calm of bulk: %v", got)
	}
	for key, want := range map[classify.Class]string{classify.Bulk: "example.test.toml:7", classify.DSN: "example.test.toml:5"} {
		if got := p.LimitSource(storm.Repeat, key).String(); got != want {
			t.Errorf("source for %s: %s, want %s", key, got, want)
		}
	}
	if got := d.For("list+owner@example.test", "").LimitSource(storm.Repeat, classify.Bulk).String(); got != "example.test.toml:12" {
		t.Errorf("source of an exception: %s", got)
	}
	// In default.toml there is neither.
	if got := mustLoad(t, fsys).For("x.test").For("abuse@x.test", "").Limit(storm.Repeat, classify.DSN); got.Copies != 7 || got.Window != 5*time.Minute {
		t.Errorf("default: %+v", got)
	}
}

// TestExceptionOfTwoFiles has one whose values come from both.
func TestExceptionOfTwoFiles(t *testing.T) {
	fsys := defaults(t, map[string]string{"example.test.toml": "[limit.id]\nwindow = \"36h\"\n"}).(fstest.MapFS)
	fsys[DefaultFile].Data = append(fsys[DefaultFile].Data, "\n[mailbox.abuse.limit.id]\nwindow = \"2h\"\ncalm = \"30h\"\n"...)
	d := mustLoad(t, fsys).For("example.test")
	if got := d.For("abuse@example.test", "").Limit(storm.ID, classify.Bulk); got.Window != 2*time.Hour || got.Calm != 30*time.Hour {
		t.Errorf("%+v", got)
	}
	fsys["example.test.toml"].Data = []byte("[mailbox.abuse.limit.id]\nwindow = \"36h\"\n")
	if _, err := Load(fsys); err == nil || !strings.Contains(err.Error(), "example.test.toml:2:10: calm (30h) must be longer than window (36h)") {
		t.Error(err)
	}
}

func TestEnforced(t *testing.T) {
	s := mustLoad(t, defaults(t, map[string]string{"example.test.toml": "mode = \"observe\"\naliases = [\"a.test\"]\n[mailbox.a]\nmode = \"observe\"\n[mailbox.b.action]\nbulk = \"tag\"\n[sender.\"x.test\".action]\nbulk = \"tag\"\n"}))
	e := s.Enforced()
	for mailbox, want := range map[string]Mode{"u@example.test": Enforce, "a@example.test": Observe, "b@example.test": Enforce} {
		p := e.For("a.test").For(mailbox, "")
		if p.mode.value != want || p.domain != e.For("example.test") {
			t.Errorf("%s: %s", mailbox, p.mode.value)
		}
	}
	if got := e.For("a.test").For("u@a.test", "y@x.test"); got.mode.value != Enforce || got.Exception == "" {
		t.Errorf("sender: %+v", got)
	}
	if s.For("a.test").policy.mode.value != Observe {
		t.Error("Enforced changes its set")
	}
}

// rich is a message with all facts.
func rich() Facts {
	m := message.Parse(message.Envelope{
		Client: netip.MustParseAddr("::ffff:192.0.2.7"), Helo: "mx.example.net", AuthUser: "ann", ReversePath: "Bounce@Example.NET",
		Recipients: []message.Recipient{{Addr: "U1@Example.TEST"}, {Addr: "u2@example.test"}},
	}, time.Time{}, []byte("Received: a\r\nReceived: b\r\nFrom: Ann <Ann@Example.NET>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.net>\r\nList-Id: <l.example.net>\r\n\r\nHi.\r\n"))
	r := &report.Report{Kind: report.DSN, Recipients: []report.Recipient{{Final: "Bob@example.com", Action: report.Failed, Status: "5.1.1"}}}
	r.Original.MessageID, r.Original.From = "orig@example.test", "U1@example.test"
	id := tally(storm.ID, false)
	id.Seen = 17
	return Facts{Message: m, Verdict: classify.Verdict{Class: classify.DSN, Report: r}, Recipient: m.Recipients[0], Tallies: []storm.Tally{id}, Proof: origin.Proof{Origin: origin.Unknown}}
}

func TestConditions(t *testing.T) {
	full, empty := rich(), Facts{Message: &message.Message{}, Verdict: classify.Verdict{Class: classify.Personal}}
	tests := []struct {
		when        string
		full, empty bool
	}{
		{`class == "dsn"`, true, false},
		{`origin == "unknown"`, true, false},
		{`from == "ann@example.net" && from_domain == "example.net"`, true, false},
		{`reverse_path == "bounce@example.net"`, true, false},
		{`reverse_path == ""`, false, true},
		{`to == "u1@example.test" and to_domain in ["example.test", "x.test"]`, true, false},
		{`subject == "Grüße"`, true, false},
		{`lower(subject) contains "grü" or upper(subject) startsWith "X"`, true, false},
		{`subject matches "(?i)^GR"`, true, false},
		{`not (subject matches "^G")`, false, true},
		{`message_id == "1@example.net"`, true, false},
		{`size > 100 && size < 1000000`, true, false},
		{`recipients == 2 && hops == 2`, true, false},
		{`client == "192.0.2.7" && client_in("192.0.2.0/24") && !client_in("2001:db8::/32")`, true, false},
		{`client_in("192.0.2.7")`, true, false},
		{`helo endsWith ".example.net" && auth == "ann"`, true, false},
		{`copies == 17 && storm == "id"`, true, false},
		{`copies == 1 && storm == ""`, false, true},
		{`dsn_action == "failed" && dsn_status startsWith "5.1." && dsn_recipient == "bob@example.com"`, true, false},
		{`original_id endsWith "@example.test" && original_from == "u1@example.test"`, true, false},
		{`header("list-id") == "<l.example.net>"`, true, false},
		{`header("X-None") == ""`, true, true},
		{`len(subject) == 5 ? max(size, 1) > 1 : min(size, 1) == 0`, true, true},
		{`let n = size % 7; n >= 0`, true, true},
		{`hasPrefix(trim(subject), "G") && hasSuffix(subject, "e")`, true, false},
	}
	for _, tt := range tests {
		s, err := Load(defaults(t, map[string]string{"x.test.toml": fmt.Sprintf("[[rule]]\nname = 'r'\nwhen = '%s'\naction = 'tag'\n", tt.when)}))
		if err != nil {
			t.Error(err)
			continue
		}
		p := s.For("x.test").policy
		for f, want := range map[*Facts]bool{&full: tt.full, &empty: tt.empty} {
			rule, failed := p.match(f)
			if (rule != nil) != want || failed != nil {
				t.Errorf("%s: %v %v", tt.when, rule, failed)
			}
		}
	}
}

// TestEveryFact is there so that each fact is tried in TestConditions.
func TestEveryFact(t *testing.T) {
	f := rich()
	for _, fact := range AllFacts {
		if fact.Doc == "" || fact.Type() == "string" && fact.of(mustLoad(t, defaults(t, nil)).def.policy, &f) == fact.zero {
			t.Errorf("%s: %v", fact.Name, fact)
		}
	}
}

func TestRules(t *testing.T) {
	fsys := defaults(t, map[string]string{"x.test.toml": `
[[rule]]
name = "fails"
when = 'recipients % (hops - hops) == 1'
action = "reject"
[[rule]]
name = "storms only"
when = 'storm != "" && copies > 20'
action = "deliver"
[[rule]]
name = "no"
when = 'subject == "no"'
action = "reject"
text = "We do not want this."
`}).(fstest.MapFS)
	fsys[DefaultFile].Data = append(fsys[DefaultFile].Data, "\n[[rule]]\nname = \"inherited\"\nwhen = 'subject startsWith \"n\"'\naction = \"tag\"\n[[rule]]\nname = \"no\"\nwhen = 'true'\naction = \"quarantine\"\n"...)
	p := mustLoad(t, fsys).For("x.test").policy
	ragingID := tally(storm.ID, false)
	ragingID.Seen = 21
	tests := []struct {
		subject string
		tallies []storm.Tally
		want    string
	}{
		{"hello", nil, "deliver personal; rule fails failed: integer divide by zero default.toml"},
		{"no", nil, "reject rule no; rule fails failed: integer divide by zero x.test.toml:10 We do not want this."},
		{"never", nil, "tag rule inherited; rule fails failed: integer divide by zero default.toml"},
		{"hello", []storm.Tally{ragingID}, "deliver rule storms only; rule fails failed: integer divide by zero x.test.toml:6"},
		{"hello", []storm.Tally{tally(storm.ID, false)}, "absorb id storm, copy 17; rule fails failed: integer divide by zero default.toml"},
	}
	for _, tt := range tests {
		f := factsOf(classify.Personal)
		f.Message.Subject, f.Tallies = tt.subject, tt.tallies
		d := p.Decide(f)
		rule := d.Rule.String()
		if d.Rule.File == DefaultFile {
			rule = DefaultFile
		}
		if got := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", d.Action, d.Reason, rule, d.Text)); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.subject, got, tt.want)
		}
		if (d.Storm != "") != (tt.tallies != nil) {
			t.Errorf("storm: %q", d.Storm)
		}
	}
	if names := p.Domain().Rules(); len(names) != 4 || names[3].Name != "inherited" {
		t.Errorf("%v", names)
	}
}
