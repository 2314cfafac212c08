package lab

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/submit"
)

// relay hands a message to a server by SMTP.
func relay(t *testing.T, from, to string, raw []byte, port int) {
	conn, err := submit.Dial(context.Background(), submit.Target{Network: "tcp", Address: fmt.Sprintf("127.0.0.1:%d", port)})
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	if answers, err := conn.Send(context.Background(), from, []string{to}, bytes.NewReader(raw)); err != nil || answers[0] != nil {
		t.Errorf("to %s: %v, %v", to, answers, err)
	}
}

// forwarder has fwd.example. It sends what it gets to addresses elsewhere, with senders rewritten by
// the Sender Rewriting Scheme, and what comes to those back to whom they stand for.
func forwarder(t *testing.T, h *home) *Sink {
	const made = "SRS0=abcd=XY=example.org="
	elsewhere := map[string]string{"bob@fwd.example": "nobody@postfix.far.example", "dora@fwd.example": "dora@away.example"}
	s := NewSink(t)
	s.Take = func(d Delivery) {
		if local, ok := strings.CutPrefix(d.To, made); ok {
			relay(t, d.From, strings.TrimSuffix(local, "@fwd.example")+"@example.org", d.Raw, h.mta.Port)
			return
		}
		local, _, _ := strings.Cut(d.From, "@")
		relay(t, made+local+"@fwd.example", elsewhere[d.To], d.Raw, h.remotes["postfix"].Port)
	}
	return s
}

// list has lists.example. Its members are ann, somebody whose address is no more, and carl, whose
// server answers the author. Bounces come to the list.
func list(t *testing.T, h *home) *Sink {
	s := NewSink(t)
	s.Take = func(d Delivery) {
		if d.To != "all@lists.example" {
			return
		}
		header, body, _ := bytes.Cut(d.Raw, []byte("\r\n\r\n"))
		raw := slices.Concat([]byte("List-Id: <all.lists.example>\r\nPrecedence: list\r\n"), bytes.Replace(header, []byte("Subject: "), []byte("Subject: [all] "), 1), []byte("\r\n\r\n"), body, []byte("-- \r\nThe list.\r\n"))
		relay(t, "all-bounces@lists.example", "ann@example.org", raw, h.mta.Port)
		relay(t, "all-bounces@lists.example", "nobody@postfix.far.example", raw, h.remotes["postfix"].Port)
		fields, _, _ := message.ParseHeader(d.Raw)
		answer := fmt.Sprintf("From: Carl <carl@elsewhere.example>\r\nTo: <ann@example.org>\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\nDate: %s\r\nMessage-ID: <away@elsewhere.example>\r\nIn-Reply-To: %s\r\n\r\nI am away.\r\n",
			stamp(time.Now()), fields.Get("Message-ID"))
		relay(t, "", "ann@example.org", []byte(answer), h.mta.Port)
	}
	return s
}

// TestOriginRoundabout sends mail by a forwarder that rewrites senders, and to a list: what comes back
// of all that is genuine.
func TestOriginRoundabout(t *testing.T) {
	t.Parallel()
	h := newHome(t, time.Now(), "postfix")
	fwd, all := forwarder(t, h), list(t, h)
	for _, s := range []*Server{h.remotes["postfix"], h.mta} {
		addRoutes(t, s, route("fwd.example", fwd.Port)+route("lists.example", all.Port))
	}
	for _, tt := range []struct{ name, to, proof string }{
		{"a bounce by a forwarder with SRS", "bob@fwd.example", "tag of key"},
		{"an automatic answer by it", "dora@fwd.example", "tag of key"},
		{"who answers to a list", "all@lists.example", "we sent Message-ID"},
	} {
		before := h.count(origin.Genuine)
		h.submit(tt.to, "", letter(tt.name, stamp(time.Now()), strings.Replace(tt.to, "@", ".", 1)+"@example.org", "Hello."))
		if line := h.decided(origin.Genuine, before, 1)[0]; !strings.Contains(line, "action=deliver") || !strings.Contains(line, tt.proof) {
			t.Errorf("%s: %s", tt.name, line)
		}
	}
	// Three reports, and her own mail by the list; the list's bounce is the list's.
	waitFor(t, "all to arrive", func() bool { return len(h.arrived()) >= 4 && len(all.Deliveries()) >= 2 })
	h.mta.Drained(t)
	waitFor(t, "the log lines", func() bool { return h.count(origin.Genuine) >= 3 })
	if n := len(h.arrived()); n != 4 || h.count(origin.Genuine) != 3 {
		t.Errorf("%d arrived, and %d are genuine, want 4 and 3", n, h.count(origin.Genuine))
	}
	if n := h.count(origin.Unknown) + h.count(origin.Forged); n != 0 {
		t.Errorf("%d are not genuine:\n%s", n, h.d.logged())
	}
}
