package flood

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/phrases"
	"breakwater/internal/storm"
)

// world remembers notes and tallies, as a store does.
type world struct {
	h       *fingerprint.Hasher
	notes   map[storm.Key]notes.Note
	tallies map[storm.Key]storm.Tally
	at      time.Time
	n       int
}

func newWorld() *world {
	return &world{h: fingerprint.New(make([]byte, 32)), notes: map[storm.Key]notes.Note{}, tallies: map[storm.Key]storm.Tally{}, at: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
}

// shipped are the limits that the tests count by.
var shipped = map[storm.Kind]storm.Limit{
	storm.Bomb: {Copies: 40, Window: time.Hour, Calm: 2 * time.Hour, Keep: 2 * time.Hour}, storm.AnswerLoop: {Copies: 3, Window: 24 * time.Hour, Calm: 48 * time.Hour, Keep: 48 * time.Hour},
}

func parse(at time.Time, to, raw string) *message.Message {
	raw = strings.ReplaceAll(strings.TrimPrefix(raw, "\n"), "\n", "\r\n")
	return message.Parse(message.Envelope{ReversePath: "x@example.net", Recipients: []message.Recipient{{Addr: to}}}, at, []byte(raw))
}

// get has a mailbox get a message from a network, and returns its parts and which of them hold it.
func (w *world) get(to, raw string, network uint64) (parts []Part, held []storm.Kind) {
	m := parse(w.at, to, raw)
	f := Read(w.h, m, classify.Classify(m), network)
	q := f.For(Case{Addr: to, Mailbox: to})
	w.answer(q)
	w.n++
	var tallies []storm.Tally
	for _, p := range q.Parts {
		l, ok := shipped[p.Key.Kind]
		if !ok {
			l = storm.Limit{Copies: 10, Window: time.Hour, Calm: 2 * time.Hour, Keep: 2 * time.Hour}
		}
		l.Copies = max(l.Copies, p.Least)
		t := w.tallies[p.Key]
		if p.Peek {
			t = t.Peek(storm.Sighting{At: w.at})
		} else {
			t = storm.Add(t, storm.Sighting{At: w.at, Transfer: uint64(w.n), Network: network}, storm.Count{Key: p.Key, Limit: l})
			w.tallies[p.Key] = t
		}
		tallies = append(tallies, t)
		if p.Held || t.Storm != nil && !t.Through && !p.Learning {
			held = append(held, p.Key.Kind)
		}
	}
	w.note(q.Remember(tallies))
	return q.Parts, held
}

// send has a mailbox of ours send a message.
func (w *world) send(from, to, raw, id string) {
	m := parse(w.at, to, raw)
	m.ReversePath = from
	q := Read(w.h, m, classify.Classify(m), 0).Sending(id)
	w.answer(q)
	w.note(q.Remember(nil))
}

func (w *world) answer(q *Question) {
	known := make([]notes.Note, len(q.Keys))
	for i, k := range q.Keys {
		if n := w.notes[k]; !n.Forgotten(w.at) {
			known[i] = n
		}
	}
	q.Answer(known)
}

func (w *world) note(entries []notes.Entry) {
	for _, e := range entries {
		w.notes[e.Key] = notes.Add(w.notes[e.Key], w.at, e)
	}
}

const bounce = `
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
Message-ID: <d%[1]d@mx.example.net>
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; x@example.net
Action: failed
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

From: Ann <ann@example.org>
Message-ID: <one@example.org>
Auto-Submitted: auto-replied
Subject: Offer

--b--
`

// samples is a message of each flood that a stranger can write.
var samples = map[storm.Kind]string{
	storm.Chain:      "From: a@example.net\nMessage-ID: <n%[1]d@x>\nReferences: <n%[2]d@x>\nAuto-Submitted: auto-replied\nSubject: Received\n\nIt is here.\n",
	storm.Echo:       "From: a@example.net\nAuto-Submitted: auto-replied\nSubject: Received\n\nIt is here.\n",
	storm.Nest:       "From: a@example.net\nSubject: %[3]sMinutes\n\nSee %[1]d below.\n",
	storm.Dead:       bounce,
	storm.About:      strings.Replace(bounce, "Auto-Submitted: auto-replied\n", "", 1),
	storm.Delayed:    strings.Replace(bounce, "Action: failed", "Action: delayed", 1),
	storm.Plea:       "From: a@example.net\nList-Id: <all.example.org>\nSubject: Re: x\n\nPlease remove me from this list.\n",
	storm.Program:    "From: a@example.net\nSubject: ERROR in sync\n\nRow %[1]d.\n",
	storm.Unchanged:  "From: a@example.net\nSubject: x\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTAMP:%[1]d\nEND:VEVENT\nEND:VCALENDAR\n",
	storm.AnswerLoop: "Delivered-To: ann@example.org\nDelivered-To: ann@example.org\nDelivered-To: ann@example.org\nFrom: a@example.net\nSubject: Offer\n\nRound %[1]d.\n",
}

// write is the n-th message of a sample.
func write(sample string, n int) string {
	return strings.Split(fmt.Sprintf(sample, n, n-1, strings.Repeat("FW: ", min(n, 100))), "%!")[0]
}

// TestNetwork: whatever somebody sends, and however often, nothing that comes from another network is held by it. What
// may be held without a network is a sign-up alone.
func TestNetwork(t *testing.T) {
	for kind, sample := range samples {
		t.Run(kind.String(), func(t *testing.T) {
			w := newWorld()
			var mine []storm.Key
			held := false
			for i := range 200 {
				parts, by := w.get("ann@example.org", write(sample, i), 1)
				for _, p := range parts {
					mine = append(mine, p.Key)
				}
				held = held || slices.Contains(by, kind)
				w.at = w.at.Add(time.Second)
			}
			if !held {
				t.Errorf("200 of them are no %s", kind)
			}
			parts, by := w.get("ann@example.org", write(sample, 200), 2)
			for _, p := range parts {
				if p.Key.Kind != storm.Bomb && slices.Contains(mine, p.Key) {
					t.Errorf("another network's message counts as %s of the first one's", p.Key.Kind)
				}
			}
			if len(by) > 0 {
				t.Errorf("another network's message is held by %v", by)
			}
		})
	}
}

// signUp is a sign-up of a domain.
func signUp(domain string, more ...string) string {
	return "From: News <newsletter@" + domain + ">\n" + strings.Join(more, "") + "List-Unsubscribe: <https://" + domain + "/u>\nSubject: Please confirm your subscription\n\nOpen https://" + domain + "/confirm\n"
}

// learned is a world in which a mailbox has known twelve domains for three weeks.
func learned() *world {
	w := newWorld()
	for i := range 90 {
		w.get("ann@example.org", fmt.Sprintf("From: hello@known%d.example\nSubject: Day %d\n\nText %d.\n", i%12, i, i), 1)
		w.at = w.at.Add(6 * time.Hour)
	}
	return w
}

// TestBomb: in a bomb, nothing is held but sign-ups by machine of senders that the mailbox did not know.
func TestBomb(t *testing.T) {
	w := learned()
	came := 0
	for i := range 500 {
		if _, held := w.get("ann@example.org", signUp(fmt.Sprintf("shop%d.example", i)), uint64(i)); len(held) == 0 {
			came++
		}
		w.at = w.at.Add(2 * time.Second)
	}
	if came != 40 {
		t.Errorf("%d came in", came)
	}
	w.send("ann@example.org", "shop@wanted.example", "From: ann@example.org\nSubject: Hello\n\nDo you have paint?\n", "1@example.org")
	for name, raw := range map[string]string{
		"a known sender":     signUp("known4.example"),
		"whom she wrote to":  signUp("wanted.example"),
		"an answer":          signUp("new.example", "In-Reply-To: <x@example.org>\n"),
		"money":              "From: no-reply@new.example\nAuto-Submitted: auto-generated\nSubject: Confirm\n\nYour registration costs 40.00 EUR.\n",
		"an order":           "From: no-reply@new.example\nAuto-Submitted: auto-generated\nSubject: Welcome\n\nYour order 5531 is on its way.\n",
		"a code":             "From: no-reply@new.example\nAuto-Submitted: auto-generated\nSubject: Verify\n\nYour code: 482913\n",
		"a code in Japanese": "From: no-reply@new.example\nAuto-Submitted: auto-generated\nContent-Type: text/plain; charset=utf-8\nSubject: confirm\n\n認証コード 482913\n",
		"a guard":            "From: no-reply@new.example\nAuto-Submitted: auto-generated\nSubject: Confirm that it was you\n\nThe password was changed.\n",
		"an attachment":      "From: no-reply@new.example\nAuto-Submitted: auto-generated\nSubject: Welcome\nContent-Type: application/pdf\n\nx\n",
		"an appointment":     "From: no-reply@new.example\nAuto-Submitted: auto-generated\nSubject: Welcome\nContent-Type: text/calendar\n\nBEGIN:VEVENT\n",
		"a person":           "From: petra@new.example\nSubject: Welcome to our town\n\nWould you speak in May?\n",
		"an absence note":    "From: max@new.example\nAuto-Submitted: auto-replied\nSubject: Automatic reply\n\nI am out of the office.\n",
		"no sign-up":         "From: no-reply@new.example\nAuto-Submitted: auto-generated\nSubject: Your train\n\nIt is late.\n",
	} {
		if parts, held := w.get("ann@example.org", raw, 7); len(held) > 0 {
			t.Errorf("%s is held: %v", name, parts)
		}
	}
	if _, held := w.get("ann@example.org", signUp("other.example"), 7); len(held) == 0 {
		t.Error("the bomb has ended")
	}
}

// TestBombForgotten: what others send makes no sender be forgotten that a mailbox knows, and no more is remembered than
// fits into 60 KB.
func TestBombForgotten(t *testing.T) {
	w := learned()
	for i := range 5000 {
		w.get("ann@example.org", signUp(fmt.Sprintf("forged%d.example", i)), uint64(i))
		w.at = w.at.Add(time.Minute)
	}
	bytes := 0
	for k, n := range w.notes {
		b, err := n.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if k.Kind == kindMet {
			bytes += len(b) + 17 // and its key
		}
	}
	if bytes > 60<<10 {
		t.Errorf("%d bytes are remembered", bytes)
	}
	for i := range 200 { // a list of a sender for whom there is no room is one sender
		w.get("ann@example.org", signUp("late.example"), 3)
		w.at = w.at.Add(10 * time.Second)
		if _, held := w.get("ann@example.org", signUp(fmt.Sprintf("known%d.example", i%12)), 1); len(held) > 0 {
			t.Fatal("a known sender is held")
		}
	}
	w.at = w.at.Add(24 * time.Hour)
	for i := range 200 {
		if _, held := w.get("ann@example.org", signUp("late.example"), 3); len(held) > 0 {
			t.Fatalf("mail %d of one sender is a bomb", i)
		}
		w.at = w.at.Add(10 * time.Second)
	}
}

// TestGenerations: each answer of ours to an answer of theirs is a generation more. Who forges answers in somebody's
// name makes his own count alone.
func TestGenerations(t *testing.T) {
	const theirs = "From: desk@example.net\nAuto-Submitted: auto-replied\nSubject: Received\n\nTicket %d.\n"
	const ours = "From: ann@example.org\nAuto-Submitted: auto-replied\nSubject: Your case\n\nCase %d.\n"
	turn := func(w *world, i int, network uint64) []Part {
		w.at = w.at.Add(20 * time.Second)
		w.send("ann@example.org", "desk@example.net", fmt.Sprintf(ours, i), fmt.Sprintf("%d@example.org", i))
		w.at = w.at.Add(20 * time.Second)
		parts, _ := w.get("ann@example.org", fmt.Sprintf(theirs, i), network)
		return slices.DeleteFunc(parts, func(p Part) bool { return p.Key.Kind != storm.AnswerLoop })
	}
	w := newWorld()
	for i := range 6 {
		if parts := turn(w, i, 1); (len(parts) > 0) != (i >= 2) {
			t.Errorf("turn %d: %v", i+1, parts)
		}
	}
	w = newWorld()
	for i := range 20 {
		turn(w, i, 66)
	}
	for i := range 2 {
		if parts := turn(w, 30+i, 1); len(parts) > 0 {
			t.Errorf("answer %d of its own is of a loop: %v", i+1, parts)
		}
	}
	w = newWorld() // alarms that a desk confirms
	for i := range 50 {
		w.send("ann@example.org", "desk@example.net", "From: ann@example.org\nAuto-Submitted: auto-generated\nSubject: PROBLEM\n\nDown.\n", fmt.Sprintf("alarm%d@example.org", i))
		if parts, _ := w.get("ann@example.org", fmt.Sprintf("From: desk@example.net\nIn-Reply-To: <alarm%d@example.org>\n", i)+fmt.Sprintf(theirs[len("From: desk@example.net\n"):], i), 1); len(parts) > 0 {
			t.Fatalf("alarm %d: %v", i, parts)
		}
		w.at = w.at.Add(15 * time.Second)
	}
}

// TestReadsAnything: no message has a Question fail, and none asks for much.
func TestReadsAnything(t *testing.T) {
	var all []string
	for _, s := range samples {
		all = append(all, write(s, 5))
	}
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.OneOf(rapid.SampledFrom(all), rapid.String()).Draw(t, "a")
		cut := rapid.IntRange(0, len(raw)).Draw(t, "cut")
		raw = raw[:cut] + rapid.OneOf(rapid.Just(""), rapid.String(), rapid.Just(strings.Repeat("[x] ", 3000)), rapid.Just("References: "+strings.Repeat("<a@b> ", 3000)+"\n")).Draw(t, "b") + raw[cut:]
		w := newWorld()
		m := parse(w.at, "ann@example.org", raw)
		f := Read(w.h, m, classify.Classify(m), 1)
		for _, q := range []*Question{f.For(Case{Addr: "ann@example.org", Mailbox: "ann@example.org"}), f.Sending("1@example.org")} {
			if len(q.Keys) > 64 {
				t.Fatalf("%d keys", len(q.Keys))
			}
			w.answer(q)
			if es := q.Remember(make([]storm.Tally, len(q.Parts))); len(es) > 16 {
				t.Fatalf("%d notes", len(es))
			}
		}
	})
}

