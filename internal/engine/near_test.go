package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/rules"
)

const notice = "the harbour office will be closed from Monday on, because the quay is being repaired and nobody can reach the door. " +
	"Whoever needs a permit before Easter may call at the customs house, where two of us sit in the mornings. Boats that lie at the old quay " +
	"have to be moved by Friday noon, or we shall tow them at their owners' cost."

// form is one way in which a message comes.
type form struct {
	id, trace, from, subject string
	minute                   int // of Date
	received                 string
	text                     string
	more                     string // header fields
	client                   string
	to                       string
}

func (f form) message(n int) *message.Message {
	for v, def := range map[*string]string{&f.id: fmt.Sprint("id", n), &f.trace: fmt.Sprintf("TRACE%05d", n), &f.from: "ann@example.net", &f.subject: "The quay",
		&f.text: notice, &f.client: "192.0.2.1", &f.to: "u1@example.test"} {
		if *v == "" {
			*v = def
		}
	}
	raw := fmt.Sprintf("Received: from x by y with ESMTP; %d\n%sReceived: from pc by mail.example.net with ESMTPSA id %s; x\nFrom: <%s>\nTo: u1@example.test, u2@example.test\nSubject: %s\n"+
		"Date: Mon, 2 Mar 2026 07:%02d:00 +0000\nMessage-ID: <%s@example.net>\n%s\n%s\n", n, f.received, f.trace, f.from, f.subject, f.minute, f.id, f.more, f.text)
	env := message.Envelope{QueueID: fmt.Sprint("Q", n), Client: netip.MustParseAddr(f.client), ReversePath: f.from, Recipients: []message.Recipient{{Addr: f.to}}}
	return message.Parse(env, start.Add(time.Duration(n)*time.Second), []byte(raw))
}

// reason plays a message and returns why it is absorbed; "" if it is delivered.
func reason(t *testing.T, e *Engine, n int, f form) string {
	t.Helper()
	j, err := e.Judge(context.Background(), f.message(n))
	ds := j.Decisions
	if err != nil {
		t.Fatal(err)
	}
	if ds[0].Action == "deliver" {
		return ""
	}
	return ds[0].Reason
}

// TestWitnesses changes all but what a pair of witnesses has in common.
func TestWitnesses(t *testing.T) {
	disclaimed := strings.Repeat("\n--\nThis mail is for its reader alone and was looked at by our gateway.", 2)
	tests := []struct {
		name string
		form func(n int) form
		want string // in the reason of the sixth; "" is delivered
	}{
		{"nothing in common but the text", func(n int) form { return form{minute: n} }, ""},
		{"the first hop", func(n int) form {
			return form{trace: "4XkT2c9WzQ", from: fmt.Sprintf("via%d@example.org", n%2), minute: n, subject: fmt.Sprint("Fwd ", n%2), text: notice + strings.Repeat(disclaimed, n)}
		}, "near storm, copy 6: same text and first hop"},
		{"the first hop, twelve words", func(n int) form {
			return form{trace: "4XkT2c9WzQ", minute: n, text: "nobody may moor at the old quay before it has been mended" + strings.Repeat(disclaimed, n)}
		}, "near storm, copy 6: same text and first hop"},
		{"the first hop, each with a new number", func(n int) form {
			return form{trace: "4XkT2c9WzQ", text: notice + fmt.Sprint("\n\nScanned: ", n)}
		}, ""},
		{"the first hop, each from another sender", func(n int) form {
			return form{trace: "4XkT2c9WzQ", from: fmt.Sprintf("via%d@example.org", n)}
		}, ""},
		{"the first hop, each with another subject", func(n int) form {
			return form{trace: "4XkT2c9WzQ", subject: fmt.Sprint("Fwd ", n)}
		}, ""},
		{"the first hop, another text", func(n int) form {
			return form{trace: "4XkT2c9WzQ", minute: n, text: letterText(n)}
		}, ""},
		{"the first hop, another attachment", func(n int) form {
			return form{trace: "4XkT2c9WzQ", minute: n, more: "Content-Type: multipart/mixed; boundary=b\n",
				text: "\n--b\n\n" + notice + "\n--b\nContent-Type: application/pdf\n\nscan " + fmt.Sprint(n) + "\n--b--"}
		}, ""},
		{"the words, sender, subject and Date", func(n int) form {
			return form{subject: "[EXTERN] Re: The quay", text: "> " + strings.ReplaceAll(strings.ToUpper(notice), " ", strings.Repeat("\n> ", n+1))}
		}, "near storm, copy 6: same words, subject, sender and Date"},
		{"the words, sender, subject and Date, with another number", func(n int) form { return form{text: notice + fmt.Sprint(" No. ", n)} }, ""},
		{"the words, sender and subject", func(n int) form { return form{minute: n} }, ""},
		{"the words, addressees and Date", func(n int) form {
			return form{from: fmt.Sprintf("via%d@example.org", n%2), received: "Received: by sbs for <mspop3connector.office@example.net>; x\n"}
		}, "near storm, copy 6: same words, subject, addressees and Date; signs: POP3 connector"},
		{"the words, addressees and Date, without a sign", func(n int) form { return form{from: fmt.Sprintf("via%d@example.org", n)} }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t, nil)
			for n := range 5 {
				if why := reason(t, e, n, tt.form(n)); n < 3 && why != "" {
					t.Errorf("copy %d: %s", n+1, why)
				}
			}
			if why := reason(t, e, 5, tt.form(5)); why != tt.want && !(tt.want != "" && strings.HasPrefix(why, tt.want)) {
				t.Errorf("%q, want %q", why, tt.want)
			}
		})
	}
}

