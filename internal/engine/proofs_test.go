package engine

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/sent"
	"breakwater/internal/storm"
)

// twoCustomers is a host with the domains of two customers and one without a rule file, which has learned
// for weeks what it sends, and the time.
func twoCustomers(t testing.TB) (*Engine, time.Time) {
	e := newEngine(t, map[string]string{
		"example.org.toml":   "aliases = [\"example.net\", \"*.example.org\"]\n" + leavesHere,
		"customer.test.toml": leavesHere,
	})
	ring := (&origin.Ring{}).With(bytes.Repeat([]byte{1}, 32), start, start)
	e.Ring = func() *origin.Ring { return ring }
	e.Site.Domains = []string{"bare.test", "bare.example"}
	e.Site.Hosts = []string{"mx.example.org"}
	e.Sent = &sent.Index{Store: e.Store, Hasher: e.Hasher, Seeing: func(time.Time) bool { return true }}
	now := start.Add(20 * day)
	if err := e.AssumeIndex(context.Background(), now, now); err != nil {
		t.Fatal(err)
	}
	return e, now
}

// by is mail that an address sends, with another in From.
func by(at time.Time, reversePath, from, fields string, rcpts ...string) *message.Message {
	m := submitted(at, fields, rcpts...)
	env := m.Envelope
	env.ReversePath = reversePath
	return message.Parse(env, at, bytes.Replace(m.Raw, []byte("Ann <ann@example.org>"), []byte("<"+from+">"), 1))
}

// dated is the Message-ID and Date of a message.
func dated(at time.Time, id string) string {
	return "Date: " + at.Format(time.RFC1123Z) + "\r\nMessage-ID: <" + id + ">\r\n"
}

// TestProofsBelongToCustomer has mail of one domain, by its token and by its Message-ID alone, named in
// bounces to addresses of others.
func TestProofsBelongToCustomer(t *testing.T) {
	for _, tt := range []struct {
		sender, from, recipient string
		genuine                 bool
	}{
		{"ann@example.org", "ann@example.org", "ann@example.org", true},
		{"ann@example.org", "ann@example.org", "Carl@Example.ORG", true},
		{"ann@example.org", "ann@example.org", "ann@example.net", true}, // received at another domain of the file
		{"ann@example.net", "ann@example.net", "ann@example.org", true},
		{"root@web1.example.org", "ann@example.org", "ann@example.org", true}, // *.example.org
		{"ann@example.org", "ann@example.org", "root@web1.example.org", true},
		{"bounce@example.net", "ann@example.org", "ann@example.org", true},
		{"ann@elsewhere.test", "ann@example.org", "ann@example.net", true}, // an account elsewhere
		{"m@bare.test", "m@bare.test", "m@bare.test", true},

		{"m@customer.test", "m@customer.test", "ann@example.org", false},
		{"m@customer.test", "ann@example.org", "ann@example.org", false}, // a From field can say anything
		{"ann@example.org", "ann@example.org", "m@customer.test", false},
		{"m@bare.test", "m@bare.test", "ann@example.org", false},
		{"m@bare.test", "m@bare.test", "m@bare.example", false},
		{"ann@example.org", "ann@example.org", "x@unheard.test", false},
		{"ann@example.org", "ann@example.org", "postmaster", false},
	} {
		t.Run(tt.sender+" "+tt.from+" "+tt.recipient, func(t *testing.T) {
			e, now := twoCustomers(t)
			id := dated(now, "1@mail.example")
			sent, _ := send(t, e, by(now, tt.sender, tt.from, id, "bob@example.com"))
			for name, original := range map[string]string{"token": sent, "message-id": id} {
				genuine := 0
				for i := range 200 {
					at := now.Add(time.Duration(i+1) * time.Second)
					d := judged(t, e, bounce(at, tt.recipient, original, fmt.Sprintf("u%d@example.com", i)))
					if d.Origin == origin.Genuine {
						genuine++
					} else if d.Origin != origin.Unknown || d.Unseen {
						t.Fatalf("%s: %s: %s", name, d.Origin, d.Proof)
					}
				}
				if want := map[bool]int{true: 200}[tt.genuine]; genuine != want {
					t.Errorf("by its %s %d of 200 are genuine, want %d", name, genuine, want)
				}
			}
			// Whom it went to proves something for its author alone.
			d := judged(t, e, bounce(now.Add(time.Hour), tt.recipient, "Subject: Hello\r\n", "bob@example.com"))
			author := strings.EqualFold(tt.recipient, tt.sender) || tt.genuine && strings.EqualFold(tt.recipient, tt.from)
			if (d.Origin == origin.Genuine) != author {
				t.Errorf("by its correspondent: %s: %s", d.Origin, d.Proof)
			}
		})
	}
}

