package daemon

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/sweep/accounts"
	"breakwater/internal/trial"
)

// TestSweepAsksWhatWasSent has a daemon see mail leave and learn. A sweep, which is a process of its own,
// then tells by the daemon's socket which bounces in a mailbox are genuine, and which are forged.
func TestSweepAsksWhatWasSent(t *testing.T) {
	d := testDaemon(t)
	ctx := t.Context()
	write(t, d.cfg.Rules+"/example.org.toml", "all_mail_leaves_here = true\n")
	set, err := rules.Load(os.DirFS(d.cfg.Rules))
	if err != nil {
		t.Fatal(err)
	}
	d.rules.Store(set) // a reload would begin to learn today
	now := time.Now()
	if err := d.engine.AssumeIndex(ctx, now, now); err != nil {
		t.Fatal(err)
	}
	sent := message.Parse(message.Envelope{AuthUser: "ann", ReversePath: "ann@example.org", Recipients: []message.Recipient{{Addr: "bob@example.net"}}}, now,
		[]byte("From: ann@example.org\r\nMessage-ID: <sent@example.org>\r\nSubject: Hello\r\n\r\nHello.\r\n"))
	if _, err := d.engine.Judge(ctx, sent); err != nil {
		t.Fatal(err)
	}
	d.cfg.Control = filepath.Join(t.TempDir(), "control.sock")
	ln, err := net.Listen("unix", d.cfg.Control)
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(context.Background())
	defer stop()
	go d.control(serving, ln)

	bounce := func(id, rcpt string) *message.Message {
		env := message.Envelope{Rebuilt: true, Recipients: []message.Recipient{{Addr: "ann@example.org"}}}
		return message.Parse(env, now.Add(-time.Hour), []byte("Received: x\r\nFrom: MAILER-DAEMON@example.net\r\nTo: ann@example.org\r\nSubject: Undelivered\r\n"+
			"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"+
			"Final-Recipient: rfc822; "+rcpt+"\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: ann@example.org\r\nDate: "+
			now.Add(-2*time.Hour).Format(time.RFC1123Z)+"\r\nMessage-ID: <"+id+"@example.org>\r\n\r\n--b--\r\n"))
	}
	list, err := accounts.Sweeps(d.cfg, []accounts.Account{{Name: "ann", Mailbox: "ann@example.org"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e, err := trial.Engine(set, "")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Store.Close()
	of := list[0].Engine(e.Store)
	for _, tt := range []struct {
		id, rcpt string
		origin   origin.Origin
		action   rules.Action
	}{{"sent", "x@example.net", origin.Genuine, rules.Deliver}, {"unheard", "bob@example.net", origin.Genuine, rules.Deliver}, {"forged", "x@example.net", origin.Forged, rules.Absorb}} {
		j, err := of.Judge(ctx, bounce(tt.id, tt.rcpt))
		ds := j.Decisions
		if err != nil || ds[0].Origin != tt.origin || ds[0].Action != tt.action {
			t.Errorf("%s: %+v, %v", tt.id, ds, err)
		}
	}
	// The daemon is gone: the sweep goes on, and calls nothing forged any more.
	stop()
	ln.Close()
	of = list[0].Engine(e.Store)
	for range 2 {
		j, err := of.Judge(ctx, bounce("later", "y@example.net"))
		ds := j.Decisions
		if err != nil || ds[0].Origin == origin.Forged || ds[0].Action != rules.Deliver {
			t.Errorf("without the daemon: %+v, %v", ds, err)
		}
	}
}