func letterText(n int) string { return string(letter(n).Body) }

// TestStormyServer plays what comes from the server of a storm, in which all but the words has
// been rewritten, and the same from others.
func TestStormyServer(t *testing.T) {
	e := newEngine(t, nil)
	for n := range 30*3 + rules.HeldFromServer {
		reason(t, e, n, form{id: "one", trace: "4XkT2c9WzQ", to: fmt.Sprintf("u%d@example.test", 2+n%30)})
	}
	anew := func(n int, client string) form {
		return form{minute: n + 1, client: client, more: "In-Reply-To: <one@example.net>\n"}
	}
	for n := range 10 {
		why := reason(t, e, 100+n, anew(n, "192.0.2.1"))
		if n >= 3 && !strings.Contains(why, "server in a storm") {
			t.Errorf("copy %d, all but the words anew: %q", n, why)
		}
		if why := reason(t, e, 200+n, anew(20+n, "192.0.2.2")); why != "" {
			t.Errorf("the same from another server: %q", why)
		}
		answer := anew(n, "192.0.2.1")
		answer.subject, answer.text = "Re: The quay", fmt.Sprintf("We shall come at %d.\n\n> %s", n, notice)
		if why := reason(t, e, 300+n, answer); why != "" {
			t.Errorf("an answer from the server of the storm: %q", why)
		}
	}
	if why := reason(t, e, 3600, anew(50, "192.0.2.1")); why != "" {
		t.Errorf("in the next hour, which knows of no storm yet: %q", why)
	}
}

// TestStormyServerLate plays a storm whose first copies lost their text: with the others the
// server is known all the same.
func TestStormyServerLate(t *testing.T) {
	e := newEngine(t, nil)
	for n := range 30*5 + rules.HeldFromServer + 1 {
		f := form{id: "one", trace: "4XkT2c9WzQ", to: fmt.Sprintf("u%d@example.test", 2+n%30)}
		if n < 30*4 {
			f.text = "Hello."
		}
		// The text is new to each mailbox, and comes once.
		if why := reason(t, e, n, f); (why != "") != (n >= 30*3 && n < 30*4 || n >= 30*5) {
			t.Errorf("copy %d: %q", n, why)
		}
	}
	for n := range 10 {
		why := reason(t, e, 1000+n, form{minute: n + 1, client: "192.0.2.1", more: "In-Reply-To: <one@example.net>\n"})
		if n >= 3 && !strings.Contains(why, "server in a storm") {
			t.Errorf("copy %d, all but the words anew: %q", n, why)
		}
	}
}