// TestEachRecipient: one report is genuine for one recipient and not for the other.
func TestEachRecipient(t *testing.T) {
	e, now := twoCustomers(t)
	sent, _ := send(t, e, by(now, "m@customer.test", "m@customer.test", dated(now, "1@mail.example"), "bob@example.com"))
	for name, original := range map[string]string{"token": sent, "message-id": dated(now, "1@mail.example")} {
		m := bounce(now.Add(time.Hour), "ann@example.org", original, "x@example.com")
		m.Recipients = append(m.Recipients, message.Recipient{Addr: "m@customer.test", Mailer: "virtual"}, m.Recipients[0])
		j, err := e.Judge(context.Background(), m)
		ds := j.Decisions
		if err != nil || ds[0].Origin != origin.Unknown || ds[1].Origin != origin.Genuine || ds[2].Origin != origin.Unknown {
			t.Errorf("%s: %+v, %v", name, ds, err)
		}
	}
}

// TestLogin has users send with a reverse-path that is not ours, or none, which no mail server checks
// against their login, and with From of ann. It is her mail only if the login is not another
// customer's; but it left here.
func TestLogin(t *testing.T) {
	for _, reversePath := range []string{"", "x@elsewhere.test"} {
		for _, tt := range []struct {
			login string
			want  origin.Origin
		}{
			{"ann", origin.Genuine}, {"ann@example.org", origin.Genuine}, {"carl@example.net", origin.Genuine}, {"ann@auth.elsewhere.test", origin.Genuine},
			{"m@customer.test", origin.Unknown}, {"M@CUSTOMER.test", origin.Unknown}, {"m@bare.test", origin.Unknown},
		} {
			e, now := twoCustomers(t)
			m := by(now, reversePath, "ann@example.org", dated(now, "1@mail.example"), "bob@example.com")
			m.AuthUser = tt.login
			sent, _ := send(t, e, m)
			for what, original := range map[string]string{"whole": sent, "Message-ID": dated(now, "1@mail.example"), "correspondent": "Subject: Hello\r\n"} {
				d := judged(t, e, bounce(now.Add(time.Hour), "ann@example.org", original, "bob@example.com"))
				if d.Origin != tt.want {
					t.Errorf("from %q by %s, %s: %s: %s", reversePath, tt.login, what, d.Origin, d.Proof)
				}
			}
		}
	}
}

