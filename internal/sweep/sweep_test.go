package sweep

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

var monday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// letter is a message that came n minutes after monday.
func letter(n int, header, body string) mail {
	at := monday.Add(time.Duration(n) * time.Minute)
	header = strings.ReplaceAll(header, "\n", "\r\n")
	return mail{
		raw: fmt.Sprintf("Return-Path: <ann@example.net>\r\nDelivered-To: u1@example.test\r\nReceived: from mx by mail with ESMTP id %08x; %s\r\n%s\r\n\r\n%s\r\n",
			n, at.Format(time.RFC1123Z), header, strings.ReplaceAll(body, "\n", "\r\n")),
		internal: at,
	}
}

// copies are n copies of one message.
func copies(n int) []mail {
	var all []mail
	for i := range n {
		all = append(all, letter(i, "From: ann@example.net\nTo: all@example.net\nSubject: Offer\nDate: Mon, 2 Mar 2026 07:59:00 +0000\nMessage-ID: <offer@example.net>", "Good day."))
	}
	return all
}

func plainMail(n int) []mail {
	var all []mail
	for i := range n {
		all = append(all, letter(i*3, fmt.Sprintf("From: bob%d@example.net\nSubject: Hello %d\nDate: Mon, 2 Mar 2026 07:%02d:00 +0000\nMessage-ID: <%d@example.net>", i, i, i%60, i), fmt.Sprint("Text ", i)))
	}
	return all
}

func TestApplyAndUndo(t *testing.T) {
	for name, caps := range map[string]imap.CapSet{"MOVE": withMove, "UIDPLUS": withUIDPlus, "MOVE alone": withMoveOnly, "neither": withNothing} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			applyAndUndo(t, memory(t, caps), name != "neither")
		})
	}
}

// applyAndUndo sweeps a small mailbox, and takes it back. moves is whether the server can move
// messages at all.
func applyAndUndo(t *testing.T, b *mailbox, moves bool) {
	mails := append(copies(40), plainMail(30)...)
	for i := range mails {
		mails[i].flags = [][]string{nil, {`\Seen`}, {`$NotJunk`}}[i%3]
	}
	b.fill("INBOX", mails)
	before := b.contents()
	s := b.sweep("[sweep]\nmax_share = 0.9")
	plan := planned(t, s)
	if got := b.contents(); !reflect.DeepEqual(got, before) {
		t.Error("a plan changed the mailbox")
	}
	if n := plan.Move() + plan.Mark(); n != 37 {
		t.Errorf("plan takes %d: %+v", n, plan.Folders)
	}
	applied(t, s, "run1")
	after := b.contents()
	if count(after) != count(before) {
		t.Errorf("%d messages became %d", count(before), count(after))
	}
	if absorbed := after[b.absorbed()]; moves && (len(after["INBOX"]) != 33 || len(absorbed) != 37) {
		t.Errorf("%d in INBOX, %d absorbed", len(after["INBOX"]), len(absorbed))
	}
	if again := planned(t, s); again.Move()+again.Mark() != 0 || moves && looked(again) != 0 {
		t.Errorf("second plan: %+v", again.Folders)
	}
	u, err := s.Undo(context.Background(), "run1")
	if err != nil || u.Back != 37 || u.Missing != 0 {
		t.Errorf("undo: %+v, %v", u, err)
	}
	b.same(before)
	s.Full = true
	if again := planned(t, s); again.Move() != 0 {
		t.Errorf("what was undone would go again: %+v", again.Folders)
	}
}

func looked(p *Plan) (n int) {
	for _, f := range p.Folders {
		n += f.Looked
	}
	return n
}