// TestWidespread plays one storm to many mailboxes.
func TestWidespread(t *testing.T) {
	e := newEngine(t, nil)
	got := map[int]int{}
	n := 0
	play := func(box, copies int) {
		for range copies {
			n++
			f := form{id: fmt.Sprint("new", n), trace: "4XkT2c9WzQ", to: fmt.Sprintf("u%d@example.test", box)}
			if reason(t, e, n, f) == "" {
				got[box]++
			}
		}
	}
	for box := range 60 {
		play(box, 6)
	}
	for box := range 60 { // how many mailboxes there are is not known to the last
		if one := got[box] == 1; got[box] != 1 && got[box] != 3 || one && box < rules.Widespread || !one && box >= 2*rules.Widespread {
			t.Errorf("mailbox %d: %d arrive", box, got[box])
		}
	}
	// What comes from elsewhere still comes once more.
	for box, want := range map[int]string{59: "", 58: ""} {
		f := form{id: "elsewhere", trace: "4XkT2c9WzQ", to: fmt.Sprintf("u%d@example.test", box), client: "203.0.113.7"}
		if why := reason(t, e, 900+box, f); why != want {
			t.Errorf("mailbox %d, from elsewhere: %s", box, why)
		}
	}
	other := form{trace: "4XkT2c9WzZ", to: "u39@example.test", text: letterText(1)}
	for i := range 3 {
		if why := reason(t, e, 1000+i, other); why != "" {
			t.Errorf("another storm: %s", why)
		}
	}
}

// TestLoops absorbs what went through us too often, and nothing else.
func TestLoops(t *testing.T) {
	e := newEngine(t, nil)
	e.Site.Hosts, e.Site.MaxLoops = []string{"mx.example.test"}, 4
	for n := range 8 {
		why := reason(t, e, n, form{minute: n, text: letterText(n), received: strings.Repeat("Received: from sbs by mx.example.test with ESMTP; x\n", n)})
		if want := map[bool]string{true: fmt.Sprintf("loop, %d times through us", n)}[n > 4]; why != want {
			t.Errorf("%d times through us: %q, want %q", n, why, want)
		}
	}
	e.Site.MaxLoops = 0
	if why := reason(t, e, 100, form{received: strings.Repeat("Received: from sbs by mx.example.test with ESMTP; x\n", 40)}); why != "" {
		t.Errorf("without a limit: %q", why)
	}
}

// TestCrafted plays an attacker who knows what a victim writes, but not the secret. He can
// neither have the victim's mail taken for copies nor hit its shingles by chance.
func TestCrafted(t *testing.T) {
	e := newEngine(t, nil)
	r := rand.New(rand.NewPCG(3, 3))
	n := 0
	for range 200 {
		n++
		reason(t, e, n, form{from: "mallory@example.org", client: "203.0.113.66", minute: n % 60, subject: fmt.Sprint("Offer ", n%7), text: notice})
		n++
		words := strings.Fields(notice)
		r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		reason(t, e, n, form{from: "mallory@example.org", client: "203.0.113.66", text: strings.Join(words, " ")})
	}
	for i := range 10 {
		n++
		if why := reason(t, e, n, form{minute: i}); why != "" {
			t.Fatalf("the victim's mail %d: %s", i, why)
		}
	}
	// His own storm is none of hers, even in the same words under her name.
	for i := range 20 {
		n++
		reason(t, e, n, form{client: "203.0.113.66", minute: 59, id: "forged", trace: fmt.Sprintf("MALLORY%d", i)})
	}
	n++
	if why := reason(t, e, n, form{minute: 30, subject: "Another quay"}); why != "" {
		t.Errorf("the victim's next mail: %s", why)
	}
}