// TestWorthless puts into spam, and has its bounces come to, all that anybody can write. None of it is
// genuine, and no more than its own report is unknown.
func TestWorthless(t *testing.T) {
	e, now := twoCustomers(t)
	others, _ := send(t, e, by(now, "m@customer.test", "m@customer.test", dated(now, "2@customer.test"), "bob@example.com"))
	token := func(text string) string {
		h, _, _ := message.ParseHeader([]byte(text + "\r\n"))
		return origin.TokenField + ": " + h.Get(origin.TokenField) + "\r\n"
	}
	key := e.Ring().Keys()[0].ID()
	for _, tt := range []struct {
		name, fields, to string
		want             origin.Origin
	}{
		{"nothing", "", "ann@example.org", origin.Forged},
		{"no token", "X-Breakwater-Token: x\r\n", "ann@example.org", origin.Forged},
		{"an empty one", "X-Breakwater-Token: d=; k=; t=; s=\r\n", "ann@example.org", origin.Forged},
		{"of a key that we do not have", "X-Breakwater-Token: d=example.org; k=00000000; t=1; s=00\r\n", "ann@example.org", origin.Forged},
		{"another customer's", token(others), "ann@example.org", origin.Forged},
		{"another customer's, cut", token(others)[:60] + "\r\n", "ann@example.org", origin.Forged},
		{"another customer's, with our name", strings.Replace(token(others), "customer.test", "example.org", 1), "ann@example.org", origin.Unknown},
		{"our key with our name", "X-Breakwater-Token: d=example.org; k=" + key + "; t=1; s=00\r\n", "ann@example.org", origin.Unknown},
		{"our host in Received", "Received: from a by mx.example.org with ESMTP id 1; x\r\n", "ann@example.org", origin.Unknown},
		{"a program of our host", "Received: by mx.example.org (Postfix, from userid 33) id 1; x\r\n", "ann@example.org", origin.Unknown},
		{"a user who logged in", "Received: from a by mx.example.org with ESMTPSA id 1; x\r\n", "ann@example.org", origin.Unknown},
		{"a tag", "", "ann+prvs-1234abcdef@example.org", origin.Forged},
		{"a tag in the other form", "", "prvs=1234abcdef=ann@example.org", origin.Forged},
		{"a tag of another address", "", strings.Replace(e.Ring().Tagged("m@customer.test", origin.SubAddress, now), "m", "ann", 1), origin.Forged},
	} {
		for i := range 200 {
			at := now.Add(time.Duration(i) * time.Second)
			d := judged(t, e, bounce(at, tt.to, tt.fields+never(at.Add(-time.Minute), fmt.Sprint(tt.name[:3], i)), "x@example.com"))
			if d.Origin != tt.want || d.Unseen {
				t.Fatalf("%s, bounce %d: %s, unseen %v: %s", tt.name, i, d.Origin, d.Unseen, d.Proof)
			}
		}
	}
}

// TestNoStrangerTeaches: one bounce a week that says what it likes of how the message left does not keep
// a domain learning.
func TestNoStrangerTeaches(t *testing.T) {
	e, now := twoCustomers(t)
	since := func() time.Time {
		t.Helper()
		all, err := e.Learning(context.Background(), now)
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		for _, l := range all {
			if l.Domain == "example.org" {
				return l.Since
			}
		}
		t.Fatal(all)
		return time.Time{}
	}
	first := since()
	sent, _ := send(t, e, by(now, "ann@example.org", "ann@example.org", dated(now, "1@example.org"), "bob@example.com"))
	odd, _ := send(t, e, by(now, "ann@example.org", "ann@example.org", dated(now, "1 odd@example.org"), "bob@example.com"))
	for week := range 8 {
		for i, original := range []string{
			"Received: by mx.example.org (Postfix, from userid 33) id 1; x\r\n" + never(now, fmt.Sprint("a", week)),
			"Received: from a by mx.example.org with ESMTPSA id 1; x\r\n" + never(now, fmt.Sprint("b", week)),
			sent, // somebody was sent this mail, and keeps it
			"Date: " + now.Format(time.RFC1123Z) + "\r\n" + sent,
			odd,
			strings.Replace(odd, "1 odd", "1  odd", 1), // the token holds for it, too
			strings.Replace(odd, "1 odd", "1\r\n\t odd", 1),
		} {
			if d := judged(t, e, bounce(now.Add(time.Minute), "ann@example.org", original, "bob@example.com")); d.Unseen {
				t.Errorf("week %d, bounce %d: %s: %s", week, i, d.Origin, d.Proof)
			}
		}
		d := judged(t, e, bounce(now.Add(time.Hour), "ann@example.org", never(now.Add(30*time.Minute), fmt.Sprint("c", week)), "x@example.com"))
		expect(t, fmt.Sprint("week ", week), d, rules.Absorb, origin.Forged, "saw all mail of that time")
		now = now.Add(7 * day)
		if err := e.AssumeIndex(context.Background(), now, now); err != nil {
			t.Fatal(err)
		}
	}
	if got := since(); !got.Equal(first) {
		t.Errorf("it learns since %v, want %v", got, first)
	}
}

