package lab

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/rules"
)

// TestStampLocal has mail that does not come by SMTP rejected and put off by the judge, and the
// judge fail: it is absorbed or delivered, and the mail server keeps none of it for later.
func TestStampLocal(t *testing.T) {
	var mu sync.Mutex
	kept := map[string]int{}
	f := newFilter(t, &milterd.Server{
		OnError: rules.Tempfail,
		Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
			ds := make([]rules.Decision, len(m.Recipients))
			for i, r := range m.Recipients {
				ds[i] = rules.Decision{Recipient: r, Action: rules.Deliver, Reason: "test"}
				switch {
				case m.Subject == "broken":
					ds[i].Action = "" // undecided
				case m.Subject == "put off":
					ds[i].Action = rules.Tempfail
				case m.Subject == "rejected" || m.ReversePath == "":
					ds[i].Action = rules.Reject
				}
			}
			return rules.Judgement{Message: m, Decisions: rules.Combine(m, ds)}, nil
		},
		Absorb: func(_ context.Context, j rules.Judgement) error {
			mu.Lock()
			defer mu.Unlock()
			kept[j.Message.Subject]++
			return nil
		},
	})
	const bounce = "Undelivered Mail Returned to Sender"
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			Need(t, srv.name)
			sink := NewSink(t)
			sink.Refuse = refusal
			s := srv.start(t, Options{
				Milter: f.listen, LMTP: sink.Port, Mailboxes: []string{"u1@example.test", "refused@example.test"},
				Settings: map[string]string{"non_smtpd_milters": f.listen, "internal_mail_filter_classes": "bounce"},
			})
			before := len(f.seen())
			mu.Lock()
			clear(kept)
			mu.Unlock()
			arrive := 2
			if srv.name == "postfix" {
				for _, subject := range []string{"fine", "rejected", "put off", "broken"} {
					s.Run(t, "Subject: "+subject+"\n\nbody\n", "sendmail", "-f", "u1@example.test", "-i", "u1@example.test")
				}
				s.Run(t, "Subject: fine\n\nbody\n", "sendmail", "-f", "u1@example.test", "-i", "refused@example.test") // makes a bounce
			} else {
				const sendmail = "/usr/libexec/sendmail/sendmail -C "
				for _, subject := range []string{"fine", "rejected", "put off", "broken"} {
					// By -bs it asks; it does not like to be told all at once.
					lines := "'EHLO x' 'MAIL FROM:<u1@example.test>' 'RCPT TO:<u1@example.test>' DATA 'Subject: " + subject + "' '' body . QUIT"
					s.Run(t, "", "bash", "-c", "for l in "+lines+`; do sleep .1; printf '%s\r\n' "$l"; done | `+sendmail+s.Dir+"/sendmail.cf -bs")
				}
				// By -bm it does not ask, nor of the bounce that it makes.
				s.Run(t, "Subject: rejected\n\nbody\n", "bash", "-c", sendmail+s.Dir+"/sendmail.cf -bm -i -f u1@example.test u1@example.test refused@example.test")
				arrive = 4
			}
			for deadline := time.Now().Add(20 * time.Second); len(f.seen()) < before+4 && time.Now().Before(deadline); {
				time.Sleep(20 * time.Millisecond)
			}
			delivered(t, s, sink, arrive)
			want := map[string]int{"rejected": 1, "put off": 1}
			if srv.name == "postfix" {
				want[bounce] = 1
			}
			mu.Lock()
			defer mu.Unlock()
			if !maps.Equal(kept, want) {
				t.Errorf("absorbed %v, want %v", kept, want)
			}
			for _, o := range f.seen()[before:] {
				if !o.Message.Local || o.Message.QueueID == "" || o.Message.Host != "mx.example.test" {
					t.Errorf("%+v", o.Message.Envelope)
				}
			}
		})
	}
}

// refusal refuses recipients whose names begin with "refused".
func refusal(to string) string {
	if strings.HasPrefix(to, "refused") {
		return "550 5.1.1 no such mailbox"
	}
	return ""
}
