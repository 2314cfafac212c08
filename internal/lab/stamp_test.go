package lab

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/setup"
)

// filter is a milter whose decisions a test makes.
type filter struct {
	listen string

	mu       sync.Mutex
	outcomes []milterd.Outcome // without the bytes of messages
}

func newFilter(t *testing.T, s *milterd.Server) *filter {
	t.Helper()
	f := &filter{listen: fmt.Sprintf("inet:127.0.0.1:%d", Ports(t, 1))}
	s.Done = func(o milterd.Outcome) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if o.Err != nil {
			t.Error(o.Err)
		}
		o.Message = &message.Message{Envelope: o.Message.Envelope}
		f.outcomes = append(f.outcomes, o)
	}
	ln, err := milterd.Listen(f.listen, milterd.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(ln)
	t.Cleanup(func() { s.Shutdown(context.Background()) })
	return f
}

// seen is what was decided so far.
func (f *filter) seen() []milterd.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.outcomes)
}

// ring has one key, which signs since yesterday.
var ring = (&origin.Ring{}).With(bytes.Repeat([]byte("k"), 32), time.Now().Add(-24*time.Hour), time.Now())

// stamps judges as a host does that signs the mail of example.test: it is stamped, good tags
// are taken off, and all is delivered.
func stamps(form origin.Form) func(context.Context, *message.Message) (rules.Judgement, error) {
	return func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		var stamp *origin.Stamp
		if strings.HasSuffix(m.ReversePath, "@example.test") {
			s, _ := ring.Sign(m, "example.test", origin.SignOptions{Token: true, Tag: form})
			stamp = &s
		}
		ds := make([]rules.Decision, len(m.Recipients))
		for i, r := range m.Recipients {
			ds[i] = rules.Decision{Recipient: r, Action: rules.Deliver, Reason: "test", Stamp: stamp}
			if tag := ring.Untagged(r.Addr, m.At); tag.Good {
				ds[i].To = tag.Plain
			}
		}
		return rules.Judgement{Message: m, Decisions: ds}, nil
	}
}

// delivered waits until a number of deliveries have arrived, and for more.
func delivered(t *testing.T, s *Server, sink *Sink, n int) []Delivery {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); len(sink.Deliveries()) < n && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	s.Drained(t)
	ds := sink.Deliveries()
	if len(ds) != n {
		t.Fatalf("%d deliveries, want %d", len(ds), n)
	}
	return ds
}

// TestStamp sends mail that leaves. The next hop sees a tagged reverse-path, and each field once.
func TestStamp(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			f := newFilter(t, &milterd.Server{Judge: stamps(origin.SubAddress)})
			sink := NewSink(t)
			s := srv.start(t, Options{Milter: f.listen, LMTP: sink.Port, Domains: []string{"elsewhere.test"}, Mailboxes: []string{"x@elsewhere.test", "y@elsewhere.test"}})
			session := Dial(t, s.Submission())
			const own = "Message-ID: <own@example.test>\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\n"
			headers := []string{"", own, "Message-ID:\r\nDate: \r\n"}
			for i, header := range headers {
				session.Do("MAIL FROM:<u1@example.test> RET=HDRS ENVID=x%d SIZE=500 BODY=8BITMIME", i)
				session.Do("RCPT TO:<x@elsewhere.test>")
				session.Do("RCPT TO:<y@elsewhere.test>")
				raw := fmt.Sprintf("%sX-Breakwater-Token: foreign\r\nFrom: u1@example.test\r\nSubject: %d\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n", header, i)
				if code, text := session.Data([]byte(raw)); code != 250 {
					t.Fatal(code, text)
				}
			}
			session.Quit()
			for _, d := range delivered(t, s, sink, 2*len(headers)) {
				m := message.Parse(message.Envelope{}, time.Now(), d.Raw)
				if tag := ring.Untagged(d.From, time.Now()); tag.Plain != "u1@example.test" || !tag.Good {
					t.Errorf("from %s: %s", d.From, tag.Why)
				}
				if want := "BODY=8BITMIME ENVID=x" + m.Subject + " RET=HDRS"; d.Params != want {
					t.Errorf("sent on with %q, want %q", d.Params, want)
				}
				date, id := m.Header.Get("Date"), m.Header.Get("Message-ID")
				token := ring.Token("example.test", "u1@example.test", date, id, time.Now())
				if !slices.Equal(strings.Fields(m.Header.Get(origin.TokenField)), strings.Fields(token)) || !strings.EqualFold(m.Header[1].Name, origin.TokenField) {
					t.Errorf("no token behind the first field, or a wrong one:\n%s", d.Raw)
				}
				for _, f := range []string{"Message-ID", "Date", "From", origin.TokenField} {
					if n := count(m.Header, f); n != 1 {
						t.Errorf("%d fields %s:\n%s", n, f, d.Raw)
					}
				}
				if id := f.seen()[number(m.Subject)].Message.QueueID; id == "" || !strings.Contains(m.Header[0].Value, " id "+id+";") {
					t.Errorf("the queue ID %q is not in %s", id, m.Header[0].Value)
				}
				if sent := id == "<own@example.test>"; sent != (m.Subject == "1") || !strings.HasSuffix(id, "@example.test>") {
					t.Errorf("message %s has Message-ID %s", m.Subject, id)
				}
			}
			if strings.Contains(s.Log(), "bad ESMTP parameter") {
				t.Errorf("the mail server does not like the change:\n%s", s.Log())
			}
		})
	}
}