// TestAnotherHost: mail of another host with the same keys comes back, which is proof that not all mail
// leaves here. The domain learns anew, and its customer's other domains do not.
func TestAnotherHost(t *testing.T) {
	e, now := twoCustomers(t)
	other, _ := twoCustomers(t)
	sent, _ := send(t, other, by(now, "ann@example.net", "ann@example.net", dated(now, "1@example.net"), "bob@example.com"))
	spam := func(domain, id string) *message.Message {
		return bounce(now.Add(time.Hour), "ann@"+domain, strings.ReplaceAll(never(now.Add(30*time.Minute), id), "example.org", domain), "x@example.com")
	}
	expect(t, "before", judged(t, e, spam("example.net", "a")), rules.Absorb, origin.Forged, "")
	d := judged(t, e, bounce(now.Add(time.Minute), "ann@example.net", sent, "bob@example.com"))
	expect(t, "the bounce", d, rules.Deliver, origin.Genuine, "but the index does not know the message: the domain learns anew")
	if !d.Unseen {
		t.Error("nobody is told")
	}
	expect(t, "after", judged(t, e, spam("example.net", "b")), rules.Deliver, origin.Unknown, "still learning")
	expect(t, "example.org", judged(t, e, spam("example.org", "c")), rules.Absorb, origin.Forged, "")
}

// TestEarlierIndex has an index that the version before wrote: its Message-IDs are of no domain.
func TestEarlierIndex(t *testing.T) {
	e, now := twoCustomers(t)
	key := e.Hasher.Key("", storm.Kind(65), "id 1@example.org")
	if _, err := e.Store.Note(context.Background(), now, []notes.Entry{{Key: key, Keep: e.index().Keeps()}}); err != nil {
		t.Fatal(err)
	}
	original := "From: Ann <ann@example.org>\r\n" + dated(now, "1@example.org")
	report := func(to string) rules.Decision {
		return judged(t, e, bounce(now.Add(time.Hour), to, original, "x@example.com"))
	}
	expect(t, "what left before", report("ann@example.org"), rules.Deliver, origin.Unknown, "not known to be of the recipient's domain")
	expect(t, "at another customer", report("m@customer.test"), rules.Deliver, origin.Unknown, "")
	d := judged(t, e, bounce(now.Add(time.Hour), "ann@example.org", e.token(now, "1@example.org")+original, "x@example.com"))
	if expect(t, "with its token", d, rules.Deliver, origin.Genuine, "token of key"); d.Unseen {
		t.Error("the domain learns anew")
	}
	send(t, e, submitted(now, dated(now, "1@example.org"), "bob@example.com"))
	expect(t, "what leaves after it", report("ann@example.org"), rules.Deliver, origin.Genuine, "we sent Message-ID")
}

// token is the field that mail of ann leaves with.
func (e *Engine) token(at time.Time, id string) string {
	return origin.TokenField + ": " + e.Ring().Token("example.org", "Ann <ann@example.org>", at.Format(time.RFC1123Z), "<"+id+">", at) + "\r\n"
}

