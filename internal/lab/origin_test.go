package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/engine"
	"breakwater/internal/golden"
	"breakwater/internal/message"
	"breakwater/internal/origin"
)

// Of a message, mail servers return all, its header, or the beginning.
const (
	beginning = "Dear all,\n"
	end       = "Yours, Ann\n"
)

var long = beginning + strings.Repeat("This line is one of very many that nobody will ever want to read.\n", 4000) + end

// told is who tells ann that her mail did not arrive, or was not read.
type told struct {
	by           string // as the README names it
	kind         string // of the server that it goes to
	to           string
	params, body string
	forged       origin.Origin // if the mail was not hers
}

// everybody who tells her: each mail server asked for all that it returns, and asked for less.
func everybody() []told {
	all := []told{
		{"Exim, autoreply", "exim", "away@box.exim.far.example", "", beginning + end, origin.Unknown},
		{"Dovecot, vacation", "postfix", "dora@away.example", "", beginning + end, origin.Unknown},
		{"Dovecot, reject (an MDN)", "postfix", "rex@away.example", "", beginning + end, origin.Forged},
	}
	names := map[string]string{"postfix": "Postfix", "sendmail": "Sendmail", "exim": "Exim", "opensmtpd": "OpenSMTPD", "courier": "Courier"}
	for _, kind := range slices.Backward(Remotes) {
		all = slices.Insert(all, 0,
			told{names[kind], kind, "whole@" + kind + ".far.example", "", beginning + end, origin.Forged},
			told{names[kind], kind, "header@" + kind + ".far.example", "RET=HDRS", beginning + end, origin.Forged},
			told{names[kind], kind, "long@" + kind + ".far.example", "", long, origin.Forged},
		)
	}
	return all
}

// id is the Message-ID of ann's mail to whoever it is.
func (r told) id() string { return strings.Replace(r.to, "@", ".", 1) + "@example.org" }

// report is what came from it; nil if nothing did.
func (r told) report(all []*message.Message) *message.Message {
	for _, m := range all {
		if bytes.Contains(m.Raw, []byte(r.to)) {
			return m
		}
	}
	return nil
}

// returned is how much a report to ann shows of her mail.
func (r told) returned(m *message.Message) string {
	has := func(s string) bool { return bytes.Contains(m.Raw, []byte(strings.TrimSpace(s))) }
	switch {
	case has(end):
		return "the message"
	case has(beginning):
		return "a part of it"
	case has(origin.TokenField):
		return "its header"
	case has(r.id()):
		return "its Message-ID"
	}
	return "nothing"
}

// TestOrigin sends mail to servers that bounce it or answer, and has others do so in the sender's name.
// Each report on what was sent arrives. All others are absorbed, but those that do not tell when the
// mail was sent. The README's table says by what each of them is proved.
func TestOrigin(t *testing.T) {
	t.Parallel()
	h := newHome(t, time.Now(), Remotes...)
	all := everybody()
	for _, r := range all {
		h.submit(r.to, r.params, letter(r.to, stamp(time.Now()), r.id(), r.body))
	}
	for _, line := range h.decided(origin.Genuine, 0, len(all)) {
		if !strings.Contains(line, "action=deliver") || !strings.Contains(line, `proof="tag of key`) || !strings.Contains(line, "to=ann+prvs-") {
			t.Error(line)
		}
	}
	h.mta.Drained(t)
	genuine := h.arrived()
	want := map[origin.Origin]int{}
	date := time.Now().Add(-time.Hour)
	for _, r := range all {
		h.forge(r.kind, "stranger."+r.to, r.params, letter(r.to, stamp(date), "forged."+r.id(), r.body))
		want[r.forged]++
	}
	for _, line := range h.decided(origin.Forged, 0, want[origin.Forged]) {
		if !strings.Contains(line, "action=absorb") || !strings.Contains(line, "rule=default.toml:") {
			t.Error(line)
		}
	}
	for _, line := range h.decided(origin.Unknown, 0, want[origin.Unknown]) {
		if !strings.Contains(line, "action=deliver") || !strings.Contains(line, "not said to be from the recipient's domain") {
			t.Error(line)
		}
	}
	h.mta.Drained(t)
	if n := len(h.d.absorbed()); n != want[origin.Forged] || len(genuine) != len(all) || len(h.arrived()) != len(all)+want[origin.Unknown] {
		t.Errorf("%d of %d genuine ones arrived, %d of %d in all, and %d were absorbed of %d that are forged",
			len(genuine), len(all), len(h.arrived()), len(all)+want[origin.Unknown], n, want[origin.Forged])
	}
	h.d.stop(syscall.SIGTERM)
	compare(t, h.table(all, genuine))
}

// table proves each report by each method alone, and says which of them do.
func (h *home) table(all []told, arrived []*message.Message) string {
	h.t.Helper()
	proves := map[string]map[origin.Method]bool{} // by rows; false if it does not for one of its reports
	rows := []string{}
	for _, method := range origin.Methods {
		write(h.t, h.d.path("rules/example.org.toml"), ownRules+fmt.Sprintf("[origin]\nproofs = [%q]\n", method))
		h.store(func(e *engine.Engine) {
			for _, r := range all {
				m := r.report(arrived)
				if m == nil {
					h.t.Errorf("nothing came from %s", r.to)
					continue
				}
				proofs, err := e.Origins(context.Background(), m, classify.Classify(m))
				if err != nil || len(proofs) != 1 {
					h.t.Errorf("%s: %v, %v; %s", r.to, proofs, err, m.Raw[:min(len(m.Raw), 2000)])
					continue
				}
				row := fmt.Sprintf("| %s | %s", r.by, r.returned(m))
				holds := proofs[0].Origin == origin.Genuine
				if proves[row] == nil {
					rows, proves[row] = append(rows, row), map[origin.Method]bool{}
				}
				if had, ok := proves[row][method]; ok && had != holds {
					h.t.Errorf("%s: proved by %s: %v, and its like: %v", r.to, method, holds, had)
				}
				proves[row][method] = holds
			}
		})
	}
	var text strings.Builder
	for _, row := range rows {
		text.WriteString(row)
		for _, method := range origin.Methods {
			text.WriteString(map[bool]string{true: " | yes", false: " | -"}[proves[row][method]])
		}
		text.WriteString(" |\n")
	}
	return text.String()
}

// compare compares rows with the README's table of proofs, or writes them there.
func compare(t *testing.T, rows string) {
	t.Helper()
	const name, head = "../../README.md", "| what tells you | what it returns of your mail | tag | token | message-id | correspondents |\n|---|---|---|---|---|---|\n"
	readme, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), head)
	got, after, ok2 := strings.Cut(rest, "\n\n")
	if !ok || !ok2 {
		t.Fatal("the README has no table of proofs")
	}
	if *golden.Update {
		write(t, name, before+head+rows+"\n"+after)
		return
	}
	if got+"\n" != rows {
		t.Errorf("the README says\n%s\nbut it is\n%s", got, rows)
	}
}