// number is a subject that is a number.
func number(subject string) int {
	n, _ := strconv.Atoi(subject)
	return n
}

// count counts the fields of a name.
func count(h message.Header, name string) (n int) {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			n++
		}
	}
	return n
}

// TestStampBounces has the mail server itself make a bounce of mail that left with a tag: it goes
// to the tagged address. Postfix asks about it where it is told to; Sendmail does not.
func TestStampBounces(t *testing.T) {
	tests := []struct {
		server
		name     string
		form     origin.Form
		settings map[string]string
		tagged   bool // it arrives at the tagged address
	}{
		{servers[0], "unseen", origin.SubAddress, nil, true},
		{servers[0], "seen", origin.SubAddress, map[string]string{"internal_mail_filter_classes": "bounce"}, false},
		{servers[0], "unseen prvs", origin.Prvs, nil, false},
		{servers[0], "seen prvs", origin.Prvs, map[string]string{"internal_mail_filter_classes": "bounce"}, false},
		{servers[1], "unseen", origin.SubAddress, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.server.name+" "+tt.name, func(t *testing.T) {
			Need(t, tt.server.name)
			f := newFilter(t, &milterd.Server{Judge: stamps(tt.form)})
			sink := NewSink(t)
			sink.Refuse = refusal
			o := Options{Milter: f.listen, LMTP: sink.Port, Domains: []string{"example.test", "elsewhere.test"}, Mailboxes: []string{"u1@example.test", "refused@elsewhere.test"}}
			o.Settings = map[string]string{"recipient_delimiter": "+", "non_smtpd_milters": f.listen}
			maps.Copy(o.Settings, tt.settings)
			s := tt.start(t, o)
			if s.Kind == "postfix" {
				setupPostfix(t, s, f.listen, "--prvs", "example.test")
			}
			session := Dial(t, s.Submission())
			if code, text := session.Send("u1@example.test", []string{"refused@elsewhere.test"}, []byte("From: u1@example.test\r\nSubject: s\r\n\r\nbody\r\n")); code != 250 {
				t.Fatal(code, text)
			}
			session.Quit()
			d := delivered(t, s, sink, 1)[0]
			tag := ring.Untagged(d.To, time.Now())
			if d.From != "" || tag.Good != tt.tagged || tt.tagged && tag.Plain != "u1@example.test" || !tt.tagged && d.To != "u1@example.test" {
				t.Errorf("the bounce went from %q to %q", d.From, d.To)
			}
			if !bytes.Contains(d.Raw, []byte(origin.TokenField)) {
				t.Errorf("the bounce does not return the token:\n%s", d.Raw)
			}
			if n := len(f.seen()); (n == 2) != (tt.settings != nil) {
				t.Errorf("%d messages were asked about", n)
			}
		})
	}
}