// TestOriginLaws sends mail of all domains, and has it come back in whatever state, while domains move
// from one rule file to another; and strangers have their spam come back with all that they know.
// No report on what was sent is forged, and none on spam is genuine.
func TestOriginLaws(t *testing.T) {
	moved := newEngine(t, map[string]string{
		"example.net.toml":   "aliases = [\"customer.test\"]\n" + leavesHere,
		"example.org.toml":   leavesHere,
		"*.example.org.toml": leavesHere,
	}).Rules
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		pick := func(of ...string) string { return of[r.IntN(len(of))] }
		maybe := func(s string) string { return pick(s, "") }
		e, now := twoCustomers(t)
		e.TakesTag = func(string, origin.Form) bool { return true }
		domains := []string{"example.org", "example.net", "web1.example.org", "customer.test", "bare.test"}
		before := e.Rules
		known := map[string][]string{} // what a stranger of a domain's mail has, by domain
		for n := range 60 {
			e.Rules = before
			sender := "user" + fmt.Sprint(r.IntN(3)) + "@" + pick(domains...)
			from := pick(sender, "user0@"+pick(domains...))
			fields := maybe(fmt.Sprintf("Message-ID: <%d@%s>\r\n", n, pick("mail.example", "example.org")))
			if date := now.Add(time.Duration(r.IntN(3)-1) * time.Hour); r.IntN(2) > 0 {
				fields += "Date: " + date.Format(time.RFC1123Z) + "\r\n"
			}
			sent, _ := send(t, e, by(now, sender, from, fields, "bob@example.com"))
			h, _, _ := message.ParseHeader([]byte(sent + "\r\n"))
			domain := address.DomainOf(sender)
			known[domain] = append(known[domain], sent)

			if r.IntN(3) == 0 {
				e.Rules = moved
			}
			var back strings.Builder
			intact := true
			for _, f := range h {
				switch {
				case f.Name == origin.TokenField && r.IntN(2) == 0:
					back.WriteString(origin.TokenField + ": " + f.Value[:r.IntN(len(f.Value))] + "\r\n")
					intact = false
				case r.IntN(8) == 0: // left out
					intact = false
				default:
					back.WriteString(f.Name + ": " + f.Value + "\r\n")
				}
			}
			to := pick(sender, sender, from)
			if tagged := e.Ring().Tagged(to, origin.SubAddress, now); to == sender && r.IntN(4) == 0 {
				to = pick(tagged, strings.Replace(tagged, "+prvs-", "+prvs-9", 1), "prvs=0000000000="+to)
			}
			at := now.Add(time.Duration(1+r.IntN(200)) * time.Hour)
			d := judged(t, e, bounce(at, to, back.String(), pick("bob@example.com", "x@example.com")))
			if d.Origin == origin.Forged || d.Unseen || intact && to == sender && d.Origin != origin.Genuine {
				t.Fatalf("seed %d, mail %d of %s, From %s, to %s: %s: %s\n%s", seed, n, sender, from, to, d.Origin, d.Proof, back.String())
			}

			victim := pick("example.org", "customer.test")
			spam := strings.ReplaceAll(never(at.Add(-time.Minute), fmt.Sprint("spam", n)), "example.org", victim)
			for _, domain := range domains {
				all := known[domain]
				if len(all) == 0 || before().Customer(domain) == before().Customer(victim) {
					continue
				}
				mail := all[r.IntN(len(all))]
				h, _, _ := message.ParseHeader([]byte(mail + "\r\n"))
				field := func(name string) string { return name + ": " + h.Get(name) + "\r\n" }
				spam = pick(
					mail, field("Message-ID")+field("Date")+spam, field(origin.TokenField)+spam,
					strings.Replace(field(origin.TokenField), domain, victim, 1)+spam,
					field("Received")+"Received: by mx.example.org id 1; x\r\n"+spam, spam,
				)
			}
			e.Rules = before
			to = pick("ann", "ann+prvs-1234abcdef", "prvs=1234abcdef=ann") + "@" + victim
			if d := judged(t, e, bounce(at.Add(time.Minute), to, spam, "x@example.com")); d.Origin == origin.Genuine || d.Unseen {
				t.Fatalf("seed %d: spam %d to %s: %s: %s\n%s", seed, n, to, d.Origin, d.Proof, spam)
			}
			now = now.Add(time.Duration(r.IntN(600)) * time.Minute)
		}
	}
}