// TestAsked holds the lists of phrases that are for floods to those that are asked for.
func TestAsked(t *testing.T) {
	for list, all := range phrases.Lists {
		if strings.HasPrefix(list, "flood.") && !slices.Contains(phrases.Asked(), list) {
			t.Errorf("%s: nobody asks for %s", all[0].Place(), list)
		}
	}
}

func TestNest(t *testing.T) {
	for subject, want := range map[string]string{
		"Re: Re: Minutes":                       `0 "" "Re: Re: Minutes"`,
		"FW: FW: FW: FW: Minutes 3":             `4 "fw:" "minutes #"`,
		"[a 1] [a 2] Re: [a 3] [a 4] x":         `4 "[a #]" "x"`,
		"Automated answer: Re: Your: parcel: x": `1 "automated answer:" "x"`,
		"::::":                                  `0 "" "::::"`,
	} {
		n, unit, rest := nest(subject)
		if got := fmt.Sprintf("%d %q %q", n, unit, rest); got != want {
			t.Errorf("%s: %s, want %s", subject, got, want)
		}
	}
}

func BenchmarkOrdinary(b *testing.B) {
	w := learned()
	m := parse(w.at, "ann@example.org", "From: Bob <hello@known3.example>\nMessage-ID: <1@known3.example>\nSubject: Minutes of Monday\n\n"+strings.Repeat("We have talked about the roof, and who is to mend it: https://known3.example/roof\n", 40))
	v := classify.Classify(m)
	m.Parts()
	for b.Loop() {
		q := Read(w.h, m, v, 1).For(Case{Addr: "ann@example.org", Mailbox: "ann@example.org"})
		w.answer(q)
		q.Remember(make([]storm.Tally, len(q.Parts)))
	}
}