// TestStampTags sends mail to addresses with tags. It arrives once, at the plain address.
func TestStampTags(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			f := newFilter(t, &milterd.Server{Judge: stamps(origin.NoTag)})
			sink := NewSink(t)
			o := Options{
				Milter: f.listen, LMTP: sink.Port, Domains: []string{"mailboxes.test", "elsewhere.test"}, Mailboxes: []string{"ann.lee@example.test", "u2@example.test", "prvs=1234abcdef=x@elsewhere.test"},
				Settings: map[string]string{"recipient_delimiter": "+", "virtual_mailbox_domains": "example.test elsewhere.test"},
				Local:    []string{"example.test"}, Aliases: "ann.lee: ann.lee@mailboxes.test\nu2: u2@mailboxes.test\n",
			}
			s := srv.start(t, o)
			early := Dial(t, s.Addr())
			if code, text := early.Send("", []string{ring.Tagged("u2@example.test", origin.Prvs, time.Now())}, []byte("Subject: x\r\n\r\n")); code != 550 {
				t.Errorf("unprepared, it takes the prvs form: %d %s", code, text)
			}
			early.Quit()
			if s.Kind == "postfix" {
				setupPostfix(t, s, f.listen, "--prvs", "example.test")
			} else {
				o.Macros = setup.SendmailPrvs([]string{"example.test"})
				s = srv.start(t, o)
			}
			const ann = "ann.lee@example.test"
			sub, prvs := ring.Tagged(ann, origin.SubAddress, time.Now()), ring.Tagged(ann, origin.Prvs, time.Now())
			upper := strings.Replace(strings.ToUpper(prvs), "ANN.LEE@EXAMPLE.TEST", ann, 1)
			tests := []struct{ to, want string }{
				{sub, "ann.lee"}, {prvs, "ann.lee"}, {upper, "ann.lee"}, {sub + " " + ann, "ann.lee"}, {ann + " " + sub, "ann.lee"},
				{prvs + " " + ann, "ann.lee"}, {ann + " " + prvs, "ann.lee"}, {sub + " " + prvs, "ann.lee"}, {sub + " u2@example.test " + prvs, "ann.lee u2"},
				{"prvs=1234abcdef=x@elsewhere.test", "prvs=1234abcdef=x"}, // another's tag is theirs
			}
			session := Dial(t, s.Addr())
			n := 0
			for i, tt := range tests {
				if code, text := session.Send("", strings.Fields(tt.to), fmt.Appendf(nil, "Subject: %d\r\n\r\nbody\r\n", i)); code != 250 {
					t.Errorf("%s: %d %s", tt.to, code, text)
				}
				n += len(strings.Fields(tt.want))
			}
			for _, wrong := range []string{"prvs=0000000000=missing@example.test", "prvs=1234=ann.lee@example.test"} {
				if code, text := session.Send("", []string{wrong}, []byte("Subject: x\r\n\r\nbody\r\n")); code != 550 {
					t.Errorf("%s: %d %s", wrong, code, text)
				}
			}
			session.Quit()
			got := make([][]string, len(tests))
			for _, d := range delivered(t, s, sink, n) {
				local, _, _ := strings.Cut(d.To, "@")
				m := message.Parse(message.Envelope{}, time.Now(), d.Raw)
				got[number(m.Subject)] = append(got[number(m.Subject)], local)
			}
			for i, tt := range tests {
				if slices.Sort(got[i]); strings.Join(got[i], " ") != tt.want {
					t.Errorf("%s: arrives at %q", tt.to, got[i])
				}
			}
			for i, o := range f.seen() {
				if i < len(tests) && len(o.Message.Recipients) != len(strings.Fields(tests[i].to)) {
					t.Errorf("%s: %+v", tests[i].to, o.Message.Recipients)
				}
				if o.Message.QueueID == "" {
					t.Errorf("%+v", o.Message.Envelope)
				}
			}
		})
	}
}

// setupPostfix lets `setup postfix` change a running Postfix.
func setupPostfix(t *testing.T, s *Server, milter string, args ...string) {
	t.Helper()
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	etc := filepath.Join(s.Dir, "etc")
	out, err := exec.Command(name, append([]string{"setup", "postfix", "--config-dir", etc, "--milter", milter, "--apply"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("setup: %v\n%s", err, out)
	}
	s.Reload(t)
}

// TestStampRefusal refuses one of two recipients, and all, as they are named, many times over
// one connection.
func TestStampRefusal(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			f := newFilter(t, &milterd.Server{
				Judge: stamps(origin.NoTag),
				Refuse: func(_ context.Context, env message.Envelope, r message.Recipient) (string, bool) {
					return "no tag, 100% sure", env.ReversePath == "" && strings.HasPrefix(r.Addr, "u1@")
				},
			})
			sink := NewSink(t)
			s := srv.start(t, Options{Milter: f.listen, LMTP: sink.Port, Mailboxes: []string{"u1@example.test", "u2@example.test"}})
			session := Dial(t, s.Addr())
			const u1, u2 = "u1@example.test", "u2@example.test"
			for range 3 {
				for _, to := range [][]string{{u1}, {u1, u2}, {u2, u1}, {u1, u1}, {u2}} {
					want := 250
					if !slices.Contains(to, u2) {
						want = 550
					}
					code, text := session.Send("", to, []byte("Subject: bounce\r\n\r\nbody\r\n"))
					if code != want || want == 550 && !strings.Contains(text, "no tag, 100% sure") {
						t.Errorf("%s: %d %s", to, code, text)
					}
				}
			}
			session.Send("ann@example.net", []string{u1, u2}, []byte("Subject: mail\r\n\r\nbody\r\n"))
			session.Quit()
			got := map[string]int{}
			for _, d := range delivered(t, s, sink, 11) {
				got[d.From+" "+d.To]++
			}
			if want := map[string]int{" " + u2: 9, "ann@example.net " + u1: 1, "ann@example.net " + u2: 1}; !maps.Equal(got, want) {
				t.Errorf("delivered %v", got)
			}
			named := 0
			for _, o := range f.seen() {
				if o.AtRCPT {
					named++
				} else if len(o.Message.Recipients) != 1 && o.Message.ReversePath == "" || o.Message.QueueID == "" {
					t.Errorf("%+v", o.Message.Envelope)
				}
			}
			if named != 15 {
				t.Errorf("%d refusals are told, want 15", named)
			}
		})
	}
}
