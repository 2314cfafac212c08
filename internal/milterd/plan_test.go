package milterd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"breakwater/internal/message"
	"breakwater/internal/milterd/client"
	"breakwater/internal/rules"
)

func TestReplyText(t *testing.T) {
	for in, want := range map[string]string{
		"100% sure": "100%% sure", "two\r\nlines": "two??lines", "Grüße": "Gr??e", "": "refused", strings.Repeat("x", 1000): strings.Repeat("x", 400),
	} {
		got := strings.TrimRight(string(reply("550 5.7.1", in).Response().Data), "\x00")
		if got != "550 5.7.1 "+want && in != "Grüße" || in == "Grüße" && got != "550 5.7.1 Gr??e" {
			t.Errorf("%.20q: %q", in, got)
		}
	}
}

// TestSettle tries all decisions for up to three recipients.
func TestSettle(t *testing.T) {
	var try func(ds []rules.Decision)
	try = func(ds []rules.Decision) {
		if len(ds) > 0 {
			checkPlan(t, ds)
		}
		if len(ds) == 3 {
			return
		}
		for _, a := range rules.Actions {
			r := message.Recipient{Addr: fmt.Sprint(len(ds))}
			try(append(ds[:len(ds):len(ds)], rules.Decision{Recipient: r, Action: a, Reason: "why"}))
		}
	}
	try(nil)
}

// checkPlan checks that a plan does to each recipient what the settled decisions say, and
// that these leave nobody without the message who was to get it.
func checkPlan(t *testing.T, ds []rules.Decision) {
	t.Helper()
	settled := rules.Judgement{Message: &message.Message{}, Decisions: ds}.Settle("").Decisions
	p := planFor(settled)
	for i, d := range settled {
		done := p.verdict
		switch {
		case done != rules.Deliver:
		case slices.Contains(p.remove, d.Recipient.Addr):
			done = rules.Absorb
		case p.quarantine != "":
			done = rules.Quarantine
		}
		said := d.Action
		if said == rules.Tag && p.label != "" {
			said = rules.Deliver
		}
		if done != said {
			t.Errorf("%v: %q for %d, and %q is done", actionsOf(ds), d.Action, i, done)
		}
		before := ds[i].Action
		if passes := before == rules.Deliver || before == rules.Tag; passes && d.Action != before && d.Action != rules.Tempfail {
			t.Errorf("%v: %q for %d becomes %q", actionsOf(ds), before, i, d.Action)
		}
		if d.Action == rules.Absorb && before != rules.Absorb {
			t.Errorf("%v: %d is absorbed without having been asked for", actionsOf(ds), i)
		}
		if changed := d.Action != before; changed != (d.Wanted == before) {
			t.Errorf("%v: %d does not say what was wanted: %+v", actionsOf(ds), i, d)
		}
	}
	if text := p.verdict == rules.Reject || p.verdict == rules.Tempfail; text != (p.text == "why") {
		t.Errorf("%v: text %q with %q", actionsOf(ds), p.text, p.verdict)
	}
}

// TestRedirect takes tags off. Whoever is to get the message is left with one address.
func TestRedirect(t *testing.T) {
	d := func(addr, to string, a rules.Action) rules.Decision {
		return rules.Decision{Recipient: message.Recipient{Addr: addr}, To: to, Action: a}
	}
	tests := []struct {
		name        string
		ds          []rules.Decision
		remove, add []string
	}{
		{"one", []rules.Decision{d("u1+t@a.test", "u1@a.test", rules.Deliver)}, []string{"u1+t@a.test"}, []string{"u1@a.test"}},
		{"quarantined", []rules.Decision{d("u1+t@a.test", "u1@a.test", rules.Quarantine)}, []string{"u1+t@a.test"}, []string{"u1@a.test"}},
		{"two tags of one", []rules.Decision{d("u1+t@a.test", "u1@a.test", rules.Deliver), d("prvs=t=u1@A.test", "u1@A.test", rules.Tag)}, []string{"u1+t@a.test", "prvs=t=u1@A.test"}, []string{"u1@a.test"}},
		{"with its plain address", []rules.Decision{d("u1+t@a.test", "u1@a.test", rules.Deliver), d("u1@a.test", "", rules.Deliver)}, []string{"u1+t@a.test"}, nil},
		{"whose plain address is absorbed", []rules.Decision{d("u1@a.test", "", rules.Absorb), d("u1+t@a.test", "u1@a.test", rules.Deliver)}, []string{"u1+t@a.test"}, nil},
		{"whose tagged address is absorbed", []rules.Decision{d("u1@a.test", "", rules.Deliver), d("u1+t@a.test", "u1@a.test", rules.Absorb)}, []string{"u1+t@a.test"}, nil},
		{"another mailbox by its case", []rules.Decision{d("U1@a.test", "", rules.Absorb), d("u1+t@a.test", "u1@a.test", rules.Deliver)}, []string{"U1@a.test", "u1+t@a.test"}, []string{"u1@a.test"}},
		{"refused", []rules.Decision{d("u1+t@a.test", "u1@a.test", rules.Reject)}, nil, nil},
		{"absorbed", []rules.Decision{d("u1+t@a.test", "u1@a.test", rules.Absorb)}, nil, nil},
	}
	for _, tt := range tests {
		p := planFor(tt.ds)
		if !slices.Equal(p.remove, tt.remove) || !slices.Equal(p.add, tt.add) {
			t.Errorf("%s: off %q, on %q", tt.name, p.remove, p.add)
		}
	}
}

func actionsOf(ds []rules.Decision) (as []rules.Action) {
	for _, d := range ds {
		as = append(as, d.Action)
	}
	return as
}

func TestLabel(t *testing.T) {
	d := rules.Decision{Action: rules.Tag, Class: "dsn", Storm: "id:1", Rule: rules.Source{File: "rules/gr\xfc\r\nBcc: x.toml", Line: 7}}
	if got, want := label(d), "class=dsn; action=tag; rule=rules/gr???Bcc: x.toml:7; storm=id:1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	d.Rule.File = strings.Repeat("x", 2000)
	if n := len(label(d)); n != 500 {
		t.Errorf("%d bytes", n)
	}
}

// TestManyMarks: fields that only we may write are removed, up to as many as an MTA can bear. With more
// of them the mail is delivered with all, and with a field that says what they are.
func TestManyMarks(t *testing.T) {
	for _, n := range []int{0, 1, maxMarks, maxMarks + 1, 100_000} {
		addr, _ := start(t, &Server{MaxMessage: 8 << 20})
		m := mail("Q", "u1@example.test")
		forged := strings.Repeat("X-Breakwater: a\r\nx-breakwater-Token: b\r\n", n/2) + strings.Repeat("X-Breakwater: c\r\n", n%2)
		m.Raw = append([]byte(forged), m.Raw...)
		res := send(t, dial(t, addr, client.Options{}), m)
		removed, marked := n, 0
		if n > maxMarks {
			removed, marked = 0, 1
		}
		if res.Verdict != client.Accept || len(res.Changed) != removed || len(res.Inserted) != marked {
			t.Errorf("%d fields: %c, %d changes, inserted %+v", n, res.Verdict, len(res.Changed), res.Inserted)
		}
		for _, f := range res.Inserted {
			if f.Index != 1 || f.Name != "X-Breakwater" || !strings.HasPrefix(f.Value, fmt.Sprintf(" untrusted; %d fields", n)) {
				t.Errorf("%+v", f)
			}
		}
	}
}
